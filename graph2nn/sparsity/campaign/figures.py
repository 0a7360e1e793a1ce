"""Figures of one sparse network, and of a grid of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.runs.figures import canvas, figure_path, save_figure
from graph2nn.sparsity.campaign.results import SparseTable
from graph2nn.sparsity.graphs.metrics.counting import degrees
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph

__all__ = ["plot_grid", "plot_network"]

_MARKERS = "osv^D<>pX*"


def plot_network(
    layers: Sequence[Mapping[str, Any]],
    path: str | Path,
    *,
    graph: MultipartiteGraph | None = None,
    title: str = "",
) -> Path:
    """Draw the density of every layer, and the nodes and edges of its part of the graph.

    Args:
        layers: Layers with `layer_name`, `nnz` and `numel` of each.
        path: Path of the figure.
        graph: The unrolled graph; None draws the densities only.
        title: Title above the figure.
    """
    path = figure_path(path)
    count = 1 if graph is None else 2
    figure, axes = canvas(6.5 * count, 4.2, 1, count, layout=None)
    places = np.arange(len(layers))
    density = [layer["nnz"] / max(layer["numel"], 1) for layer in layers]
    axes[0].bar(places, density, color="tab:blue")
    axes[0].set_xticks(places, [layer["layer_name"] for layer in layers], rotation=90)
    axes[0].set(yscale="log", ylabel="part of the weights kept")
    if graph is not None:
        _draw_sizes(axes[1], graph)
    for axis in axes:
        axis.tick_params(axis="x", labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    return save_figure(figure, path, tight=True)


def plot_grid(table: SparseTable, path: str | Path) -> Path:
    """Draw accuracy against the part of weights that is kept.

    There is a panel a model and data set, a line a pruner; bars span the seeds. A dashed line is
    the mean of the dense networks, where known.
    """
    path = figure_path(path)
    panels = list(dict.fromkeys(zip(table["model"].tolist(), table["dataset"].tolist())))
    figure, axes = canvas(5 * len(panels), 4, 1, len(panels), layout=None)
    for axis, (model, dataset) in zip(axes, panels):
        part = table.select(model=model, dataset=dataset)
        for pruning, marker in zip(dict.fromkeys(part["pruning"].tolist()), _MARKERS * 3):
            _draw_pruner(axis, part.select(pruning=pruning), str(pruning), marker)
        if "dense_accuracy" in part:
            dense = 100 * np.nanmean(part["dense_accuracy"])
            axis.axhline(dense, color="black", lw=0.8, ls="--", label="dense")
        ticks = np.unique(np.round(1 - part["sparsity"], 6))
        axis.set_xlim(ticks.min() / 1.3, ticks.max() * 1.3)
        axis.set(xscale="log", xlabel="part of the weights kept", title=f"{model}, {dataset}")
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("test accuracy (%)")
    axes[-1].legend(frameon=False, fontsize=8)
    return save_figure(figure, path, tight=True)


def _draw_pruner(axis: Any, part: SparseTable, label: str, marker: str) -> None:
    levels = np.unique(part["sparsity"])
    rows = [100 * part["accuracy"][part["sparsity"] == level] for level in levels]
    means = np.array([row.mean() for row in rows])
    spread = np.array([[m - row.min(), row.max() - m] for m, row in zip(means, rows)]).T
    axis.errorbar(1 - levels, means, spread, marker=marker, ms=4, lw=1, capsize=2, label=label)


def _draw_sizes(axis: Any, graph: MultipartiteGraph) -> None:
    places = np.arange(len(graph.layers))
    axis.plot(places, graph.dims, "o-", color="tab:gray", label="nodes")
    incoming = degrees(graph).incoming
    edges = [incoming[layer.start : layer.start + layer.size].sum() for layer in graph.layers]
    axis.plot(places[1:], edges[1:], "s-", color="tab:orange", label="edges into the layer")
    axis.set_xticks(places, [layer.name for layer in graph.layers], rotation=90)
    axis.set_yscale("symlog", linthresh=1)
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False)
