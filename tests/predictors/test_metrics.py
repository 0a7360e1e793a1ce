"""Metrics against their definitions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from predictors.metrics import kendall_tau, precision_at_k, regret_at_k, scores, spearman


def test_kendall_tau_b_by_counting_pairs() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 6, 40), rng.integers(0, 6, 40)
    pairs = list(combinations(range(40), 2))
    signs = [(np.sign(truth[i] - truth[j]), np.sign(predicted[i] - predicted[j])) for i, j in pairs]
    agree = sum(a * b for a, b in signs)
    untied = [sum(s[k] != 0 for s in signs) for k in (0, 1)]
    assert kendall_tau(truth, predicted) == pytest.approx(agree / np.sqrt(np.prod(untied)))


def test_among_the_best() -> None:
    truth = np.array([1.0, 5.0, 3.0, 4.0, 2.0])
    predicted = np.array([9.0, 1.0, 8.0, 7.0, 0.0])  # best two: rows 0 and 2
    assert precision_at_k(truth, predicted, 2) == 0
    assert precision_at_k(truth, predicted, 3) == pytest.approx(2 / 3)
    assert regret_at_k(truth, predicted, 2) == 2
    assert regret_at_k(truth, truth, 1) == 0


def test_constant_predictions_say_nothing() -> None:
    truth = np.arange(5.0)
    assert kendall_tau(truth, np.ones(5)) == 0
    assert spearman(truth, np.ones(5)) == 0


def test_all_at_once() -> None:
    truth = np.arange(20.0)
    found = scores(truth, -truth, k=5)
    assert found == {"tau": -1, "rho": pytest.approx(-1), "precision": 0, "regret": 15}


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([1, 2], [1, 2, 3], "two equally long vectors"),
        ([1], [1], "at least 2 values"),
        ([1, np.nan], [1, 2], "expected finite values"),
    ],
)
def test_bad_input(truth, predicted, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scores(np.array(truth), np.array(predicted))


def test_k_of_zero() -> None:
    with pytest.raises(ValueError, match="k: expected at least 1"):
        precision_at_k(np.arange(3), np.arange(3), 0)
