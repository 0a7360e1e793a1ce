"""Sparse networks as `ArchGraph`s, whose attributes say what is left of each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.archgraph.tracer import View
from graph2nn.sparsity.campaign.densities import density_summary, layer_means
from graph2nn.sparsity.masks import Masks

__all__ = ["sparse_archgraph"]


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

    Examples:
        >>> model, shape = build("Resnet-20", image_size=8), (3, 8, 8)
        >>> masks = prune(model, "uniform", sparsity=0.9)
        >>> metrics = topometrics(encode(model, masks, "unrolled", shape))
        >>> graph = sparse_archgraph(model, masks, shape, metrics=metrics)
        >>> round(graph.attributes["density/total"], 3), graph.attributes["topo/cut-edges"]
        (0.1, 1.0)
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
