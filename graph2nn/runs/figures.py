"""How is a figure made and stored, without a window and without touching what pyplot remembers?"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph2nn.runs.checkpoint import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "COLOUR_BLIND",
    "FORMATS",
    "blank",
    "canvas",
    "check_formats",
    "figure_path",
    "plain_log",
    "save_figure",
    "save_formats",
    "shades",
    "tidy",
]

FORMATS = ("png", "pdf", "svg")
"""Formats that figures are written in."""

COLOURS = ("#1f5fa8", "#d1495b", "#2e8b57", "#e19c24", "#7b4fa3", "#3aa6b9", "#8c564b", "#7f7f7f")
"""Colours of tasks and feature sets, in their order."""

COLOUR_BLIND = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"),
)
"""Okabe and Ito's colours, which the colour-blind tell apart."""

_UNDATED: dict[str, dict[str, None]] = {
    "png": {},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}


def blank(width: float, height: float, *, layout: Any = None) -> Figure:
    """Return an empty figure that belongs to no window; matplotlib is imported here first.

    A notebook shows it where it is the last value of a cell.

    Args:
        width: Width in inches.
        height: Height in inches.
        layout: Engine that makes room for labels, such as "constrained"; None for none.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    # Notebooks show figures of pyplot; of other objects they ask this name.
    figure.__dict__["_repr_png_"] = partial(_png, figure)
    return figure


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", bbox_inches="tight", metadata={"Software": None})
    return content.getvalue()


def canvas(
    width: float,
    height: float,
    rows: int = 1,
    columns: int = 1,
    *,
    layout: Any = "constrained",
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `blank` and its axes, row by row.

    Args:
        width: Width in inches.
        height: Height in inches.
        rows: Number of rows of axes.
        columns: Number of columns of axes.
        layout: See `blank`.
        options: Further arguments of `Figure.subplots`, such as `sharex`.
    """
    figure = blank(width, height, layout=layout)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.ravel())


def tidy(ax: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Write title and labels of axes, and take away the frame where there is no axis."""
    ax.set_title(title, fontsize=10)
    ax.set_xlabel(x, fontsize=9)
    ax.set_ylabel(y, fontsize=9)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def plain_log(ax: Axes) -> None:
    """Make the upright axis logarithmic, with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def shades(name: str, places: Any) -> Any:
    """Return colours of a colour map of matplotlib.

    Args:
        name: Name of the map, such as "viridis".
        places: Places on it, numbers from 0 to 1, or numbers of the entries of a list of colours.

    Shapes:
        places (N,) → (N, 4), red, green, blue and opacity.
    """
    from matplotlib import colormaps

    return colormaps[name](places)


def figure_path(path: str | Path) -> Path:
    """Return the path of a figure to be written; call this before anything is computed or drawn.

    Raises:
        ValueError: The suffix is not one of `FORMATS`.
    """
    path = Path(path)
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise ValueError(f"cannot draw to {path}: expected a file name that ends in {known}")
    return path


def check_formats(formats: Sequence[str]) -> None:
    """Check names of formats, before anything is computed or drawn.

    Raises:
        ValueError: One that is not of `FORMATS`, or text instead of a list.
    """
    if isinstance(formats, str) or any(kind not in FORMATS for kind in formats):
        raise ValueError(f"figure formats {formats!r}: expected a list of {', '.join(FORMATS)}")


def save_figure(figure: Figure, path: str | Path, *, dpi: float = 150, tight: bool = False) -> Path:
    """Write a figure, whole or not at all, without the date, and return its path.

    Args:
        figure: The figure.
        path: The file, whose suffix is the format; its folder is made.
        dpi: Pixels an inch.
        tight: Whether margins are cut to what is drawn.

    Raises:
        OSError: See `write_atomic`.
        ValueError: See `figure_path`.
    """
    path = figure_path(path)
    kind = path.suffix.lower().removeprefix(".")
    data = io.BytesIO()
    box = "tight" if tight else None
    figure.savefig(data, format=kind, dpi=dpi, bbox_inches=box, metadata=_UNDATED[kind])
    return write_atomic(path, lambda file: file.write(data.getvalue()))


def save_formats(
    figure: Figure,
    folder: str | Path,
    name: str,
    formats: Sequence[str] = ("png",),
    *,
    dpi: float = 110,
    tight: bool = False,
) -> list[Path]:
    """Write `folder/name.FORMAT` for each format, as `save_figure` does.

    Raises:
        OSError, ValueError: See `save_figure` and `check_formats`.
    """
    check_formats(formats)
    paths = [Path(folder) / f"{name}.{kind}" for kind in formats]
    return [save_figure(figure, path, dpi=dpi, tight=tight) for path in paths]
