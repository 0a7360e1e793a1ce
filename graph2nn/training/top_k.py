"""Which k of many scores are the largest, exactly k: how weights become edges or stay in a mask."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["kth_largest", "top_k", "top_k_reference"]


def kth_largest(scores: Tensor, k: int) -> Tensor:
    """Return the k-th largest score, by partition and not by sorting.

    On a CPU numpy's partition finds it, in float32 an order of magnitude faster than
    `torch.kthvalue`; elsewhere `torch.topk` without its order. NaN counts as largest.

    Args:
        scores: Numbers of any floating type.
        k: Rank from 1 to their number.

    Shapes:
        scores (n,) -> ().
    """
    at = scores.numel() - k
    if scores.device.type == "cpu":
        half = scores.dtype in (torch.float16, torch.bfloat16)
        values = (scores.float() if half else scores).detach().numpy()
        return torch.as_tensor(np.partition(values, at)[at]).to(scores.dtype)
    if at < k:
        return torch.topk(scores, at + 1, largest=False, sorted=False).values.max()
    return torch.topk(scores, k, sorted=False).values.min()


def top_k(scores: Tensor, k: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Choose the k largest scores, exactly k, whatever is equal.

    Args:
        scores: Numbers of any floating type; NaN counts as largest.
        k: How many to choose, from 1 to their number.
        generator: Source of the draw among scores that equal the k-th largest; None takes the
            first of them.

    Shapes:
        scores (n,) -> (n,) bool.

    Examples:
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
        if generator is not None:
            ties = ties[torch.randperm(len(ties), generator=generator).to(ties.device)]
        chosen[ties[len(ties) - extra :]] = False
    elif extra < 0:  # comparisons with NaN, after a training that diverged
        return top_k(scores.nan_to_num(nan=math.inf), k, generator=generator)
    return chosen


def top_k_reference(scores: Tensor, k: int) -> Tensor:
    """Choose as `top_k` does without a generator, by a stable sort.

    Shapes:
        scores (n,) -> (n,) bool.
    """
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    chosen[torch.sort(scores, descending=True, stable=True).indices[:k]] = True
    return chosen
