"""What does a graph look like node by node? As a figure of matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from graph2nn.archgraph.graph import PRIMITIVES, ArchGraph
from graph2nn.archgraph.pictures.figures.painting import (
    STATUS,
    axes_for,
    draw_edges,
    prepare,
    rounded_box,
    write,
)
from graph2nn.archgraph.pictures.layered import Layout, layered_layout
from graph2nn.archgraph.pictures.palette import style_of
from graph2nn.archgraph.pictures.picture import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_graph"]

_LABELLED, _WIDEST = 80, 15.0  # most nodes that "auto" labels, and the widest picture in inches
_DOT, _BOX = (0.13, 0.13), (1.12, 0.2)  # nodes without and with a label, in inches
_SHAPES = {"circle": "o", "square": "s", "diamond": "D", "triangle": "^"}


def draw_graph(
    graph: ArchGraph,
    path: Path | None,
    *,
    ax: Axes | None,
    virtual_edges: bool | int,
    labels: bool | Literal["auto"],
    title: str | None,
    status: Sequence[Status] = (),
) -> Figure:
    """Draw every node of a graph; the arguments are those of `draw`."""
    if not graph.num_nodes:
        raise ValueError("the graph has no nodes, so there is nothing to draw")
    boxed = graph.num_nodes <= _LABELLED if labels == "auto" else bool(labels)
    layout = _layout(graph, boxed)
    if boxed and labels == "auto" and layout.size[0] > _WIDEST:
        boxed, layout = False, _layout(graph, False)
    node = _BOX if boxed else _DOT
    axes = axes_for(layout) if ax is None else ax
    figure: Any = axes.figure
    scale = prepare(axes, layout)
    if virtual_edges:
        _draw_virtual(axes, graph, layout, 50 if virtual_edges is True else virtual_edges, scale)
    draw_edges(axes, layout, scale)
    _draw_nodes(axes, graph, layout, node, scale, boxed, status)
    _legend(axes, graph)
    if title is None:
        name = f"{graph.name}: " if graph.name else ""
        title = f"{name}{graph.num_nodes} nodes, {graph.num_edges} edges"
    axes.set_title(title, fontsize=9)
    write(figure, path)
    return figure


def _layout(graph: ArchGraph, boxed: bool) -> Layout:
    gap = (0.12, 0.17) if boxed else (0.07, 0.1)
    node = _BOX if boxed else _DOT
    return layered_layout(graph.edges, graph.num_nodes, node=node, gap=gap)


def _draw_nodes(
    ax: Axes,
    graph: ArchGraph,
    layout: Layout,
    node: tuple[float, float],
    scale: float,
    boxed: bool,
    status: Sequence[Status],
) -> None:
    from matplotlib.collections import PolyCollection

    styles = [style_of(op, primitive=graph.ops == PRIMITIVES) for op in graph.op_names()]
    outlines = [rounded_box(*node) if boxed else _outline(style.shape, node[0]) for style in styles]
    ax.add_collection(
        PolyCollection(
            [p + outline for p, outline in zip(layout.position, outlines)],
            facecolors=[style.colour for style in styles],
            edgecolors=[STATUS.get(s, "#30343a") for s in status or ("",)],
            linewidths=[(2.0 if s else 0.5) * scale for s in status or ("",)],
            zorder=3,
        )
    )
    if not boxed:
        return
    for k, (x, y) in enumerate(layout.position):
        text = _label(graph, k)
        size = min(6.5, 6.5 * 20 / max(len(text), 1)) * scale
        ink = "white" if styles[k].dark else "black"
        ax.text(x, y, text, fontsize=size, color=ink, ha="center", va="center_baseline", zorder=4)


def _label(graph: ArchGraph, k: int) -> str:
    """Operation, kernel or pool size, and size of the output."""
    out, _, height, width = (int(s) for s in graph.shape[k])
    text = graph.ops[graph.op[k]]
    text = text if len(text) <= 24 else f"{text[:23]}…"
    if max(height, width) > 1 or text in ("conv", "sep_conv", "dil_conv"):
        text += f" {height}×{width}"
    return f"{text} · {out}" if graph.params[k] and out > 1 else text


def _outline(shape: str, size: float) -> np.ndarray:
    corners, turn, grow = {
        "square": (4, 0.25, 1.25),
        "diamond": (4, 0.0, 1.1),
        "triangle": (3, 0.25, 1.2),
    }.get(shape, (24, 0.0, 1.0))
    if shape == "square":
        turn = 0.125
    angle = 2 * np.pi * (np.arange(corners) / corners + turn)
    return grow * size / 2 * np.stack([np.cos(angle), np.sin(angle)], 1)


def _draw_virtual(ax: Axes, graph: ArchGraph, layout: Layout, cutoff: int, scale: float) -> None:
    """Shortest paths of more than one edge, as arcs to the right."""
    from matplotlib.collections import LineCollection

    distance = graph.distances(cutoff)
    source, target = np.nonzero(distance > 1)
    if not len(source):
        return
    start, stop = layout.position[source], layout.position[target]
    bulge = 0.15 * np.linalg.norm(stop - start, axis=1)
    middle = (start + stop) / 2 + np.stack([bulge, 0 * bulge], 1)
    t = np.linspace(0, 1, 12)[None, :, None]
    arcs = (1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * middle[:, None] + t**2 * stop[:, None]
    alpha = 0.9 / distance[source, target]
    ax.add_collection(
        LineCollection(list(arcs), colors="#3b82f6", alpha=alpha, linewidths=0.4 * scale, zorder=0)
    )


def _legend(ax: Axes, graph: ArchGraph) -> None:
    """One entry a primitive; or one a family, followed by the operations it stands for."""
    from matplotlib.lines import Line2D

    primitive = graph.ops == PRIMITIVES
    present = [op for k, op in enumerate(graph.ops) if (graph.op == k).any()]
    groups: dict[Any, list[str]] = {}
    for op in present:
        groups.setdefault(style_of(op, primitive=primitive), []).append(op)
    entries = []
    for style in sorted(groups, key=lambda style: style.rank):
        text = ", ".join(sorted(set(groups[style])))
        if not primitive:
            text = textwrap.fill(f"{style.name}: {text}", 58, subsequent_indent="   ")
        look = {"color": style.colour, "marker": _SHAPES[style.shape], "markersize": 7}
        entries.append(Line2D([], [], ls="", mec="#30343a", mew=0.5, label=text, **look))
    figure: Any = ax.figure
    inches = ax.get_position().width * figure.get_size_inches()[0]
    columns = max(2, min(len(entries), int(inches / (1.1 if primitive else 3.6))))
    ax.legend(
        handles=entries,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=columns,
        fontsize=8,
        frameon=False,
        handletextpad=0.3,
        columnspacing=1.2,
    )
