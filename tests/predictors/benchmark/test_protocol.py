"""Splits of the benchmark."""

from __future__ import annotations

import numpy as np
import pytest

from graph2nn.cells import nb201_cell
from predictors.benchmark.protocol import Trial, split_rows
from predictors.tables import Table


def _table(**options) -> Table:
    graphs = [nb201_cell(tuple((k // 5**i) % 5 for i in range(6))) for k in range(60)]
    labels = np.arange(60.0)
    labels[7] = np.nan
    return Table(name="small", graphs=graphs, targets={"acc": labels}, default="acc", **options)


def test_as_published() -> None:
    train, test = split_rows(
        _table(), Trial(table="small", model="ridge", train=20, test=10, seed=3)
    )
    rows = np.delete(np.arange(60), 7)
    order = np.random.RandomState(3).permutation(59)
    assert np.array_equal(train, rows[order[:20]])
    assert np.array_equal(test, rows[order[20:30]])


def test_what_is_left_is_tested() -> None:
    train, test = split_rows(_table(), Trial(table="small", model="ridge", train=50))
    assert len(test) == 9 and not set(train) & set(test)


def test_groups_are_not_divided() -> None:
    group = np.arange(60) // 4
    train, test = split_rows(_table(group=group), Trial(table="small", model="ridge", train=30))
    assert not set(group[train]) & set(group[test])
    assert 26 <= len(train) <= 30
    assert len(train) + len(test) == 59


def test_groups_too_large_to_learn_from() -> None:
    one = _table(group=np.zeros(60, dtype=np.int64))
    with pytest.raises(ValueError, match="in 1 groups too few fit into 30 for training; ask for"):
        split_rows(one, Trial(table="small", model="ridge", train=30))


def test_a_split_of_its_own() -> None:
    half = np.arange(60) % 2 == 0
    trial = Trial(table="small", model="ridge")
    train, test = split_rows(_table(split=half), trial)
    assert (train % 2 == 0).all() and (test % 2 == 1).all() and 7 not in test
    with pytest.raises(ValueError, match="no split of its own: give the number"):
        split_rows(_table(), trial)


def test_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="59 labelled networks do not allow 59 for training"):
        split_rows(_table(), Trial(table="small", model="ridge", train=59))
    with pytest.raises(ValueError, match="train: expected at least 2 networks, got 1"):
        Trial(table="small", model="ridge", train=1)
