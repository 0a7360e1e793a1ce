"""Sets of graphs of every kind there is, for tests of files: drawn, traced, with odd names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from graph2nn.archgraph import ArchGraph, Scope, trace
from graph2nn.cells import nb201_cell
from graph2nn.cells.sampling import SPACES, sample_cells
from graph2nn.deepnets import EndlessNets, build_graph
from graph2nn.relational.as_archgraph import message_graph
from graph2nn.relational.graphs.generators import ws_flex

__all__ = ["SETS"]


class Odd(nn.Module):
    """Calls with every kind of argument."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.register_buffer("mask", torch.ones(4))

    def forward(self, x: torch.Tensor) -> Any:
        x = x[..., 1:5] * self.scale + self.mask
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a, b.clamp(min=float("-inf"), max=2.5)], dim=-1).to(torch.float32), a


def drawn(space: str) -> Callable[[], list[ArchGraph]]:
    return lambda: list(sample_cells(space, 20, np.random.default_rng(0)))


def deepnets() -> list[ArchGraph]:
    nets = EndlessNets("train", seed=3)
    return [build_graph(nets[k], name=f"net {k}") for k in range(6)]


def relational() -> list[ArchGraph]:
    return [message_graph(ws_flex(16, k, 0.3, 1)) for k in (2, 4, 7)]


def traced() -> list[ArchGraph]:
    views = ("full", "ghn2", "ghn3", "primitives")
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
    attention = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    images, words = torch.zeros(2, 3, 8, 8), torch.zeros(2, 5, 16)
    found = [trace(net, images, view=view) for view in views]
    return [
        *found,
        trace(attention, words, calls=True),
        trace(Odd(), torch.zeros(2, 6), calls=True),
    ]


def with_columns() -> list[ArchGraph]:
    cell = nb201_cell([1, 2, 3, 4, 0, 1])
    n = cell.num_nodes
    columns = {
        "flops": np.arange(n),
        "time": np.array([0.5, float("nan"), float("inf")] + [1.0] * (n - 3)),
        "used": np.arange(n) > 2,
        "output_shape": tuple((2, 8)[: k % 3] for k in range(n)),
        "site": ("file.py:12", None, *["ü"] * (n - 2)),
    }
    scopes = (Scope(-1, "", "Net"), Scope(0, "a", "Block"), Scope(0, "a", "Block"))
    scope = np.arange(n) % 4 - 1
    return [
        cell.replace(columns=columns),
        cell.replace(scopes=scopes, scope=scope),
        cell.replace(scopes=scopes, scope=scope, columns=columns),
    ]


def special() -> list[ArchGraph]:
    cell = nb201_cell([1, 2, 3, 4, 0, 1])
    return [
        cell.replace(name="ü \0 '", note="remark", outputs=(3, 7), num_classes=0),
        cell.replace(attributes={"flops": 1e300, "zc": -0.5}),
        cell.replace(attributes={}, ops=(*cell.ops, "more")),
        cell.replace(edges=cell.edges[:, :0]),
    ]


SETS = {
    **{space: drawn(space) for space in SPACES},
    "deepnets": deepnets,
    "relational": relational,
    "traced": traced,
    "columns": with_columns,
    "special": special,
    "none": list,
}
