"""The differentiable operations behind the executions of a relational layer.

A block-sparse product is computed as one batched product over nodes: node i multiplies its
trainable rows, (C, K), with the features of its neighbours, gathered to (K, B). Nodes of fewer
channels or neighbours are padded. Channels come first, so that a gathered channel is one run of
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
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from graph2nn.relational.graph import RelationalGraph
from graph2nn.relational.partition import node_sizes, relational_mask

__all__ = ["BlockPlan", "block_linear", "block_plan", "mask_gradient", "scatter_blocks"]


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
    """Indices of one batched product: a pass forward, or back through the transposed weight.

    Shapes:
        features (n * K,) channel gathered into each slot; weights (n * C * K,) entry of `blocks`,
        or T, the number of them, for padding; rows (channels,) where each channel is in the result
        of (n * C, B); slots (n * C,) the reverse, channel 0 for padding.
    """

    shape: tuple[int, int, int]
    features: Tensor
    weights: Tensor
    rows: Tensor
    slots: Tensor

    def to(self, device: torch.device) -> _Side:
        names = ("features", "weights", "rows", "slots")
        return _Side(self.shape, *(getattr(self, name).to(device) for name in names))


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
    number = np.full(mask.shape, count, dtype=np.int32)
    number[mask] = np.arange(count, dtype=np.int32)
    receives = graph.with_self_edges()
    ins, outs = node_sizes(in_features, n), node_sizes(out_features, n)
    forward = _side(receives, outs, ins, number, count)
    backward = _side(receives.T, ins, outs, number.T, count)
    padded = forward.weights.numpy()
    positions = np.empty(count + 1, dtype=np.int32)
    positions[padded] = np.arange(padded.size, dtype=np.int32)
    key = (n, adjacency, in_features, out_features)
    return BlockPlan(key, forward, backward, torch.from_numpy(positions[:count].copy()))


def _side(
    receives: np.ndarray, to: np.ndarray, source: np.ndarray, number: np.ndarray, padding: int
) -> _Side:
    """`receives[i, j]`: result node i, of `to[i]` channels, takes node j, of `source[j]`."""
    n, height, width = len(receives), int(to.max()), int((receives * source).sum(1).max())
    features = np.zeros((n, width), dtype=np.int32)
    weights = np.full((n, height, width), padding, dtype=np.int32)
    slots = np.zeros((n, height), dtype=np.int32)
    rows = np.empty(int(to.sum()), dtype=np.int32)
    ends = np.cumsum(to)
    for i, end in enumerate(ends):
        channels = np.arange(end - to[i], end)
        columns = receives[i].repeat(source).nonzero()[0]
        features[i, : len(columns)] = columns
        weights[i, : to[i], : len(columns)] = number[channels][:, columns]
        slots[i, : to[i]] = channels
        rows[channels] = i * height + np.arange(to[i])
    tables = (features, weights, rows, slots)
    return _Side((n, height, width), *(torch.from_numpy(t.reshape(-1)) for t in tables))


class _BlockLinear(torch.autograd.Function):
    """(B, in), (T,) -> (B, out), and the gathered input for the gradient of the weights."""

    generate_vmap_rule = True

    @staticmethod
    def forward(input: Tensor, blocks: Tensor, plan: BlockPlan) -> tuple[Tensor, Tensor]:
        side = plan.forward
        gathered = _gather(input.t().contiguous(), side.features, side.shape[2])
        return _product(blocks, gathered, side), gathered

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.plan = inputs[2]
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[1], output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        blocks, gathered = ctx.saved_tensors
        plan: BlockPlan = ctx.plan
        received = grad.t().contiguous()
        to_input = to_blocks = None
        if ctx.needs_input_grad[0]:
            side = plan.backward
            neighbours = _gather(received, side.features, side.shape[2])
            to_input = _product(blocks, neighbours, side)
        if ctx.needs_input_grad[1]:
            padded = _gather(received, plan.forward.slots, plan.forward.shape[1])
            products = torch.bmm(padded, gathered.transpose(1, 2))
            to_blocks = products.view(-1).index_select(0, plan.positions)
        return to_input, to_blocks, None


def _gather(channels: Tensor, index: Tensor, width: int) -> Tensor:
    """(channels, B) -> (n, width, B)."""
    return channels.index_select(0, index).view(-1, width, channels.shape[1])


def _product(blocks: Tensor, gathered: Tensor, side: _Side) -> Tensor:
    """The blocks of each node times what it gathered. Shapes: (T,), (n, K, B) -> (B, channels)."""
    weights = F.pad(blocks, (0, 1)).index_select(0, side.weights).view(side.shape)
    result = torch.bmm(weights, gathered).view(-1, gathered.shape[2])
    return result.index_select(0, side.rows).t().contiguous()


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
