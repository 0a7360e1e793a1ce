"""`MultipartiteGraph`: a sparse network as layers of nodes and blocks of edges between them.

A block stands for all edges of one layer of weights: a masked kernel and the nodes it reads and
writes. Edges themselves are listed (`topometrics.edges`) or never made (`topometrics.edge_free`),
as the question needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from torch import Tensor

from graph2nn.archgraph.remembering import Remembering

__all__ = ["Block", "Layer", "MultipartiteGraph", "check_multipartite"]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Nodes `start` to `start + size - 1`: one map of activations, channel by channel, row by row.

    Args:
        name: Name of the module or operation whose output the nodes are.
        start: Number of the first node.
        shape: Shape of the map, (C, H, W); (features, 1, 1) after a linear layer.
    """

    name: str
    start: int
    shape: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Number of nodes."""
        return prod(self.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Block:
    """The edges of one kernel: at every position, from what it reads to what it writes.

    The edge from `source[c, i, j, k]` to `target[o, y, x]` exists where a kept weight
    `weight[o, c - first channel of o's group, a, b]` has i = y·stride + a·dilation - padding, and j
    likewise, inside the map. A linear layer is a kernel of 1 x 1 on maps of 1 x 1; an identity a
    depthwise one with weight 1. No two weights of a block make the same edge.

    Args:
        name: Name of the weight (`layer1.0.conv1.weight`), or of the operation without one.
        source: Node numbers of the map that is read; -1 where there is none. The last axis holds
            several where pooling stands between: an edge from a pooled value is one from each of
            the values that it pools.
        target: Node numbers of the map that is written.
        weight: Absolute values, float32, zero where pruned.
        mask: True for the weights that are kept. A kept weight may be zero; its edges exist.
        stride, dilation: Steps in rows and columns.
        padding: Columns and rows of zeros left, right, top, bottom (the order of
            `torch.nn.functional.pad`).
        groups: Number of groups of channels.

    Shapes:
        source (C, H, W, K) int64, target (C', H', W') int64, weight and mask (C', C / groups, h,
        w).
    """

    name: str
    source: np.ndarray
    target: np.ndarray
    weight: Tensor
    mask: Tensor
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1

    def __post_init__(self) -> None:
        assert self.source.ndim == 4 and self.target.ndim == 3, (self.source.shape, self.name)
        assert self.weight.shape == self.mask.shape and self.weight.dim() == 4, self.name
        channels, height, width, _ = self.source.shape
        out, own, *kernel = self.weight.shape
        assert channels == own * self.groups and out == len(self.target), self.name
        left, right, top, bottom = self.padding
        padded = (height + top + bottom, width + left + right)
        sizes = zip(padded, kernel, self.stride, self.dilation)
        assert self.target.shape[1:] == tuple(
            (size - (taps - 1) * step - 1) // stride + 1 for size, taps, stride, step in sizes
        ), self.name

    @property
    def num_weights(self) -> int:
        """Weights kept."""
        return int(self.mask.sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class MultipartiteGraph(Remembering):
    """A network of pruned layers as a directed graph of its activations.

    Sparse networks as multipartite graphs, arXiv:2305.16886, section 3. Nodes are numbered layer
    by layer; no two edges join the same nodes.

    Args:
        layers: Layers of nodes; the first is the network's input.
        blocks: Blocks of edges, in the order of computation.
        outputs: Positions in `layers` of the network's outputs.
        encoding: Kind of graph: `unrolled`, `rolled` or `rolled-channel`.
        compat: Whether it is made as the published code makes it, deviations included; the
            topometrics then count as published too.
        name: Name of the network.
    """

    layers: tuple[Layer, ...]
    blocks: tuple[Block, ...]
    outputs: tuple[int, ...]
    encoding: str = "unrolled"
    compat: bool = False
    name: str = ""

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return max(layer.start + layer.size for layer in self.layers)

    @property
    def dims(self) -> tuple[int, ...]:
        """Number of nodes of each layer."""
        return tuple(layer.size for layer in self.layers)

    def __repr__(self) -> str:
        label = f"{self.name!r}, " if self.name else ""
        weights = sum(block.num_weights for block in self.blocks)
        sizes = f"layers={len(self.layers)}, nodes={self.num_nodes}, weights={weights}"
        return f"MultipartiteGraph({label}{self.encoding}, {sizes})"


def check_multipartite(graph: Any, function: str) -> None:
    """Check that a function got one graph.

    Args:
        graph: What it got.
        function: Name of the function, for the message.

    Raises:
        ValueError: Several graphs, or none.
    """
    if isinstance(graph, Mapping):
        raise ValueError(
            "expected one graph, got one for each layer: a rolled encoding is measured layer by "
            f"layer, {{name: {function}(layer) for name, layer in graphs.items()}}"
        )
    if not isinstance(graph, MultipartiteGraph):
        raise ValueError(
            f"expected a MultipartiteGraph, got {type(graph).__name__}; make one of a network with "
            "encode(model, masks, 'unrolled', input_shape)"
        )
