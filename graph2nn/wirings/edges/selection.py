"""Exactly k edges by magnitude, and the gradient that reaches all slots (or only the edges)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graph2nn.wirings.edges.slots import Rectangle

__all__ = ["edge_budget", "kth_largest", "select_weight", "top_k", "top_k_reference"]

Observer = Callable[[Tensor], None]
"""Is shown the gradient of all slots in a backward pass."""


def edge_budget(keep: int | float, slots: int, *, most: int | None = None, where: str = "") -> int:
    """How many edges `keep` stands for.

    Args:
        keep: a number of edges (int), or the share of all slots that is kept (float, up to 1.0).
        slots: all slots, legal or not. Of them a share p = 1 - keep is dropped, k = n - ⌊p n⌋, as
            in the published configurations (their `prune_rate` is p).
        most: slots that may be edges; None means all.
        where: name of the layer, for messages.

    Raises:
        ValueError: no edge at all, or more than may be.

    Example:
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


def kth_largest(scores: Tensor, k: int) -> Tensor:
    """The k-th largest score, by partition and not by sorting.

    On a CPU numpy's partition finds it, in float32 an order of magnitude faster than
    `torch.kthvalue`; elsewhere `torch.topk` without its order. NaN counts as largest.

    Shapes:
        (n,) -> ().
    """
    at = scores.numel() - k
    if scores.device.type == "cpu":
        half = scores.dtype in (torch.float16, torch.bfloat16)
        values = (scores.float() if half else scores).detach().numpy()
        return torch.as_tensor(np.partition(values, at)[at]).to(scores.dtype)
    if at < k:
        return torch.topk(scores, at + 1, largest=False, sorted=False).values.max()
    return torch.topk(scores, k, sorted=False).values.min()


def top_k(scores: Tensor, k: int) -> Tensor:
    """The k largest scores, exactly k: among equal ones the first are taken.

    Args:
        scores: not negative.
        k: from 1 to their number.

    Shapes:
        (n,) -> (n,) bool.

    Example:
        >>> top_k(torch.tensor([3.0, 1.0, 1.0, 1.0]), 2).tolist()
        [True, True, False, False]
    """
    if k == scores.numel():
        return torch.ones_like(scores, dtype=torch.bool)
    threshold = kth_largest(scores, k)
    chosen = scores >= threshold
    extra = int(chosen.sum()) - k
    if extra > 0:
        ties = (scores == threshold).nonzero().flatten()
        chosen[ties[len(ties) - extra :]] = False
    elif extra < 0:  # comparisons with NaN, after a training that diverged
        return top_k(scores.nan_to_num(nan=math.inf), k)
    return chosen


def top_k_reference(scores: Tensor, k: int) -> Tensor:
    """`top_k` by a stable sort."""
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    chosen[torch.sort(scores, descending=True, stable=True).indices[:k]] = True
    return chosen


def select_weight(
    weight: Tensor,
    mask: Tensor | None,
    rectangles: Sequence[Rectangle],
    *,
    straight_through: bool = True,
    observer: Observer | None = None,
) -> tuple[Tensor, ...]:
    """The rectangles of a weight that a network multiplies with, zero where there is no edge.

    "Discovering Neural Wirings", arXiv:1906.00586, section 2.1: the forward pass sees only the real
    edges; the gradient of a slot, real or hallucinated, is <∂L/∂I_v, Z_u>, as if the edge were
    there. What flows back *through* the layer uses the real edges only. The gradients of all
    rectangles are written into one buffer; those of separate slices would each be padded with zeros
    to the size of the weight and summed.

    Args:
        weight: of all slots.
        mask: the edges; None means every slot.
        rectangles: parts to return; must not overlap.
        straight_through: let the gradient reach all slots; otherwise only the edges.
        observer: is shown the gradient of all slots, whatever `straight_through` says.

    Shapes:
        weight and mask (outputs, inputs, ...) -> for each rectangle (rows, columns, ...).
    """
    if weight.is_meta:  # tracing follows operations, which it does not see inside a Function
        return tuple(weight[found.part] for found in rectangles)
    return _Select.apply(weight, mask, tuple(rectangles), straight_through, observer)


class _Select(torch.autograd.Function):
    @staticmethod
    def forward(
        weight: Tensor,
        mask: Tensor | None,
        rectangles: tuple[Rectangle, ...],
        straight_through: bool,
        observer: Observer | None,
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
        weight, mask, ctx.rectangles, ctx.straight_through, ctx.observer = inputs
        ctx.mask, ctx.like = mask, (weight.shape, weight.dtype, weight.device)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        shape, dtype, device = ctx.like
        gradient = _assemble(gradients, ctx.rectangles, shape, dtype, device)
        if ctx.observer is not None:
            ctx.observer(gradient.detach())
        if not ctx.straight_through and ctx.mask is not None:
            gradient = gradient.masked_fill(~ctx.mask, 0)
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
