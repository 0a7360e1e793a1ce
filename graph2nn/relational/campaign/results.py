"""`ResultTable`: one row per trained network, ours and the published ones alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.relational.campaign.graph_means import GraphMeans
from graph2nn.runs.seals import warn_unvouched
from graph2nn.runs.shipped import named_data
from graph2nn.runs.tables import ColumnTable, Schema, read_columns, read_shipped, write_csv

__all__ = [
    "COLUMNS",
    "OWN_RESULTS",
    "REQUIRED",
    "ResultTable",
    "find_results",
    "published_results",
    "read_results",
    "write_results",
]

REQUIRED = ("task", "seed", "epoch", "top1_error", "C", "L", "is_baseline", "graph_id")
"""Columns that every table has; a table by epoch may leave out the others."""

_KINDS: dict[str, type] = {
    "task": str,
    "seed": int,
    "epoch": int,
    "top1_error": float,
    "top5_error": float,
    "n_nodes": int,
    "k_degree": float,
    "sparsity": float,
    "p": float,
    "graph_seed": int,
    "C": float,
    "L": float,
    "is_baseline": bool,
    "transform": str,
    "params_M": float,
    "gflops": float,
    "time_avg_s": float,
    "dim0": int,
    "idx_in_n64_52": int,
    "idx_in_n64_449": int,
    "idx_in_n64_3942": int,
    "idx_in_n16_48": int,
    "graph_id": str,
}
COLUMNS = tuple(_KINDS)
"""The published columns in their order."""

OWN_RESULTS = ("mlp_digits_52", "mlp_cifar10_52", "mlp_cifar10_13_long")
"""Names of the sweeps of ours whose results come with the package."""

_SCHEMA = Schema(kinds=_KINDS, required=REQUIRED, filled=REQUIRED)


class ResultTable(ColumnTable):
    """Test errors of trained networks: a mapping from column to array, all of one length.

    Text columns are str arrays, `is_baseline` bool, whole numbers int64 with -1 where missing, the
    rest float64 with NaN where missing. Columns unknown to the published table are kept.

    Args:
        columns: Arrays; at least those of `REQUIRED`.
        where: Name of the table in messages, such as its path.

    Raises:
        ValueError: A missing column, unequal lengths, values of another kind, an error outside
            [0, 100] percent, or a run (task, seed, epoch, graph) given twice.

    Examples:
        >>> rows = [dict(task="t", seed=1, epoch=1, top1_error=9.0, C=1, L=1, is_baseline=1,
        ...              graph_id="complete")]
        >>> ResultTable.from_rows(rows)["top1_error"]
        array([9.])
    """

    def __init__(self, columns: Mapping[str, Any], *, where: str = "result table") -> None:
        order = [name for name in COLUMNS if name in columns]
        order += [name for name in columns if name not in COLUMNS]
        super().__init__({name: columns[name] for name in order}, _SCHEMA, where=where)
        self._check()

    @classmethod
    def from_rows(
        cls, rows: Iterable[Mapping[str, Any]], *, where: str = "result table"
    ) -> ResultTable:
        """Make a table from one mapping per run.

        A key that some rows lack is missing there.

        Raises:
            ValueError: As the class; a required key lacking in any row.
        """
        rows = list(rows)
        names = list(dict.fromkeys(name for row in rows for name in row)) or list(REQUIRED)
        for position, row in enumerate(rows):
            absent = [name for name in REQUIRED if row.get(name) is None]
            if absent:
                raise ValueError(f"{where}: row {position} lacks {', '.join(absent)}")
        return cls({name: [row.get(name) for row in rows] for name in names}, where=where)

    def __repr__(self) -> str:
        return f"ResultTable({self.num_rows} rows, tasks={list(self.tasks)})"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks in order of first appearance."""
        return tuple(dict.fromkeys(self["task"].tolist()))

    def take(self, keep: np.ndarray) -> ResultTable:
        """Select the rows that a mask (rows,) or an index array (k,) picks."""
        return ResultTable({k: v[keep] for k, v in self._columns.items()}, where=self.where)

    def select(
        self,
        *,
        task: str | Sequence[str] | None = None,
        seed: int | Sequence[int] | None = None,
        epoch: int | Sequence[int] | None = None,
        graph_id: str | Sequence[str] | None = None,
        is_baseline: bool | None = None,
    ) -> ResultTable:
        """Select the rows that agree with every argument given; a sequence means any of them.

        Raises:
            ValueError: A task that the table has not.
        """
        asked: dict[str, Any] = {"task": task, "seed": seed, "epoch": epoch}
        asked |= {"graph_id": graph_id, "is_baseline": is_baseline}
        keep = np.ones(self.num_rows, dtype=bool)
        for name, value in asked.items():
            if value is None:
                continue
            values = list(value) if isinstance(value, (Sequence, np.ndarray)) else [value]
            values = [value] if isinstance(value, str) else values
            if name == "task":
                self._check_tasks(values)
            keep &= np.isin(self[name], values)
        return self.take(keep)

    def final(self) -> ResultTable:
        """Select the rows of each task's last epoch; a run that stopped before it is left out."""
        last = np.zeros(self.num_rows, dtype=np.int64)
        for task in self.tasks:
            here = self["task"] == task
            last[here] = self["epoch"][here].max()
        return self.take(self["epoch"] == last)

    def joined(self, other: ResultTable) -> ResultTable:
        """Join the rows of both, on the columns that both have.

        Raises:
            ValueError: A run in both.
        """
        shared = [name for name in self if name in other]
        return ResultTable(
            {name: np.concatenate([self[name], other[name]]) for name in shared},
            where=f"{self.where} and {other.where}",
        )

    def graph_means(self, task: str | None = None) -> GraphMeans:
        """Average the final error of each graph over its training seeds.

        Args:
            task: Name of the task; may be left out where the table has only one.

        Raises:
            ValueError: No such task, or several and none named.
        """
        if task is None:
            if len(self.tasks) != 1:
                raise ValueError(f"{self.where}: name one of its tasks, {', '.join(self.tasks)}")
            task = self.tasks[0]
        return GraphMeans.from_columns(task, self.select(task=task).final())

    def _check_tasks(self, tasks: Sequence[str]) -> None:
        unknown = [task for task in tasks if task not in self.tasks]
        if unknown:
            raise ValueError(
                f"{self.where}: no rows of task {', '.join(map(str, unknown))}; "
                f"its tasks are {', '.join(self.tasks) or '(none)'}"
            )

    def _check(self) -> None:
        error = self["top1_error"]
        bad = ~((error >= 0) & (error <= 100))
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(
                f"{self.where}: row {row}: top1_error is a percentage, expected 0 to 100, got "
                f"{error[row]}"
            )
        seen: dict[tuple, int] = {}
        keys = zip(*(self[name].tolist() for name in ("task", "seed", "epoch", "graph_id")))
        for row, key in enumerate(keys):
            if seen.setdefault(key, row) != row:
                raise ValueError(
                    f"{self.where}: row {row} repeats row {seen[key]} (task, seed, epoch, graph = "
                    f"{', '.join(map(str, key))}); a result counts once: remove one of them"
                )


def read_results(path: str | Path, *, by_epoch: bool = False) -> ResultTable:
    """Read the table of a `.csv` or `.csv.gz` file, of a run folder, or one of ours by name.

    Args:
        path: Path of a file, or a folder with `results.csv` (or `results.csv.gz`), or one of
            `OWN_RESULTS`, sweeps of ours that come with the package, or "published".
        by_epoch: Whether to read `results_by_epoch.csv` (or `.gz`) of a folder instead.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A missing column, a half-written file, a value of another kind; with the line.
            Another checksum than `NAME.sha256` beside it says; without that file there is a
            warning.

    Examples:
        >>> read_results("mlp_digits_52")
        ResultTable(265 rows, tasks=['mlp_digits'])
    """
    if str(path) == "published" and not Path(path).exists():
        return published_results(by_epoch=by_epoch)
    path = _find(find_results(path), "results_by_epoch" if by_epoch else "results")
    table = ResultTable(read_columns(path, REQUIRED), where=str(path))
    warn_unvouched(path)
    return table


def find_results(path: str | Path) -> Path:
    """Find results by path, or ours by their name in `OWN_RESULTS`.

    Raises:
        FileNotFoundError: Neither exists.
    """
    names = {name: f"relational/{name}" for name in OWN_RESULTS}
    return named_data(path, names, 'a results file or a run folder, "published"')


def published_results(*, by_epoch: bool = False) -> ResultTable:
    """Return the published errors, one row a task, graph and training seed (and epoch).

    Args:
        by_epoch: Whether every evaluated epoch has a row; otherwise the last one only.

    Raises:
        ValueError: A damaged file.

    Examples:
        >>> published_results().tasks[:2]
        ('mlp_cifar10', 'cnn6_imagenet')
    """
    name = "relational_by_epoch" if by_epoch else "relational"
    return ResultTable(read_shipped(name).columns, where="published results")


def write_results(path: str | Path, table: ResultTable) -> Path:
    """Write a table as `.csv` or `.csv.gz`; the file appears whole or not at all.

    Floats are written so that reading gives the same ones; missing values are empty. A checksum
    is written beside it, as `NAME.sha256`.

    Raises:
        ValueError: Another suffix.
        OSError: See `write_atomic`.
    """
    path = Path(path)
    if not path.name.endswith((".csv", ".csv.gz")):
        raise ValueError(f"results are written as .csv or .csv.gz, got {path.name}")
    columns = {name: _written(name, column) for name, column in table.items()}
    return write_csv(path, columns, checksum=True)


def _written(name: str, column: np.ndarray) -> list[Any]:
    """The column as published: 0 or 1 for bool, nothing where a whole number is missing."""
    if column.dtype == bool:
        return column.astype(int).tolist()
    values = column.tolist()
    return [None if v == -1 else v for v in values] if _KINDS.get(name) is int else values


def _find(path: Path, stem: str) -> Path:
    if path.is_dir():
        for name in (f"{stem}.csv", f"{stem}.csv.gz"):
            if (path / name).is_file():
                return path / name
        raise FileNotFoundError(f"{path}: expected {stem}.csv or {stem}.csv.gz in the folder")
    return path
