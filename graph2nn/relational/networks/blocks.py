"""The differentiable operations behind the executions of a relational layer.

A block-sparse product is computed as batched products over nodes: node i multiplies its trainable
rows, (C, K), with the features of its neighbours, gathered to (K, B). Nodes of fewer channels or
neighbours are padded, nodes of about as many go together. What makes it fast: channels come first,
so that gathering one copies a run of memory; the weights are stored as the products need them, so
that nothing is packed in the forward pass or for the weight gradient; and the input gradient is
such a product too, over the nodes that receive from node j, for which whole rows of blocks are
gathered and nothing scattered has to be added up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.relational.networks.partition import node_sizes

__all__ = ["BlockPlan", "block_linear", "block_plan", "scatter_blocks"]


GROUPS = 4
"""Batched products a layer is divided into; nodes of about as many neighbours go together."""

_PLANS: WeakValueDictionary[tuple, BlockPlan] = WeakValueDictionary()


def scatter_blocks(blocks: Tensor, positions: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Scatter `blocks` to `positions` of a dense weight that is zero elsewhere.

    Args:
        blocks: Trainable weights, row by row.
        positions: Places in the flattened first two axes, ascending.
        shape: Shape of the dense weight.

    Shapes:
        blocks (T, ...), positions (T,) -> shape.
    """
    dense = blocks.new_zeros((math.prod(shape[:2]), *shape[2:]))
    return dense.index_copy(0, positions, blocks).view(shape)


@dataclass(frozen=True, eq=False)
class _Group:
    """Indices of one batched product: m result nodes of (at most) C channels that gather K.

    Shapes:
        shape: (m, C, K); features (m K,) channel gathered into each slot, the one after the last
        (zeros) for padding; rows: forward (m C,) channel in each row of the result, the one after
        the last for padding; backward (m C D,) row of weights for each channel and each of D
        neighbours, anything for padding.
    """

    shape: tuple[int, int, int]
    features: Tensor
    rows: Tensor

    def to(self, device: torch.device) -> _Group:
        return _Group(self.shape, self.features.to(device), self.rows.to(device))

    def gather(self, channels: Tensor) -> Tensor:
        """(channels + 1, B) -> (m, K, B)."""
        return channels.index_select(0, self.features).view(self.shape[0], self.shape[2], -1)


@dataclass(frozen=True, eq=False)
class _Side:
    """A pass forward, or back through the transposed weight: groups of nodes by how much they
    gather.

    Shapes:
        rows (channels,) where each channel is in the results of the groups, one behind the other.
    """

    groups: tuple[_Group, ...]
    rows: Tensor

    def to(self, device: torch.device) -> _Side:
        return _Side(tuple(group.to(device) for group in self.groups), self.rows.to(device))


@dataclass(frozen=True, eq=False)
class BlockPlan:
    """Which features and weights meet in the block form of one layer. Made by `block_plan`.

    Immutable and shared by all layers of the same graph and widths; a copy is the plan itself, and
    a pickle only says how to make it.

    Attributes:
        key: Arguments that `_make_plan` makes it from.
        forward, backward: Products of either pass; weights of the first are stored group by group,
            (m, K, C).
        entries: Place at which each trainable weight, row by row of the mask, is stored, (T,).
        size: Number of stored weights, T and the padding.
    """

    key: tuple[int, bytes, int, int]
    forward: _Side
    backward: _Side
    entries: Tensor
    size: int
    _elsewhere: dict[torch.device, BlockPlan] = field(default_factory=dict, repr=False)

    def __deepcopy__(self, memo: dict) -> BlockPlan:
        return self

    def __reduce__(self) -> tuple:
        return _shared_plan, self.key

    def to(self, device: torch.device) -> BlockPlan:
        """Copy the plan to a device; the copy is remembered."""
        if device == self.entries.device:
            return self
        if device not in self._elsewhere:
            sides = self.forward.to(device), self.backward.to(device)
            self._elsewhere[device] = BlockPlan(
                self.key, *sides, self.entries.to(device), self.size
            )
        return self._elsewhere[device]

    def pack(self, weights: Tensor) -> Tensor:
        """Pack trainable weights as they are stored, padded with zeros, (T,) -> (size,)."""
        entries = self.to(weights.device).entries
        return weights.new_zeros(self.size).index_copy(0, entries, weights)

    def unpack(self, blocks: Tensor) -> Tensor:
        """Unpack the trainable weights, row by row of the mask, (size,) -> (T,)."""
        return blocks.index_select(0, self.to(blocks.device).entries)


def block_plan(graph: RelationalGraph, in_features: int, out_features: int) -> BlockPlan:
    """Plan a layer, once for each graph and pair of widths while a layer uses the plan.

    Raises:
        ValueError: More nodes than channels.
    """
    return _shared_plan(graph.num_nodes, graph.adjacency.tobytes(), in_features, out_features)


def _shared_plan(*key: Any) -> BlockPlan:
    plan = _PLANS.get(key)
    if plan is None:
        plan = _PLANS[key] = _make_plan(*key)
    return plan


def _make_plan(n: int, adjacency: bytes, in_features: int, out_features: int) -> BlockPlan:
    table = np.frombuffer(adjacency, dtype=bool).reshape(n, n)
    receives = table | np.eye(n, dtype=bool)
    ins, outs = node_sizes(in_features, n), node_sizes(out_features, n)
    forward, row_of = _forward_side(receives, outs, ins)
    width = forward.groups[0].shape[1]
    first = (outs.cumsum() - outs).repeat(outs)  # channel with which the node of a channel begins
    owner = np.arange(n).repeat(outs)
    out, column = np.nonzero(receives.repeat(outs, axis=0).repeat(ins, axis=1))
    entries = row_of[owner[out], column] * width + (np.arange(out_features) - first)[out]
    size = sum(m * c * k for m, c, k in (group.shape for group in forward.groups))
    backward = _backward_side(receives, outs, ins, row_of)
    key = (n, adjacency, in_features, out_features)
    return BlockPlan(key, forward, backward, torch.from_numpy(entries.astype(np.int64)), size)


def _forward_side(
    receives: np.ndarray, outs: np.ndarray, ins: np.ndarray
) -> tuple[_Side, np.ndarray]:
    """The side, and which stored row of weights (n, in) holds each node's for an input channel."""
    widths, ends, height = (receives * ins).sum(1), outs.cumsum(), int(outs.max())
    rows, row_of = np.empty(int(outs.sum()), dtype=np.int64), np.zeros((len(outs), ins.sum()), int)
    groups, result, stored = [], 0, 0
    for nodes in _by_size(widths):
        shape = (len(nodes), height, int(widths[nodes].max()))
        features = np.full((shape[0], shape[2]), ins.sum())
        slots = np.full(shape[:2], outs.sum())
        for k, i in enumerate(nodes):
            columns = np.flatnonzero(receives[i].repeat(ins))
            features[k, : len(columns)] = columns
            slots[k, : outs[i]] = np.arange(ends[i] - outs[i], ends[i])
            rows[slots[k, : outs[i]]] = result + np.arange(outs[i])
            row_of[i, columns] = stored + np.arange(len(columns))
            result, stored = result + height, stored + shape[2]
        groups.append(_Group(shape, _indices(features), _indices(slots)))
    return _Side(tuple(groups), _indices(rows)), row_of


def _backward_side(
    receives: np.ndarray, outs: np.ndarray, ins: np.ndarray, row_of: np.ndarray
) -> _Side:
    """Node j gathers the gradients of the nodes that receive from it, each padded alike."""
    degrees, height, width = receives.sum(0), int(ins.max()), int(outs.max())
    out_ends, in_ends = outs.cumsum(), ins.cumsum()
    rows, groups, result = np.empty(int(ins.sum()), dtype=np.int64), [], 0
    for nodes in _by_size(degrees):
        most = int(degrees[nodes].max())
        features = np.full((len(nodes), most, width), outs.sum())
        weights = np.zeros((len(nodes), height, most), dtype=np.int64)
        for k, j in enumerate(nodes):
            channels = np.arange(in_ends[j] - ins[j], in_ends[j])
            for slot, i in enumerate(np.flatnonzero(receives[:, j])):
                features[k, slot, : outs[i]] = np.arange(out_ends[i] - outs[i], out_ends[i])
                weights[k, : ins[j], slot] = row_of[i, channels]
            rows[channels] = result + np.arange(ins[j])
            result += height
        shape = (len(nodes), height, most * width)
        groups.append(_Group(shape, _indices(features), _indices(weights)))
    return _Side(tuple(groups), _indices(rows))


def _by_size(sizes: np.ndarray) -> list[np.ndarray]:
    """Nodes in groups of similar size."""
    return np.array_split(np.argsort(-sizes, kind="stable"), min(GROUPS, len(sizes)))


def _indices(table: np.ndarray) -> Tensor:
    return torch.from_numpy(table.astype(np.int32).ravel())


class _BlockLinear(torch.autograd.Function):
    """(B, in), (size,) -> (B, out), and the input with channels first for the gradient."""

    @staticmethod
    def forward(input: Tensor, blocks: Tensor, plan: BlockPlan) -> tuple[Tensor, Tensor]:
        channels = _channels_first(input)
        shapes = [group.shape for group in plan.forward.groups]
        stored = blocks.split([m * c * k for m, c, k in shapes])
        matrices = (part.view(m, k, c).mT for part, (m, c, k) in zip(stored, shapes))
        return _product(matrices, channels, plan.forward), channels

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.plan = inputs[2]
        ctx.set_materialize_grads(False)  # else zeros are made for the second output
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[1], output[1])

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad: Tensor | None, _: None
    ) -> tuple[Tensor | None, Tensor | None, None]:
        if grad is None:
            return None, None, None
        blocks, channels = ctx.saved_tensors
        plan: BlockPlan = ctx.plan
        received = _channels_first(grad)
        to_input = to_blocks = None
        if ctx.needs_input_grad[0]:
            rows = blocks.view(-1, plan.forward.groups[0].shape[1])
            groups = plan.backward.groups
            matrices = (rows.index_select(0, g.rows).view(g.shape) for g in groups)
            to_input = _product(matrices, received, plan.backward)
        if ctx.needs_input_grad[1]:
            to_blocks = _outer(received, channels, plan.forward)
        return to_input, to_blocks, None


def _channels_first(features: Tensor) -> Tensor:
    """(B, channels) -> (channels + 1, B), the last of zeros for padding to point to."""
    batch, channels = features.shape
    found = features.new_empty(channels + 1, batch)
    found[:channels].copy_(features.t())
    found[channels].zero_()
    return found


def _product(matrices: Iterable[Tensor], channels: Tensor, side: _Side) -> Tensor:
    """Matrices (m, C, K) of each group times what it gathers.

    What a group gathers is used before the next group gathers, so that it stays in the cache.

    Shapes:
        channels (in + 1, B) -> (B, out).
    """
    parts = [torch.bmm(w, g.gather(channels)).flatten(0, 1) for w, g in zip(matrices, side.groups)]
    return torch.cat(parts).index_select(0, side.rows).t().contiguous()


def _outer(received: Tensor, channels: Tensor, side: _Side) -> Tensor:
    """The gradient of the stored weights. Shapes: (out + 1, B), (in + 1, B) -> (size,)."""
    parts = []
    for group in side.groups:
        results = received.index_select(0, group.rows).view(*group.shape[:2], -1)
        parts.append(torch.bmm(group.gather(channels), results.mT).flatten())
    return torch.cat(parts)


def block_linear(
    input: Tensor, blocks: Tensor, plan: BlockPlan, bias: Tensor | None = None
) -> Tensor:
    """Apply a linear layer by computing its trainable blocks only.

    Equal to `torch.nn.functional.linear` with the dense weight, in whose place under autocast it
    also computes in the lower precision. It can be differentiated once.

    Args:
        blocks: Trainable weights as the plan packs them.
        plan: Plan that says which of them meet which features.

    Shapes:
        input (*, in), blocks (size,), bias (out,) -> (*, out).
    """
    kind = input.device.type
    if torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
        input, blocks = input.to(dtype), blocks.to(dtype)
        bias = bias if bias is None else bias.to(dtype)
    flat = input.reshape(-1, input.shape[-1])
    output = _BlockLinear.apply(flat, blocks, plan.to(input.device))[0]
    output = output.view(*input.shape[:-1], output.shape[-1])
    return output if bias is None else output + bias
