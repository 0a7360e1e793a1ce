"""`DropTask`: sparse networks, the accuracy each lost, and the ways to hold some of them out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graph2nn.deprecated import renamed_attribute
from graph2nn.names import check_choice
from graph2nn.sparsity.campaign.feature_sets import FeatureTable, features
from graph2nn.sparsity.campaign.results import (
    PUBLISHED_MODELS,
    PUBLISHED_PRUNERS,
    SparseTable,
    accuracy_drop,
    published_table,
)

__all__ = ["PROTOCOLS", "DropTask", "drop_task", "drop_tasks", "published_networks", "splits"]

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False, kw_only=True)
class DropTask:
    """Networks of one data set (or several) and the accuracy drop of each, what pruning cost it.

    *Drop* is short for accuracy drop, in this name and in all others of this package.

    Args:
        name: Name of the data set, or of the table.
        table: Complete networks only, with the column `drop`.
        left_out: Number of networks without metrics, which are not in `table`.
    """

    name: str
    table: SparseTable
    left_out: int = 0

    @property
    def drop(self) -> np.ndarray:
        """Accuracy drops 1 - accuracy / dense accuracy, (networks,); see `accuracy_drop`."""
        return self.table["drop"]

    @cached_property
    def configuration(self) -> np.ndarray:
        """Number of each network's (model, data set, pruning, sparsity): seeds share it."""
        return _numbered(self.table, "model", "dataset", "pruning", "sparsity")

    @cached_property
    def comparison_group(self) -> np.ndarray:
        """Number of each network's (model, data set, sparsity), within which pruners compare.

        Pages, tables and file names call it a contest, as ever.
        """
        return _numbered(self.table, "model", "dataset", "sparsity")

    contest = renamed_attribute("comparison_group")

    def features(self, sets: str) -> FeatureTable:
        """Compute features as `graph2nn.sparsity.campaign.feature_sets.features`."""
        return features(self.table, sets)


def drop_task(table: SparseTable, name: str) -> DropTask:
    """Make a task of a table's networks, less those that lack a metric and those not pruned.

    Args:
        table: Networks. Without a column `drop`, `accuracy_drop` of this table is taken; give a
            part of a table the column of the whole.
        name: Name of the task.

    Raises:
        ValueError: Fewer than two configurations are left.
    """
    if "drop" not in table:
        table = table.with_column("drop", accuracy_drop(table))
    pruned = table.take(table["pruning"] != "dense")
    complete = pruned.take(~pruned.incomplete())
    task = DropTask(name=name, table=complete, left_out=pruned.num_rows - complete.num_rows)
    if not complete.num_rows or task.configuration.max() < 1:
        raise ValueError(
            f"{table.where}: {name} has {complete.num_rows} pruned networks with all metrics, of "
            "fewer than two configurations; there is nothing to compare"
        )
    return task


def drop_tasks(table: SparseTable) -> list[DropTask]:
    """Make one task for each data set of a table, in alphabetical order."""
    if "drop" not in table:
        table = table.with_column("drop", accuracy_drop(table))
    names = sorted(set(table["dataset"].tolist()))
    return [drop_task(table.select(dataset=name), name) for name in names]


def published_networks() -> SparseTable:
    """Read the published networks that the studies are of.

    They are four models, pruned at initialisation. The best accuracy that stands for the dense one,
    for the column `drop`, is taken over all eleven algorithms of the published table.

    Raises:
        ValueError: A damaged file, as `published_table`.

    Examples:
        >>> [task.table.num_rows for task in drop_tasks(published_networks())]
        [414, 419, 414]
    """
    table = published_table()
    table = table.with_column("drop", accuracy_drop(table))
    return table.select(model=PUBLISHED_MODELS, pruning=PUBLISHED_PRUNERS)


def splits(task: DropTask, protocol: str, *, seed: int = 0) -> list[Split]:
    """Split rows into those to learn from and those to predict, (n,) each.

    Every network is predicted once.

    Args:
        task: The networks.
        protocol: Key of `PROTOCOLS`.
        seed: Seed of what is random in it.

    Raises:
        ValueError: An unknown protocol, or one that this task has too few groups for.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    groups = PROTOCOLS[protocol](task, np.random.default_rng(seed))
    numbers = np.unique(groups)
    if len(numbers) < 2:
        raise ValueError(f"{protocol}: {task.name} has one group only, so nothing can be held out")
    return [(np.flatnonzero(groups != n), np.flatnonzero(groups == n)) for n in numbers]


def _numbered(table: SparseTable, *names: str) -> np.ndarray:
    keys = list(zip(*(table[name].tolist() for name in names)))
    number = {key: at for at, key in enumerate(sorted(set(keys)))}
    return np.array([number[key] for key in keys], dtype=np.int64)


def _random_folds(folds: int) -> Callable[[DropTask, np.random.Generator], np.ndarray]:
    def groups(task: DropTask, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(task.table.num_rows) % folds

    return groups


def _configuration_folds(folds: int) -> Callable[[DropTask, np.random.Generator], np.ndarray]:
    def groups(task: DropTask, rng: np.random.Generator) -> np.ndarray:
        fold = rng.permutation(task.configuration.max() + 1) % folds
        return fold[task.configuration]

    return groups


def _by(column: str) -> Callable[[DropTask, np.random.Generator], np.ndarray]:
    def groups(task: DropTask, rng: np.random.Generator) -> np.ndarray:
        del rng  # nothing is random
        return _numbered(task.table, column)

    return groups


PROTOCOLS: dict[str, Callable[[DropTask, np.random.Generator], np.ndarray]] = {
    "random 10-fold": _random_folds(10),
    "grouped 5-fold": _configuration_folds(5),
    "leave-pruner-out": _by("pruning"),
    "leave-model-out": _by("model"),
    "leave-dataset-out": _by("dataset"),
}
"""Which networks are predicted together, from all others. In random folds, other seeds of the same
configuration are learnt from, and their accuracies differ by noise only; grouped folds hold a
configuration out as a whole."""
