"""Regressors on graph features: interface, spread, and the published anchors."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from graph2nn.cells import nb201_cell
from predictors.metrics import kendall_tau
from predictors.models.classical import GRAF_BLOCKS, ONE_HOT_BLOCKS, FeaturePredictor, informative
from predictors.models.regressors import REGRESSORS
from predictors.tables import load_table

BOOSTED = {"xgb": "xgboost", "xgb-deep": "xgboost", "lgbm": "lightgbm"}
WITH_STD = {"rf", "et", "gp", "gp-matern"}


def labelled(count: int = 60, seed: int = 0) -> tuple[list, np.ndarray]:
    rng = np.random.default_rng(seed)
    cells = [nb201_cell(rng.integers(0, 5, 6)) for _ in range(count)]
    value = {"conv_3x3": 2.0, "conv_1x1": 1.0}
    exact = np.array([sum(value.get(op, 0) for op in g.op_names()) for g in cells])
    return cells, exact + 0.1 * rng.normal(size=count)


@pytest.mark.parametrize("name", REGRESSORS)
def test_every_regressor_learns_one_and_several_targets(name: str) -> None:
    if name in BOOSTED:
        pytest.importorskip(BOOSTED[name])
    cells, y = labelled()
    model = FeaturePredictor(name, blocks=("counts",), seed=1)
    single = clone(model).fit(cells[:40], y[:40]).predict(cells[40:])
    assert single.shape == (20,) and kendall_tau(y[40:], single) > 0.6
    both = clone(model).fit(cells[:40], np.column_stack([y, -y])[:40])
    assert both.predict(cells).shape == (60, 2)
    assert kendall_tau(-y[40:], both.predict(cells[40:])[:, 1]) > 0.6
    if name in WITH_STD:
        std = both.predict_std(cells)
        assert std.shape == (60, 2) and (std >= 0).all() and std.max() > 0
    else:
        with pytest.raises(ValueError, match="no standard deviation"):
            both.predict_std(cells)
    again = clone(model).fit(cells[:40], y[:40]).predict(cells[40:])
    np.testing.assert_array_equal(again, single)


def test_bags_average_seeds_and_give_a_spread() -> None:
    pytest.importorskip("lightgbm")
    cells, y = labelled()
    bagged = FeaturePredictor("lgbm", bags=2, target="none", seed=5).fit(cells, y)
    alone = [FeaturePredictor("lgbm", target="none", seed=s).fit(cells, y) for s in (5, 6)]
    each = np.stack([model.predict(cells) for model in alone])
    np.testing.assert_allclose(bagged.predict(cells), each.mean(0))
    np.testing.assert_allclose(bagged.predict_std(cells), each.std(0), atol=1e-12)


def test_it_is_a_scikit_learn_estimator() -> None:
    cells, y = labelled()
    ridge = FeaturePredictor("ridge", blocks=("counts",), target="none")
    assert cross_val_score(ridge, cells, y, cv=3).min() > 0.9
    search = GridSearchCV(FeaturePredictor("rf"), {"model": ["ridge", "svr"]}, cv=3)
    assert search.fit(cells, y).predict(cells[:3]).shape == (3,)


def test_constant_and_repeated_columns_are_left_out() -> None:
    table = np.array([[1.0, 2, 2, 3], [1, 5, 5, 4], [1, 5, 5, 4]])
    assert informative(table).tolist() == [1, 3]
    assert informative(np.ones((3, 2))).tolist() == [0]


def test_missing_packages_and_unknown_models(monkeypatch: pytest.MonkeyPatch) -> None:
    cells, y = labelled(5)
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(ImportError, match=r'pip install "netwright\[boost\]"'):
        FeaturePredictor("xgb").fit(cells, y)
    with pytest.raises(ValueError, match="model: expected one of rf, et"):
        FeaturePredictor("forest").fit(cells, y)
    with pytest.raises(ValueError, match="bags: expected at least 1"):
        FeaturePredictor(bags=0).fit(cells, y)


def tau(name: str, label: str | None, train: int, seeds: int = 3, **settings) -> float:
    """Mean tau of the published protocol: a permutation by seed, 2000 networks for testing."""
    subset = settings.pop("subset", None)
    X, y = load_table(name, target=label, subset=subset)
    found = []
    for seed in range(seeds):
        order = np.random.RandomState(seed).permutation(len(y))
        rows, left = order[:train], order[train : train + 2000]
        model = FeaturePredictor(seed=seed, **settings).fit([X[k] for k in rows], y[rows])
        found.append(kendall_tau(y[left], model.predict([X[k] for k in left])))
    return float(np.mean(found))


ANCHORS = [
    ("svr-scale", GRAF_BLOCKS, "rank", 0.710),
    ("svr-scale", ONE_HOT_BLOCKS, "rank", 0.619),
    ("rf", GRAF_BLOCKS, "standard", 0.683),
    ("xgb-deep", GRAF_BLOCKS, "standard", 0.693),
]


@pytest.mark.parametrize(("model", "blocks", "target", "expected"), ANCHORS)
def test_graf_anchors(model: str, blocks, target: str, expected: float) -> None:
    if model in BOOSTED:
        pytest.importorskip(BOOSTED[model])
    found = tau("nb201", "c10_val", 100, model=model, blocks=blocks, target=target)
    assert found == pytest.approx(expected, abs=0.012)


def test_features_of_the_living_part_are_far_better() -> None:
    assert tau("nb201", "c10_val", 100, model="svr") > 0.79
    assert tau("nb101_500", None, 400, model="gp") > 0.84


LATENCY = [
    ("hw_cifar10_raspi4_latency", 0.866),
    ("hw_cifar10_edgegpu_latency", 0.834),
    ("hw_cifar10_fpga_latency", 0.982),
    ("hw_cifar10_eyeriss_energy", 0.978),
]


@pytest.mark.parametrize(("label", "expected"), LATENCY)
def test_latency_is_linear_in_the_operations(label: str, expected: float) -> None:
    found = tau(
        "nb201",
        label,
        100,
        subset="valid",
        model="ridge",
        blocks=ONE_HOT_BLOCKS,
        target="standard",
    )
    assert found == pytest.approx(expected, abs=0.004)
