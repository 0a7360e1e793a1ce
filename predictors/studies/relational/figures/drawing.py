"""What the figures share: canvas, colours, files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from graph2nn.runs.checkpoint import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "ERROR_LABEL",
    "FORMATS",
    "STYLES",
    "canvas",
    "check_formats",
    "save_figure",
    "spot_label",
    "tidy",
]

FORMATS = ("png", "pdf", "svg")
"""Formats that figures can be written in."""

ERROR_LABEL = "top-1 error (%)"
COLOURS = ("#1f5fa8", "#d1495b", "#2e8b57", "#e19c24", "#7b4fa3", "#3aa6b9", "#8c564b", "#7f7f7f")
"""Of tasks, in their order."""

STYLES: dict[str, dict[str, Any]] = {
    "published": {"color": "#d1222a", "linestyle": "-"},
    "welch + holm": {"color": "#e08a00", "linestyle": "-."},
    "held out": {"color": "#111111", "linestyle": "--"},
    "controlled": {"color": "#0b8457", "linestyle": ":"},
}
"""Of the sweet spots that are drawn."""


def spot_label(name: str) -> str:
    """What legends call a sweet spot."""
    return "published test" if name == "published" else name


def canvas(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure without any window, and its axes row by row. Sizes in inches.

    Global settings and the current figure of pyplot are not touched.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.ravel())


def tidy(ax: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Labels, and no frame where there is no axis."""
    ax.set_title(title, fontsize=10)
    ax.set_xlabel(x, fontsize=9)
    ax.set_ylabel(y, fontsize=9)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def save_figure(
    figure: Figure, folder: str | Path, name: str, formats: Sequence[str] = ("png",)
) -> list[Path]:
    """Writes `folder/name.<format>` for each format, whole or not at all.

    Raises:
        ValueError: a format that is not one of `FORMATS`.
    """
    check_formats(formats)
    undated = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    written = []
    for kind in formats:
        data = io.BytesIO()
        figure.savefig(data, format=kind, dpi=110, metadata=undated[kind])
        path = Path(folder) / f"{name}.{kind}"
        written.append(write_atomic(path, partial(_copy, data.getvalue())))
    return written


def check_formats(formats: Sequence[str]) -> None:
    """Raises ValueError for a format that is not one of `FORMATS`."""
    unknown = [kind for kind in formats if kind not in FORMATS]
    if unknown or isinstance(formats, str):
        raise ValueError(f"figure formats {formats!r}: expected a list of {', '.join(FORMATS)}")


def _copy(data: bytes, file: IO[bytes]) -> None:
    file.write(data)
