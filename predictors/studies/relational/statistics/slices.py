"""One-dimensional slices of the (C, L) plane, with quadratic fits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from graph2nn.names import check_choice
from graph2nn.relational.campaign.graph_means import GraphMeans

__all__ = ["WINDOWS", "Slice", "take_slice"]

WINDOWS = {"L": ("C", 0.4, 0.6), "C": ("L", 2.0, 2.5)}
"""Variable along the slice: (the other one, its lower and its upper end), as published."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice:
    """Errors of the graphs in a window of one measure, against the other.

    Args:
        along: Name of the measure, "C" or "L".
        x, mean, std: Measure, mean error and standard deviation over seeds (ddof 0) of each graph.
        coefficients: Coefficients of the parabola, highest power first.
        minimum: Its lowest point; outside the range of x it is an extrapolation, and NaN where the
            parabola opens downwards.
        r2: R² of the fit.
        std_error: Residual standard error of the fit, percent points.

    Shapes:
        x, mean, std (G,); coefficients (3,).
    """

    along: str
    x: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    coefficients: np.ndarray
    minimum: float
    r2: float
    std_error: float

    @property
    def extrapolated(self) -> bool:
        """Whether the minimum lies outside the graphs."""
        return not self.x.min() <= self.minimum <= self.x.max()

    def fit(self, x: np.ndarray) -> np.ndarray:
        """Evaluate the parabola at x of any shape."""
        return np.polyval(self.coefficients, x)

    def band(self, x: np.ndarray) -> np.ndarray:
        """Compute half the width of the 95 % confidence band of the parabola, at x of any shape."""
        centre, scale = self.x.mean(), self.x.std()
        powers = np.vander((self.x - centre) / scale, 3)
        here = np.vander((np.asarray(x) - centre) / scale, 3)
        spread = np.sqrt(np.einsum("ij,jk,ik->i", here, np.linalg.inv(powers.T @ powers), here))
        return stats.t.ppf(0.975, len(self.x) - 3) * self.std_error * spread


def take_slice(means: GraphMeans, along: str) -> Slice:
    """Take the slice along C or L in the published window, complete graph left out.

    See arXiv:2007.06559, figure 4.

    Raises:
        ValueError: Another measure, or fewer than five graphs with four different values.
    """
    check_choice("along", along, WINDOWS)
    other, low, high = WINDOWS[along]
    measures = {"C": means.C, "L": means.L}
    window = (measures[other] >= low) & (measures[other] <= high) & ~means.is_baseline
    x, mean = measures[along][window], means.mean[window]
    if len(x) < 5 or len(np.unique(x)) < 4:
        raise ValueError(
            f"{means.task}: a parabola along {along} needs five graphs with {low} <= {other} <= "
            f"{high}, got {len(x)}"
        )
    coefficients = np.polyfit(x, mean, 2)
    left = mean - np.polyval(coefficients, x)
    total = ((mean - mean.mean()) ** 2).sum()
    a, b, _ = coefficients
    return Slice(
        along=along,
        x=x,
        mean=mean,
        std=means.std()[window],
        coefficients=coefficients,
        minimum=float(-b / (2 * a)) if a > 0 else float("nan"),
        r2=float(1 - (left**2).sum() / total) if total > 0 else float("nan"),
        std_error=float(np.sqrt((left**2).sum() / (len(x) - 3))),
    )
