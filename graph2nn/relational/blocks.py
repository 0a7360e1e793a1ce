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
class _Side:
    """Indices of one product: the pass forward, or back through the transposed weight.

    Result nodes are sorted by the number of channels they gather and computed in groups, so that
    little is padded. Sums and flattening run over groups of m nodes of (at most) C channels that
    gather K.

    Shapes:
        shapes: (m, C, K) of each group; features (sum m K,) channel gathered into each slot, the
        one after the last (zeros) for padding; weights (sum m C K,) entry of `blocks`, anything
        for padding; rows (channels,) where each channel is in the result of (sum m C, B); slots
        (sum m C,) the reverse.
    """

    shapes: tuple[tuple[int, int, int], ...]
    features: Tensor
    weights: Tensor
    rows: Tensor
    slots: Tensor

    def to(self, device: torch.device) -> _Side:
        names = ("features", "weights", "rows", "slots")
        return _Side(self.shapes, *(getattr(self, name).to(device) for name in names))

    def inputs(self, gathered: Tensor) -> list[Tensor]:
        """(sum m K, B) -> (m, K, B) of each group."""
        parts = gathered.split([m * k for m, _, k in self.shapes])
        return [part.view(m, k, -1) for part, (m, _, k) in zip(parts, self.shapes)]

    def outputs(self, result: Tensor) -> list[Tensor]:
        """(sum m C, B) -> (m, C, B) of each group."""
        parts = result.split([m * c for m, c, _ in self.shapes])
        return [part.view(m, c, -1) for part, (m, c, _) in zip(parts, self.shapes)]

    def matrices(self, weights: Tensor) -> list[Tensor]:
        """(sum m C K,) -> (m, C, K) of each group."""
        parts = weights.split([m * c * k for m, c, k in self.shapes])
        return [part.view(shape) for part, shape in zip(parts, self.shapes)]


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
    shapes, features, weights, slots = [], [], [], []
    rows = np.empty(int(to.sum()), dtype=np.int32)
    positions = np.empty(int((widths * to).sum()), dtype=np.int32)
    row = entry = 0
    for group in np.array_split(order, min(GROUPS, len(order))):
        height, width = int(to[group].max()), int(widths[group].max())
        shapes.append((len(group), height, width))
        for i in group:
            channels = np.arange(ends[i] - to[i], ends[i])
            columns = receives[i].repeat(source).nonzero()[0]
            missing = height - to[i], width - len(columns)
            features.append(np.pad(columns, (0, missing[1]), constant_values=int(source.sum())))
            own = number[channels][:, columns]
            weights.append(np.pad(own, ((0, missing[0]), (0, missing[1]))).ravel())
            slots.append(np.pad(channels, (0, missing[0])))
            rows[channels] = row + np.arange(to[i])
            inside = np.arange(to[i])[:, None] * width + np.arange(len(columns))
            positions[own] = entry + inside
            row, entry = row + height, entry + height * width
    tables = (np.concatenate(features), np.concatenate(weights), rows, np.concatenate(slots))
    tensors = (torch.from_numpy(table.astype(np.int32)) for table in tables)
    return _Side(tuple(shapes), *tensors), positions


class _BlockLinear(torch.autograd.Function):
    """(B, in), (T,) -> (B, out), and the gathered input for the gradient of the weights."""

    @staticmethod
    def forward(input: Tensor, blocks: Tensor, plan: BlockPlan) -> tuple[Tensor, Tensor]:
        gathered = _channels_first(input).index_select(0, plan.forward.features)
        return _product(blocks, gathered, plan.forward), gathered

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.plan = inputs[2]
        ctx.set_materialize_grads(False)  # else zeros are made for the gathered input
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[1], output[1])

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad: Tensor | None, _: None
    ) -> tuple[Tensor | None, Tensor | None, None]:
        if grad is None:
            return None, None, None
        blocks, gathered = ctx.saved_tensors
        plan: BlockPlan = ctx.plan
        received = _channels_first(grad)
        to_input = to_blocks = None
        if ctx.needs_input_grad[0]:
            neighbours = received.index_select(0, plan.backward.features)
            to_input = _product(blocks, neighbours, plan.backward)
        if ctx.needs_input_grad[1]:
            to_blocks = _outer(received.index_select(0, plan.forward.slots), gathered, plan)
        return to_input, to_blocks, None


def _channels_first(features: Tensor) -> Tensor:
    """(B, channels) -> (channels + 1, B), the last of zeros for padding to point to."""
    batch, channels = features.shape
    found = features.new_empty(channels + 1, batch)
    found[:channels].copy_(features.t())
    found[channels].zero_()
    return found


def _product(blocks: Tensor, gathered: Tensor, side: _Side) -> Tensor:
    """The blocks of each node times what it gathered.

    Shapes:
        blocks (T,), gathered (sum m K, B) -> (B, channels).
    """
    weights = blocks.index_select(0, side.weights)
    result = gathered.new_empty(len(side.slots), gathered.shape[1])
    for matrix, source, target in zip(
        side.matrices(weights), side.inputs(gathered), side.outputs(result)
    ):
        torch.bmm(matrix, source, out=target)
    return result.index_select(0, side.rows).t().contiguous()


def _outer(received: Tensor, gathered: Tensor, plan: BlockPlan) -> Tensor:
    """The gradient of the blocks. Shapes: (sum m C, B), (sum m K, B) -> (T,)."""
    side = plan.forward
    products = gathered.new_empty(len(side.weights))
    for target, source, matrix in zip(
        side.outputs(received), side.inputs(gathered), side.matrices(products)
    ):
        torch.bmm(target, source.transpose(1, 2), out=matrix)
    return products.index_select(0, plan.positions)


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
