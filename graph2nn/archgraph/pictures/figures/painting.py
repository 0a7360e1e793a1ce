"""How do the parts of a figure come onto axes? Scale, edges, outlines, the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graph2nn.archgraph.pictures.layered import Layout
from graph2nn.runs.figures import blank, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["EDGE", "STATUS", "axes_for", "draw_edges", "prepare", "rounded_box", "write"]

EDGE = "#5b6470"
"""Colour of edges."""

STATUS = {"failed": "#d92d20", "added": "#1a9850", "removed": "#d73027", "changed": "#e08a00"}
"""Colours of borders by what is special about a node."""


def axes_for(layout: Layout) -> Axes:
    """Return axes that fill a figure of the layout's size, up to 60 inches."""
    shrink = min(1.0, 60 / max(layout.size))  # inches; what viewers and printers still take
    figure = blank(layout.size[0] * shrink, layout.size[1] * shrink)
    return figure.add_axes((0, 0, 1, 1))


def prepare(ax: Axes, layout: Layout) -> float:
    """Set the limits of axes and return their scale: printed inches for an inch of the layout."""
    width, height = layout.size
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")
    figure: Any = ax.figure
    place = ax.get_position()
    inches = figure.get_size_inches()
    return min(place.width * inches[0] / width, place.height * inches[1] / height)


def draw_edges(ax: Axes, layout: Layout, scale: float) -> None:
    """Draw all edges with their heads."""
    from matplotlib.collections import LineCollection, PathCollection, PolyCollection
    from matplotlib.path import Path as Curve

    codes = [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4]
    style: dict[str, Any] = {"linewidths": 0.7 * scale, "zorder": 1}
    curves = [Curve(points, codes) for points in layout.curves]
    ax.add_collection(PathCollection(curves, facecolors="none", edgecolors=EDGE, **style))
    ax.add_collection(LineCollection(list(layout.lanes), colors="#9aa4b1", **style))
    tip = np.array([[0, 0], [-0.028, 0.06], [0.028, 0.06]])
    triangles = layout.heads[:, None, :] + tip
    ax.add_collection(PolyCollection(list(triangles), facecolors=EDGE, linewidths=0, zorder=2))


def rounded_box(width: float, height: float) -> np.ndarray:
    """Return the corners of a rectangle, rounded, around the origin, (24, 2)."""
    r, points = 0.35 * height, []
    for k, (sx, sy) in enumerate([(1, 1), (-1, 1), (-1, -1), (1, -1)]):
        angle = np.pi / 2 * (k + np.linspace(0, 1, 6))
        centre = [sx * (width / 2 - r), sy * (height / 2 - r)]
        points.append(np.stack([np.cos(angle), np.sin(angle)], 1) * r + centre)
    return np.concatenate(points)


def write(figure: Figure, path: Path | None) -> None:
    """Write a figure, at most 12 000 pixels wide; None writes nothing."""
    if path is not None:
        dpi = min(200, 12000 / max(figure.get_size_inches()))
        save_figure(figure, path, dpi=dpi, tight=True)
