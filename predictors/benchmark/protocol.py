"""Which networks a predictor learns from and which it is tested on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from predictors.tables import Table, TableLike

__all__ = ["TRAIN_SIZES", "Trial", "split_rows"]

TRAIN_SIZES: tuple[int, ...] = (32, 78, 100, 156, 172, 400, 781)
"""Numbers of training networks that the literature reports."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One fit and one score.

    Args:
        table: Name of a shipped table, or one of one's own, or the path of its file.
        target, subset: Arguments of `load_table`; target None is the table's default.
        model: Name in `predictors.MODELS`.
        attributes: Patterns of the attributes (zero-cost proxies) that the model may use.
        train: Number of training networks; None takes the table's own training half.
        test: Number of test networks; None is the table's `test_size`, or what is left.
        seed: Seed of the split and of the model.
    """

    table: TableLike
    model: str
    target: str | None = None
    subset: str | None = None
    attributes: tuple[str, ...] = ()
    train: int | None = None
    test: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            value = getattr(self, name)
            if value is not None and value < 2:
                raise ValueError(f"{name}: expected at least 2 networks, got {value}")


def split_rows(table: Table, trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Split the rows into those to train on and those to test on, (train,) and (test,).

    They are a permutation of the labelled rows by `numpy.random.RandomState(seed)`; the first N are
    for training, those that follow for testing, so the splits of all models are the same. Where
    rows share a group (networks trained twice), whole groups are dealt out: training takes groups
    as long as they fit into N.

    Raises:
        ValueError: Fewer labelled networks than asked for, groups that do not fit, or no split of
            the table's own.
    """
    rows = table.rows(trial.target, trial.subset)
    if trial.train is None:
        return _own_split(table, rows, trial)
    order = np.random.RandomState(trial.seed).permutation(len(rows))
    if table.group is not None:
        order, count = _by_group(table.group[rows], trial)
        if count < 2:
            raise ValueError(
                f"table {table.name}: whole groups are dealt out, and of {len(rows)} networks in "
                f"{len(np.unique(table.group[rows]))} groups too few fit into {trial.train} for "
                "training; ask for more, or make smaller groups"
            )
    else:
        count = trial.train
    left = len(rows) - count
    if left < 2:
        raise ValueError(
            f"table {table.name}: {len(rows)} labelled networks do not allow {trial.train} for "
            f"training and some for testing; use at most {len(rows) - 2}"
        )
    test = min(trial.test or table.test_size, left)
    return rows[order[:count]], rows[order[count : count + test]]


def _own_split(table: Table, rows: np.ndarray, trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    if table.split is None:
        usual = [size for size in TRAIN_SIZES if 2 * size <= len(rows)] or [len(rows) // 2]
        raise ValueError(
            f"table {table.name} has no split of its own: give the number of training networks, "
            f"for instance {', '.join(map(str, usual))}"
        )
    chosen = table.split[rows]
    return rows[chosen], rows[~chosen][: trial.test]


def _by_group(groups: np.ndarray, trial: Trial) -> tuple[np.ndarray, int]:
    """Rows ordered by randomly dealt groups, and how many are for training."""
    assert trial.train is not None
    names, sizes = np.unique(groups, return_counts=True)
    deal = np.random.RandomState(trial.seed).permutation(len(names))
    fits = np.cumsum(sizes[deal]) <= trial.train
    place = np.empty(len(names), dtype=np.int64)
    place[deal] = np.arange(len(names))
    order = np.argsort(place[np.searchsorted(names, groups)], kind="stable")
    return order, int(sizes[deal][fits].sum())
