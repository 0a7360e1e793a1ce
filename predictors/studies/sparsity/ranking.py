"""How single metrics, and rankings copied from elsewhere, order pruning algorithms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from predictors.studies.sparsity.scoring import bootstrap_error, comparison_taus
from predictors.studies.sparsity.task import DropTask, drop_task

__all__ = ["BASELINES", "TauRow", "baseline_taus", "copied_drops", "metric_taus"]


@dataclass(frozen=True, eq=False, kw_only=True)
class TauRow:
    """Kendall's tau of one ordering with accuracy, within comparison groups.

    Args:
        name: Name of the metric or baseline.
        taus: Kendall's tau, one a comparison group, of all tasks; NaN where an ordering does not
            exist.
        task: Name of the data set of each comparison group.
        sparsity: Sparsity of each comparison group.
    """

    name: str
    taus: np.ndarray
    task: np.ndarray
    sparsity: np.ndarray

    @property
    def tau(self) -> float:
        """Mean of tau over comparison groups."""
        return float(np.nanmean(self.taus)) if np.isfinite(self.taus).any() else float("nan")

    @property
    def error(self) -> float:
        """Standard error over comparison groups."""
        return bootstrap_error(self.taus) if np.isfinite(self.taus).any() else float("nan")

    def by_sparsity(self) -> dict[float, float]:
        """Average tau over the comparison groups at each sparsity."""
        return {float(s): self._mean(self.sparsity == s) for s in np.unique(self.sparsity)}

    def by_task(self) -> dict[str, float]:
        """Average tau over the comparison groups of each data set."""
        return {str(t): self._mean(self.task == t) for t in dict.fromkeys(self.task.tolist())}

    def _mean(self, here: np.ndarray) -> float:
        known = self.taus[here & np.isfinite(self.taus)]
        return float(known.mean()) if len(known) else float("nan")


def metric_taus(tasks: Sequence[DropTask], sets: Sequence[str]) -> list[TauRow]:
    """Compute tau of every single feature with accuracy, the strongest first.

    Tau is positive where a larger value goes with a higher accuracy. Averages over seeds come
    first, as in `comparison_taus`.

    Args:
        tasks: Tasks, one for each data set.
        sets: Names of feature sets. A feature that a later set has with other values appears again
            with the name of that set.
    """
    columns: dict[str, list[np.ndarray]] = {}
    for name in sets:
        tables = [task.features(name) for task in tasks]
        for at, feature in enumerate(tables[0].names):
            values = [table.values[:, at] for table in tables]
            known = columns.setdefault(feature, values)
            if any((a != b).any() for a, b in zip(known, values)):
                columns[f"{feature} ({name})"] = values
    rows = [_row(label, tasks, [-v for v in values]) for label, values in columns.items()]
    return sorted(rows, key=lambda row: -abs(np.nan_to_num(row.tau)))


def copied_drops(pool: DropTask, alike: Callable[[DropTask, int], np.ndarray]) -> np.ndarray:
    """Copy, for every configuration's networks, the mean drop of the same pruner elsewhere.

    Args:
        pool: Networks to copy from and to predict.
        alike: Function from a network's row to a mask of the rows that may be copied.

    Shapes:
        (networks,), NaN where there is nothing to copy.
    """
    drops = np.full(pool.table.num_rows, np.nan)
    for configuration in range(pool.configuration.max() + 1):
        here = np.flatnonzero(pool.configuration == configuration)
        row = int(here[0])
        source = alike(pool, row) & (pool.table["pruning"] == pool.table["pruning"][row])
        if source.any():
            drops[here] = pool.drop[source].mean()
    return drops


def baseline_taus(pool: DropTask) -> list[TauRow]:
    """Compute tau of rankings of the pruners that look at no network at all.

    Args:
        pool: All networks, of several data sets or of one.

    Returns:
        Rows, one for each of `BASELINES` that this table allows.
    """
    rows = []
    for name, alike in BASELINES.items():
        drops = copied_drops(pool, alike)
        if np.isfinite(drops).any():
            parts = [pool.table["dataset"] == d for d in np.unique(pool.table["dataset"])]
            tasks = [_part(pool, part) for part in parts]
            rows.append(_row(name, tasks, [drops[part] for part in parts]))
    return rows


def _part(pool: DropTask, rows: np.ndarray) -> DropTask:
    table = pool.table.take(rows)
    return drop_task(table, str(table["dataset"][0]))


def _row(name: str, tasks: Sequence[DropTask], predicted: Sequence[np.ndarray]) -> TauRow:
    taus, names, sparsities = [], [], []
    for task, values in zip(tasks, predicted):
        first = np.unique(task.comparison_group, return_index=True)[1]
        taus.append(comparison_taus(task, values))
        names += [task.name] * len(first)
        sparsities.append(task.table["sparsity"][first])
    return TauRow(
        name=name,
        taus=np.concatenate(taus),
        task=np.array(names),
        sparsity=np.concatenate(sparsities),
    )


def _other_data(pool: DropTask, row: int) -> np.ndarray:
    t = pool.table
    same = (t["model"] == t["model"][row]) & (t["sparsity"] == t["sparsity"][row])
    return same & (t["dataset"] != t["dataset"][row])


def _other_models(pool: DropTask, row: int) -> np.ndarray:
    t = pool.table
    same = (t["dataset"] == t["dataset"][row]) & (t["sparsity"] == t["sparsity"][row])
    return same & (t["model"] != t["model"][row])


BASELINES: dict[str, Callable[[DropTask, int], np.ndarray]] = {
    "ranking of the other data sets": _other_data,
    "ranking of the other models": _other_models,
}
"""Rankings to copy: same model and sparsity on other data; same data and sparsity, other models."""
