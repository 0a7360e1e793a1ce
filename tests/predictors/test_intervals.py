"""Conformal intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from predictors import FeaturePredictor, LinearBaseline, StackedEnsemble, load, load_table
from predictors.intervals import conformal_scores, half_widths, out_of_fold

MEMBERS = [("linear", LinearBaseline()), ("svr", FeaturePredictor("svr"))]


@pytest.fixture(scope="module")
def cells() -> tuple[list, np.ndarray]:
    return load_table("nb101_500", target="val_accuracy")


@pytest.mark.parametrize("deviations", [False, True])
def test_half_widths_hold_what_they_promise(deviations: bool) -> None:
    """Over many draws of thirty calibration networks and one more."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        std = rng.uniform(0.2, 3, size=(31, 1)) if deviations else None
        errors = rng.standard_t(3, size=(31, 1)) * (1 if std is None else std)
        seen = None if std is None else std[:30]
        found = conformal_scores(errors[:30], np.zeros((30, 1)), seen)
        half = half_widths(found, None if std is None else std[30:], 1, 0.8)
        held += abs(errors[30, 0]) <= half[0, 0]
    assert 0.78 < held / 2000 < 0.83  # ceil(31 * 0.8) / 31 = 0.806


@pytest.mark.parametrize("model", [FeaturePredictor("gp"), StackedEnsemble(MEMBERS, folds=3)])
def test_intervals_hold_labels_of_real_networks(model, cells) -> None:
    X, y = cells
    held = []
    for seed in range(2):
        order = np.random.RandomState(seed).permutation(len(X))
        seen, others = order[:100], order[100:]
        model.fit([X[k] for k in seen], y[seen]).calibrate(folds=5)
        for coverage in (0.68, 0.9):
            lower, upper = model.predict_interval([X[k] for k in others], coverage)
            held.append([coverage, np.mean((lower <= y[others]) & (y[others] <= upper))])
    found = np.array(held).reshape(2, 2, 2).mean(0)
    assert np.abs(found[:, 1] - found[:, 0]).max() < 0.06


def test_the_first_call_calibrates_and_files_keep_it(cells, tmp_path: Path) -> None:
    X, y = cells
    both = np.stack([y, -2 * y], axis=1)
    model = LinearBaseline().fit(X[:40], both[:40])
    lower, upper = model.predict_interval(X[40:50], 0.8)
    assert lower.shape == upper.shape == (10, 2) and (lower < upper).all()
    mean = model.predict(X[40:50])
    np.testing.assert_allclose((lower + upper) / 2, mean)
    np.testing.assert_allclose(upper[:, 1] - lower[:, 1], 2 * (upper[:, 0] - lower[:, 0]))
    again = load(model.save(tmp_path / "model"))
    assert not hasattr(again, "seen_")
    np.testing.assert_array_equal(again.predict_interval(X[40:50], 0.8)[0], lower)
    single = LinearBaseline().fit(X[:40], y[:40]).calibrate(folds=4)
    assert single.predict_interval(X[:3])[0].shape == (3,)


def test_networks_held_out_calibrate_too(cells, tmp_path: Path) -> None:
    X, y = cells
    model = load(LinearBaseline().fit(X[:40], y[:40]).save(tmp_path / "model"))
    with pytest.raises(ValueError, match=r"call calibrate\(X, y\) with labelled networks"):
        model.predict_interval(X[:3])
    lower, upper = model.calibrate(X[40:140], y[40:140]).predict_interval(X[140:], 0.75)
    assert abs(np.mean((lower <= y[140:]) & (y[140:] <= upper)) - 0.75) < 0.1


def test_groups_are_not_divided(cells) -> None:
    X, y = cells
    twice = [graph for graph in X[:20] for _ in range(2)]
    labels = np.repeat(y[:20], 2)[:, None]
    model, groups = FeaturePredictor("gp"), np.repeat(np.arange(20), 2)
    apart = out_of_fold(model, twice, labels, folds=5, groups=groups)[0]
    divided = out_of_fold(model, twice, labels, folds=5)[0]
    assert np.abs(apart - labels).mean() > 2 * np.abs(divided - labels).mean()
    assert not hasattr(model, "is_fitted_")


def test_bad_input(cells) -> None:
    X, y = cells
    model = LinearBaseline()
    with pytest.raises(ValueError, match="is not fitted"):
        model.predict_interval(X)
    model.fit(X[:20], y[:20])
    with pytest.raises(ValueError, match="expected a share between 0 and 1, got 90"):
        model.predict_interval(X[:2], 90)
    with pytest.raises(ValueError, match="0.99 needs at least 99 networks to calibrate on, got 20"):
        model.predict_interval(X[:2], 0.99)
    with pytest.raises(ValueError, match="folds: expected at least 2, got 1"):
        model.calibrate(folds=1)
    with pytest.raises(ValueError, match="25-fold cross-validation needs at least 25 networks"):
        model.calibrate(folds=25)
    with pytest.raises(ValueError, match="expected 1 targets, got 2"):
        model.calibrate(X[:9], np.stack([y[:9], y[:9]], axis=1))
