"""Putting an unrolled graph together: layers of nodes that merge where activations are added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graph2nn.sparsity.graphs.encodings.values import distinct, expanded, nodes_of, overlap, repeats
from graph2nn.sparsity.graphs.multipartite import Block, Layer, MultipartiteGraph

__all__ = ["Assembly", "Nodes", "Value"]


@dataclass(eq=False)
class Nodes:
    """A layer under construction; its nodes have provisional numbers from `first` on.

    Args:
        sources: Nodes that the blocks that write the layer read.
        pending: Number of reads still to come of the values that are exactly this layer.
        used: Whether something other than an element-wise operation has read it.
    """

    name: str
    shape: tuple[int, int, int]
    first: int
    sources: list[Tensor] = field(default_factory=list)
    pending: int = 0
    used: bool = False

    @property
    def size(self) -> int:
        """Number of nodes."""
        return prod(self.shape)

    def numbers(self) -> Tensor:
        """Return the provisional numbers of the nodes, (size,) int64."""
        return torch.arange(self.first, self.first + self.size)


@dataclass(frozen=True, eq=False)
class Value:
    """A symbolic activation (`values`).

    Args:
        index: Nodes at each position of a tensor of shape S, (*S, K), filled up with -1.
        nodes: The layer, where the value is exactly one: each of its nodes at one position.
    """

    index: Tensor
    nodes: Nodes | None = None

    @property
    def shape(self) -> torch.Size:
        """Shape of the tensor that the value stands for."""
        return self.index.shape[:-1]

    @property
    def is_open(self) -> bool:
        """Whether no one reads the layer any more, so that it may take in what is added."""
        return self.nodes is not None and not self.nodes.used and self.nodes.pending == 0


@dataclass(frozen=True, eq=False)
class _Draft:
    name: str
    source: Tensor
    target: Tensor
    weight: Tensor
    mask: Tensor
    geometry: dict[str, Any]


class Assembly:
    """Layers and blocks, with provisional node numbers until `finish`.

    Args:
        identity_skips: Whether there are edges of weight 1 from an activation into the layer that
            it is added to.
    """

    def __init__(self, *, identity_skips: bool = True):
        self.identity_skips = identity_skips
        self.layers: list[Nodes] = []
        self.size = 0
        self._drafts: list[_Draft] = []
        self._merged: list[tuple[Tensor, Tensor]] = []
        self._is_read = torch.zeros(0, dtype=torch.bool)  # by node, as far as blocks go

    def layer(self, name: str, shape: tuple[int, int, int]) -> Nodes:
        """Add a layer of nodes behind all others."""
        nodes = Nodes(name, shape, self.size)
        self.size += nodes.size
        self.layers.append(nodes)
        return nodes

    def kernel(
        self,
        name: str,
        nodes: Nodes,
        source: Tensor,
        weight: Tensor,
        mask: Tensor | None = None,
        **geometry: Any,
    ) -> None:
        """Add a block of edges from a map of nodes (C, H, W, K) onto a whole layer."""
        target = nodes.numbers().reshape(nodes.shape)
        self._add(name, nodes, source, target, weight, mask, geometry)

    def _add(self, name, nodes, source, target, weight, mask, geometry) -> None:
        mask = torch.ones_like(weight, dtype=torch.bool) if mask is None else mask
        nodes.sources.append(source)
        self._drafts.append(_Draft(name, source, target, weight, mask, geometry))
        if len(self._is_read) < self.size:
            self._is_read = F.pad(self._is_read, (0, 2 * self.size - len(self._is_read)))
        self._is_read[nodes_of(source)] = True

    def _identity(self, name: str, nodes: Nodes, source: Tensor, target: Tensor) -> None:
        """Edges of weight 1, position by position; both indices have one shape."""
        source, target = _as_map(source), _as_map(target)[..., 0]
        weight = torch.ones(len(source), 1, 1, 1)
        self._add(name, nodes, source, target, weight, None, {"groups": len(source)})

    def own(self, name: str, index: Tensor) -> Value:
        """Give a value a layer of nodes of its own, one a position, by edges of weight 1.

        Shapes: index (*S, K).
        """
        channels, height, width, _ = _as_map(index).shape
        nodes = self.layer(name, (channels, height, width))
        made = nodes.numbers().reshape(*index.shape[:-1], 1)
        self._identity(name, nodes, distinct(index), made)
        return Value(made, nodes)

    def block_names(self) -> list[str]:
        """List the names of the blocks so far."""
        return [draft.name for draft in self._drafts]

    def readable(self, name: str, value: Value) -> Tensor:
        """Return the value's index (*S, K) for a kernel, which must not meet a node twice."""
        if value.nodes is None and repeats(value.index):
            return self.own(name, value.index).index
        return value.index

    def combine(
        self, name: str, values: Sequence[Value], shape: Sequence[int], *, added: bool
    ) -> Value:
        """Combine several values by an element-wise function.

        Its nodes are those of the last value that nothing else reads, if there is one; other such
        values have theirs merged into these, and the rest join by edges of weight 1. Otherwise the
        result is a layer of its own.

        Args:
            added: Whether it is a sum, in which an activation that joins is an identity skip.
        """
        values = [Value(expanded(v.index, shape), _same(v, shape)) for v in values]
        values = [v for k, v in enumerate(values) if not _among(v, values[:k])]
        if len(values) == 1:
            return values[0]
        ready = [v for v in values if v.is_open]
        if not ready:
            base = self._blank(name, shape)
        else:
            base = ready[-1]
        assert base.nodes is not None
        joins: list[Value] = []
        for value in values:
            if value is not base and not (value.is_open and self._merge(value, base)):
                joins.append(value)
        for value in joins:  # a skip runs beside something: its nodes are read there
            skip = added and ready != [] and bool(self._is_read[nodes_of(value.index)].any())
            if not skip or self.identity_skips:
                self._join(_beside(name, "skip") if skip else name, value, base)
        self.layers.remove(base.nodes)  # behind everything that it reads
        self.layers.append(base.nodes)
        return base

    def _blank(self, name: str, shape: Sequence[int]) -> Value:
        empty = torch.empty(*shape, 1, dtype=torch.int64)
        channels, height, width, _ = _as_map(empty).shape
        nodes = self.layer(name, (channels, height, width))
        return Value(nodes.numbers().reshape(*shape, 1), nodes)

    def _merge(self, value: Value, base: Value) -> bool:
        """Identifies the nodes of two layers, unless an edge would come twice."""
        assert value.nodes is not None and base.nodes is not None
        if any(overlap(base.nodes.sources, source) for source in value.nodes.sources):
            return False
        self._merged.append((value.index.reshape(-1), base.index.reshape(-1)))
        base.nodes.sources += value.nodes.sources
        base.nodes.name = f"{value.nodes.name} + {base.nodes.name}"
        self.layers.remove(value.nodes)
        return True

    def _join(self, name: str, value: Value, base: Value) -> None:
        assert base.nodes is not None
        index = distinct(value.index)
        if overlap(base.nodes.sources, index):  # a second edge: by way of nodes of its own
            index = self.own(name, index).index
        self._identity(name, base.nodes, index, base.index)

    def finish(self, name: str, outputs: Sequence[Value]) -> MultipartiteGraph:
        """Number the nodes layer by layer and make the graph; `outputs` are the network's."""
        layers: list[Layer] = []
        number = np.full(self.size + 1, -1, dtype=np.int64)  # the last: no node stays none
        start = 0
        for nodes in self.layers:
            number[nodes.first : nodes.first + nodes.size] = np.arange(start, start + nodes.size)
            layers.append(Layer(name=nodes.name, start=start, shape=nodes.shape))
            start += nodes.size
        for gone, kept in reversed(self._merged):
            number[gone.numpy()] = number[kept.numpy()]
        blocks = [self._block(draft, number) for draft in self._drafts]
        ends = np.zeros(start, dtype=bool)
        for value in outputs:
            ends[number[nodes_of(value.index).numpy()]] = True
        return MultipartiteGraph(
            layers=tuple(layers),
            blocks=tuple(blocks),
            outputs=tuple(
                k for k, at in enumerate(layers) if ends[at.start : at.start + at.size].any()
            ),
            name=name,
        )

    def _block(self, draft: _Draft, number: np.ndarray) -> Block:
        return Block(
            name=draft.name,
            source=number[draft.source.numpy()],
            target=number[draft.target.numpy()],
            weight=draft.weight,
            mask=draft.mask,
            **draft.geometry,
        )


def _as_map(index: Tensor) -> Tensor:
    """An index of any tensor as one of a map: (C, H, W, K)."""
    shape = list(index.shape[:-1])
    if len(shape) > 1 and shape[0] == 1:  # the batch
        shape = shape[1:]
    if len(shape) < 3:
        shape = [*shape[:1], 1, *shape[1:]] if len(shape) == 2 else (shape + [1, 1, 1])[:3]
    shape = [shape[0], prod(shape[1:-1]), shape[-1]]
    return index.reshape(*shape, index.shape[-1])


def _beside(name: str, other: str) -> str:
    return f"{name.rpartition('.')[0]}.{other}".lstrip(".")


def _same(value: Value, shape: Sequence[int]) -> Nodes | None:
    return value.nodes if tuple(value.shape) == tuple(shape) else None


def _among(value: Value, others: Sequence[Value]) -> bool:
    return any(
        value.index is other.index or torch.equal(value.index, other.index) for other in others
    )
