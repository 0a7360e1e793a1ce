"""The sweet spot: graphs that a test cannot tell from the best one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graph2nn.relational.campaign.graph_means import GraphMeans
from predictors.studies.relational.statistics.bins import Binning
from predictors.studies.relational.statistics.tests import Groups, adjust, p_worse

__all__ = [
    "LEVEL",
    "PUBLISHED_RANK",
    "SweetSpot",
    "best_graph",
    "spot_of_groups",
    "sweet_spot",
    "sweet_spot_of_bins",
]

LEVEL = 0.05
"""A graph is outside when its one-sided p-value is below this."""

PUBLISHED_RANK = {"mlp_cifar10": 2}
"""Which graph the published analysis calls the best, counted from 0: of the MLP the third, as the
first two vary a lot between seeds. The lowest mean elsewhere."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SweetSpot:
    """A set of graphs, or of bins, and the rectangle around it.

    Args:
        unit: What the members are, "graph" or "cell".
        test, correction: Names of both, as `p_worse` and `adjust` call them.
        C, L: Measures of every graph or centre of a bin.
        inside: Whether it is in the sweet spot. The complete graph never is.
        counted: Mask of the candidates, so all but the complete graph.
        best: Index of the best one.
        mean: Its mean error, percent.
        p: One-sided p-values against the best, corrected; NaN where no test was possible.

    Shapes:
        C, L, inside, counted and p (M,).
    """

    unit: str
    test: str
    correction: str
    C: np.ndarray
    L: np.ndarray
    inside: np.ndarray
    counted: np.ndarray
    best: int
    mean: float
    p: np.ndarray

    @property
    def c_range(self) -> tuple[float, float]:
        """Smallest and largest C inside."""
        return _range(self.C[self.inside])

    @property
    def l_range(self) -> tuple[float, float]:
        """Smallest and largest L inside."""
        return _range(self.L[self.inside])

    @property
    def size(self) -> int:
        """Number of those inside."""
        return int(self.inside.sum())

    @property
    def total(self) -> int:
        """Number of all, without the complete graph."""
        return int(self.counted.sum())


def best_graph(means: GraphMeans, rank: int = 0) -> int:
    """Find the graph with the lowest mean error, or the one `rank` places behind.

    Returned is its index. Equal means keep the order of the table. The complete graph competes, as
    published.
    """
    order = np.argsort(np.round(means.mean, 9), kind="stable")  # sums differ in the last digits
    return int(order[min(rank, len(order) - 1)])


def sweet_spot(
    means: GraphMeans, *, test: str = "student", correction: str = "none", rank: int = 0
) -> SweetSpot:
    """Find the graphs whose runs a test cannot tell from those of the best graph.

    See arXiv:2007.06559, section 5.2; the defaults are the published procedure: one Student test
    per graph at 5 %, one-sided, each as if it were the only one.

    Args:
        means: Errors of one task.
        test: One of `TESTS`.
        correction: One of `CORRECTIONS`, over all graphs but the best and the complete one. A
            correction rejects less, so it makes the sweet spot larger.
        rank: Rank of the graph to compare with; `PUBLISHED_RANK` for the published numbers.

    Raises:
        ValueError: No graph has the runs that the test needs.
    """
    best = best_graph(means, rank)
    groups = Groups.of(means.runs)
    return spot_of_groups(
        groups, means.C, means.L, ~means.is_baseline, best, test=test, correction=correction
    )


def sweet_spot_of_bins(
    means: GraphMeans, binning: Binning, *, test: str = "student", correction: str = "none"
) -> SweetSpot:
    """Find the sweet spot with the runs of all graphs of a bin taken together.

    Ranges are those of centres of bins.

    Raises:
        ValueError: No bin has the runs that the test needs.
    """
    generated = means.take(~means.is_baseline)
    labels = binning.labels(generated.C, generated.L)
    groups = Groups.of(generated.runs, labels)
    C, L = binning.centres(np.unique(labels))
    best = int(np.argmin(np.round(groups.mean, 9)))
    everything = np.ones(len(C), dtype=bool)
    return spot_of_groups(
        groups, C, L, everything, best, unit="cell", test=test, correction=correction
    )


def spot_of_groups(
    groups: Groups,
    C: np.ndarray,
    L: np.ndarray,
    counted: np.ndarray,
    best: int,
    *,
    unit: str = "graph",
    test: str = "student",
    correction: str = "none",
) -> SweetSpot:
    """Find the sweet spot of any groups of runs against one of them.

    Arguments are the fields of `SweetSpot`: C, L, counted (M,).

    Raises:
        ValueError: No group has the runs that the test needs.
    """
    p = p_worse(groups, best, test)
    compared = counted & (np.arange(len(p)) != best)
    if compared.any() and not np.isfinite(p[compared]).any():
        raise ValueError(
            f"the {test} test between {unit}s needs more than one run of each; train with at least "
            "two seeds"
        )
    p = adjust(np.where(compared, p, np.nan), correction)
    return SweetSpot(
        unit=unit,
        test=test,
        correction=correction,
        C=C,
        L=L,
        inside=counted & ~(p < LEVEL) & np.isfinite(groups.mean),
        counted=counted,
        best=best,
        mean=float(groups.mean[best]),
        p=p,
    )


def _range(values: np.ndarray) -> tuple[float, float]:
    if not len(values):
        return float("nan"), float("nan")
    return float(values.min()), float(values.max())
