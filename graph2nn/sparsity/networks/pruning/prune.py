"""`prune`: masks of a network at initialisation; `scores`: what they are chosen by."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from graph2nn.sparsity.masks import Masks
from graph2nn.sparsity.networks.pruning import grasp, magnitude, prospr, random, snip, synflow
from graph2nn.sparsity.networks.pruning.batches import Data, PruningProbe
from graph2nn.sparsity.networks.pruning.registry import (
    PRUNERS,
    Goal,
    Pruner,
    check_options,
    find_pruner,
)
from graph2nn.sparsity.networks.pruning.selection import check_scores, check_sparsity, select

__all__ = ["METHODS", "PRUNERS", "CollapsedWarning", "prune", "scores"]

METHODS = (snip, grasp, synflow, prospr, random, magnitude)
"""Modules that register methods."""


class CollapsedWarning(UserWarning):
    """Pruning removes every weight of a layer."""


def prune(
    model: nn.Module,
    method: str,
    *,
    sparsity: float,
    data: Data | None = None,
    seed: int = 0,
    compat: bool = False,
    device: torch.device | str | None = None,
    progress: bool = False,
    exclude: Sequence[str] = (),
    scope: str = "global",
    **options: Any,
) -> Masks:
    """Choose which weights of a network to keep, before it is trained.

    Exactly round((1 - sparsity) n) of the n weights of convolutions and linear layers are kept.
    The network is left as it is; `Masks.apply_` removes the weights. The same seed, weights and
    data give the same masks, and random masks do not depend on the device.

    Args:
        model: Network from images (B, C, H, W) to logits (B, classes).
        method: Name in `PRUNERS`.
        sparsity: Fraction of the weights to remove, in [0, 1).
        data: Data for `snip`, `grasp` and `prospr`, labelled images: an `ImageData`, of which
            training batches of the published size are drawn; one batch (images, labels),
            normalised; or batches such as those of a `DataLoader`. `synflow` takes the shape of
            images from it.
        seed: Seed of everything random.
        compat: Whether to do as the code published with arXiv:2305.16886, whose densities are off:
            see the methods.
        device: Device that computes scores; None for that of the weights.
        progress: Whether to show a bar for long work.
        exclude: Patterns (`fnmatch`) of names of weights to keep dense, such as `fc.weight` or
            `*.shortcut.*`. They count in the sparsity: other layers lose more.
        scope: Whether, for methods that score weights once, they compete in the network (`global`)
            or in each `layer`.
        **options: Options of the method, see its function.

    Raises:
        ValueError: A sparsity out of range or out of reach, nothing to prune, missing or wrong
            data, scores that are not finite, unknown names or options.

    Warns:
        UserWarning: Layers are left without any weight.

    Examples:
        >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
        >>> prune(model, "erk", sparsity=0.5)
        Masks(layers=2, kept=80 of 160, density=0.5)
    """
    found = find_pruner(method)
    probe = PruningProbe(
        model, data=data, seed=seed, device=device, compat=compat, progress=progress
    )
    goal = _goal(probe, sparsity, exclude)
    if compat and (exclude or scope != "global"):
        raise ValueError(
            "compat mode prunes as published, without exclude or scope; leave them out"
        )
    with probe.running():
        chosen = _choose(found, probe, goal, scope, options)
    dense = {name: torch.ones(w.shape, dtype=torch.bool) for name, w in probe.weights.items()}
    masks = Masks({**dense, **chosen})
    if masks.collapsed():
        warnings.warn(
            f"{method} at sparsity {sparsity} removes every weight of "
            f"{', '.join(masks.collapsed())}: no signal passes there, and what depends on it "
            "cannot be trained; lower the sparsity, exclude these layers or use another method",
            CollapsedWarning,
            stacklevel=2,
        )
    return masks


def scores(
    model: nn.Module,
    method: str,
    data: Data | None = None,
    *,
    seed: int = 0,
    compat: bool = False,
    device: torch.device | str | None = None,
    **options: Any,
) -> dict[str, Tensor]:
    """Score each weight, the larger the more `method` would rather keep it.

    Args:
        model, method, data, seed, compat, device, **options: Arguments of `prune`.

    Returns:
        Scores by name of the weight, of its shape, on the CPU; `masks_from_scores` makes masks of
        them.

    Raises:
        ValueError: As in `prune`, and for methods without scores (`er`, `erk`, `dense`).
    """
    found = find_pruner(method)
    if found.scores is None:
        raise ValueError(f"{method} has no scores of weights; prune gives its masks")
    check_options(method, found.scores, options)
    probe = PruningProbe(model, data=data, seed=seed, device=device, compat=compat)
    with probe.running():
        return {name: score.cpu() for name, score in found.scores(probe, **options).items()}


def _goal(probe: PruningProbe, sparsity: float, exclude: Sequence[str]) -> Goal:
    patterns = [exclude] if isinstance(exclude, str) else list(exclude)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in probe.weights):
            raise ValueError(
                f"exclude: no weight is called {pattern!r}; there are {', '.join(probe.weights)}"
            )
    pool, dense = {}, 0
    for name, weight in probe.weights.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            dense += weight.numel()
        else:
            pool[name] = tuple(weight.shape)
    if not pool:
        raise ValueError("exclude leaves nothing to prune")
    count = sum(weight.numel() for weight in probe.weights.values())
    keep = check_sparsity(sparsity, count, dense) - dense
    return Goal(shapes=pool, keep=keep, sparsity=float(sparsity))


def _choose(
    found: Pruner, probe: PruningProbe, goal: Goal, scope: str, options: dict[str, Any]
) -> dict[str, Tensor]:
    run = (found.published if probe.compat else None) or found.masks
    if run is not None:
        check_options(found.name, run, options)
        if scope != "global":
            raise ValueError(f"{found.name} sets its own layer densities; leave scope out")
        return run(probe, goal, **options)
    assert found.scores is not None, found.name
    check_options(found.name, found.scores, options)
    all_scores = found.scores(probe, **options)
    check_scores(all_scores, f"scores of {found.name}")
    pool = {name: all_scores[name].cpu() for name in goal.shapes}
    if not probe.compat or found.rule is None:
        return select(pool, goal.keep, scope, probe.generator())
    kept = found.rule(torch.cat([s.flatten() for s in pool.values()]), goal.sparsity)
    parts = kept.split([s.numel() for s in pool.values()])
    return {name: part.view(goal.shapes[name]) for name, part in zip(pool, parts)}


def _dense(probe: PruningProbe, goal: Goal) -> dict[str, Tensor]:
    """Everything, for comparison."""
    if goal.sparsity:
        raise ValueError(f"dense keeps all weights: expected sparsity 0, got {goal.sparsity}")
    return {name: torch.ones(shape, dtype=torch.bool) for name, shape in goal.shapes.items()}


PRUNERS["dense"] = Pruner(name="dense", source="no pruning", masks=_dense)
