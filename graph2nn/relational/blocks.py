"""The differentiable operations behind the executions of a relational layer."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

__all__ = ["mask_gradient", "scatter_blocks"]


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
