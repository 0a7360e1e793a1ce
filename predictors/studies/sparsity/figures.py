"""Figures of the studies of sparse networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from graph2nn.runs.figures import COLOURS, canvas, tidy
from graph2nn.runs.summaries import standard_error
from predictors.studies.sparsity.importance import Importance
from predictors.studies.sparsity.ranking import TauRow
from predictors.studies.sparsity.regression import TrialScore
from predictors.studies.sparsity.scoring import Ceiling
from predictors.studies.sparsity.task import DropTask

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "draw_importance",
    "draw_metrics",
    "draw_predictions",
    "draw_protocols",
    "draw_shares",
]

_DENSITY, _GRAPH = COLOURS[1], COLOURS[0]
_LAYER_WORDS = ("density", "weights kept")


def draw_protocols(scores: Sequence[TrialScore], ceilings: Mapping[str, Ceiling]) -> Figure:
    """Draw R² above and tau below: a column a data set, a cluster a protocol, a bar a set.

    Args:
        scores: Scores of one regressor.
        ceilings: Ceilings by task, drawn as dashed lines.
    """
    names = [name for name in ceilings if any(s.trial.task == name for s in scores)]
    figure, axes = canvas(4.2 * len(names) + 1.6, 6.0, 2, len(names), sharey="row")
    sets = list(dict.fromkeys(s.trial.features for s in scores))
    for column, name in enumerate(names):
        here = [s for s in scores if s.trial.task == name]
        for row, (what, limit) in enumerate(
            (("r2", ceilings[name].r2), ("tau", ceilings[name].tau))
        ):
            ax = axes[row * len(names) + column]
            _clusters(ax, here, sets, what)
            if np.isfinite(limit):
                ax.axhline(limit, color="#444444", linestyle="--", linewidth=1)
            tidy(ax, title=name if row == 0 else "", y=("R²", "Kendall tau")[row])
            ax.set_ylim(max(-0.5, min(0, ax.get_ylim()[0])), 1.02)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 * len(names), fontsize=8)
    return figure


def draw_metrics(rows: Sequence[TauRow], *, most: int = 30) -> Figure:
    """Draw tau of single metrics with accuracy; those of densities in another colour."""
    rows = [row for row in rows if np.isfinite(row.tau)][:most]
    figure, (ax,) = canvas(6.4, 0.22 * len(rows) + 1.0)
    places = np.arange(len(rows))[::-1]
    colours = [_DENSITY if _of_layers(row.name) else _GRAPH for row in rows]
    ax.barh(places, [r.tau for r in rows], xerr=[r.error for r in rows], color=colours)
    ax.set_yticks(places, [row.name for row in rows])
    ax.axvline(0, color="#444444", linewidth=0.8)
    ax.set_ylim(-0.8, len(rows) - 0.2)
    tidy(ax, x="Kendall tau with accuracy, within model and sparsity")
    return figure


def draw_importance(found: Mapping[str, Importance], *, title: str = "") -> Figure:
    """Draw the loss in R² and in tau when a group of features is permuted.

    There is a column a data set.
    """
    names = list(found)
    losses = [[i.r2_loss.mean(axis=1), i.tau_loss.mean(axis=1)] for i in found.values()]
    order = np.argsort(-np.mean(losses, axis=(0, 1)))
    labels = [_short(list(found[names[0]].groups)[k]) for k in order]
    height = 0.26 * len(labels) + 1.4
    figure, axes = canvas(3.0 * len(names) + 2.6, height, 1, len(names), sharex=True, sharey=True)
    places = np.arange(len(order))[::-1]
    for ax, name in zip(axes, names):
        for shift, loss, colour, label in (
            (0.2, found[name].r2_loss, COLOURS[0], "loss of R²"),
            (-0.2, found[name].tau_loss, COLOURS[3], "loss of tau"),
        ):
            spread = np.nan_to_num(standard_error(loss, axis=1))[order]
            where = places + shift
            ax.barh(where, loss.mean(axis=1)[order], 0.4, xerr=spread, color=colour, label=label)
        ax.set_yticks(places, labels)
        ax.axvline(0, color="#444444", linewidth=0.8)
        tidy(ax, title=name)
    axes[0].legend(fontsize=8, loc="lower right")
    figure.suptitle(title, fontsize=10)
    return figure


def draw_shares(found: Mapping[str, Importance], column: str) -> Figure:
    """Draw each group's part of the loss, by sparsity or model: dark matters most."""
    names = list(found)
    figure, axes = canvas(3.0 * len(names) + 2.2, 0.3 * 8 + 1.6, 1, len(names), sharey=True)
    for ax, name in zip(axes, names):
        shares = found[name].shares(column)
        matrix = np.stack(list(shares.values()), axis=1)
        ax.imshow(matrix, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (i, j), value in np.ndenumerate(matrix):
            colour = "white" if value > 0.6 else "black"
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
        groups = [_short(group) for group in found[name].groups]
        ax.set_yticks(np.arange(len(groups)), groups)
        ax.set_xticks(np.arange(len(shares)), [str(key) for key in shares], rotation=30)
        tidy(ax, title=name, x=column)
    return figure


def draw_predictions(
    tasks: Sequence[DropTask], predicted: Mapping[str, Sequence[np.ndarray]]
) -> Figure:
    """Draw predicted against true drop, a colour a pruning algorithm; a row a feature set.

    Predictions are (networks,) each.
    """
    rows = list(predicted)
    figure, axes = canvas(3.2 * len(tasks) + 1, 3.0 * len(rows), len(rows), len(tasks))
    pruners = sorted({p for task in tasks for p in task.table["pruning"].tolist()})
    for row, name in enumerate(rows):
        for column, task in enumerate(tasks):
            ax = axes[row * len(tasks) + column]
            for colour, pruner in enumerate(pruners):
                here = task.table["pruning"] == pruner
                guess = predicted[name][column][here]
                tone = COLOURS[colour % len(COLOURS)]
                ax.scatter(task.drop[here], guess, s=8, alpha=0.6, color=tone, label=pruner)
            ends = [float(task.drop.min()), float(task.drop.max())]
            ax.plot(ends, ends, color="#444444", linewidth=0.8)
            tidy(ax, title=f"{task.name}, {name}", x="true drop", y="predicted drop")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3 * len(tasks), fontsize=8)
    return figure


def _clusters(ax: Axes, scores: Sequence[TrialScore], sets: Sequence[str], what: str) -> None:
    protocols = list(dict.fromkeys(s.trial.protocol for s in scores))
    width = 0.8 / len(sets)
    for at, name in enumerate(sets):
        mine = {s.trial.protocol: s for s in scores if s.trial.features == name}
        places = [
            k + (at - (len(sets) - 1) / 2) * width for k, p in enumerate(protocols) if p in mine
        ]
        found = [mine[p] for p in protocols if p in mine]
        values = [getattr(s, what) for s in found]
        errors = np.nan_to_num([getattr(s, f"{what}_error") for s in found])
        ax.bar(places, values, width, yerr=errors, color=COLOURS[at % len(COLOURS)], label=name)
    ax.set_xticks(np.arange(len(protocols)), protocols)


def _of_layers(name: str) -> bool:
    return any(word in name for word in _LAYER_WORDS)


def _short(name: str) -> str:
    parts = name.split(" / ")
    return name if len(parts) < 3 else f"{parts[0]} / {parts[1]} / … ({len(parts)})"
