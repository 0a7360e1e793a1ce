"""CSV tables of an analysis."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np

from graph2nn.relational.campaign.graph_means import GraphMeans
from predictors.studies.relational.statistics.correlation import (
    EpochCurve,
    GraphCountCurve,
    TaskPair,
)
from predictors.studies.relational.statistics.sweetspot import SweetSpot
from predictors.studies.relational.statistics.tests import Groups, reliability, seed_correlations
from predictors.studies.relational.study import TaskStudy

__all__ = [
    "band_rows",
    "bin_rows",
    "control_rows",
    "epoch_rows",
    "graph_count_rows",
    "graph_rows",
    "pair_rows",
    "slice_rows",
    "spot_rows",
    "task_rows",
]

Row = dict[str, Any]


def task_rows(studies: Iterable[TaskStudy]) -> list[Row]:
    """Tabulate errors of the complete and of the best graph, luck in the choice, noise of seeds."""
    return [_task_row(study) for study in studies]


def spot_rows(studies: Iterable[TaskStudy]) -> list[Row]:
    """Tabulate every sweet spot: how many are inside, ranges of C and L, the best one."""
    rows = []
    for study in studies:
        for name, spot in chain(study.spots.items(), study.bin_spots.items()):
            named = spot.unit == "graph" and name != "controlled"
            rows.append(
                {
                    "task": study.task,
                    "sweet_spot": name,
                    "unit": spot.unit,
                    "test": spot.test,
                    "correction": spot.correction,
                    "inside": spot.size,
                    "total": spot.total,
                    "C_min": spot.c_range[0],
                    "C_max": spot.c_range[1],
                    "L_min": spot.l_range[0],
                    "L_max": spot.l_range[1],
                    "best_C": float(spot.C[spot.best]),
                    "best_L": float(spot.L[spot.best]),
                    "best_error": spot.mean,
                    "best_graph": str(study.means.graph_id[spot.best]) if named else "",
                }
            )
    return rows


def graph_rows(studies: Iterable[TaskStudy]) -> list[Row]:
    """Tabulate the mean error of every graph, and the sweet spots of graphs that it is in."""
    return [row for study in studies for row in _graphs_of(study)]


def bin_rows(studies: Iterable[TaskStudy]) -> list[Row]:
    """Tabulate the mean error of every occupied coarse bin (C and L of its centre)."""
    return [row for study in studies for row in _bins_of(study)]


def slice_rows(studies: Iterable[TaskStudy]) -> list[Row]:
    """Tabulate parabolas along C and L: graphs, minimum, R2, coefficients."""
    return [
        {
            "task": study.task,
            "along": part.along,
            "graphs": len(part.x),
            "minimum": part.minimum,
            "extrapolated": int(part.extrapolated),
            "r2": part.r2,
            "square": part.coefficients[0],
            "linear": part.coefficients[1],
            "constant": part.coefficients[2],
        }
        for study in studies
        for part in study.slices.values()
    ]


def control_rows(studies: Iterable[TaskStudy]) -> list[Row]:
    """Tabulate C and L against degree and width; columns are the fields of `Control`."""
    surfaces = ("degree_width", "r2_cl", "r2_degree", "r2_both")
    names = (*surfaces, "partial_cl", "p_cl", "partial_degree", "p_degree", "gap", "gap_controlled")
    return [
        {
            "task": study.task,
            "controls": "; ".join(study.control.controls),
            **{name: getattr(study.control, name) for name in names},
        }
        for study in studies
        if study.control is not None
    ]


def band_rows(studies: Iterable[TaskStudy]) -> list[Row]:
    """Tabulate best C and L among graphs of nearly equal degree.

    Minima outside the graphs are marked.
    """
    return [
        {
            "task": study.task,
            "k_min": band.k_low,
            "k_max": band.k_high,
            "graphs": len(band.mean),
            "C_min": band.C.min(),
            "C_max": band.C.max(),
            "best_C": band.c_minimum,
            "best_C_inside": int(band.c_interior),
            "r2_C": band.c_r2,
            "L_min": band.L.min(),
            "L_max": band.L.max(),
            "best_L": band.l_minimum,
            "best_L_inside": int(band.l_interior),
            "r2_L": band.l_r2,
            "error": band.mean.mean(),
            "lowest_error": band.mean.min(),
        }
        for study in studies
        for band in study.bands
    ]


def pair_rows(pairs: Iterable[TaskPair]) -> list[Row]:
    """Tabulate correlations of tasks; columns are the fields of `TaskPair`."""
    names = ("r", "r_low", "r_high", "r_generated", "r_graphs", "r_graphs_generated", "spearman")
    return [
        {
            "first": pair.first,
            "second": pair.second,
            "graphs": len(pair.x),
            "cell_means": int(pair.by_bin),
            **{name: getattr(pair, name) for name in names},
        }
        for pair in pairs
    ]


def epoch_rows(curves: Iterable[EpochCurve]) -> list[Row]:
    """Tabulate the correlation of every epoch with the last."""
    return [
        {"task": curve.task, "epoch": int(epoch), "r": float(r), "graphs": curve.graphs}
        for curve in curves
        for epoch, r in zip(curve.epochs, curve.r)
    ]


def graph_count_rows(curves: Iterable[GraphCountCurve]) -> list[Row]:
    """Tabulate the correlation of bin means from some graphs with those from all."""
    return [
        {"task": curve.task, "graphs": int(n), "r": float(r), "std": float(s)}
        for curve in curves
        for n, r, s in zip(curve.counts, curve.r, curve.std)
    ]


def _task_row(study: TaskStudy) -> Row:
    means = study.means
    generated = np.flatnonzero(~means.is_baseline)
    row: Row = {"task": study.task, "graphs": len(generated), "seeds": len(means.seeds)}
    row["missing_runs"] = int((~np.isfinite(means.runs)).sum())
    for i in np.flatnonzero(means.is_baseline):
        row |= {"complete_error": means.mean[i], "complete_std": means.std()[i]}
    if len(generated):
        spot = study.spots.get("published")
        best = spot.best if spot else int(generated[means.mean[generated].argmin()])
        row |= {
            "best_graph": str(means.graph_id[best]),
            "best_C": means.C[best],
            "best_L": means.L[best],
            "best_error": means.mean[best],
            "best_std": means.std()[best],
        }
    if study.chosen is not None:
        row["lowest_when_chosen"] = study.chosen.chosen_error
        row["lowest_on_fresh_seed"] = study.chosen.fresh_error
    for name, value in study.better.items():
        row["better_than_complete, " + name] = value
    row["reliability"] = reliability(means)
    between = seed_correlations(means)
    if np.isfinite(between).any():
        row |= {"seed_r_min": np.nanmin(between), "seed_r_max": np.nanmax(between)}
    return row


def _graphs_of(study: TaskStudy) -> list[Row]:
    rows = []
    for kind, means in (("", study.means), ("connectome", study.named)):
        std, count, mean = means.std(), means.count, means.mean
        for i, name in enumerate(means.graph_id):
            row: Row = {"task": study.task, "graph_id": str(name)}
            row["kind"] = kind or ("complete" if means.is_baseline[i] else "generated")
            for column in ("n_nodes", "k_degree", "dim0", "params_M"):
                if column in means.extra:
                    row[column] = means.extra[column][i]
            row |= {"C": means.C[i], "L": means.L[i], "seeds": count[i]}
            row |= {"error": mean[i], "std": std[i]}
            if not kind:
                row |= {f"in {key}": _is_inside(spot, means, i)
                        for key, spot in study.spots.items()}  # fmt: skip
            rows.append(row)
    return rows


def _is_inside(spot: SweetSpot, means: GraphMeans, graph: int) -> int:
    """A sweet spot may be of all graphs or, where controlled, of all but the complete one."""
    if len(spot.inside) == len(means):
        return int(spot.inside[graph])
    generated = ~means.is_baseline
    return int(generated[graph] and spot.inside[generated[:graph].sum()])


def _bins_of(study: TaskStudy) -> list[Row]:
    means = study.means.take(~study.means.is_baseline)
    if not len(means):
        return []
    labels = study.binning.labels(means.C, means.L)
    bins, graphs = np.unique(labels, return_counts=True)
    groups, (C, L) = Groups.of(means.runs, labels), study.binning.centres(bins)
    return [
        {
            "task": study.task,
            "C": C[i],
            "L": L[i],
            "graphs": graphs[i],
            "runs": groups.count[i],
            "error": groups.mean[i],
            "std": np.sqrt(groups.var[i]),
            **{f"in {name}": int(spot.inside[i]) for name, spot in study.bin_spots.items()},
        }
        for i in range(len(bins))
    ]
