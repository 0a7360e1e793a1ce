"""The eight networks of `golden.json`, their weights given by a formula."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from graph2nn.sparsity.networks.models import build

NAMES = (
    "tinycnn|in8|d0.3|seed1",
    "tinycnn|in8|d0.1|seed2",
    "Resnet-20|in8|d0.02|seed3",
    "Resnet-20|in8|d0.1|seed4",
    "Resnet-20|in16|d0.05|seed5",
    "Wide-Resnet-28-2|in8|d0.02|seed6",
    "CONV-6|in32|d0.004|seed7",
    "Resnet-32|in8|d0.05|seed8",
)
WITH_LAYERS = NAMES[:4]


class TinyCNN(nn.Module):
    """Three convolutions, two of them followed by pooling, and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.c2 = nn.Conv2d(4, 6, 3, padding=1, bias=False)
        self.p1 = nn.MaxPool2d((2, 2))
        self.c3 = nn.Conv2d(6, 5, 3, padding=1, bias=False)
        self.p2 = nn.MaxPool2d((2, 2))
        self.l1 = nn.Linear(20, 7, bias=False)
        self.l2 = nn.Linear(7, 3, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.p1(self.c2(self.c1(images).relu()).relu())
        x = self.p2(self.c3(x).relu()).flatten(1)
        return self.l2(self.l1(x).relu())


def golden_network(name: str) -> tuple[nn.Module, tuple[int, int, int]]:
    """The pruned network of an entry, and the shape of its input."""
    model_name, size, density, seed = name.split("|")
    side = int(size.removeprefix("in"))
    model = TinyCNN() if model_name == "tinycnn" else build(model_name, image_size=side)
    fill_by_formula(model, float(density.removeprefix("d")), int(seed.removeprefix("seed")))
    return model, (3, side, side)


def golden_figures(reference: Path) -> dict[str, Any]:
    """What the published code computed, by name of the network."""
    return json.loads((reference / "data" / "sparse" / "golden.json").read_text())


def fill_by_formula(model: nn.Module, density: float, seed: int) -> None:
    """Weights of every convolution and linear layer from a linear congruential generator.

    Two draws a weight: one decides whether it is kept, the other its value.
    """
    state = seed
    for module in model.modules():
        if not isinstance(module, (nn.Conv2d, nn.Linear)):
            continue
        draws = _draws(state, 2 * module.weight.numel())
        state = int(draws[-1])
        kept = (draws[0::2] >> 8) / 2**23 < density
        value = ((draws[1::2] >> 8) % 2001).astype(np.int64) - 1000
        weight = np.where(kept, np.where(value == 0, 500, value) / 1000, 0)
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(weight).reshape(module.weight.shape))


def _draws(state: int, count: int) -> np.ndarray:
    """x <- (1103515245 x + 12345) mod 2^31, again and again; the known ones give as many more."""
    modulus = 2**31
    factor, term = 1103515245, 12345
    draws = np.array([(factor * state + term) % modulus], dtype=np.uint64)
    while len(draws) < count:
        draws = np.concatenate([draws, (draws * np.uint64(factor) + np.uint64(term)) % modulus])
        factor, term = factor * factor % modulus, (factor * term + term) % modulus
    return draws[:count]
