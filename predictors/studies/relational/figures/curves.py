"""Figures of one variable: slices, degree, epochs, number of graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graph2nn.relational.campaign.graph_means import GraphMeans
from graph2nn.runs.figures import COLOURS, canvas, tidy
from predictors.studies.relational.figures.drawing import ERROR_LABEL
from predictors.studies.relational.figures.heatmaps import draw_rectangle, paint_bins
from predictors.studies.relational.statistics.control import Control, degree_fit
from predictors.studies.relational.statistics.correlation import EpochCurve, GraphCountCurve
from predictors.studies.relational.statistics.slices import WINDOWS, Slice
from predictors.studies.relational.study import TaskStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_control", "draw_epochs", "draw_graph_counts", "draw_slices"]

_NAMES = {"C": "clustering coefficient C", "L": "average path length L"}
_CROWDED = 60  # graphs; beyond, error bars of single graphs hide each other
_BINS = 15


def draw_slices(study: TaskStudy) -> Figure:
    """Draw error against L and against C in the published windows, with parabolas.

    Error bars are standard deviations over seeds; with many graphs they are drawn for groups of
    graphs instead (standard deviation over the runs' graph means). The band is the parabola's 95 %
    confidence band, the grey line the complete graph with its standard deviation over seeds.
    """
    parts = list(study.slices.values())
    figure, axes = canvas(4.8 * len(parts), 3.9, 1, len(parts), sharey=True)
    for ax, part in zip(axes, parts):
        _draw_slice(ax, part)
        _draw_baseline(ax, study)
        other, low, high = WINDOWS[part.along]
        tidy(ax, title=f"{low:g} ≤ {other} ≤ {high:g}", x=_NAMES[part.along])
        ax.legend(fontsize=8, frameon=False)
    axes[0].set_ylabel(ERROR_LABEL, fontsize=9)
    figure.suptitle(study.task, fontsize=12)
    return figure


def draw_control(study: TaskStudy, control: Control) -> Figure:
    """Draw error against degree, against C at nearly equal degree, and over (C, L).

    The last is without what degree explains.
    """
    figure, (left, middle, right) = canvas(14.0, 4.3, 1, 3)
    means = study.means.take(~study.means.is_baseline)
    _draw_degree(left, means)
    _draw_bands(middle, study)
    residual = degree_fit(means)[1]
    reach = float(np.percentile(np.abs(residual), 95))
    mappable = paint_bins(right, means, residual, study.binning, -reach, reach, "RdBu_r")
    draw_rectangle(right, control.spot, study.binning, "controlled")
    if "published" in study.main_spots:
        draw_rectangle(right, study.main_spots["published"], study.binning, "published")
    right.legend(fontsize=8, framealpha=0.85, edgecolor="none", loc="upper left")
    tidy(right, title="error without degree and width", x=_NAMES["C"], y=_NAMES["L"])
    bar = figure.colorbar(mappable, ax=right, pad=0.01, extend="both")
    bar.set_label("difference (percent points)", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(study.task, fontsize=12)
    return figure


def _draw_degree(ax: Axes, means: GraphMeans) -> None:
    k, crowded = means.extra["k_degree"], len(means) > _CROWDED
    dots = ax.scatter(
        k, means.mean, c=means.C, s=3 if crowded else 26, cmap="plasma", vmin=0, vmax=1,
        linewidths=0, rasterized=crowded,
    )  # fmt: skip
    line = np.geomspace(k.min(), k.max(), 100)
    fit = np.polyval(np.polyfit(np.log(k), means.mean, 2), np.log(line))
    ax.plot(line, fit, color="black", linewidth=1.5, label="parabola in log k")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.legend(fontsize=8, frameon=False)
    tidy(ax, title="error against degree", x="mean degree k", y=ERROR_LABEL)
    bar = ax.figure.colorbar(dots, ax=ax, pad=0.01)  # type: ignore[union-attr]
    bar.set_label(_NAMES["C"], fontsize=9)
    bar.ax.tick_params(labelsize=8)


def _draw_bands(ax: Axes, study: TaskStudy) -> None:
    """A parabola in C for each band of degree, with its lowest point."""
    from matplotlib import colormaps

    shades = colormaps["viridis"](np.linspace(0, 0.9, max(len(study.bands), 1)))
    for band, shade in zip(study.bands, shades):
        line = np.linspace(band.C.min(), band.C.max(), 100)
        if len(band.mean) <= _CROWDED:
            ax.plot(band.C, band.mean, ".", color=shade, markersize=5)
        label = f"k {band.k_low:.1f} – {band.k_high:.1f}"
        ax.plot(line, np.polyval(band.c_fit, line), color=shade, linewidth=1.8, label=label)
        if band.c_interior:
            lowest = np.polyval(band.c_fit, band.c_minimum)
            ax.plot(band.c_minimum, lowest, "o", color="white", markeredgecolor=shade, zorder=4)
    if study.bands:
        ax.legend(fontsize=8, frameon=False)
    tidy(ax, title="at nearly equal degree", x=_NAMES["C"], y=ERROR_LABEL)


def draw_epochs(curves: Sequence[EpochCurve]) -> Figure:
    """Draw the correlation of the error at each epoch with the final one, a line a task."""
    figure, (ax,) = canvas(6.2, 4.0)
    for curve, colour in zip(curves, _cycle(len(curves))):
        ax.plot(curve.epochs, curve.r, color=colour, linewidth=1.6, label=curve.task)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.grid(alpha=0.25)
    lowest = min(float(np.nanmin(curve.r)) for curve in curves)
    ax.set_ylim(min(0.0, lowest - 0.05), 1.02)
    ax.legend(fontsize=8, frameon=False, loc="lower right")
    tidy(ax, x="epoch", y="Pearson r with the last epoch")
    return figure


def draw_graph_counts(curves: Sequence[GraphCountCurve]) -> Figure:
    """Draw the correlation of bin means from some graphs with those from all, a line a task."""
    figure, (ax,) = canvas(6.2, 4.0)
    for curve, colour in zip(curves, _cycle(len(curves))):
        label = f"{curve.task}, {curve.orders} orders"
        ax.plot(curve.counts, curve.r, color=colour, linewidth=1.6, label=label)
        band = np.minimum(curve.r + curve.std, 1)
        ax.fill_between(curve.counts, curve.r - curve.std, band, color=colour, alpha=0.2)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.grid(alpha=0.25)
    ax.legend(fontsize=8, frameon=False, loc="lower right")
    tidy(ax, x="number of graphs", y="Pearson r with the map of all graphs")
    return figure


def _draw_slice(ax: Axes, part: Slice) -> None:
    line = np.linspace(part.x.min(), part.x.max(), 200)
    centre, half = part.fit(line), part.band(line)
    ax.fill_between(line, centre - half, centre + half, color=COLOURS[0], alpha=0.18, linewidth=0)
    ax.plot(line, centre, color=COLOURS[0], linewidth=1.8, label=_describe(part))
    if len(part.x) > _CROWDED:
        ax.plot(part.x, part.mean, ".", color="#9aa7b5", markersize=2, rasterized=True)
        x, mean, spread = _grouped(part)
    else:
        x, mean, spread = part.x, part.mean, part.std
    ax.errorbar(
        x, mean, spread, fmt="o", color=COLOURS[1], markersize=4, elinewidth=1, capsize=2, zorder=4
    )
    if not part.extrapolated:
        ax.axvline(part.minimum, color=COLOURS[0], linestyle=":", linewidth=1)


def _describe(part: Slice) -> str:
    if np.isnan(part.minimum):
        return f"no minimum, R² {part.r2:.2f}"
    where = " (outside)" if part.extrapolated else ""
    return f"minimum at {part.along} = {part.minimum:.2f}{where}, R² {part.r2:.2f}"


def _draw_baseline(ax: Axes, study: TaskStudy) -> None:
    for row in np.flatnonzero(study.means.is_baseline):
        mean, spread = study.means.mean[row], study.means.std()[row]
        ax.axhline(mean, color="#777777", linestyle="--", linewidth=1, label="complete graph")
        ax.axhspan(mean - spread, mean + spread, color="#777777", alpha=0.15, linewidth=0)


def _grouped(part: Slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and standard deviation of the graphs in equal steps of x."""
    edges = np.linspace(part.x.min(), part.x.max(), _BINS + 1)
    place = np.clip(np.digitize(part.x, edges) - 1, 0, _BINS - 1)
    filled = [i for i in range(_BINS) if (place == i).any()]
    rows = [part.mean[place == i] for i in filled]
    x = [part.x[place == i].mean() for i in filled]
    return np.array(x), np.array([r.mean() for r in rows]), np.array([r.std() for r in rows])


def _cycle(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]
