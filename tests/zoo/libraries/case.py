"""A network of somebody else's library: how to build a small one, and on what it runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Case", "numbers", "tokens"]


@dataclass(frozen=True)
class Case:
    """One network.

    Args:
        library: Name of the package to import, which is skipped where it is not installed.
        name: Name of the network within the library.
        make: Makes the network, with random weights.
        input: Makes the example input: a tensor, a tuple, or a dictionary of keyword arguments.
    """

    library: str
    name: str
    make: Callable[[], nn.Module]
    input: Callable[[], Any]

    def __str__(self) -> str:
        return f"{self.library}-{self.name}"

    def build(self) -> nn.Module:
        """The network, the same weights each time, in evaluation mode."""
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library, about its own defaults
            torch.manual_seed(0)
            return self.make().eval()


def numbers(*shape: int) -> Tensor:
    """Reproducible numbers in [0, 1)."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def tokens(*shape: int, below: int = 90) -> Tensor:
    """Reproducible token identifiers from 5 on, so that none is a special one."""
    return torch.randint(5, below, shape, generator=torch.Generator().manual_seed(0))
