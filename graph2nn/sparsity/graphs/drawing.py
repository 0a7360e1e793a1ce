"""What does a multipartite graph look like? Its nodes layer by layer, dead ends in colour."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graph2nn.runs.figures import COLOUR_BLIND, canvas, figure_path, save_figure
from graph2nn.sparsity.graphs.edges import EdgeList, edge_list
from graph2nn.sparsity.graphs.metrics.counting import count_edges, degrees
from graph2nn.sparsity.graphs.multipartite import Layer, MultipartiteGraph, check_multipartite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["KINDS", "MAX_EDGES", "draw_multipartite", "layer_caption", "node_kinds"]

MAX_EDGES = 20_000
"""Most edges of a picture: more are a grey area, and take long to draw."""

KINDS = {
    "on the way": COLOUR_BLIND[0],
    "sink: nothing leaves": COLOUR_BLIND[1],
    "source: nothing enters": COLOUR_BLIND[4],
    "no edges": "#c8c8c8",
}
"""Kinds of nodes and their colours."""


def draw_multipartite(
    graph: MultipartiteGraph,
    path: str | Path | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a sparse network as the graph that the topometrics measure, from left to right.

    A column is a layer of nodes, channel by channel. Blue nodes pass something on; sinks, sources
    and nodes without edges (as `topometrics` counts them; inputs and outputs may end there) have
    colours of their own. The darker an edge, the larger its weight beside the others of its layer.

    Args:
        graph: Graph of a small network, as `encode` makes it.
        path: File to write, `.png`, `.pdf` or `.svg`; None writes none.
        ax: Axes to draw into; None makes a figure.
        title: Title of the figure; None takes the numbers of nodes and edges.

    Returns:
        The figure.

    Raises:
        ValueError: More than `MAX_EDGES` edges, or a suffix of another format, or not one graph.
        OSError: The file cannot be written.

    Examples:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(9, 6, bias=False))
        >>> graph = encode(model, prune(model, "erk", sparsity=0.5), "unrolled", (1, 3, 3))
        >>> draw_multipartite(graph).axes[0].get_title()
        '15 nodes, 27 edges'
    """
    check_multipartite(graph, "draw_multipartite")
    path = None if path is None else figure_path(path)
    count = count_edges(graph)
    if count > MAX_EDGES:
        raise ValueError(
            f"{graph!r} has {count} edges, too many to tell apart in a picture (at most "
            f"{MAX_EDGES}); draw a smaller network or a smaller image, or one layer, from the "
            'encoding "rolled-channel"'
        )
    if ax is None:
        figure, (ax,) = canvas(1.6 + 1.5 * len(graph.layers), 4.4)
    else:
        figure = ax.figure  # type: ignore[assignment]
    place = _places(graph)
    _draw_edges(ax, place, edge_list(graph), graph)
    _draw_nodes(ax, place, graph)
    ax.set_xticks(
        range(len(graph.layers)), [layer_caption(layer) for layer in graph.layers], fontsize=8
    )
    ax.set_yticks([])
    ax.spines[["top", "right", "left", "bottom"]].set_visible(False)
    ax.tick_params(length=0)
    ax.set_title(f"{graph.num_nodes} nodes, {count} edges" if title is None else title, fontsize=10)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=8, frameon=False)
    if path is not None:
        save_figure(figure, path, tight=True)
    return figure


def _places(graph: MultipartiteGraph) -> np.ndarray:
    """Where nodes stand: a column a layer, a gap between channels of a map. Shapes: (nodes, 2)."""
    place = np.zeros((graph.num_nodes, 2))
    for column, layer in enumerate(graph.layers):
        number = np.arange(layer.size)
        channel = number // (layer.shape[1] * layer.shape[2])
        gap = layer.size / 25 if layer.size > layer.shape[0] > 1 else 0.0
        height = number + channel * gap
        here = slice(layer.start, layer.start + layer.size)
        place[here, 0] = column
        place[here, 1] = 0.5 if layer.size == 1 else 1 - height / height[-1]
    return place


def node_kinds(graph: MultipartiteGraph) -> dict[str, np.ndarray]:
    """Tell which nodes are what, by name of the kind. Shapes: (nodes,) bool each."""
    ends = degrees(graph)
    into, out = ends.incoming > 0, ends.outgoing > 0
    first, last = np.zeros_like(into), np.zeros_like(into)
    for index, layer in enumerate(graph.layers):
        here = slice(layer.start, layer.start + layer.size)
        first[here], last[here] = index == 0, index in graph.outputs
    sink, source = into & ~out & ~last, out & ~into & ~first
    nothing = ~into & ~out
    return dict(zip(KINDS, (~sink & ~source & ~nothing, sink, source, nothing)))


def _draw_edges(ax: Axes, place: np.ndarray, edges: EdgeList, graph: MultipartiteGraph) -> None:
    from matplotlib.collections import LineCollection

    largest = np.zeros(len(graph.layers))
    target = place[edges.target, 0].astype(np.int64)
    np.maximum.at(largest, target, edges.weight)
    share = edges.weight / np.maximum(largest[target], 1e-12)
    density = np.clip(600 / max(len(edges), 1), 0.06, 1.0)
    lines = np.stack([place[edges.source], place[edges.target]], axis=1)
    colours = np.zeros((len(edges), 4))
    colours[:, 3] = density * (0.15 + 0.85 * share)
    ax.add_collection(LineCollection(list(lines), colors=colours, linewidths=0.6, zorder=1))


def _draw_nodes(ax: Axes, place: np.ndarray, graph: MultipartiteGraph) -> None:
    for name, nodes in node_kinds(graph).items():
        if nodes.any():
            ax.scatter(
                place[nodes, 0],
                place[nodes, 1],
                s=14,
                color=KINDS[name],
                edgecolor="white",
                linewidth=0.3,
                zorder=2,
                label=f"{name} ({nodes.sum()})",
            )


def layer_caption(layer: Layer) -> str:
    """Return the name of a layer, and below it its size."""
    size = str(layer.size) if layer.size == layer.shape[0] else "x".join(map(str, layer.shape))
    return f"{layer.name or 'input'}\n{size}"
