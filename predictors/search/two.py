"""Strategies side by side where two things count: on a table, by hypervolume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.runs import write_text
from graph2nn.runs.figures import COLOUR_BLIND, canvas, figure_path, save_figure
from graph2nn.runs.pages import markdown_table, page
from graph2nn.runs.summaries import with_error
from predictors.search.comparison import STEPS, Comparison, compare
from predictors.search.figures import draw_progress, mean_and_error
from predictors.search.objectives import ParetoGuided, values_of
from predictors.search.pareto import hypervolume, pareto_front
from predictors.search.spaces import TableSpace
from predictors.search.strategies import Evaluated, Strategy
from predictors.tables import Table, TableLike, read_table

__all__ = ["compare_two_on_table", "draw_fronts"]


def compare_two_on_table(
    table: TableLike,
    strategies: Mapping[str, Strategy],
    folder: str | Path,
    *,
    targets: Sequence[str],
    attributes: Sequence[str] = (),
    budget: int = 150,
    batch: int = 8,
    seeds: int = 10,
    data_dir: str | None = None,
    progress: bool = True,
) -> Comparison:
    """Simulate searches for the best networks in two respects, such as perplexity and latency.

    Networks are drawn from the rows that have both labels. What was found is measured by the
    hypervolume of its front, as a share of that of the whole table's front. Both targets are
    scaled by the range of the table's front; the corner is a tenth of it beyond its worst ends.

    Args:
        table: Name of a shipped table, or a table of one's own, or the path of its file.
        strategies: Strategies by name; `ParetoEvolution` and `ParetoGuided` know of two values.
        folder: Folder of the searches; the same call goes on with what it holds.
        targets: Two targets of the table; whether larger is better is known there.
        attributes: Patterns of attributes of the graphs by which mutants are alike, beside sizes.
        budget: Number of evaluations, at most that of labelled networks.
        batch: Number of networks that a guide proposes at a time.
        seeds: Number of searches of each strategy.
        data_dir: Folder of original files of a published table.
        progress: Whether bars are shown.

    Raises:
        ValueError: A table that is not there, fewer than two networks with both labels, not two
            different targets, or a front of one network.
    """
    if not strategies:
        raise ValueError("strategies: expected at least one by name, got none")
    if len(set(targets)) != 2:
        raise ValueError(
            f"targets: expected two different ones, got {', '.join(targets) or 'none'}"
        )
    found = read_table(table, data_dir=data_dir)
    space, values = _labelled(found, targets, attributes)
    histories = compare(
        space,
        strategies,
        lambda words: [values[word] for word in words],
        folder,
        budget=min(budget, len(values)),
        batch={n: batch if isinstance(s, ParetoGuided) else 1 for n, s in strategies.items()},
        seeds=seeds,
        progress=progress,
    )
    every = np.array(list(values.values()))
    shares = {
        name: np.stack([_shares(values_of(history), every) for history in searches])
        for name, searches in histories.items()
    }
    what = f"{found.name}, {' and '.join(targets)}"
    label = "share of the table's hypervolume"
    figures = [
        draw_progress(shares, Path(folder) / "hypervolume.png", ylabel=label),
        draw_fronts(found, targets, histories, every, Path(folder) / "fronts.png"),
    ]
    report = _report(shares, f"{what}: {label}, mean ± standard error of {seeds}")
    write_text(Path(folder) / "report.md", report)
    return Comparison(histories=histories, report=report, figures=figures)


def _labelled(
    table: Table, targets: Sequence[str], attributes: Sequence[str]
) -> tuple[TableSpace, dict[str, tuple[float, float]]]:
    """The space of rows with both labels, and both values of each, larger is better."""
    signs = [1 if table.higher_is_better(target) else -1 for target in targets]
    labels = np.stack([s * table.label(t) for s, t in zip(signs, targets)], axis=1)
    near = max(8, len(table.graphs) // 100)
    space = TableSpace(table, targets[0], also=targets[1:], attributes=attributes, near=near)
    values = {str(row): tuple(labels[row].tolist()) for row in space.rows}
    if len(values) < 2 or len(pareto_front(np.array(list(values.values())))) < 2:
        raise ValueError(
            f"table {table.name}: expected networks with both labels of which none is best in "
            f"both, got {len(values)} labelled and a front of one"
        )
    return space, values  # type: ignore[return-value]


def _shares(values: np.ndarray, every: np.ndarray) -> np.ndarray:
    """Hypervolume after each evaluation. Shapes: (N, 2), all of the table (M, 2) -> (N,)."""
    front = every[pareto_front(every)]
    low, width = front.min(0), np.ptp(front, axis=0)
    corner = np.full(2, -0.1)
    whole = hypervolume((front - low) / width, corner)
    scaled = (values - low) / width
    found, best = [], np.zeros((0, 2))
    for one in scaled:
        best = np.concatenate([best, one[None]])
        best = best[pareto_front(best)]
        found.append(hypervolume(best, corner) / whole)
    return np.array(found)


def _report(shares: Mapping[str, np.ndarray], title: str) -> str:
    length = next(iter(shares.values())).shape[1]
    steps = [n for n in STEPS if n < length] + [length]
    rows = []
    for name, curves in shares.items():
        mean, error = mean_and_error(curves)
        rows.append([name, *(with_error(mean[n - 1], error[n - 1], 3) for n in steps)])
    return page(title, markdown_table(["networks evaluated", *map(str, steps)], rows))


def draw_fronts(
    table: Table,
    targets: Sequence[str],
    histories: Mapping[str, Sequence[Sequence[Evaluated]]],
    every: np.ndarray,
    path: str | Path,
) -> Path:
    """Draw the front that the first search of each strategy found, before the whole table.

    Args:
        table: The table.
        targets: Names of both targets.
        histories: Searches by strategy.
        every: Both values of all networks, larger is better.
        path: Path of the figure.

    Shapes:
        every (M, 2).
    """
    path = figure_path(path)
    signs = np.array([1 if table.higher_is_better(target) else -1 for target in targets])
    figure, (axes,) = canvas(6.4, 4.8)
    shown = every * signs
    axes.plot(*shown.T, ".", ms=2, color="0.8", zorder=0)
    axes.plot(*shown[pareto_front(every)].T, "-", lw=1, color="0.4", label="all of the table")
    drawn: list[Any] = list(zip(histories.items(), COLOUR_BLIND))
    for (name, searches), colour in drawn:
        values = values_of(searches[0])
        axes.plot(*(values[pareto_front(values)] * signs).T, "o", ms=4, color=colour, label=name)
    axes.set_xlabel(targets[0])
    axes.set_ylabel(targets[1])
    axes.legend()
    axes.grid(alpha=0.3)
    return save_figure(figure, path)
