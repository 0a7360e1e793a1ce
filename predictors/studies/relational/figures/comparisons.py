"""Figures across tasks: ranges of sweet spots, correlations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from graph2nn.runs.figures import COLOURS, canvas, tidy
from predictors.studies.relational.figures.drawing import STYLES, spot_label
from predictors.studies.relational.statistics.correlation import TaskPair
from predictors.studies.relational.study import TaskStudy

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["draw_correlations", "draw_ranges", "draw_scatter"]


def draw_ranges(studies: Sequence[TaskStudy]) -> Figure:
    """Draw the ranges of C and L of every task's sweet spots; a dot marks the best one."""
    rows = [(study, name) for study in studies for name in STYLES if name in study.main_spots]
    figure, axes = canvas(9.6, 0.9 + 0.26 * len(rows) + 0.12 * len(studies), 1, 2, sharey=True)
    places, ticks, at = [], [], 0.0
    for number, (study, _) in enumerate(rows):
        at += 1.0 if number == 0 or rows[number - 1][0] is study else 1.6
        places.append(at)
    for ax, along in zip(axes, "CL"):
        for (study, name), place in zip(rows, places):
            spot = study.main_spots[name]
            low, high = spot.c_range if along == "C" else spot.l_range
            best = (spot.C if along == "C" else spot.L)[spot.best]
            colour = STYLES[name]["color"]
            ax.plot([low, high], [place] * 2, color=colour, linewidth=4, solid_capstyle="butt")
            ax.plot(best, place, "o", markersize=6, color="white", markeredgecolor=colour)
            if along == "L":
                label = f" {spot.size} of {spot.total} {spot.unit}s"
                beside = ax.get_yaxis_transform()  # x in parts of the axes, y in rows
                ax.text(1.0, place, label, fontsize=7, va="center", transform=beside)
        tidy(ax, x={"C": "clustering coefficient C", "L": "average path length L"}[along])
        ax.grid(axis="x", alpha=0.25)
    for study in studies:
        own = [place for (other, _), place in zip(rows, places) if other is study]
        if own:
            ticks.append((float(np.mean(own)), study.task))
    axes[0].set_yticks([place for place, _ in ticks], [name for _, name in ticks], fontsize=9)
    axes[0].invert_yaxis()
    used = [name for name in STYLES if any(name == row[1] for row in rows)]
    handles = [_bar(STYLES[name]["color"]) for name in used]
    figure.legend(
        handles,
        list(map(spot_label, used)),
        loc="outside lower center",
        ncols=len(used),
        fontsize=8,
        frameon=False,
    )
    return figure


def draw_correlations(tasks: Sequence[str], pairs: Mapping[tuple[str, str], TaskPair]) -> Figure:
    """Draw the Pearson correlation of every two tasks over the graphs that they share."""
    size = len(tasks)
    figure, (ax,) = canvas(3.4 + 0.72 * size, 2.2 + 0.62 * size)
    table = np.full((size, size), np.nan)
    for i, first in enumerate(tasks):
        for j, second in enumerate(tasks):
            pair = pairs.get((first, second)) or pairs.get((second, first))
            if pair is not None:
                table[i, j] = pair.r
            text = "1" if i == j else "–" if np.isnan(table[i, j]) else f"{table[i, j]:.3f}"
            dark = table[i, j] < 0.75
            ax.text(j, i, text, ha="center", va="center", fontsize=9,
                    color="white" if dark else "black")  # fmt: skip
    image = ax.imshow(table, cmap="viridis", vmin=min(0.0, np.nanmin(table)), vmax=1)
    ax.set_facecolor("#d9d9d9")
    ax.set_xticks(range(size), tasks, rotation=35, ha="right", fontsize=8)
    ax.set_yticks(range(size), tasks, fontsize=8)
    bar = figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label("Pearson r over shared graphs", fontsize=9)
    return figure


def draw_scatter(pairs: Sequence[TaskPair]) -> Figure:
    """Draw error in one task against error in another, a panel a pair.

    The star is the complete graph.
    """
    columns = min(4, len(pairs))
    rows = -(-len(pairs) // columns)
    figure, axes = canvas(2.7 * columns + 0.3, 2.6 * rows, rows, columns)
    for ax, pair in zip(axes, pairs):
        complete = pair.is_baseline
        ax.plot(pair.x[~complete], pair.y[~complete], "o", color=COLOURS[0], markersize=3.5)
        ax.plot(pair.x[complete], pair.y[complete], "*", color=COLOURS[1], markersize=10)
        title = f"r = {pair.r:.3f} [{pair.r_low:.2f}, {pair.r_high:.2f}]"
        tidy(ax, title=title, x=pair.first, y=pair.second)
        ax.title.set_fontsize(9)
    for ax in axes[len(pairs) :]:
        ax.set_visible(False)
    return figure


def _bar(colour: str) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, linewidth=4)
