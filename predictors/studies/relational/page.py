"""`report.md`: the index of an analysis, with its key numbers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from graph2nn.runs.pages import (
    bullets,
    files,
    image,
    join_blocks,
    link,
    markdown_table,
    page,
    section,
)
from graph2nn.runs.summaries import with_error
from predictors.studies.relational.findings import Findings
from predictors.studies.relational.statistics.tests import reliability
from predictors.studies.relational.study import TaskStudy

__all__ = ["FIGURES", "TABLES", "render_page"]

FIGURES = {
    "sweet_spots": "Ranges of C and L of the sweet spots; the circle is the best graph or cell.",
    "heatmap": "Mean error over (C, L), dark is good; rectangles are sweet spots.",
    "slices": "Error along L and along C with a parabola and its 95 % band.",
    "control": "Error against degree; against C among graphs of nearly equal degree; over (C, L) "
    "without the part of degree and width.",
    "correlations": "Pearson correlation of tasks over the graphs that they share.",
    "correlations_scatter": "The graphs behind each correlation; the star is the complete graph.",
    "epochs": "Correlation of the errors at each epoch with the final ones.",
    "graph_counts": "Correlation of the map from some graphs with the map from all.",
}
"""What each figure shows, by the first part of its name."""

TABLES = {
    "tasks": "errors of the complete and the best graph, luck in the choice, noise of seeds",
    "sweet_spots": "every sweet spot by test, correction and unit",
    "graphs": "mean error, standard deviation and sweet spots of every graph",
    "cells": "mean error of every coarse cell",
    "slices": "parabolas along C and L",
    "control": "C and L against degree and width",
    "degree_bands": "best C and L among graphs of nearly equal degree",
    "correlations": "correlations of tasks",
    "epochs": "correlations of epochs with the last",
    "graph_counts": "correlations against the number of graphs",
}
"""What each table holds."""


def render_page(found: Findings, where: str) -> str:
    """Write the page as Markdown."""
    studies = [*found.studies.values(), *found.others.values()]
    return page(
        "How to read it: `docs/understand/relational.md`.",
        section("Errors", _errors(studies)),
        section("Sweet spots", _spots(studies)),
        section("Degree and width", _control(studies)),
        section("Correlations", _pairs(found), _curves(found)),
        section("Figures", _figures(found)),
        section("Tables", files(found.tables, TABLES)),
        section("Not computed", bullets(found.notes)),
        title=f"Relational graphs: {where}",
    )


def _errors(studies: Iterable[TaskStudy]) -> str:
    """Top-1 errors, percent."""
    rows = []
    for study in studies:
        means, complete = study.means, np.flatnonzero(study.means.is_baseline)
        spot = study.spots.get("published")
        rows.append(
            [
                study.task,
                f"{len(means) - len(complete)} x {len(means.seeds)}",
                _spread(means.mean[complete], means.std()[complete]),
                _spread(means.mean[[spot.best]], means.std()[[spot.best]]) if spot else "",
                f"{study.chosen.fresh_error:.2f}" if study.chosen else "",
                f"{study.better['share']:.1%}" if study.better else "",
                with_error(reliability(means), None, 3),
            ]
        )
    names = ["task", "graphs x seeds", "complete graph", "best graph", "best, fresh seed"]
    names += ["better than complete", "reliability"]
    note = (
        "Top-1 error in percent, mean ± standard deviation over seeds. *Fresh seed*: the best "
        "graph is chosen on all seeds but one and measured on that one, on average over seeds. "
        "*Reliability*: the share of the variance between graphs that is not noise of seeds."
    )
    return join_blocks(markdown_table(names, rows), note)


def _spots(studies: Iterable[TaskStudy]) -> str:
    rows = [
        [
            study.task,
            name,
            f"{spot.size} of {spot.total} {spot.unit}s",
            _range(spot.c_range),
            _range(spot.l_range),
            f"({spot.C[spot.best]:.3f}, {spot.L[spot.best]:.3f}) {spot.mean:.2f} %",
        ]
        for study in studies
        for spots in (study.spots, study.bin_spots)
        for name, spot in spots.items()
        if name in ("published", "welch + holm", "held out", "controlled")
    ]
    names = ["task", "sweet spot", "inside", "C", "L", "best (C, L), error"]
    return markdown_table(names, rows) or "None: see what was not computed."


def _control(studies: Iterable[TaskStudy]) -> str:
    rows = []
    for study in studies:
        c = study.control
        if c is not None:
            rows.append(
                [study.task, f"{c.r2_cl:.3f}", f"{c.r2_degree:.3f}", f"{c.r2_both:.3f}"]
                + [f"{c.partial_cl:.2f} (p {_p(c.p_cl)})"]
                + [f"{c.partial_degree:.2f} (p {_p(c.p_degree)})"]
                + [f"{c.gap:+.2f}", f"{c.gap_controlled:+.2f}"]
            )
    if not rows:
        return "Not computed."
    names = ["task", "R² (C, L)", "R² log k", "R² (C, L, log k)", "C, L after degree"]
    names += ["degree after C, L", "gap", "gap, controlled"]
    note = (
        "Leave-one-out R² of quadratic surfaces; share of the remaining variance that one group "
        "explains after the other, with the p-value of its F test; mean error inside minus outside "
        "the published sweet spot, before and after degree and width are taken out."
    )
    return join_blocks(markdown_table(names, rows), note, _bands(studies))


def _bands(studies: Iterable[TaskStudy]) -> str:
    rows = [
        [
            study.task,
            f"{band.k_low:.1f} – {band.k_high:.1f}",
            str(len(band.mean)),
            _minimum(band.c_minimum, band.c_interior, band.C),
            f"{band.c_r2:.2f}",
            _minimum(band.l_minimum, band.l_interior, band.L),
            f"{band.l_r2:.2f}",
        ]
        for study in studies
        for band in study.bands
    ]
    if not rows:
        return ""
    names = ["task", "degree k", "graphs", "best C", "R²", "best L", "R²"]
    note = (
        "Parabolas within bands of degree, where width hardly changes either. In brackets the "
        "range of the graphs, where the minimum lies outside it."
    )
    return join_blocks(markdown_table(names, rows), note)


def _pairs(found: Findings) -> str:
    rows = [
        [
            f"{pair.first} – {pair.second}",
            str(len(pair.x)),
            f"{pair.r:.3f} [{pair.r_low:.2f}, {pair.r_high:.2f}]",
            f"{pair.r_generated:.3f}",
            f"{pair.r_graphs_generated:.3f}",
            f"{pair.spearman:.3f}",
        ]
        for pair in found.pairs.values()
    ]
    names = ["tasks", "graphs", "r [95 %]", "without complete", "graph means", "Spearman"]
    return markdown_table(names, rows) or "No two tasks with graphs in common."


def _curves(found: Findings) -> str:
    lines = []
    for curve in found.epochs.values():
        wanted = [e for e in (1, 2, 3, 5, 10, 20, 50, 90) if e in curve.epochs[:-1]]
        numbers = [f"{e}: {curve.r[list(curve.epochs).index(e)]:.3f}" for e in wanted]
        lines.append(f"{curve.task}, epochs: {', '.join(numbers)}")
    for count in found.graph_counts.values():
        pick = [
            i for i, n in enumerate(count.counts) if n in (count.counts[0], 100, 200, 449, 1000)
        ]
        numbers = [f"{count.counts[i]}: {count.r[i]:.3f} ± {count.std[i]:.3f}" for i in pick]
        lines.append(f"{count.task}, graphs: {', '.join(numbers)}")
    return bullets(lines)


def _figures(found: Findings) -> str:
    blocks = []
    for name, paths in found.figures.items():
        text = FIGURES.get(name) or FIGURES[name.split("_")[0]]
        shown = next((p for p in paths if p.suffix in (".png", ".svg")), None)
        blocks.append(f"{text} {', '.join(map(link, paths))}")
        blocks += [image(shown, name)] if shown else []
    return join_blocks(*blocks) or "None."


def _minimum(place: float, interior: bool, values: np.ndarray) -> str:
    if interior:
        return f"{place:.2f}"
    return f"none ({values.min():.2f} – {values.max():.2f})"


def _range(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.3f} – {pair[1]:.3f}" if np.isfinite(pair[0]) else "none"


def _spread(mean: np.ndarray, std: np.ndarray) -> str:
    return f"{mean[0]:.2f} ± {std[0]:.2f}" if len(mean) else ""


def _p(value: float) -> str:
    return "< 1e-16" if value < 1e-16 else f"{value:.1e}" if value < 1e-3 else f"{value:.3f}"
