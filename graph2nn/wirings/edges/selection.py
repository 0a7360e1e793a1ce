"""What of a weight is multiplied with: a budget of edges, and whom the gradient reaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from graph2nn.deprecated import renamed_keywords
from graph2nn.training.masking import zero_outside
from graph2nn.wirings.edges.slots import Rectangle

__all__ = ["edge_budget", "select_weight"]

Hook = Callable[[Tensor], None]
"""Is called with the gradient of all slots in a backward pass."""


def edge_budget(keep: int | float, slots: int, *, most: int | None = None, where: str = "") -> int:
    """Return how many edges `keep` stands for.

    Args:
        keep: Number of edges (int), or share of all slots that is kept (float, up to 1.0).
        slots: Number of all slots, legal or not. Of them a share p = 1 - keep is dropped,
            k = n - ⌊p n⌋, as in the published configurations (their `prune_rate` is p).
        most: Number of slots that may be edges; None means all.
        where: Name of the layer, for messages.

    Raises:
        ValueError: There would be no edge at all, or more than may be.

    Examples:
        >>> edge_budget(0.05, 640_000), edge_budget(104, 2048)
        (32000, 104)
    """
    most, place = slots if most is None else most, f"{where}: " if where else ""
    if isinstance(keep, bool) or not isinstance(keep, (int, float)) or not math.isfinite(keep):
        raise ValueError(f"{place}keep: expected a number of edges or a share, got {keep!r}")
    if isinstance(keep, float):
        if not 0 < keep <= 1:
            raise ValueError(
                f"{place}keep: a share of the slots must be above 0 and at most 1, got {keep}; "
                "write a number of edges as an int"
            )
        keep = slots - int((1 - keep) * slots)
    if not 1 <= keep <= most:
        raise ValueError(
            f"{place}keep: expected from 1 to {most} edges, as many as there are legal slots "
            f"among {slots}, got {keep}"
        )
    return keep


@renamed_keywords(observer="gradient_hook")
def select_weight(
    weight: Tensor,
    mask: Tensor | None,
    rectangles: Sequence[Rectangle],
    *,
    straight_through: bool = True,
    gradient_hook: Hook | None = None,
) -> tuple[Tensor, ...]:
    """Take the rectangles of a weight that a network multiplies with, zero where no edge is.

    "Discovering Neural Wirings", arXiv:1906.00586, section 2.1: the forward pass sees only the real
    edges; the gradient of a slot, real or hallucinated, is <∂L/∂I_v, Z_u>, as if the edge were
    there. What flows back *through* the layer uses the real edges only. The gradients of all
    rectangles are written into one buffer; those of separate slices would each be padded with zeros
    to the size of the weight and summed.

    Args:
        weight: Numbers of all slots.
        mask: Edges; None means every slot.
        rectangles: Parts to return, which must not overlap.
        straight_through: Whether the gradient reaches all slots, or only the edges.
        gradient_hook: Function that is called with the gradient of all slots, whatever
            `straight_through` says.

    Shapes:
        weight and mask (outputs, inputs, ...) -> for each rectangle (rows, columns, ...).
    """
    if weight.is_meta:  # tracing follows operations, which it does not see inside a Function
        return tuple(weight[found.part] for found in rectangles)
    return _Select.apply(weight, mask, tuple(rectangles), straight_through, gradient_hook)


class _Select(torch.autograd.Function):
    @staticmethod
    def forward(
        weight: Tensor,
        mask: Tensor | None,
        rectangles: tuple[Rectangle, ...],
        straight_through: bool,
        gradient_hook: Hook | None,
    ) -> tuple[Tensor, ...]:
        zero = weight.new_zeros(())
        parts = []
        for found in rectangles:
            part = weight[found.part]
            # A copy either way: an output of the function must not share memory with its input.
            parts.append(
                part.clone() if mask is None else torch.where(mask[found.part], part, zero)
            )
        return tuple(parts)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        weight, mask, ctx.rectangles, ctx.straight_through, ctx.gradient_hook = inputs
        ctx.mask, ctx.like = mask, (weight.shape, weight.dtype, weight.device)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        shape, dtype, device = ctx.like
        gradient = _assemble(gradients, ctx.rectangles, shape, dtype, device)
        if ctx.gradient_hook is not None:
            ctx.gradient_hook(gradient.detach())
        if not ctx.straight_through and ctx.mask is not None:
            gradient = zero_outside(gradient, ctx.mask)
        return gradient, None, None, None, None


def _assemble(
    gradients: Sequence[Tensor | None],
    rectangles: Sequence[Rectangle],
    shape: torch.Size,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    first = gradients[0]
    if len(gradients) == 1 and first is not None and first.shape == shape:
        return first
    whole = torch.zeros(shape, dtype=dtype, device=device)
    for found, gradient in zip(rectangles, gradients):
        if gradient is not None:
            whole[found.part] = gradient
    return whole
