"""Heat maps of the error over (C, L)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graph2nn.relational.campaign.graph_means import GraphMeans
from graph2nn.runs.figures import canvas, tidy
from predictors.studies.relational.figures.drawing import ERROR_LABEL, STYLES, spot_label
from predictors.studies.relational.statistics.bins import (
    RESOLUTIONS,
    Binning,
    bin_means,
    binning_for,
    num_nodes_of,
)
from predictors.studies.relational.statistics.sweetspot import SweetSpot
from predictors.studies.relational.study import TaskStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

__all__ = ["draw_heatmaps", "draw_rectangle", "grid_of_bins", "paint_bins"]

_CLOSE = 0.3  # in L; names of connectomes nearer than this would overlap
_C, _L = "clustering coefficient C", "average path length L"


def draw_heatmaps(study: TaskStudy) -> Figure:
    """Draw the mean error per bin.

    There are three resolutions where bins hold several graphs, else the coarse one; with the
    published sweet spot, the held-out one, the best graph, the complete graph and the connectomes,
    where there are any.
    """
    names = list(RESOLUTIONS) if study.many else ["coarse"]
    figure, axes = canvas(4.6 * len(names) + 0.9, 5.0, 1, len(names))
    generated = study.means.take(~study.means.is_baseline)
    low, high = _limits(study)
    for ax, name in zip(axes, names):
        binning = binning_for(num_nodes_of(generated), generated.L, name)
        mappable = paint_bins(ax, generated, generated.mean, binning, low, high)
        bins = len(np.unique(binning.labels(generated.C, generated.L)))
        title = f"{name}: {bins} cells" if study.many else f"{bins} cells"
        tidy(ax, title=f"{title}, {len(generated)} graphs", x=_C, y=_L)
        for label in ("published", "held out"):
            if label in study.main_spots:
                draw_rectangle(ax, study.main_spots[label], study.binning, label)
        _mark(ax, study, mappable)
    bar = figure.colorbar(mappable, ax=axes, shrink=0.85, pad=0.015, extend="both")
    bar.set_label(ERROR_LABEL, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    _legend(figure, axes[0])
    figure.suptitle(study.task, fontsize=12)
    return figure


def paint_bins(
    ax: Axes,
    means: GraphMeans,
    values: np.ndarray,
    binning: Binning,
    low: float,
    high: float,
    colours: str = "viridis",
) -> ScalarMappable:
    """Colour the occupied bins by the mean of `values` (G,); return what the bar needs."""
    grid = grid_of_bins(values, means.C, means.L, binning)
    ax.set_facecolor("#ececec")
    ax.set(xlim=(binning.c_edges[0], binning.c_edges[-1] + 0.04))
    ax.set(ylim=(binning.l_edges[0] - 0.08, binning.l_edges[-1]))
    return ax.pcolormesh(
        binning.c_edges, binning.l_edges, grid, cmap=colours, vmin=low, vmax=high, rasterized=True
    )


def grid_of_bins(values: np.ndarray, C: np.ndarray, L: np.ndarray, binning: Binning) -> np.ndarray:
    """Average the values in each bin, NaN in empty ones; open bins are left out.

    Shapes:
        Values, C, L (G,); result (l, c).
    """
    c, row = binning.indices(C, L)
    columns, rows = len(binning.c_edges) - 1, len(binning.l_edges) - 1
    inside = (c >= 0) & (c < columns) & (row >= 0) & (row < rows)
    bins, mean, _ = bin_means(values[inside], row[inside] * columns + c[inside])
    grid = np.full(rows * columns, np.nan)
    grid[bins] = mean
    return grid.reshape(rows, columns)


def draw_rectangle(ax: Axes, spot: SweetSpot, binning: Binning, label: str) -> None:
    """Draw the rectangle of a sweet spot; around whole bins if it is one of bins."""
    from matplotlib.patches import Rectangle

    if not spot.size:
        return
    (c_low, c_high), (l_low, l_high) = spot.c_range, spot.l_range
    if spot.unit == "cell":
        half_c, half_l = (np.diff(edges[:2])[0] / 2 for edges in (binning.c_edges, binning.l_edges))
        c_low, c_high, l_low, l_high = (
            c_low - half_c,
            c_high + half_c,
            l_low - half_l,
            l_high + half_l,
        )
    style = STYLES[label]
    ax.add_patch(
        Rectangle(
            (c_low, l_low),
            c_high - c_low,
            l_high - l_low,
            fill=False,
            linewidth=2,
            label=f"sweet spot, {spot_label(label)}",
            edgecolor=style["color"],
            linestyle=style["linestyle"],
        )
    )


def _mark(ax: Axes, study: TaskStudy, mappable: ScalarMappable) -> None:
    """Single graphs, in the colours of the map: complete, best, connectomes."""
    means, size = study.means, 9
    rows = [(means, int(i), "*", f"complete graph {means.mean[i]:.2f} %", 15)
            for i in np.flatnonzero(means.is_baseline)]  # fmt: skip
    spot = study.spots.get("published")
    if spot is not None:
        rows.append((means, spot.best, "o", f"best graph {spot.mean:.2f} %", size))
    rows += [(study.named, i, "D", "connectomes", 7) for i in range(len(study.named))]
    _name_connectomes(ax, study.named)
    for source, i, marker, label, points in rows:
        face = mappable.to_rgba(source.mean[i])
        ax.plot(
            source.C[i], source.L[i], marker, markersize=points, markerfacecolor=face,
            markeredgecolor="white" if marker == "o" else "black", markeredgewidth=1.2,
            label=label, linestyle="none", clip_on=False, zorder=5,
        )  # fmt: skip


def _name_connectomes(ax: Axes, named: GraphMeans) -> None:
    """Names with errors, above their points, or below where another one lies close above."""
    from matplotlib.patheffects import withStroke

    for i in range(len(named)):
        higher = named.L - named.L[i]
        above = not ((higher > 0) & (higher < _CLOSE)).any()
        ax.annotate(
            f"{named.graph_id[i]} {named.mean[i]:.2f}",
            (named.C[i], named.L[i]),
            xytext=(5, 6) if above else (-5, -6),
            textcoords="offset points",
            ha="left" if above else "right",
            va="bottom" if above else "top",
            fontsize=8,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            zorder=6,
        )


def _legend(figure: Figure, ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    first = {label: handle for handle, label in zip(handles[::-1], labels[::-1])}
    order = list(dict.fromkeys(labels))
    if order:
        figure.legend(
            [first[label] for label in order],
            order,
            loc="outside lower center",
            ncols=min(len(order), 3 if len(figure.axes) < 3 else 5),
            fontsize=8,
            frameon=False,
        )


def _limits(study: TaskStudy) -> tuple[float, float]:
    """Colours span the coarse bins but for their extremes, the same at every resolution."""
    generated = study.means.take(~study.means.is_baseline)
    grid = grid_of_bins(generated.mean, generated.C, generated.L, study.binning)
    low, high = np.nanpercentile(grid, [0, 97])
    return float(low), float(high)
