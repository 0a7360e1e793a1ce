"""The best graph chosen on some training seeds and tested on others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from graph2nn.relational.campaign.graph_means import GraphMeans
from predictors.studies.relational.statistics.bins import Binning
from predictors.studies.relational.statistics.sweetspot import SweetSpot, spot_of_groups
from predictors.studies.relational.statistics.tests import Groups

__all__ = ["HeldOut", "Selection", "held_out", "selection"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Selection:
    """What is left of the lowest error on seeds that did not choose it.

    Args:
        chosen_error: Mean error of the chosen graphs on the seeds that chose them.
        fresh_error: Mean error on the seed left out. The difference is the winner's curse.
        splits: Number of splits, one per seed.
    """

    chosen_error: float
    fresh_error: float
    splits: int


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldOut:
    """Sweet spots against a best graph (or bin) that was chosen on other seeds.

    Args:
        splits: Number of splits of the seeds.
        share: Share of splits in which a graph or bin could not be told from the chosen one.
        spot: Graphs or bins with a share of one half or more; `best` is the one chosen most often,
            ties going to the lower mean, and p the median over splits.

    Shapes:
        share (M,).
    """

    splits: int
    share: np.ndarray
    spot: SweetSpot


def selection(means: GraphMeans) -> Selection:
    """Choose the best generated graph on all seeds but one, and look at it on that one.

    Raises:
        ValueError: A single seed.
    """
    if len(means.seeds) < 2:
        raise ValueError(f"{means.task}: one seed, so the best graph cannot be tried on another")
    generated = means.take(~means.is_baseline)
    found = []
    for first, second in _splits(generated.runs, len(means.seeds) - 1):
        chosen, fresh = Groups.of(first).mean, Groups.of(second).mean
        usable = np.isfinite(chosen) & np.isfinite(fresh)
        best = int(np.argmin(np.where(usable, chosen, np.inf)))
        found.append((chosen[best], fresh[best]))
    return Selection(
        chosen_error=float(np.mean([pair[0] for pair in found])),
        fresh_error=float(np.mean([pair[1] for pair in found])),
        splits=len(found),
    )


def held_out(
    means: GraphMeans,
    *,
    test: str = "pooled",
    correction: str = "holm",
    binning: Binning | None = None,
) -> HeldOut:
    """Find the sweet spot without the winner's curse, over all splits of the seeds in halves.

    The lowest of many noisy means is low by luck as well as by merit, and a test on the same runs
    counts the luck as merit. Here the best is chosen on half of the seeds (rounded down), and all
    comparisons use the others.

    Args:
        means: Errors of one task; the complete graph is left out.
        test, correction: Arguments of `sweet_spot`.
        binning: Bins to compare instead of graphs.

    Raises:
        ValueError: Fewer than three seeds, so that no two are left to test with.
    """
    count = len(means.seeds)
    if count < 3:
        raise ValueError(
            f"{means.task}: a held-out sweet spot needs a seed to choose on and two to test with, "
            f"got {count}"
        )
    runs, C, L, labels = means.runs, means.C, means.L, None
    counted = ~means.is_baseline
    if binning is not None:
        generated = means.take(counted)
        labels = binning.labels(generated.C, generated.L)
        runs, (C, L) = generated.runs, binning.centres(np.unique(labels))
        counted = np.ones(len(C), dtype=bool)
    unit, spots = "graph" if labels is None else "cell", []
    for first, second in _splits(runs, count // 2):
        chosen, fresh = Groups.of(first, labels), Groups.of(second, labels)
        usable = np.isfinite(chosen.mean) & np.isfinite(fresh.mean) & counted
        best = int(np.argmin(np.where(usable, chosen.mean, np.inf)))
        spots.append(
            spot_of_groups(fresh, C, L, counted, best, unit=unit, test=test, correction=correction)
        )
    return _over_splits(spots, Groups.of(runs, labels).mean)


def _over_splits(spots: list[SweetSpot], mean: np.ndarray) -> HeldOut:
    share = np.mean([spot.inside for spot in spots], axis=0)
    picks = np.bincount([spot.best for spot in spots], minlength=len(mean))
    best = int(np.lexsort((mean, -picks))[0])
    p = np.array([np.where(np.isfinite(spot.p), spot.p, 1.0) for spot in spots])
    spot = replace(
        spots[0],
        inside=share >= 0.5,
        best=best,
        mean=float(mean[best]),
        p=np.where(spots[0].counted, np.median(p, axis=0), np.nan),
    )
    return HeldOut(splits=len(spots), share=share, spot=spot)


def _splits(runs: np.ndarray, choose: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Runs of the choosing and of the other seeds, for every way to choose."""
    seeds = range(runs.shape[1])
    for chosen in combinations(seeds, choose):
        others = [seed for seed in seeds if seed not in chosen]
        yield runs[:, list(chosen)], runs[:, others]
