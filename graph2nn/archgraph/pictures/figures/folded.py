"""What does a network look like with its modules folded? As a figure of matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graph2nn.archgraph.pictures.figures.painting import (
    STATUS,
    axes_for,
    draw_edges,
    prepare,
    rounded_box,
    write,
)
from graph2nn.archgraph.pictures.folding import Box, Fold, Folded, folded
from graph2nn.archgraph.pictures.layered import Layout, layered_layout
from graph2nn.archgraph.pictures.palette import Style
from graph2nn.archgraph.pictures.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_folded"]

_BOX, _GAP = (1.5, 0.34), (0.16, 0.2)  # inches
_MODULE = "#e9edf3"
_LETTERS, _FITTING = (30, 42), (21, 29)  # most letters of the two lines, and those of full size
_DETAILED = 300  # most boxes with a second line


def draw_folded(
    picture: Picture, path: Path | None, *, ax: Axes | None, fold: Fold, title: str | None
) -> Figure:
    """Draw modules as boxes; the arguments are those of `draw`."""
    view = folded(picture, fold)
    layout = layered_layout(view.edges, len(view.boxes), node=_BOX, gap=_GAP)
    axes = axes_for(layout) if ax is None else ax
    figure: Any = axes.figure
    scale = prepare(axes, layout)
    draw_edges(axes, layout, scale)
    _draw_boxes(axes, picture, view, layout, scale)
    _legend(axes, picture, view)
    words = f"{picture.title}: {picture.subtitle}" if title is None else title
    axes.set_title(words, fontsize=9)
    write(figure, path)
    return figure


def _draw_boxes(ax: Axes, picture: Picture, view: Folded, layout: Layout, scale: float) -> None:
    from matplotlib.collections import PolyCollection

    outline = rounded_box(*_BOX)
    stacked = [k for k, box in enumerate(view.boxes) if _is_repeat(box)]
    borders = [STATUS.get(_status(picture, box), "#30343a") for box in view.boxes]
    colours = [_colour(picture, box) for box in view.boxes]
    for places, step in ((stacked, 0.07), (stacked, 0.035), (range(len(view.boxes)), 0.0)):
        ax.add_collection(
            PolyCollection(
                [layout.position[k] + outline + [step, -step] for k in places],
                facecolors=[colours[k] for k in places],
                edgecolors=[borders[k] for k in places],
                linewidths=[(0.6 if borders[k] == "#30343a" else 1.6) * scale for k in places],
                zorder=3,
                clip_on=False,
            )
        )
    for k, (x, y) in enumerate(layout.position):
        name, detail = _texts(picture, view.boxes[k])
        ink = "white" if _dark(colours[k]) else "black"
        detail = detail if len(view.boxes) <= _DETAILED else ""
        lift = 0.055 if detail else 0.0
        size = 7.0 * min(1.0, _FITTING[0] / max(len(name), 1)) * scale
        _write(ax, (x, y + lift), name, fontsize=size, weight="bold", color=ink)
        if detail:
            size = 5.8 * min(1.0, _FITTING[1] / len(detail)) * scale
            _write(ax, (x, y - 0.08), detail, fontsize=size, color=ink)


def _write(ax: Axes, place: tuple[float, float], words: str, **style: Any) -> None:
    """Text within a box: no room need be made for it, which takes long to find out."""
    text = ax.text(*place, words, ha="center", va="center_baseline", zorder=4, **style)
    text.set_in_layout(False)
    text.set_clip_path(None)


def _is_repeat(box: Box) -> bool:
    return box.group is not None and box.group.role == "repeat"


def _colour(picture: Picture, box: Box) -> str:
    style = _style(picture, box)
    return _MODULE if style is None else style.colour


def _dark(colour: str) -> bool:
    return Style(0, "", colour, "").dark


def _style(picture: Picture, box: Box) -> Style | None:
    """Look of an operation, or of a module that is one and its parameters; None for others."""
    assert picture.hierarchy is not None
    order = picture.hierarchy.order
    group = box.group
    plain = group is None or group.plain
    return picture.styles[picture.looks[order[box.start]]] if plain else None


def _status(picture: Picture, box: Box) -> str:
    assert picture.hierarchy is not None
    if not picture.status:
        return ""
    found = {picture.status[v] for v in picture.hierarchy.order[box.start : box.stop]}
    if "failed" in found:
        return "failed"
    return found.pop() if len(found) == 1 else "changed"


def _texts(picture: Picture, box: Box) -> tuple[str, str]:
    """Name and second line of a box."""
    assert picture.hierarchy is not None
    nodes = picture.hierarchy.order[box.start : box.stop]
    group, name = box.group, box.name
    kind = picture.names[nodes[0]] if group is None else group.kind
    if group is not None and group.role == "repeat":
        name = f"{name} ×{group.count}"
    kind = "" if kind in (name, name.rpartition(".")[2]) else kind
    if box.count > 1:
        kind = f"{kind}, 1 of {box.count}" if kind else f"1 of {box.count}"
    column = next((c for c in picture.columns if c.name == "parameters"), None)
    count = float(np.sum(column.values[nodes])) if column is not None else 0.0  # type: ignore[call-overload]
    size = f"{_short(count)} parameters" if count else ""
    detail = " · ".join(filter(None, (kind, size)))
    if len(detail) > _LETTERS[1]:
        detail = detail.removesuffix(" parameters")
    return _cut(name, _LETTERS[0]), _cut(detail, _LETTERS[1])


def _cut(text: str, most: int) -> str:
    """The end of a name tells more than its beginning."""
    return text if len(text) <= most else f"…{text[-most + 1 :].lstrip('.')}"


def _short(value: float) -> str:
    for power, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= power:
            return f"{value / power:.3g} {sign}"
    return f"{value:.0f}"


def _legend(ax: Axes, picture: Picture, view: Folded) -> None:
    from matplotlib.lines import Line2D

    found = {_style(picture, box) for box in view.boxes}
    styles = sorted((s for s in found if s is not None), key=lambda style: style.rank)
    look: dict[str, Any] = {"ls": "", "marker": "s", "markersize": 7, "mec": "#30343a", "mew": 0.5}
    entries = [Line2D([], [], color=s.colour, label=s.name, **look) for s in styles]
    if any(box.group is not None for box in view.boxes):
        entries.append(Line2D([], [], color=_MODULE, label="module", **look))
    marked = [s for s in STATUS if s in picture.status]
    frame = {**look, "color": "white", "mew": 1.6}
    entries += [Line2D([], [], label=s, **{**frame, "mec": STATUS[s]}) for s in marked]
    figure: Any = ax.figure
    inches = ax.get_position().width * figure.get_size_inches()[0]
    columns = max(2, min(len(entries), int(inches / 1.2)))
    ax.legend(
        handles=entries, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=columns, fontsize=8,
        frameon=False, handletextpad=0.3, columnspacing=1.2,
    )  # fmt: skip
