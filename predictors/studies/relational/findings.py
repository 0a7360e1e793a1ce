"""What did an analysis of trained relational graphs find, and which files did it write?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from predictors.studies.relational.statistics.correlation import (
    EpochCurve,
    GraphCountCurve,
    TaskPair,
)
from predictors.studies.relational.study import TaskStudy

__all__ = ["Findings"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Findings:
    """What `analyze` found and wrote.

    Args:
        studies: Studies of each task of the source, by name.
        others: Studies of each task of the tables compared with.
        pairs: Correlations, by the names of the two tasks.
        epochs, graph_counts: Curves, by task.
        figures, tables: Files by name, without suffix.
        page: Page `report.md`, which lists them all.
        notes: Remarks on what could not be computed, and why.
    """

    studies: Mapping[str, TaskStudy]
    others: Mapping[str, TaskStudy]
    pairs: Mapping[tuple[str, str], TaskPair]
    epochs: Mapping[str, EpochCurve]
    graph_counts: Mapping[str, GraphCountCurve]
    figures: dict[str, list[Path]] = field(default_factory=dict)
    tables: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    page: Path
