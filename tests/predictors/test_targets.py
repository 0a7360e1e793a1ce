"""Transformations of targets."""

from __future__ import annotations

import numpy as np
import pytest

from predictors.targets import TARGETS, TargetTransform


@pytest.mark.parametrize("kind", TARGETS)
def test_there_and_back(kind: str) -> None:
    y = np.random.default_rng(0).exponential(size=(50, 2))
    transform = TargetTransform(kind).fit(y)
    assert np.allclose(transform.inverse(transform.transform(y)), y)


def test_ranks_are_spread_evenly() -> None:
    y = np.array([[3.0], [1.0], [10.0], [2.0], [4.0]])
    found = TargetTransform("rank").fit(y).transform(y)
    assert found.ravel().tolist() == [0, -1, 1, -0.5, 0.5]


def test_ties_share_a_rank_and_order_stays_outside() -> None:
    y = np.array([[1.0], [1.0], [2.0], [5.0]])
    transform = TargetTransform("rank").fit(y)
    assert transform.transform(y)[0] == transform.transform(y)[1]
    values = transform.inverse(np.linspace(-4, 4, 99)[:, None])[:, 0]
    assert (np.diff(values) > 0).all()
    assert 5 < values[-1] < 5 + 0.05 * 4 and 1 - 0.05 * 4 < values[0] < 1


def test_standard_deviations_come_back_in_units_of_y() -> None:
    y = np.random.default_rng(1).normal(7, 3, size=(200, 1))
    transform = TargetTransform("standard").fit(y)
    assert np.allclose(transform.inverse_std(np.zeros((4, 1)), np.ones((4, 1))), y.std())


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="target: expected one of rank, standard, none"):
        TargetTransform("log")
