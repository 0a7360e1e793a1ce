"""Strategies side by side: on a complete table, and by training networks for real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graph2nn.runs import write_text
from graph2nn.runs.pages import markdown_table, page
from graph2nn.runs.summaries import standard_error, with_error
from predictors.search.figures import draw_evaluated, draw_progress, mean_and_error
from predictors.search.loop import Evaluate, best_so_far, run_search
from predictors.search.spaces import CellSpace, SearchSpace, TableSpace
from predictors.search.strategies import Evaluated, GuidedSearch, Strategy
from predictors.search.training import TrainedNetworks
from predictors.tables import Table, TableLike, read_table

__all__ = ["STEPS", "Comparison", "compare", "compare_on_table", "compare_trained"]

_WHOLE = ("nb201", "tnb101_micro", "nas_bench_macro")  # tables that hold a whole space
STEPS = (10, 20, 50, 100, 150, 200, 300, 500, 1000)
"""Numbers of evaluations that reports show."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What strategies found with the same budget.

    Args:
        histories: All evaluations of each seed, by strategy.
        report: The page, as Markdown.
        figures: Files of the figures.
    """

    histories: Mapping[str, list[list[Evaluated]]]
    report: str
    figures: Sequence[Path]


def compare(
    space: SearchSpace,
    strategies: Mapping[str, Strategy],
    evaluate: Evaluate,
    folder: str | Path,
    *,
    budget: int,
    batch: Mapping[str, int],
    seeds: int,
    progress: bool = True,
) -> dict[str, list[list[Evaluated]]]:
    """Search with every strategy and seed; go on with what the folder holds.

    Args:
        strategies: Strategies by name.
        folder: Folder in which a run folder for each search is made.
        budget: Number of evaluations of a search.
        batch: Number of networks that a strategy proposes at a time.
        seeds: Number of searches of each strategy.

    Raises:
        ValueError: Where `run_search` raises one.
    """
    return {
        name: [
            run_search(
                space,
                strategy,
                evaluate,
                budget=budget,
                batch=batch[name],
                seed=seed,
                folder=Path(folder) / f"{name}_{seed}",
                progress=progress,
            )
            for seed in range(seeds)
        ]
        for name, strategy in strategies.items()
    }


def compare_on_table(
    table: TableLike,
    strategies: Mapping[str, Strategy],
    folder: str | Path,
    *,
    target: str | None = None,
    budget: int = 150,
    batch: int = 8,
    seeds: int = 10,
    data_dir: str | None = None,
    progress: bool = True,
) -> Comparison:
    """Simulate searches on a table, where evaluating a network is looking it up.

    On a complete table of a space that `CellSpace` knows, networks are drawn from the space; on any
    other, one of one's own too, from the rows (`TableSpace`).

    Regret is the distance of the best network so far from the best one of the table, in units of
    the target. Looking up costs nothing, so only guides, which have to be fitted, propose batches.

    Args:
        table: Name of a shipped table, or a table of one's own, or the path of its file.
        target: Label; None for the table's own.
        budget: Number of evaluations, at most that of labelled networks.
        batch: Number of networks that a guide proposes at a time.

    Raises:
        ValueError: A table that is not there, or without labels; no strategy.
    """
    if not strategies:
        raise ValueError("strategies: expected at least one by name, got none")
    found = read_table(table, data_dir=data_dir)
    space, rows = _space_of(table, found, target)
    sign = 1 if found.higher_is_better(target) else -1
    labels = found.label(target)
    values = {word: sign * labels[k] for word, k in rows.items()}
    sizes = {name: batch if isinstance(s, GuidedSearch) else 1 for name, s in strategies.items()}
    histories = compare(
        space,
        strategies,
        lambda words: [values[word] for word in words],
        folder,
        budget=min(budget, len(values)),
        batch=sizes,
        seeds=seeds,
        progress=progress,
    )
    best = max(values.values())
    regret = {
        name: np.stack([best - best_so_far(history) for history in searches])
        for name, searches in histories.items()
    }
    name = target or found.default
    what = f"{found.name}, {name}"
    label = f"regret in {name}, {found.name}"
    figure = draw_progress(regret, Path(folder) / "regret.png", ylabel=label)
    report = _regret_report(regret, f"{what}: regret, mean ± standard error of {seeds}")
    return _written(Path(folder), Comparison(histories=histories, report=report, figures=[figure]))


def _space_of(
    table: TableLike, found: Table, target: str | None
) -> tuple[SearchSpace, dict[str, int]]:
    """The space of a table, and the row of every word that can be looked up."""
    rows = found.rows(target)
    if not len(rows):
        raise ValueError(f"table {found.name}: no network has a label {target or found.default}")
    if isinstance(table, str) and table in _WHOLE:
        cells = CellSpace(table)
        return cells, {cells.word(found.graphs[k]): int(k) for k in rows}
    return TableSpace(found, target), {str(k): int(k) for k in rows}


def compare_trained(
    space: SearchSpace,
    strategies: Mapping[str, Strategy],
    trained: TrainedNetworks,
    folder: str | Path,
    *,
    budget: int = 32,
    batch: int = 8,
    seeds: int = 1,
    final: int = 3,
    final_seeds: Sequence[int] = (1, 2),
    progress: bool = True,
) -> Comparison:
    """Search by training networks, then train the best of each search again and test them.

    The best networks are those of the highest validation accuracy in the search; the final seeds
    are others than that of the search, so that luck does not count.

    Args:
        final: Number of best networks of each search.
        final_seeds: Seeds of their further training.

    Raises:
        ValueError: Where `run_search` raises one.
    """
    histories = compare(
        space,
        strategies,
        trained,
        folder,
        budget=budget,
        batch=dict.fromkeys(strategies, batch),
        seeds=seeds,
        progress=progress,
    )
    header = ["strategy", f"mean of {budget}", "best"]
    header.append(f"test accuracy of the best {final}, new seeds")
    rows = []
    for name, searches in histories.items():
        values = np.array([[one.value for one in history] for history in searches])
        best = np.mean([best_so_far(history)[-1] for history in searches])
        test = _tested(trained, searches, final, final_seeds)
        rows.append([name, f"{np.nanmean(values):.2f}", f"{best:.2f}", test])
    label = "validation accuracy, %"
    curves = {n: np.stack([best_so_far(h) for h in found]) for n, found in histories.items()}
    every = {n: [one for history in found for one in history] for n, found in histories.items()}
    figures = [
        draw_progress(curves, Path(folder) / "progress.png", ylabel=f"best {label}"),
        draw_evaluated(every, Path(folder) / "networks.png", label=label),
    ]
    report = page(markdown_table(header, rows))
    return _written(Path(folder), Comparison(histories=histories, report=report, figures=figures))


def _tested(
    trained: TrainedNetworks,
    searches: Sequence[Sequence[Evaluated]],
    count: int,
    seeds: Sequence[int],
) -> str:
    """Mean and standard error over networks of the mean test accuracy over seeds."""
    ranked = [sorted(h, key=lambda one: -np.nan_to_num(one.value, nan=-np.inf)) for h in searches]
    words = [one.word for history in ranked for one in history[:count]]
    if not words or not seeds:
        return "-"
    finals = [[run["final"]["test_acc"] for run in trained.results(words, s)] for s in seeds]
    accuracy = np.nanmean(np.array(finals, dtype=np.float64), axis=0)
    return with_error(accuracy.mean(), standard_error(accuracy), 2)


def _regret_report(regret: Mapping[str, np.ndarray], title: str) -> str:
    length = next(iter(regret.values())).shape[1]
    steps = [n for n in STEPS if n < length] + [length]
    rows = []
    for name, curves in regret.items():
        mean, error = mean_and_error(curves)
        rows.append([name, *(with_error(mean[n - 1], error[n - 1]) for n in steps)])
    return page(title, markdown_table(["networks evaluated", *map(str, steps)], rows))


def _written(folder: Path, comparison: Comparison) -> Comparison:
    write_text(folder / "report.md", comparison.report)
    return comparison
