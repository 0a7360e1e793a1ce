"""`GroupedGP`: evidence and gradient, groups, deviations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal
from sklearn.exceptions import NotFittedError

from predictors.gaussian import GroupedGP, _matern, _negative_evidence


def data(count: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 6))
    return x, np.sin(x[:, 0]) + 0.5 * x[:, 1] + 0.05 * rng.normal(size=count)


def test_the_evidence_is_the_density_of_the_labels() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 1))
    distance, y = np.abs(x - x.T), rng.normal(size=(9, 2))
    theta = np.log([0.7, 1.3, 0.2])
    found, _ = _negative_evidence(theta, [distance], y)
    gram = 0.7 * _matern(distance, 1.3)[0] + (0.2 + 1e-6) * np.eye(9)
    exact = -multivariate_normal(cov=gram).logpdf(y.T).sum() - 9 * np.log(2 * np.pi)
    assert found == pytest.approx(exact)


def test_the_gradient_is_that_of_the_evidence() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(10, 2))
    distances = [np.abs(x[:, [k]] - x[:, k]) for k in range(2)]
    y = rng.normal(size=(10, 1))
    theta = rng.normal(size=5)
    numeric = approx_fprime(theta, lambda t: _negative_evidence(t, distances, y)[0], 1e-6)
    assert _negative_evidence(theta, distances, y)[1] == pytest.approx(numeric, rel=1e-3, abs=1e-4)


def test_the_group_that_matters_gets_the_weight() -> None:
    x, y = data(100)
    model = GroupedGP([[0, 1], [2, 3, 4, 5]]).fit(x, y)
    effect = model.weights_ / model.lengths_**2
    assert effect[0] > 20 * effect[1]
    fresh, truth = data(200, seed=1)
    errors = {
        name: np.std(GroupedGP(groups).fit(x, y).predict(fresh) - truth)
        for name, groups in (("grouped", [[0, 1], [2, 3, 4, 5]]), ("one", None))
    }
    assert errors["grouped"] < 0.8 * errors["one"]


def test_deviations_cover_the_truth_and_grow_away_from_the_data() -> None:
    x, y = data(100)
    model = GroupedGP([[0, 1]]).fit(x, y)
    fresh, truth = data(300, seed=1)
    mean, std = model.predict(fresh, return_std=True)
    assert 0.85 < (np.abs(mean - truth) < 2 * std).mean() <= 1
    assert model.predict(x[:1] + 50, return_std=True)[1] > 3 * std.min()


def test_targets_share_a_kernel_and_keep_their_units() -> None:
    x, y = data()
    both = GroupedGP().fit(x, np.column_stack([y, 1000 * y + 7])).predict(x)
    assert both.shape == (60, 2)
    assert both[:, 1] == pytest.approx(1000 * both[:, 0] + 7)


def test_few_networks_set_the_kernel_and_all_are_used() -> None:
    x, y = data(100)
    model = GroupedGP(most=30, seed=3).fit(x, y)
    assert len(model.inputs_) == 100
    np.testing.assert_array_equal(model.predict(x), GroupedGP(most=30, seed=3).fit(x, y).predict(x))


def test_rows_that_nothing_tells_apart_get_the_mean() -> None:
    model = GroupedGP().fit(np.ones((5, 2)), np.arange(5))
    mean, std = model.predict(np.array([[1.0, 1.0], [3.0, 3.0]]), return_std=True)
    np.testing.assert_allclose(mean, 2.0, atol=1e-6)
    assert (std > 1).all()


def test_bad_input() -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        GroupedGP().predict(np.ones((1, 2)))
