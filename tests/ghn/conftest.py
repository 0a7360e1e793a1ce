"""Weights by formula, small hypernetworks and small networks."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ghn import GHN
from graph2nn.archgraph import PRIMITIVE_ID, ArchGraph


def formula(name: str, shape: tuple[int, ...]) -> Tensor:
    """A weight of the golden hypernetworks: a function of its name and shape."""
    wave = np.sin(0.7 * np.arange(np.prod(shape)) + zlib.crc32(name.encode()) % 1000)
    if name == "ln.weight":
        values = 1 + 0.1 * wave
    elif len(shape) == 1:
        values = 0.1 * wave
    else:
        values = wave if "embed" in name else wave / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32)).view(shape)


@pytest.fixture(scope="session")
def formula_state() -> Callable[[dict[str, list[int]]], dict[str, Tensor]]:
    return lambda shapes: {k: formula(k, tuple(v)) for k, v in shapes.items()}


@pytest.fixture(scope="session")
def golden(reference: Path) -> Callable[[str], Any]:
    """A table of golden figures by file name."""

    def load(name: str) -> Any:
        path = reference / "golden" / name
        opener = gzip.open if name.endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8") as file:
            return json.load(file)

    return load


@pytest.fixture
def tiny() -> Callable[..., GHN]:
    """Small hypernetworks with reproducible random weights."""

    def make(seed: int = 0, **fields: Any) -> GHN:
        defaults = {"hid": 8, "max_shape": (8, 8, 5, 5), "heads": 2, "layers": 2}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return GHN(**{**defaults, **fields}).eval()

    return make


@pytest.fixture
def convnet() -> Callable[..., nn.Module]:
    """A small network for 8x8 images."""

    def make(num_classes: int = 10, channels: int = 3, width: int = 6) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, num_classes),
        )

    return make


@pytest.fixture
def random_graph() -> Callable[..., ArchGraph]:
    """A random DAG whose nodes carry a convolution each; every node is reachable from the first."""

    def make(num_nodes: int, seed: int = 0, *, extra: float = 0.2) -> ArchGraph:
        rng = np.random.default_rng(seed)
        links = np.triu(rng.random((num_nodes, num_nodes)) < extra, 1)
        for v in range(1, num_nodes):
            links[rng.integers(0, v), v] = True
        shapes = [(int(o), int(i), 3, 3) for o, i in rng.integers(1, 20, (num_nodes, 2))]
        return ArchGraph(
            op=rng.integers(0, len(PRIMITIVE_ID), num_nodes),
            shape=np.array(shapes),
            edges=np.argwhere(links).T,
            params=tuple((f"p{v}",) for v in range(num_nodes)),
            param_shapes={f"p{v}": s for v, s in enumerate(shapes)},
            cell=np.zeros(num_nodes, int),
        )

    return make
