"""What C and L still say of the error once degree and width are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from graph2nn.relational.campaign.graph_means import GraphMeans
from predictors.studies.relational.statistics.bins import Binning
from predictors.studies.relational.statistics.sweetspot import (
    SweetSpot,
    sweet_spot,
    sweet_spot_of_bins,
)

__all__ = [
    "Control",
    "control_for_degree",
    "degree_fit",
    "leave_one_out",
    "leave_one_out_r2",
    "quadratic",
]

_FEW = 12  # graphs; the largest surface has ten coefficients


@dataclass(frozen=True, eq=False, kw_only=True)
class Control:
    """Degree and width against C and L, as explanations of the error.

    All surfaces are quadratic, of means over seeds; the complete graph is left out.

    Args:
        controls: Numbers held fixed: log k with its square, and log width where it is known.
        degree_width: Correlation of log k and log width; near -1 where FLOPs are matched, and then
            nothing in the data can tell one from the other.
        r2_cl, r2_degree, r2_both: Leave-one-out R2 of surfaces in (C, L), log k, (C, L, log k).
        partial_cl: Share of the variance left by the controls that C and L explain, and
            p_cl, that of the F test.
        partial_degree, p_degree: Share and p the other way round, of the controls after C and L.
        spot: Result of the published procedure on errors from which the controls' part is taken
            away.
        gap: Mean error inside minus outside the published sweet spot, percent points, and
            gap_controlled, the same of the errors without the controls' part.
    """

    controls: tuple[str, ...]
    degree_width: float
    r2_cl: float
    r2_degree: float
    r2_both: float
    partial_cl: float
    p_cl: float
    partial_degree: float
    p_degree: float
    spot: SweetSpot
    gap: float
    gap_controlled: float


def control_for_degree(
    means: GraphMeans, published: SweetSpot, *, binning: Binning | None = None
) -> Control:
    """Separate C and L from degree and width.

    Sparse graphs are matched to the FLOPs of the dense network by greater width, so an effect of
    degree or width would look like one of C and L, which go with them.

    Args:
        means: Errors of one task, with the columns `k_degree` and, if possible, `dim0`.
        published: Published sweet spot, for the gap; of graphs.
        binning: Bins whose sweet spot is looked for instead of that of graphs.

    Raises:
        ValueError: No degrees, degrees all equal, or too few graphs.
    """
    kept = np.flatnonzero(~means.is_baseline & np.isfinite(means.C) & np.isfinite(means.L))
    graphs = means.take(kept)
    log_k, log_width = _degree_and_width(graphs)
    if len(graphs) < _FEW:
        raise ValueError(
            f"{means.task}: controlling for degree needs at least {_FEW} graphs, got {len(graphs)}"
        )
    base = _controls(log_k, log_width)
    plane, error = quadratic(graphs.C, graphs.L), graphs.mean
    left = {
        "base": _residual(base, error),
        "plane": _residual(plane, error),
        "all": _residual([*base, *plane], error),
    }
    partial_cl, p_cl = _added(left["base"], left["all"], len(base), len(plane))
    partial_degree, p_degree = _added(left["plane"], left["all"], len(plane), len(base))
    adjusted = replace(graphs, runs=graphs.runs + (left["base"] + error.mean() - error)[:, None])
    inside = published.inside[kept]
    return Control(
        controls=("log k", "log k squared", *(["log width"] if log_width is not None else [])),
        degree_width=float(np.corrcoef(log_k, log_width)[0, 1])
        if log_width is not None
        else float("nan"),
        r2_cl=leave_one_out_r2(plane, error),
        r2_degree=leave_one_out_r2(quadratic(log_k), error),
        r2_both=leave_one_out_r2(quadratic(graphs.C, graphs.L, log_k), error),
        partial_cl=partial_cl,
        p_cl=p_cl,
        partial_degree=partial_degree,
        p_degree=p_degree,
        spot=sweet_spot_of_bins(adjusted, binning) if binning else sweet_spot(adjusted),
        gap=_gap(error, inside),
        gap_controlled=_gap(left["base"], inside),
    )


def degree_fit(means: GraphMeans) -> tuple[np.ndarray, np.ndarray]:
    """Fit each graph's mean error by degree and width alone; return that and the rest.

    Shapes:
        Both (G,), percent points.

    Raises:
        ValueError: No degrees, or degrees all equal.
    """
    residual = _residual(_controls(*_degree_and_width(means)), means.mean)
    return means.mean - residual, residual


def quadratic(*variables: np.ndarray) -> list[np.ndarray]:
    """List standardised variables (G,), their squares and products, without the constant."""
    scaled = [(v - v.mean()) / (v.std() or 1.0) for v in variables]
    squares = [scaled[i] * scaled[j] for i in range(len(scaled)) for j in range(i + 1)]
    return [*scaled, *squares]


def leave_one_out_r2(predictors: Sequence[np.ndarray], target: np.ndarray) -> float:
    """Compute R2 of least squares with each value predicted from the others.

    It is NaN for a constant target.

    Shapes:
        predictors (G,) each; target (G,).
    """
    left = target - leave_one_out(predictors, target)
    total = ((target - target.mean()) ** 2).sum()
    return float(1 - (left**2).sum() / total) if total > 0 else float("nan")


def leave_one_out(predictors: Sequence[np.ndarray], target: np.ndarray) -> np.ndarray:
    """Predict each value by least squares from the others.

    Shapes:
        predictors (G,) each; target (G,) -> (G,).
    """
    basis = _basis(predictors, len(target))
    leverage = np.minimum((basis**2).sum(1), 1 - 1e-9)
    return target - (target - basis @ (basis.T @ target)) / (1 - leverage)


def _basis(predictors: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Orthonormal columns that span the predictors and the constant; nearly equal ones count
    once."""
    columns = np.stack([np.ones(size), *predictors], axis=1)
    u, s, _ = np.linalg.svd(columns, full_matrices=False)
    return u[:, s > 1e-9 * s[0]]


def _residual(predictors: Sequence[np.ndarray], target: np.ndarray) -> np.ndarray:
    basis = _basis(predictors, len(target))
    return target - basis @ (basis.T @ target)


def _added(before: np.ndarray, after: np.ndarray, old: int, new: int) -> tuple[float, float]:
    """Share of `before` explained by `new` more predictors, and p of the F test."""
    small, large, free = float(after @ after), float(before @ before), len(after) - old - new - 1
    if large == 0 or free < 1:
        return float("nan"), float("nan")
    if small == 0:
        return 1.0, 0.0
    return 1 - small / large, float(stats.f.sf((large - small) / new / (small / free), new, free))


def _gap(values: np.ndarray, inside: np.ndarray) -> float:
    if inside.all() or not inside.any():
        return float("nan")
    return float(values[inside].mean() - values[~inside].mean())


def _degree_and_width(means: GraphMeans) -> tuple[np.ndarray, np.ndarray | None]:
    """log k, and log width where the table has it and it varies."""
    log_k, log_width = _logarithm(means, "k_degree"), _logarithm(means, "dim0")
    if log_k is None or np.ptp(log_k) == 0:
        raise ValueError(f"{means.task}: controlling for degree needs different known degrees")
    return log_k, None if log_width is None or np.ptp(log_width) == 0 else log_width


def _controls(log_k: np.ndarray, log_width: np.ndarray | None) -> list[np.ndarray]:
    return [*quadratic(log_k), *([] if log_width is None else [log_width])]


def _logarithm(means: GraphMeans, column: str) -> np.ndarray | None:
    values = means.extra.get(column)
    if values is None or not len(values) or not (np.isfinite(values) & (values > 0)).all():
        return None
    return np.log(values)
