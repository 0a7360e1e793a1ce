"""One row a layer: weights kept, Ramanujan properties, topometrics of the layer's graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn
from tqdm import tqdm

from graph2nn.sparsity.graphs.encodings.rolled import rolled
from graph2nn.sparsity.graphs.encodings.weights import kept_weights
from graph2nn.sparsity.graphs.metrics.ramanujan import ramanujan
from graph2nn.sparsity.graphs.metrics.topometrics import topometrics
from graph2nn.training.probe import prunable

__all__ = ["LAYER_TOPOMETRICS", "layer_positions", "layer_table"]

LAYER_TOPOMETRICS = (
    "nodes",
    "edges",
    "cut-edges",
    "cut-nodes",
    "motif",
    "1-hop_nei",
    "avg_node_strength",
    "k-core",
    "no_connected_components",
    "mean_connected_components",
    "spectral_gap",
    "spectral_radius",
)
"""Topometrics that the published code computes for the graph of a layer, not normalised."""

_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)


def layer_table(
    model: nn.Module,
    masks: Mapping[str, Tensor] | None = None,
    encoding: str = "rolled",
    *,
    metrics: Collection[str] = LAYER_TOPOMETRICS,
    properties: bool = True,
    compat: bool = False,
    seed: int = 0,
    progress: bool = False,
    **how: Any,
) -> list[dict[str, Any]]:
    """Compute what the published tables of layers hold, for each layer of a network.

    See arXiv:2305.16886, section 4.1; names are as in the published tables.

    Args:
        model: The network.
        masks: Masks by name of the weight, each of its shape; None keeps what is not exactly zero.
        encoding: Kind of graph, `rolled` or `rolled-channel`.
        metrics: Names of topometrics to add; empty for none.
        properties: Whether the Ramanujan properties are computed.
        compat: Whether to do as published, see `rolled` and `ramanujan`.
        seed: Seed of Lanczos.
        progress: Whether to show a bar.
        how: Further arguments of `topometrics`.

    Returns:
        Rows with `layer_id` (place of the layer, pooling counted), `layer_name`, `nnz`, `numel`,
        `density`, `delta_r`, `imdb`, `imsg` (NaN and minus infinity: see `ramanujan`) and the
        metrics. `nnz` counts weights; `edges` is the same for `rolled`, fewer for `rolled-channel`.

    Raises:
        ValueError: Another encoding, an unknown metric, masks that do not fit.

    Examples:
        >>> model = build("Resnet-20")
        >>> masks = prune(model, "uniform", sparsity=0.9)
        >>> layer_table(model, masks, metrics=())[0]["layer_name"]
        'conv1'
    """
    if encoding not in ("rolled", "rolled-channel"):
        raise ValueError(
            f"encoding: layers have graphs of their own in rolled and rolled-channel, not in "
            f"{encoding!r}"
        )
    graphs = rolled(model, masks, channel=encoding == "rolled-channel", compat=compat)
    kept = kept_weights(model, masks, compat=compat)
    sizes, positions = prunable(model), layer_positions(model)
    rows = []
    for name, graph in tqdm(graphs.items(), desc="layers", unit="layer", disable=not progress):
        nnz, numel = int(kept[graph.name].mask.sum()), sizes[name].numel()
        row = {"layer_id": positions[graph.name], "layer_name": graph.name, "nnz": nnz}
        row |= {"numel": numel, "density": nnz / numel}
        if properties:
            row |= ramanujan(graph, compat=compat, seed=seed)
        if metrics:
            row |= topometrics(graph, metrics=metrics, seed=seed, **how)
        rows.append(row)
    return rows


def layer_positions(model: nn.Module) -> dict[str, int]:
    """Number the layers with weights, by name, as in the published tables: pooling counts."""
    weighted = {name.rpartition(".")[0] for name in prunable(model)}
    order = [
        name
        for name, module in model.named_modules()
        if name in weighted or isinstance(module, _POOLS)
    ]
    return {name: place for place, name in enumerate(order) if name in weighted}
