"""Sparse networks as `ArchGraph`s, whose attributes say what is left of each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.archgraph.tracer import View
from graph2nn.sparsity.campaign.feature_sets import DENSITY_FLOOR
from graph2nn.sparsity.networks.masks import Masks

__all__ = ["DENSITY_NAMES", "density_summary", "layer_means", "sparse_archgraph"]

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

    Example:
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


def sparse_archgraph(
    model: nn.Module,
    masks: Mapping[str, Tensor] | None,
    input_shape: tuple[int, int, int],
    *,
    metrics: Mapping[str, float] | None = None,
    ramanujan: Mapping[str, Mapping[str, float]] | None = None,
    view: View = "primitives",
    name: str = "",
) -> ArchGraph:
    """Make the graph of a network's operations, with numbers of what pruning left.

    The numbers are attributes of the graph. Networks that are pruned differently have the same
    operations, so predictors need the attributes to tell them apart:
    `FeaturePredictor(attributes=("density/*", "topo/*"))`.

    Args:
        model: The network.
        masks: Masks of its weights that are kept, by name, each of the shape of its weight; None
            means those that are not exactly zero.
        input_shape: Shape of the images, (C, H, W).
        metrics: Metrics of the whole network (`topometrics`); they become `topo/NAME`.
        ramanujan: Properties of each layer (`ramanujan`); their finite means become
            `ramanujan/NAME`.
        view: View of the operations, see `trace`.
        name: Name of the graph.

    Returns:
        The graph, with the attributes `density/NAME` of `density_summary`, and `density/total`.

    Raises:
        ValueError: Masks that do not fit the network, or an input shape it cannot run on.

    Example:
        >>> graph = sparse_archgraph(model, masks, (3, 32, 32),          # doctest: +SKIP
        ...                          metrics=topometrics(encode(model, masks, "unrolled", ...)))
        >>> graph.attributes["density/total"], graph.attributes["topo/cut-edges"]  # doctest: +SKIP
        (0.02, 4321.0)
    """
    masks = Masks.of(model) if masks is None else masks
    masks = masks if isinstance(masks, Masks) else Masks(masks)
    masks.check(model)
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ValueError(
            f"input_shape: expected channels, height and width, got {tuple(input_shape)}"
        )
    kept = np.array([int(mask.sum()) for mask in masks.values()])
    weights = np.array([mask.numel() for mask in masks.values()])
    numbers = {"density/total": masks.density}
    numbers |= {f"density/{key}": v for key, v in density_summary(kept, weights).items()}
    numbers |= {f"topo/{key}": float(v) for key, v in (metrics or {}).items()}
    numbers |= {f"ramanujan/{key}": v for key, v in layer_means(ramanujan or {}).items()}
    graph = trace(model, torch.zeros((2, *input_shape), device="meta"), view=view)
    return graph.replace(
        name=name or graph.name,
        attributes={**graph.attributes, **numbers},
    )
