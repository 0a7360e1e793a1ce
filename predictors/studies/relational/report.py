"""`analyze`: figures and tables of a table of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph2nn.relational.campaign.graph_means import GraphMeans
from graph2nn.relational.campaign.results import ResultTable
from graph2nn.runs.checkpoint import write_text
from graph2nn.runs.figures import check_formats, save_formats
from graph2nn.runs.tables import write_rows
from predictors.studies.relational import tables
from predictors.studies.relational.figures.comparisons import (
    draw_correlations,
    draw_ranges,
    draw_scatter,
)
from predictors.studies.relational.figures.curves import (
    draw_control,
    draw_epochs,
    draw_graph_counts,
    draw_slices,
)
from predictors.studies.relational.figures.heatmaps import draw_heatmaps
from predictors.studies.relational.findings import Findings
from predictors.studies.relational.page import render_page
from predictors.studies.relational.sources import Source, open_source
from predictors.studies.relational.statistics.correlation import (
    TaskPair,
    compare_tasks,
    epoch_curve,
    graph_count_curve,
)
from predictors.studies.relational.statistics.sweetspot import PUBLISHED_RANK
from predictors.studies.relational.study import TaskStudy, attempt, study_task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["analyze"]

_FEW_TASKS = 12  # tasks in one matrix; beyond, its numbers cannot be read


def analyze(
    source: str | Path | ResultTable,
    out: str | Path,
    *,
    task: str | Sequence[str] | None = None,
    compare: str | Path | ResultTable | None = None,
    formats: Sequence[str] = ("png",),
    as_published: bool | None = None,
) -> Findings:
    """Make figures and tables of "Graph Structure of Neural Networks" from results of training.

    See arXiv:2007.06559, section 5: the original's analysis and, beside it, tests that hold up:
    unequal variances, multiple comparisons, held-out seeds, control for degree and width. What the
    table does not suffice for (one seed, few graphs, one epoch) is left out and said in the
    findings.

    Args:
        source: Source of the results: a run folder, a `.csv` or `.csv.gz` file, "published", one of
            `graph2nn.relational.campaign.results.OWN_RESULTS`, or a table.
        out: Folder for the figures (`.png`), tables (`.csv`) and `report.md`, which lists them.
        task: Names of the tasks to take; None for all.
        compare: Another source; its tasks join the correlations and the ranges of sweet spots, as
            "NAME (published)" or "NAME (other)".
        formats: Formats of the figures; "png", "pdf", "svg". None of them: tables only.
        as_published: Whether to compare with the graph that the original compared with (of the MLP
            the third best), and to fill missing runs as it did where tasks are correlated. By
            default only for the published results.

    Raises:
        FileNotFoundError: No such source.
        ValueError: A damaged source, no such task, an unknown format.
        OSError: `out` cannot be written.

    Examples:
        >>> found = analyze("mlp_digits_52", "analysis", formats=())
        >>> found.epochs["mlp_digits"].graphs
        53
    """
    check_formats(formats)
    opened = open_source(source)
    other = None if compare is None else open_source(compare, label="other")
    exactly = opened.published if as_published is None else as_published
    out = Path(out)
    found = _compute(opened, opened.tasks(task), other, exactly, out / "report.md")
    _write_tables(found, out)
    if formats:
        _write_figures(found, out, formats)
    text = render_page(found, opened.where)
    write_text(found.page, text)
    return found


def _compute(
    source: Source, chosen: Sequence[str], other: Source | None, exactly: bool, page: Path
) -> Findings:
    notes: list[str] = []
    studies = {name: _study(source, name, notes, exactly) for name in chosen}
    others: dict[str, TaskStudy] = {}
    if other is not None:
        found = [_study(other, name, [], other.published, other.label)
                 for name in other.tasks(None)]  # fmt: skip
        others = {study.task: study for study in found}
    filled = [_for_correlation(study, exactly) for study in studies.values()]
    filled += [_for_correlation(s, other is not None and other.published) for s in others.values()]
    swept = [name for name in chosen if not studies[name].means.is_baseline.all()]
    crowded = [name for name in swept if studies[name].many]
    return Findings(
        studies=studies,
        others=others,
        pairs=_all_pairs(filled, len(studies), notes),
        epochs=_gather(notes, swept, lambda name: epoch_curve(source.by_epoch, name)),
        graph_counts=_gather(notes, crowded, lambda n: graph_count_curve(studies[n].means)),
        notes=notes,
        page=page,
    )


def _study(
    source: Source, name: str, notes: list[str], exactly: bool, label: str = ""
) -> TaskStudy:
    """The study of a task, renamed to "NAME (LABEL)" if there is a label."""
    means = source.means(name, f"{name} ({label})" if label else name)
    return study_task(means, notes, rank=PUBLISHED_RANK.get(name, 0) if exactly else 0)


def _for_correlation(study: TaskStudy, exactly: bool) -> GraphMeans:
    return study.means.filled() if exactly else study.means


def _all_pairs(
    means: Sequence[GraphMeans], own: int, notes: list[str]
) -> dict[tuple[str, str], TaskPair]:
    """Every pair of tasks with generated graphs; notes only of those with one of the source."""
    pairs = {}
    for i, j in combinations(range(len(means)), 2):
        if means[i].is_baseline.all() or means[j].is_baseline.all():
            continue
        pair = attempt(notes if i < own else [], partial(compare_tasks, means[i], means[j]))
        if pair is not None:
            pairs[pair.first, pair.second] = pair
    return pairs


def _gather(
    notes: list[str], names: Sequence[str], compute: Callable[[str], Any]
) -> dict[str, Any]:
    found = {name: attempt(notes, partial(compute, name)) for name in names}
    return {name: result for name, result in found.items() if result is not None}


def _write_tables(found: Findings, out: Path) -> None:
    studies = [*found.studies.values(), *found.others.values()]
    rows = {
        "tasks": tables.task_rows(studies),
        "sweet_spots": tables.spot_rows(studies),
        "graphs": tables.graph_rows(found.studies.values()),
        "cells": tables.bin_rows(found.studies.values()),
        "slices": tables.slice_rows(studies),
        "control": tables.control_rows(studies),
        "degree_bands": tables.band_rows(studies),
        "correlations": tables.pair_rows(found.pairs.values()),
        "epochs": tables.epoch_rows(found.epochs.values()),
        "graph_counts": tables.graph_count_rows(found.graph_counts.values()),
    }
    for name, table in rows.items():
        if table:
            found.tables[name] = write_rows(out / f"{name}.csv", table, digits=12)


def _write_figures(found: Findings, out: Path, formats: Sequence[str]) -> None:
    def save(name: str, figure: Figure) -> None:
        found.figures[name] = save_formats(figure, out, name, formats)

    for task, study in found.studies.items():
        if (~study.means.is_baseline).any():
            save(f"heatmap_{task}", draw_heatmaps(study))
        if study.slices:
            save(f"slices_{task}", draw_slices(study))
        if study.control is not None:
            save(f"control_{task}", draw_control(study, study.control))
    everything = [*found.studies.values(), *found.others.values()]
    if any(study.main_spots for study in everything):
        save("sweet_spots", draw_ranges([study for study in everything if study.main_spots]))
    if found.pairs:
        linked = {name for pair in found.pairs for name in pair}
        names = [study.task for study in everything if study.task in linked]
        save("correlations", draw_correlations(names[:_FEW_TASKS], found.pairs))
        shown = [pair for pair in found.pairs.values() if pair.first in found.studies]
        if shown:
            save("correlations_scatter", draw_scatter(shown[: 2 * _FEW_TASKS]))
    if found.epochs:
        save("epochs", draw_epochs(list(found.epochs.values())))
    if found.graph_counts:
        save("graph_counts", draw_graph_counts(list(found.graph_counts.values())))
