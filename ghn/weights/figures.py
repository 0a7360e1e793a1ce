"""Pictures and tables of weights: each layer with weights from several sources, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ghn.weights.measures import LayerMeasures, measure_layer, row_correlations
from ghn.weights.sets import WeightSet
from graph2nn.runs.figures import COLOURS, canvas, figure_path, plain_log, save_figure, tidy
from graph2nn.runs.tables import write_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_weights"]

_COLOURS = {"initial": "#9a9a9a", "predicted": COLOURS[1], "trained": COLOURS[0]}
_BINS = 60
_PANELS = (
    ("norm", "Frobenius norm", "log"),
    ("stable_rank", "stable rank", "log"),
    ("row_correlation", "mean |correlation| of two rows", "linear"),
    ("copies", "share of rows with a copy", "linear"),
)

Measured = dict[str, list[LayerMeasures]]  # by the name of the set, in the order of the layers
Histogram = tuple[np.ndarray, list[np.ndarray]]  # edges, and a density a set


def plot_weights(
    sets: Sequence[WeightSet], path: str | Path, *, title: str = "", layers: int = 8
) -> list[Path]:
    """Draw the weights of one network from several sources, and write their numbers as tables.

    Four pictures: histograms and singular values of some layers, evenly spaced; norm, stable rank
    and likeness of the rows of all layers; correlations of the rows of up to four layers, in which
    rows that a hypernetwork repeats show as lines beside the diagonal. Three tables: a row for each
    layer and set, singular values, and histograms, of all layers.

    Args:
        sets: Weights, such as of `compare_weights`.
        path: Name of the figures: `out/net.png` makes `out/net_layers.png` and
            `out/net_layers.csv`, and so on; the suffix says the format.
        title: Title of the figures.
        layers: Largest number of layers in a picture of single layers.

    Returns:
        Paths of all files.

    Raises:
        ValueError: A suffix of no format, fewer than one layer, no set, sets of different
            networks, or weights that are not finite.
    """
    path = figure_path(path)
    if layers < 1:
        raise ValueError(f"layers: expected at least 1, got {layers}")
    if not sets or any([*s.matrices] != [*sets[0].matrices] for s in sets):
        raise ValueError("expected at least one set of weights, all of the same network")
    names = [*sets[0].matrices]
    if not names:
        raise ValueError("the network has no weight of two dimensions or more")
    found = {s.name: [measure_layer(matrix) for matrix in s.matrices.values()] for s in sets}
    bins = {name: _histogram([s.matrices[name] for s in sets]) for name in names}
    few = _spread(names, layers)
    drawn = {
        "histograms": _draw_histograms(sets, few, bins),
        "layers": _draw_layers(sets, found),
        "spectra": _draw_spectra(sets, {name: names.index(name) for name in few}, found),
        "rows": _draw_rows(sets, _spread(names, min(4, layers))),
    }
    made = []
    for what, figure in drawn.items():
        figure.suptitle(title, fontsize=10)
        made.append(save_figure(figure, _beside(path, what, path.suffix)))
    tables = {
        "layers": _layer_rows(sets, found),
        "spectra": _spectrum_rows(sets, found),
        "histograms": _histogram_rows(sets, bins),
    }
    return made + [
        write_rows(_beside(path, what, ".csv"), r, digits=6) for what, r in tables.items()
    ]


def _beside(path: Path, what: str, suffix: str) -> Path:
    return path.with_name(f"{path.stem}_{what}{suffix}")


def _spread(names: Sequence[str], most: int) -> list[str]:
    """At most so many of them, evenly spaced, with the first and the last."""
    places = np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int)
    return [names[k] for k in places]


def _colour(s: WeightSet, number: int) -> str:
    return _COLOURS.get(s.name, COLOURS[2 + number % (len(COLOURS) - 2)])


def _width(s: WeightSet) -> float:
    """Width of lines: what training hardly changes shows behind what comes of it."""
    return {"initial": 3.0, "predicted": 2.2}.get(s.name, 1.1)


def _layer_title(name: str, s: WeightSet) -> str:
    short = name.removesuffix(".weight")
    short = short if len(short) <= 30 else f"…{short[-29:]}"
    rows, columns = s.matrices[name].shape
    return f"{short}\n{rows} × {columns}"


def _grid(count: int, *, x: str, y: str) -> tuple[Figure, list[Axes]]:
    """Axes for single layers, four in a line, with labels on the left and below."""
    columns = min(4, count)
    lines = -(-count // columns)
    figure, axes = canvas(2.5 * columns + 0.4, 2.1 * lines + 0.7, lines, columns)
    for ax in axes[count:]:
        ax.set_visible(False)
    for k, ax in enumerate(axes[:count]):
        tidy(ax, x=x if k + columns >= count else "", y="" if k % columns else y)
    return figure, axes[:count]


def _legend(figure: Figure, sets: Sequence[WeightSet]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=_colour(s, k), lw=2, label=str(s)) for k, s in enumerate(sets)]
    how: Any = {"loc": "outside lower center", "ncols": len(sets), "frameon": False}
    figure.legend(handles=lines, fontsize=9, **how)


def _histogram(matrices: Sequence[Any]) -> Histogram:
    values = [matrix.numpy().ravel() for matrix in matrices]
    limit = max(float(np.abs(v).max()) for v in values) or 1.0
    edges = np.linspace(-limit, limit, _BINS + 1)
    return edges, [np.histogram(v, edges, density=True)[0] for v in values]


def _draw_histograms(
    sets: Sequence[WeightSet], names: Sequence[str], bins: dict[str, Histogram]
) -> Figure:
    figure, axes = _grid(len(names), x="weight", y="density")
    for ax, name in zip(axes, names):
        edges, densities = bins[name]
        for k, (s, density) in enumerate(zip(sets, densities)):
            drawn = np.where(density > 0, density, np.nan)
            ax.stairs(drawn, edges, color=_colour(s, k), lw=_width(s))
        ax.set_yscale("log")
        ax.set_title(_layer_title(name, sets[0]), fontsize=8)
    _legend(figure, sets)
    return figure


def _draw_layers(sets: Sequence[WeightSet], found: Measured) -> Figure:
    from matplotlib.ticker import MaxNLocator

    figure, axes = canvas(10.4, 5.2, 2, 2, sharex=True)
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    for ax, (measure, label, scale) in zip(axes, _PANELS):
        for k, s in enumerate(sets):
            values = [getattr(layer, measure) for layer in found[s.name]]
            numbers = np.arange(1, len(values) + 1)
            how: Any = {"color": _colour(s, k), "marker": "o", "ms": 3}
            ax.plot(numbers, values, lw=_width(s), **how)
        if scale == "linear":
            ax.set_ylim(-0.03, 1.03)
        else:
            plain_log(ax)
        tidy(ax, title=label, x="number of the layer" if ax in axes[2:] else "")
    _legend(figure, sets)
    return figure


def _draw_spectra(sets: Sequence[WeightSet], places: dict[str, int], found: Measured) -> Figure:
    how = {"x": "number of the singular value", "y": "share of the largest"}
    figure, axes = _grid(len(places), **how)
    for ax, (name, place) in zip(axes, places.items()):
        for k, s in enumerate(sets):
            values = np.array(found[s.name][place].singular_values)
            share = values / (values[0] or 1.0)
            numbers = np.arange(1, len(values) + 1)
            marker = "o" if len(values) < 4 else ""
            ax.plot(numbers, share, color=_colour(s, k), lw=_width(s), marker=marker, ms=3)
        ax.set(yscale="log", ylim=(1e-3, 1.5))
        ax.set_title(_layer_title(name, sets[0]), fontsize=8)
    _legend(figure, sets)
    return figure


def _draw_rows(sets: Sequence[WeightSet], names: Sequence[str]) -> Figure:
    size = 2.2
    figure, axes = canvas(size * len(names) + 1.2, size * len(sets) + 0.8, len(sets), len(names))
    picture: Any = None
    for k, s in enumerate(sets):
        for j, name in enumerate(names):
            ax = axes[k * len(names) + j]
            values = row_correlations(s.matrices[name], most=256).numpy()
            picture = ax.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
            ax.set_facecolor("#dddddd")
            ax.tick_params(labelsize=7)
            if k == 0:
                ax.set_title(_layer_title(name, s), fontsize=8)
            if j == 0:
                ax.set_ylabel(str(s), fontsize=9)
    bar = figure.colorbar(picture, ax=axes, shrink=0.6, pad=0.02)
    bar.set_label("correlation of two rows", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _layer_rows(sets: Sequence[WeightSet], found: Measured) -> list[dict[str, Any]]:
    rows = []
    for number, (name, matrix) in enumerate(sets[0].matrices.items()):
        for s in sets:
            values = asdict(found[s.name][number])
            del values["singular_values"]
            place = {"layer": name, "outputs": matrix.shape[0], "inputs": matrix.shape[1]}
            rows.append({**place, "weights": s.name, **values})
    return rows


def _spectrum_rows(sets: Sequence[WeightSet], found: Measured) -> list[dict[str, Any]]:
    return [
        {"layer": name, "weights": s.name, "number": k, "singular_value": value}
        for number, name in enumerate(sets[0].matrices)
        for s in sets
        for k, value in enumerate(found[s.name][number].singular_values, 1)
    ]


def _histogram_rows(sets: Sequence[WeightSet], bins: dict[str, Histogram]) -> list[dict[str, Any]]:
    return [
        {"layer": name, "weights": s.name, "from": edges[k], "to": edges[k + 1], "density": value}
        for name, (edges, densities) in bins.items()
        for s, density in zip(sets, densities)
        for k, value in enumerate(density)
    ]
