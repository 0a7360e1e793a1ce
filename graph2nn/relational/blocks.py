"""The differentiable operations behind the executions of a relational layer.

A block-sparse product is computed as batched products over nodes: node i multiplies its trainable
rows, (C, K), with the features of its neighbours, gathered to (K, B). Nodes of fewer channels or
neighbours are padded. Channels come first, so that a gathered channel is one run of
memory, which is several times as fast as gathering columns. The input gradient is a second such
product, over the nodes that receive from node j: nothing scattered has to be added up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graph2nn.relational.graph import RelationalGraph
from graph2nn.relational.partition import node_sizes, relational_mask

__all__ = ["BlockPlan", "block_linear", "block_plan", "mask_gradient", "scatter_blocks"]


GROUPS = 4
"""Batched products a layer is divided into; nodes of about as many neighbours go together."""

_PLANS: WeakValueDictionary[tuple, BlockPlan] = WeakValueDictionary()


class _MaskGradient(torch.autograd.Function):
    """The identity, with the gradient masked."""

    generate_vmap_rule = True

    @staticmethod
    def forward(weight: Tensor, mask: Tensor) -> Tensor:
        return weight.view_as(weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return grad * mask, None


def mask_gradient(weight: Tensor, mask: Tensor) -> Tensor:
    """`weight` itself, whose gradient will be zero outside the mask.

    Shapes:
        weight (out, in, ...), mask (out, in, ...) with ones for further axes -> as weight.
    """
    if not torch.is_grad_enabled():
        return weight
    return _MaskGradient.apply(weight, mask)


def scatter_blocks(blocks: Tensor, positions: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The dense weight with `blocks` at `positions` and zero elsewhere.

    Args:
        blocks: trainable weights, row by row.
        positions: where they go in the flattened first two axes, ascending.
        shape: of the dense weight.

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
        (zeros) for padding; weights (m C K,) entry of `blocks`, anything for padding; slots (m C,)
        channel in each row of the result, the one after the last for padding.
    """

    shape: tuple[int, int, int]
    features: Tensor
    weights: Tensor
    slots: Tensor

    def to(self, device: torch.device) -> _Group:
        names = ("features", "weights", "slots")
        return _Group(self.shape, *(getattr(self, name).to(device) for name in names))

    def gather(self, channels: Tensor) -> Tensor:
        """(channels + 1, B) -> (m, K, B)."""
        return channels.index_select(0, self.features).view(len(self), self.shape[2], -1)

    def result(self, channels: Tensor) -> Tensor:
        """(channels + 1, B) of the result -> (m, C, B)."""
        return channels.index_select(0, self.slots).view(len(self), self.shape[1], -1)

    def matrix(self, blocks: Tensor) -> Tensor:
        """(T,) -> (m, C, K)."""
        return blocks.index_select(0, self.weights).view(self.shape)

    def __len__(self) -> int:
        return self.shape[0]


@dataclass(frozen=True, eq=False)
class _Side:
    """A pass forward, or back through the transposed weight.

    Result nodes are sorted by the number of channels they gather, so that the groups pad little.

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
        key: arguments that `_make_plan` makes it from.
        forward, backward: indices of the two products.
        positions: (T,) where each trainable weight is in the padded (n * C * K,) of `forward`.
    """

    key: tuple[int, bytes, int, int]
    forward: _Side
    backward: _Side
    positions: Tensor
    _elsewhere: dict[torch.device, BlockPlan] = field(default_factory=dict, repr=False)

    def __deepcopy__(self, memo: dict) -> BlockPlan:
        return self

    def __reduce__(self) -> tuple:
        return _shared_plan, self.key

    def to(self, device: torch.device) -> BlockPlan:
        """The plan with its indices on a device; remembered."""
        if device == self.positions.device:
            return self
        if device not in self._elsewhere:
            sides = self.forward.to(device), self.backward.to(device)
            self._elsewhere[device] = BlockPlan(self.key, *sides, self.positions.to(device))
        return self._elsewhere[device]


def block_plan(graph: RelationalGraph, in_features: int, out_features: int) -> BlockPlan:
    """The plan of a layer, made once for each graph and pair of widths while a layer uses it.

    Raises:
        ValueError: more nodes than channels.
    """
    return _shared_plan(graph.num_nodes, graph.adjacency.tobytes(), in_features, out_features)


def _shared_plan(*key: Any) -> BlockPlan:
    plan = _PLANS.get(key)
    if plan is None:
        plan = _PLANS[key] = _make_plan(*key)
    return plan


def _make_plan(n: int, adjacency: bytes, in_features: int, out_features: int) -> BlockPlan:
    table = np.frombuffer(adjacency, dtype=bool).reshape(n, n)
    graph = RelationalGraph(adjacency=table)
    mask = relational_mask(graph, in_features, out_features)
    count = int(np.count_nonzero(mask))
    number = np.zeros(mask.shape, dtype=np.int32)
    number[mask] = np.arange(count, dtype=np.int32)
    receives = graph.with_self_edges()
    ins, outs = node_sizes(in_features, n), node_sizes(out_features, n)
    forward, positions = _side(receives, outs, ins, number)
    backward, _ = _side(receives.T, ins, outs, number.T)
    key = (n, adjacency, in_features, out_features)
    return BlockPlan(key, forward, backward, torch.from_numpy(positions))


def _side(
    receives: np.ndarray, to: np.ndarray, source: np.ndarray, number: np.ndarray
) -> tuple[_Side, np.ndarray]:
    """`receives[i, j]`: result node i, of `to[i]` channels, takes node j, of `source[j]`.

    Returns:
        the side, and where each weight is among its padded `weights`.
    """
    widths, ends = (receives * source).sum(1), to.cumsum()
    order = np.argsort(-widths, kind="stable")
    rows = np.empty(int(to.sum()), dtype=np.int32)
    positions = np.empty(int((widths * to).sum()), dtype=np.int32)
    groups, row, entry = [], 0, 0
    for nodes in np.array_split(order, min(GROUPS, len(order))):
        shape = (len(nodes), int(to[nodes].max()), int(widths[nodes].max()))
        features = np.full((shape[0], shape[2]), source.sum())
        weights, slots = np.zeros(shape), np.full(shape[:2], to.sum())
        for k, i in enumerate(nodes):
            channels = np.arange(ends[i] - to[i], ends[i])
            columns = receives[i].repeat(source).nonzero()[0]
            own = number[channels][:, columns]
            features[k, : len(columns)], slots[k, : to[i]] = columns, channels
            weights[k, : to[i], : len(columns)] = own
            rows[channels] = row + np.arange(to[i])
            positions[own] = entry + np.arange(to[i])[:, None] * shape[2] + np.arange(len(columns))
            row, entry = row + shape[1], entry + shape[1] * shape[2]
        tables = (torch.from_numpy(t.astype(np.int32).ravel()) for t in (features, weights, slots))
        groups.append(_Group(shape, *tables))
    return _Side(tuple(groups), torch.from_numpy(rows)), positions


class _BlockLinear(torch.autograd.Function):
    """(B, in), (T,) -> (B, out), and the input with channels first for the gradient."""

    @staticmethod
    def forward(input: Tensor, blocks: Tensor, plan: BlockPlan) -> tuple[Tensor, Tensor]:
        channels = _channels_first(input)
        return _product(blocks, channels, plan.forward), channels

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
        received = _channels_first(grad)
        to_input = to_blocks = None
        if ctx.needs_input_grad[0]:
            to_input = _product(blocks, received, ctx.plan.backward)
        if ctx.needs_input_grad[1]:
            to_blocks = _outer(received, channels, ctx.plan)
        return to_input, to_blocks, None


def _channels_first(features: Tensor) -> Tensor:
    """(B, channels) -> (channels + 1, B), the last of zeros for padding to point to."""
    batch, channels = features.shape
    found = features.new_empty(channels + 1, batch)
    found[:channels].copy_(features.t())
    found[channels].zero_()
    return found


def _product(blocks: Tensor, channels: Tensor, side: _Side) -> Tensor:
    """The blocks of each node times what it gathers.

    What a group gathers is used before the next group gathers, so that it stays in the cache.

    Shapes:
        blocks (T,), channels (in + 1, B) -> (B, out).
    """
    parts = [torch.bmm(g.matrix(blocks), g.gather(channels)).flatten(0, 1) for g in side.groups]
    return torch.cat(parts).index_select(0, side.rows).t().contiguous()


def _outer(received: Tensor, channels: Tensor, plan: BlockPlan) -> Tensor:
    """The gradient of the blocks. Shapes: (out + 1, B), (in + 1, B) -> (T,)."""
    parts = [
        torch.bmm(group.result(received), group.gather(channels).mT).flatten()
        for group in plan.forward.groups
    ]
    return torch.cat(parts).index_select(0, plan.positions)


def block_linear(
    input: Tensor, blocks: Tensor, plan: BlockPlan, bias: Tensor | None = None
) -> Tensor:
    """A linear layer that computes its trainable blocks only.

    Equal to `torch.nn.functional.linear` with the dense weight, in whose place under autocast it
    also computes in the lower precision. It can be differentiated once.

    Args:
        blocks: trainable weights, row by row of the mask.
        plan: which of them meet which features.

    Shapes:
        input (*, in), blocks (T,), bias (out,) -> (*, out).
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
