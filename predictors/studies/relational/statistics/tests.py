"""Tests between groups of runs, multiple comparisons, noise of seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from graph2nn.names import check_choice
from graph2nn.relational.campaign.graph_means import GraphMeans

__all__ = [
    "CORRECTIONS",
    "TESTS",
    "Groups",
    "adjust",
    "p_better",
    "p_worse",
    "reliability",
    "seed_correlations",
]

TESTS = ("student", "welch", "pooled")
"""`student`: the two groups share a variance; `welch`: each has its own; `pooled`: all groups
share one, which with three seeds each is by far the steadiest estimate."""

CORRECTIONS = ("none", "holm", "bh")
"""`holm`: probability of any false rejection below the level; `bh` (Benjamini-Hochberg): expected
share of false rejections among all rejections below it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Groups:
    """Groups of runs: of one graph each, or of all graphs in a bin.

    Args:
        mean: Mean of the errors in each group.
        var: Their unbiased variance, NaN with a single run.
        count: Number of runs.

    Shapes:
        (M,) each.
    """

    mean: np.ndarray
    var: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, runs: np.ndarray, labels: np.ndarray | None = None) -> Groups:
        """Group runs (G, S), NaN where missing: a row each, or the rows of each label (G,)."""
        rows = np.arange(len(runs)) if labels is None else np.unique(labels, return_inverse=True)[1]
        some = np.isfinite(runs)
        place, values = np.broadcast_to(rows[:, None], runs.shape)[some], runs[some]
        size = int(rows.max()) + 1 if len(rows) else 0
        count = np.bincount(place, minlength=size)
        mean = _divided(np.bincount(place, values, size), count)
        squares = np.bincount(place, (values - mean[place]) ** 2, size)
        return cls(mean=mean, var=_divided(squares, count - 1), count=count)

    @property
    def pooled_var(self) -> float:
        """Variance within groups, all together; NaN where no group has two runs."""
        free = np.maximum(self.count - 1, 0)
        squares = np.where(free > 0, np.nan_to_num(self.var) * free, 0.0)
        return float(squares.sum() / free.sum()) if free.sum() else float("nan")


def p_worse(groups: Groups, reference: int, test: str = "student") -> np.ndarray:
    """Compute the one-sided p of each group against one of them, (M,).

    It is small where the group's error is larger, NaN where there are too few runs for the test.

    Args:
        groups: All groups.
        reference: Index of the one to compare with.
        test: One of `TESTS`.

    Raises:
        ValueError: Unknown test.
    """
    return _one_sided(groups, reference, test, sign=1.0)


def p_better(groups: Groups, reference: int, test: str = "student") -> np.ndarray:
    """Compute `p_worse` the other way: small where the group's error is smaller, (M,)."""
    return _one_sided(groups, reference, test, sign=-1.0)


def adjust(p: np.ndarray, correction: str = "holm") -> np.ndarray:
    """Correct p-values (M,) for their number; NaN stays and is not counted.

    Args:
        p: Values, one a comparison.
        correction: One of `CORRECTIONS`.

    Raises:
        ValueError: Unknown correction.

    Examples:
        >>> adjust(np.array([0.01, 0.04])).tolist()
        [0.02, 0.04]
    """
    check_choice("correction", correction, CORRECTIONS)
    result, some = p.astype(float), np.flatnonzero(np.isfinite(p))
    if correction == "none" or not len(some):
        return result
    if correction == "bh":
        result[some] = stats.false_discovery_control(p[some])
        return result
    order = some[np.argsort(p[some], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    result[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return result


def seed_correlations(means: GraphMeans) -> np.ndarray:
    """Correlate every two seeds across graphs, complete graph left out.

    Shapes:
        (S (S - 1) / 2,); NaN for a pair with fewer than three graphs in common.
    """
    runs = means.runs[~means.is_baseline]
    pairs = [(i, j) for i in range(runs.shape[1]) for j in range(i)]
    values = []
    for i, j in pairs:
        both = np.isfinite(runs[:, i]) & np.isfinite(runs[:, j])
        known = both.sum() > 2 and np.ptp(runs[both, i]) > 0 and np.ptp(runs[both, j]) > 0
        values.append(np.corrcoef(runs[both, i], runs[both, j])[0, 1] if known else np.nan)
    return np.array(values)


def reliability(means: GraphMeans) -> float:
    """Compute the share of the variance of graph means that is not noise of seeds.

    No predictor of the means can have a larger R2. NaN without two seeds of two graphs that differ.
    """
    generated = means.take(~means.is_baseline)
    if len(generated) < 2 or generated.count.max(initial=0) < 2:
        return float("nan")
    within = np.nanmean(generated.std(ddof=1) ** 2) / generated.count.mean()
    total = generated.mean.var(ddof=1)
    return float(1 - within / total) if total > 0 else float("nan")


def _one_sided(groups: Groups, reference: int, test: str, sign: float) -> np.ndarray:
    check_choice("test", test, TESTS)
    n, m = groups.count.astype(float), float(groups.count[reference])
    var, own = groups.var, groups.var[reference]
    if test == "pooled":
        squared = groups.pooled_var * (1 / n + 1 / m)
        free = np.full(len(n), np.maximum(groups.count - 1, 0).sum(), dtype=float)
    elif test == "student":
        free = n + m - 2
        # a single run adds no square, so it may still be compared with several
        squares = np.where(n > 1, var * (n - 1), 0.0) + (own * (m - 1) if m > 1 else 0.0)
        squared = _divided(squares, free) * (1 / n + 1 / m)
    else:
        a, b = var / n, own / m
        squared = a + b
        free = _divided(squared**2, _divided(a**2, n - 1) + _divided(b**2, m - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (groups.mean[reference] - groups.mean) * sign / np.sqrt(squared)
    t = np.where((squared == 0) & np.isnan(t), 0.0, t)  # all runs of both equal: no difference
    free = np.where(squared == 0, np.maximum(n + m - 2, 1), free)
    return stats.t.cdf(t, np.where(free > 0, free, np.nan))


def _divided(top: ArrayLike, bottom: ArrayLike) -> np.ndarray:
    """Quotient, NaN where the divisor is not positive."""
    top, bottom = np.broadcast_arrays(np.asarray(top, float), np.asarray(bottom, float))
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
