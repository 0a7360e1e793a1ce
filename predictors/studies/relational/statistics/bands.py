"""Error against C and L among graphs of nearly equal degree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graph2nn.relational.campaign.graph_means import GraphMeans

__all__ = ["Band", "degree_bands"]

_GRAPHS = 16  # in a band at least
_MOST = 8  # bands
_FEWEST = 6  # graphs that a parabola is still fitted to


@dataclass(frozen=True, eq=False, kw_only=True)
class Band:
    """Graphs whose degrees, and so matched widths, lie close together.

    Args:
        k_low, k_high: Smallest and largest mean degree.
        C, L, mean: Measures and mean error over seeds, in percent, of each graph.
        c_fit, l_fit: Parabolas in C and in L, highest power first.
        c_minimum, l_minimum: Places where they are lowest; NaN where they open downwards.
        c_r2, l_r2: R² of the fits.

    Shapes:
        C, L, mean (G,); c_fit, l_fit (3,).
    """

    k_low: float
    k_high: float
    C: np.ndarray
    L: np.ndarray
    mean: np.ndarray
    c_fit: np.ndarray
    l_fit: np.ndarray
    c_minimum: float
    l_minimum: float
    c_r2: float
    l_r2: float

    @property
    def c_interior(self) -> bool:
        """Whether the best C lies among the graphs of the band."""
        return bool(self.C.min() <= self.c_minimum <= self.C.max())

    @property
    def l_interior(self) -> bool:
        """Whether the best L lies among the graphs of the band."""
        return bool(self.L.min() <= self.l_minimum <= self.L.max())


def degree_bands(means: GraphMeans, count: int | None = None) -> list[Band]:
    """Divide graphs into bands of equally many by degree, with parabolas in C and in L.

    Holding the degree makes no assumption on how it acts, which `control_for_degree` does. Within a
    band C and L rise together, from random graphs to lattices, so the two fits are two views of
    one curve.

    Args:
        means: Errors of one task with the column `k_degree`; the complete graph is left out.
        count: Number of bands; by default one for 16 graphs, eight at most.

    Raises:
        ValueError: No degrees, or too few graphs for a band.
    """
    graphs = means.take(~means.is_baseline)
    k = graphs.extra.get("k_degree")
    if k is None or not np.isfinite(k).all():
        raise ValueError(f"{means.task}: bands of degree need the degree of every graph")
    count = min(_MOST, len(k) // _GRAPHS) if count is None else count
    if count < 1 or len(k) < _FEWEST * count:
        raise ValueError(
            f"{means.task}: bands of degree need at least {max(_GRAPHS, _FEWEST * count)} graphs, "
            f"got {len(k)}"
        )
    parts = np.array_split(np.argsort(k, kind="stable"), count)
    return [_band(k[rows], graphs.C[rows], graphs.L[rows], graphs.mean[rows]) for rows in parts]


def _band(k: np.ndarray, C: np.ndarray, L: np.ndarray, mean: np.ndarray) -> Band:
    c_fit, c_minimum, c_r2 = _parabola(C, mean)
    l_fit, l_minimum, l_r2 = _parabola(L, mean)
    return Band(
        k_low=float(k.min()), k_high=float(k.max()), C=C, L=L, mean=mean,
        c_fit=c_fit, l_fit=l_fit, c_minimum=c_minimum, l_minimum=l_minimum, c_r2=c_r2, l_r2=l_r2,
    )  # fmt: skip


def _parabola(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Coefficients, lowest point and R2; of fewer than four different x, all NaN."""
    if len(np.unique(x)) < 4:
        return np.full(3, np.nan), float("nan"), float("nan")
    fit = np.polyfit(x, y, 2)
    total = float(((y - y.mean()) ** 2).sum())
    r2 = 1 - float(((y - np.polyval(fit, x)) ** 2).sum()) / total if total else float("nan")
    return fit, float(-fit[1] / (2 * fit[0])) if fit[0] > 0 else float("nan"), r2
