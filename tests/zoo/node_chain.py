"""The simplest graph: nodes in a row."""

from __future__ import annotations

import numpy as np

from graph2nn.archgraph import ArchGraph

__all__ = ["chain"]


def chain(n: int) -> ArchGraph:
    """A chain of n convolution nodes without parameters."""
    return ArchGraph(
        op=np.full(n, 4),
        shape=np.zeros((n, 4), int),
        edges=np.stack([np.arange(n - 1), np.arange(1, n)]),
        params=((),) * n,
        param_shapes={},
        cell=np.zeros(n, int),
    )
