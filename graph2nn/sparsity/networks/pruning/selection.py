"""From scores to masks: exactly as many weights as asked for, or as published."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from graph2nn.names import check_choice
from graph2nn.sparsity.masks import Masks
from graph2nn.sparsity.networks.pruning.allocation import largest_remainder
from graph2nn.training.top_k import top_k

__all__ = [
    "SCOPES",
    "best",
    "check_scores",
    "check_sparsity",
    "keep_ceil",
    "keep_ties",
    "keep_unremoved",
    "masks_from_scores",
    "select",
]

SCOPES = ("global", "layer")


def masks_from_scores(
    scores: Mapping[str, Tensor], sparsity: float, *, scope: str = "global", seed: int = 0
) -> Masks:
    """Keep the round((1 - sparsity) n) weights with the largest scores, exactly.

    Weights with equal scores at the border are drawn by the seed: by position, the first layers
    would be favoured.

    Args:
        scores: Scores by name of the weight, each of its shape.
        sparsity: Fraction of the weights to remove, in [0, 1).
        scope: Scope in which weights compete: the network (`global`), or each `layer`, which all
            get the same density (rounded so that the total is exact).
        seed: Seed of ties.

    Raises:
        ValueError: A sparsity out of range or that keeps nothing, scores with NaN or infinities.

    Examples:
        >>> masks_from_scores({"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([2.0, 0.0])}, 0.5)
        Masks(layers=2, kept=2 of 4, density=0.5)
    """
    check_scores(scores, "these scores")
    count = sum(score.numel() for score in scores.values())
    keep = check_sparsity(sparsity, count)
    return Masks(select(scores, keep, scope, torch.Generator().manual_seed(seed)))


def select(
    scores: Mapping[str, Tensor], keep: int, scope: str, generator: torch.Generator
) -> dict[str, Tensor]:
    """Find the `keep` weights with the largest scores, as booleans on the CPU.

    Masks have the shapes of the scores.
    """
    check_choice("scope", scope, SCOPES)
    flat = {name: score.detach().flatten().cpu() for name, score in scores.items()}
    if scope == "global":
        chosen = best(torch.cat(list(flat.values())), keep, generator)
        parts = chosen.split([len(score) for score in flat.values()])
        found = dict(zip(flat, parts))
    else:
        sizes = [len(score) for score in flat.values()]
        counts = largest_remainder([keep * n / sum(sizes) for n in sizes], sizes, keep)
        found = {n: best(s, k, generator) for (n, s), k in zip(flat.items(), counts)}
    return {name: mask.view(scores[name].shape) for name, mask in found.items()}


def best(scores: Tensor, keep: int, generator: torch.Generator) -> Tensor:
    """Find which `keep` of the scores are largest; equal ones at the border are drawn.

    Shapes:
        scores (n,) on the CPU -> (n,) bool.
    """
    if keep >= len(scores) or keep <= 0:
        return torch.full((len(scores),), keep > 0, dtype=torch.bool)
    return top_k(scores, keep, generator=generator)


def keep_ties(scores: Tensor, sparsity: float) -> Tensor:
    """Keep as SNIP published: shares of the total, all that equal the int(n keep)-th.

    Shapes: (n,) -> (n,) bool.
    """
    shares = scores / scores.sum()
    return shares >= shares.topk(_at_least_one(int(len(shares) * (1 - sparsity)))).values[-1]


def keep_unremoved(scores: Tensor, sparsity: float) -> Tensor:
    """Keep as GraSP published: int(n sparsity) go, less those equal to the last of them.

    Shapes: (n,) -> (n,) bool.
    """
    shares = scores / (scores.sum().abs() + 1e-10)
    remove = int(len(shares) * (1 - (1 - sparsity)))
    if not remove:
        return torch.ones_like(shares, dtype=torch.bool)
    return shares >= shares.topk(remove, largest=False).values[-1]


def keep_ceil(scores: Tensor, sparsity: float) -> Tensor:
    """Keep as ProsPr published: the best ceil(n keep), (n,) -> (n,) bool."""
    mask = torch.zeros_like(scores, dtype=torch.bool)
    mask[scores.topk(math.ceil(len(scores) * (1 - sparsity))).indices] = True
    return mask


def check_scores(scores: Mapping[str, Tensor], what: str) -> None:
    """Check that scores are finite, of whatever shape.

    Raises:
        ValueError: NaN or infinite scores, named by their layer, or none at all.
    """
    if not scores:
        raise ValueError("there are no scores: nothing to prune")
    for name, score in scores.items():
        wrong = int((~score.isfinite()).sum())
        if wrong:
            kind = "NaN" if score.isnan().any() else "infinite"
            raise ValueError(
                f"{what} of {name} are {kind} ({wrong} of {score.numel()}); look for weights, "
                "images or a loss that are not finite, or for overflow in a very deep network"
            )


def check_sparsity(sparsity: float, count: int, dense: int = 0) -> int:
    """Count how many of `count` weights are kept where `dense` of them are not to be removed.

    Raises:
        ValueError: A sparsity out of range, or one that cannot be reached.
    """
    if isinstance(sparsity, bool) or not isinstance(sparsity, int | float | np.floating):
        raise ValueError(f"sparsity must be a number in [0, 1), got {sparsity!r}")
    if not 0 <= sparsity < 1:
        raise ValueError(
            f"sparsity must be in [0, 1), got {sparsity}; it is the fraction of weights removed"
        )
    keep = round((1 - float(sparsity)) * count)
    if keep == 0:
        raise ValueError(
            f"sparsity {sparsity} keeps none of {count} weights; use {1 - 1 / count:.6g} at most"
        )
    if dense and keep <= dense:
        raise ValueError(
            f"sparsity {sparsity} keeps {keep} of {count} weights, but {dense} are in layers "
            "excluded from pruning, so that the rest would be empty; exclude fewer layers or use a "
            f"sparsity below {1 - dense / count:.4g}"
        )
    return keep


def _at_least_one(keep: int) -> int:
    if keep < 1:
        raise ValueError(
            "the published rule rounds the weights to keep down to none; lower sparsity"
        )
    return keep
