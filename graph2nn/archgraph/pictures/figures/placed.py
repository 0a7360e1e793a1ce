"""What does a graph look like whose nodes have places of their own? As a figure of matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graph2nn.archgraph.pictures.figures.painting import EDGE, write
from graph2nn.archgraph.pictures.picture import Picture
from graph2nn.runs.figures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_placed"]

_INCH = 95.0  # units of length to an inch


def draw_placed(
    picture: Picture, path: Path | None, *, ax: Axes | None, title: str | None
) -> Figure:
    """Draw nodes at their places, edges as wide as they are strong; see `draw`."""
    places = picture.places
    assert places is not None
    spots = places.position
    span = np.ptp(spots, axis=0) + 6 * places.size
    if ax is None:
        width, height = np.clip(span / _INCH, 3.0, 30.0)
        figure, (axes,) = canvas(float(width), float(height))
    else:
        axes, figure = ax, ax.figure  # type: ignore[assignment]
    u, v = picture.edges
    strength = picture.weight if len(picture.weight) else np.full(len(u), 0.4)
    _draw_edges(axes, spots[u], spots[v], strength)
    for k, style in enumerate(picture.styles):
        here = spots[picture.looks == k]
        if len(here):
            size = max(4.0, (72 * places.size / _INCH) ** 2 * 0.8)
            look: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.4, "zorder": 2}
            axes.scatter(
                here[:, 0], here[:, 1], s=size, color=style.colour, label=style.name, **look
            )
    for x, y, text in places.captions:
        axes.text(x, y, text, fontsize=7, ha="center", va="top", color=EDGE)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.axis("off")
    words = f"{picture.title}: {picture.subtitle}" if title is None else title
    axes.set_title(words, fontsize=9)
    if len(picture.styles) > 1:
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4, fontsize=8, frameon=False
        )
    write(figure, path)
    return figure


def _draw_edges(ax: Axes, start: np.ndarray, stop: np.ndarray, strength: np.ndarray) -> None:
    from matplotlib.collections import LineCollection

    faint = min(1.0, (1200 / max(len(strength), 1)) ** 0.5)
    lines = LineCollection(
        list(np.stack([start, stop], axis=1)),
        colors=EDGE,
        linewidths=0.3 + 1.8 * strength,
        alpha=np.clip(faint * (0.25 + 0.75 * strength), 0.08, 1.0),
        zorder=1,
    )
    ax.add_collection(lines)
