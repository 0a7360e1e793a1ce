"""How does a picture become one HTML file? Its data as JSON between the page's own scripts."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.archgraph.pictures.hierarchy import Group
from graph2nn.archgraph.pictures.picture import Column, Picture
from graph2nn.runs.checkpoint import write_text

__all__ = ["SCRIPTS", "Page", "render"]

SCRIPTS = (
    "dagre.min.js",
    "data.js",
    "colours.js",
    "layout.js",
    "drawing.js",
    "panel.js",
    "main.js",
)
"""Scripts of the page, in the order in which they run; the first is the layout library."""

_DIGITS = 6  # significant digits of numbers that are not whole


class Page:
    """A drawing as one HTML file, which needs neither a server nor a network.

    A notebook shows it where it is the last value of a cell.

    Args:
        html: The whole file.
        path: File that it was written to; None of none.
    """

    def __init__(self, html: str, path: Path | None = None) -> None:
        self.html = html
        self.path = path

    def save(self, path: str | Path) -> Page:
        """Write the file, whole or not at all, and return the page with its path.

        Raises:
            OSError: The file cannot be written.
        """
        return Page(self.html, write_text(path, self.html))

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox="allow-scripts allow-downloads" '
            'style="width: 100%; height: 640px; border: 1px solid #8884; border-radius: 6px">'
            "</iframe>"
        )

    def __repr__(self) -> str:
        place = "not written" if self.path is None else str(self.path)
        return f"Page({place}, {len(self.html):,} characters)"


def render(picture: Picture, *, colour: str | None = None) -> Page:
    """Make the page of a picture.

    Args:
        picture: What to show.
        colour: Name of the column that colours nodes at the start; None colours by kind.

    Raises:
        ValueError: No such column, or one without numbers.
    """
    columns = [column.name for column in picture.columns if column.numeric]
    if colour is not None and colour not in columns:
        known = ", ".join(map(repr, columns)) or "none"
        raise ValueError(
            f"colour: expected one of the numbers of the nodes ({known}), got {colour!r}"
        )
    data = json.dumps(_payload(picture, colour), separators=(",", ":"), allow_nan=False)
    parts = {
        "title": html.escape(picture.title or "network"),
        "style": _part("page.css"),
        "licence": html.escape(_part("dagre.LICENSE")),
        # "</script>" in a name must not end the element
        "data": data.replace("<", "\\u003c"),
        "scripts": "\n".join(f"<script>\n{_part(name)}\n</script>" for name in SCRIPTS),
    }
    return Page(re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _part("page.html")))


def _part(name: str) -> str:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    # the minified library says where files are that do not come with it
    return re.sub(r"^//# sourceMappingURL=.*$", "", text, flags=re.MULTILINE).strip()


def _payload(picture: Picture, colour: str | None) -> dict[str, Any]:
    tree = picture.hierarchy
    order = np.arange(picture.num_nodes) if tree is None else tree.order
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    names = picture.names
    data: dict[str, Any] = {
        "title": picture.title,
        "subtitle": picture.subtitle,
        "note": picture.note,
        "colour": colour,
        "styles": [{"name": s.name, "colour": s.colour} for s in picture.styles],
        "nodes": {
            "number": order.tolist(),
            "look": picture.looks[order].tolist(),
            "name": _indexed([names[v] for v in order.tolist()]),
            "module": _indexed([""] * len(order) if tree is None else tree.names),
            "status": [picture.status[v] for v in order.tolist()] if picture.status else None,
        },
        "edges": place[picture.edges].tolist(),
        "edgeStatus": list(picture.edge_status) or None,
        "weight": _numbers(picture.weight) or None,
        "columns": [_column(column, order) for column in picture.columns],
        "groups": [] if tree is None else [_group(group) for group in tree.groups],
        "places": None,
    }
    if picture.places is not None:
        data["places"] = {
            "x": _numbers(picture.places.position[order, 0]),
            "y": _numbers(picture.places.position[order, 1]),
            "size": picture.places.size,
            "captions": [list(caption) for caption in picture.places.captions],
            "directed": picture.places.directed,
        }
    return data


def _group(group: Group) -> dict[str, Any]:
    return {
        "role": group.role,
        "label": group.label,
        "path": group.path,
        "kind": group.kind,
        "start": group.start,
        "stop": group.stop,
        "parent": group.parent,
        "items": group.items,
        "count": group.count,
        "plain": group.plain,
    }


def _column(column: Column, order: np.ndarray) -> dict[str, Any]:
    entry = {"name": column.name, "total": column.total}
    if isinstance(column.values, np.ndarray):
        return {**entry, "numbers": _numbers(column.values[order])}
    return {**entry, "texts": _indexed([column.values[v] for v in order.tolist()])}


def _numbers(values: np.ndarray) -> list[int | float | None]:
    """Numbers as JSON has them, which knows neither NaN nor infinity."""
    if values.dtype.kind in "biu":
        return values.astype(np.int64).tolist()
    finite = np.isfinite(values).tolist()
    return [float(f"{v:.{_DIGITS}g}") if ok else None for v, ok in zip(values.tolist(), finite)]


def _indexed(texts: Sequence[str | None]) -> dict[str, Any]:
    """Each text once, and its number at each node."""
    known = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    return {"texts": list(known), "index": [known[text] for text in texts]}
