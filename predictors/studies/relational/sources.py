"""Where an analysis takes its results from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from graph2nn.relational.campaign.graph_means import GraphMeans
from graph2nn.relational.campaign.results import (
    ResultTable,
    find_results,
    published_results,
    read_results,
)

__all__ = ["Source", "open_source"]

_CONNECTOME_TASK = "_bio"  # suffix of the task that trains a task's networks on connectomes


@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """Results of the last epoch, and of every epoch as far as they are known.

    Args:
        final: Rows of each task's last epoch.
        by_epoch: Rows of every epoch but 0, which is before training.
        label: Mark of its tasks where two sources meet.
        where: File or folder, for the report.
        published: Whether these are the original's results.
    """

    final: ResultTable
    by_epoch: ResultTable
    label: str
    where: str
    published: bool = False

    def tasks(self, asked: str | Sequence[str] | None) -> tuple[str, ...]:
        """Return the tasks asked for, or all of them.

        Raises:
            ValueError: One that the source has not, or no rows at all.
        """
        if not self.final.num_rows:
            raise ValueError(f"{self.where} has no results after epoch 0: nothing to analyze")
        return self.final.tasks if asked is None else self.final.select(task=asked).tasks

    def means(self, task: str, name: str | None = None) -> GraphMeans:
        """Return errors of a task; connectomes of its `_bio` task, if there is one, join them."""
        rows = self.final.select(task=task)
        bio = task + _CONNECTOME_TASK
        if bio in self.final.tasks:
            extra = self.final.select(task=bio, is_baseline=False)
            known = np.isin(extra["graph_id"], rows["graph_id"])
            columns = dict(extra.take(~known))
            columns["task"] = np.full(int((~known).sum()), task)
            rows = rows.joined(ResultTable(columns, where=extra.where))
        means = GraphMeans.from_columns(task, rows)
        return replace(means, task=name or task)


def open_source(source: str | Path | ResultTable, *, label: str = "own") -> Source:
    """Open "published", a run folder, a file, ours by name, or a table.

    Raises:
        FileNotFoundError: No such file or folder.
        ValueError: Damaged results.
    """
    if isinstance(source, ResultTable):
        return _source(source, None, label, source.where)
    if str(source) == "published":
        found = _source(
            published_results(), published_results(by_epoch=True), "published", "published results"
        )
        return replace(found, published=True)
    path = find_results(source)
    by_epoch = None
    if path.is_dir() and any(path.glob("results_by_epoch.csv*")):
        by_epoch = read_results(path, by_epoch=True)
    return _source(read_results(path), by_epoch, label, path.name)


def _source(table: ResultTable, by_epoch: ResultTable | None, label: str, where: str) -> Source:
    trained = table.take(table["epoch"] > 0)
    every = trained if by_epoch is None else by_epoch.take(by_epoch["epoch"] > 0)
    return Source(final=trained.final(), by_epoch=every, label=label, where=where)
