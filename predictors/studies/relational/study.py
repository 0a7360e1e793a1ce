"""Everything that is computed of one task, and what could not be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import numpy as np

from graph2nn.relational.campaign.graph_means import GraphMeans
from graph2nn.relational.graphs.connectomes import CONNECTOMES
from predictors.studies.relational.heldout import HeldOut, Selection, held_out, selection
from predictors.studies.relational.statistics.bands import Band, degree_bands
from predictors.studies.relational.statistics.bins import Binning, binning_for, num_nodes_of
from predictors.studies.relational.statistics.control import Control, control_for_degree
from predictors.studies.relational.statistics.slices import Slice, take_slice
from predictors.studies.relational.statistics.sweetspot import (
    LEVEL,
    SweetSpot,
    sweet_spot,
    sweet_spot_of_bins,
)
from predictors.studies.relational.statistics.tests import Groups, adjust, p_better

__all__ = ["VARIANTS", "TaskStudy", "attempt", "better_than_complete", "study_task"]

VARIANTS = {
    "published": ("student", "none"),
    "welch": ("welch", "none"),
    "welch + bh": ("welch", "bh"),
    "welch + holm": ("welch", "holm"),
    "pooled + bh": ("pooled", "bh"),
    "pooled + holm": ("pooled", "holm"),
}
"""Sweet spots on the same seeds that chose the best graph: name to test and correction."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False, kw_only=True)
class TaskStudy:
    """The analyses of one task; None or absent where the table does not suffice.

    Args:
        means: Errors of generated graphs and the complete one.
        named: Connectomes, which take no part in any statistic.
        binning: Coarse bins.
        many: Whether bins hold several graphs, so that sweet spots of bins say more.
        spots: Sweet spots of graphs by name: those of `VARIANTS`, then "held out" and "controlled".
        bin_spots: Sweet spots of bins, where `many`.
        held: Detail of "held out", of bins where `many`.
        chosen: Part that the lowest mean owes to luck.
        control: Control of degree and width.
        bands: Graphs of nearly equal degree.
        slices: Slices by "C" and "L".
        better: Graphs whose error is below that of the complete graph: share by mean, then number
            by test and correction.
    """

    means: GraphMeans
    named: GraphMeans
    binning: Binning
    many: bool
    spots: dict[str, SweetSpot] = field(default_factory=dict)
    bin_spots: dict[str, SweetSpot] = field(default_factory=dict)
    held: HeldOut | None = None
    chosen: Selection | None = None
    control: Control | None = None
    bands: list[Band] = field(default_factory=list)
    slices: dict[str, Slice] = field(default_factory=dict)
    better: dict[str, float] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.means.task

    @property
    def main_spots(self) -> dict[str, SweetSpot]:
        """Sweet spots of bins where there are several graphs in each, of graphs elsewhere."""
        return self.bin_spots or self.spots


def study_task(means: GraphMeans, notes: list[str], *, rank: int = 0) -> TaskStudy:
    """Do all analyses of one task.

    Args:
        means: Errors of its graphs.
        notes: List that gets a line for each analysis that the table does not suffice for.
        rank: Rank of the graph that the published procedure takes for the best, see
            `PUBLISHED_RANK`.
    """
    named = np.isin(means.graph_id, list(CONNECTOMES))
    marked, means = means.take(named), means.take(~named)
    generated = means.take(~means.is_baseline)
    binning = binning_for(num_nodes_of(generated), generated.L)
    occupied = len(np.unique(binning.labels(generated.C, generated.L)))
    many = len(generated) >= 2 * max(occupied, 1)
    study = TaskStudy(means=means, named=marked, binning=binning, many=many)
    if not len(generated):
        notes.append(f"{means.task}: no generated graphs, so no sweet spot, slices or control")
        return study
    for name, (test, correction) in VARIANTS.items():
        _spots_of(study, notes, name, test, correction, rank if name == "published" else 0)
    chosen = attempt(notes, lambda: selection(means))
    held = attempt(notes, lambda: held_out(means, binning=binning if many else None))
    if held is not None:
        (study.bin_spots if many else study.spots)["held out"] = held.spot
    control = _controlled(study, notes)
    study.bands.extend(attempt(notes, lambda: degree_bands(means)) or [])
    for along in ("L", "C"):
        part = attempt(notes, partial(take_slice, means, along))
        if part is not None:
            study.slices[along] = part
    study.better.update(better_than_complete(means, notes))
    return replace(study, held=held, chosen=chosen, control=control)


def better_than_complete(means: GraphMeans, notes: list[str]) -> dict[str, float]:
    """Count the graphs with a lower error than the complete graph.

    Returns:
        Numbers "share", by the means alone; "welch + bh", "pooled + holm": how many of them a
        corrected one-sided test confirms at 5 %. Empty without the complete graph.
    """
    rows = np.flatnonzero(means.is_baseline)
    if not len(rows):
        notes.append(f"{means.task}: no complete graph in the table, so nothing to compare with")
        return {}
    generated, groups = ~means.is_baseline, Groups.of(means.runs)
    result = {"share": float((groups.mean[generated] < groups.mean[rows[0]]).mean())}
    for name, (test, correction) in VARIANTS.items():
        p = np.where(generated, p_better(groups, rows[0], test), np.nan)
        if name in ("welch + bh", "pooled + holm") and np.isfinite(p).any():
            result[name] = float((adjust(p, correction) < LEVEL).sum())
    return result


def attempt(notes: list[str], compute: Callable[[], _Result]) -> _Result | None:
    """Return the result, or None with the reason in `notes` where the data do not suffice."""
    try:
        return compute()
    except ValueError as error:
        if str(error) not in notes:
            notes.append(str(error))
        return None


def _spots_of(
    study: TaskStudy, notes: list[str], name: str, test: str, correction: str, rank: int
) -> None:
    means = study.means
    spot = attempt(notes, lambda: sweet_spot(means, test=test, correction=correction, rank=rank))
    if spot is not None:
        study.spots[name] = spot
    if study.many:
        bins = attempt(
            notes,
            lambda: sweet_spot_of_bins(means, study.binning, test=test, correction=correction),
        )
        if bins is not None:
            study.bin_spots[name] = bins


def _controlled(study: TaskStudy, notes: list[str]) -> Control | None:
    published = study.spots.get("published")
    if published is None:
        return None
    binning = study.binning if study.many else None
    control = attempt(notes, lambda: control_for_degree(study.means, published, binning=binning))
    if control is not None:
        (study.bin_spots if study.many else study.spots)["controlled"] = control.spot
    return control
