"""How densely are the layers of a sparse network filled? Eight numbers, and means over layers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["DENSITY_FLOOR", "DENSITY_NAMES", "density_summary", "layer_means"]

DENSITY_FLOOR = 1e-5
"""Density of a layer without any weight, where its logarithm is taken."""

DENSITY_NAMES = ("mean", "geo_mean", "harmonic_mean", "min", "std_log", "first", "last", "log_nnz")
"""What `density_summary` tells, in this order."""


def density_summary(kept: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Summarise in eight numbers how densely the layers of a network are filled.

    They know nothing of the graph, and predict accuracies so well that every predictor from graphs
    should be compared with them.

    Args:
        kept: Number of weights kept in each layer, in the order of the layers.
        weights: Number of all weights of each layer.

    Returns:
        The entries of `DENSITY_NAMES`: arithmetic, geometric and harmonic mean and minimum of the
        layers' densities, the standard deviation of their natural logarithms, densities of the
        first and the last layer, and the natural logarithm of the number of weights kept. A layer
        with nothing left has the density `DENSITY_FLOOR` where a logarithm or a reciprocal is
        taken.

    Shapes:
        (layers,) each.

    Examples:
        >>> density_summary(np.array([10, 5]), np.array([10, 20]))["geo_mean"]
        0.5
    """
    if len(kept) != len(weights) or not len(kept):
        raise ValueError(
            f"density_summary: expected as many layers kept as weights, got {len(kept)} and "
            f"{len(weights)}"
        )
    density = np.asarray(kept, dtype=np.float64) / weights
    floored = np.maximum(density, DENSITY_FLOOR)
    logs = np.log(floored)
    values = (
        density.mean(),
        np.exp(logs.mean()),
        1 / (1 / floored).mean(),
        density.min(),
        logs.std(),
        density[0],
        density[-1],
        np.log(max(float(np.sum(kept)), 1.0)),
    )
    return dict(zip(DENSITY_NAMES, map(float, values)))


def layer_means(layers: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Average each metric over the layers where it is finite; NaN where it is nowhere.

    Args:
        layers: Metrics of each layer, such as those of `ramanujan`.
    """
    names = list(dict.fromkeys(name for values in layers.values() for name in values))
    columns = {
        name: np.array([values.get(name, np.nan) for values in layers.values()], dtype=np.float64)
        for name in names
    }
    finite = {name: column[np.isfinite(column)] for name, column in columns.items()}
    return {name: float(v.mean()) if len(v) else float("nan") for name, v in finite.items()}
