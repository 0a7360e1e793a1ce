"""Learning curves: exact cases, published anchors, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from predictors.metrics import kendall_tau
from predictors.models.curves import CURVE_KINDS, CurvePredictor, extrapolate
from predictors.studies.properties.graph_free import (
    CURVE_EPOCHS,
    GRAPH_FREE,
    curve_scores,
    graph_free_scores,
)
from predictors.tables.deepnets import published_records


@pytest.fixture(scope="module")
def records():
    return published_records()


@pytest.fixture(scope="module")
def curves():
    """Curves that saturate, their rates unrelated to where."""
    rng = np.random.default_rng(0)
    final, rate = rng.uniform(60, 95, 80), rng.uniform(0.1, 0.6, 80)
    epochs = np.arange(1, 31)
    seen = final[:, None] - 50 * np.exp(-rate[:, None] * epochs)
    return seen + rng.normal(size=seen.shape) * 0.05, seen[:, -1]


def test_last_and_sums():
    losses = [[3.0, 2.0, 1.0], [2.5, 2.4, 0.5]]
    assert CurvePredictor("last").predict(losses).tolist() == [1.0, 0.5]
    assert CurvePredictor("sotl").predict(losses).tolist() == [-6.0, -5.4]
    assert CurvePredictor("sotl_e").predict(losses).tolist() == [-1.0, -0.5]
    assert CurvePredictor("sotl_e", window=2).predict(losses).tolist() == [-3.0, -2.9]


def test_extrapolation_finds_the_families_it_knows():
    t = np.arange(1.0, 9.0)
    power = 90 - 40 * t**-1.0
    exponential = 80 - 50 * np.exp(-0.5 * t)
    # rates are on a grid, so not exact
    both = extrapolate(np.stack([power, exponential]), t, 40.0)
    assert both == pytest.approx([90 - 40 / 40, 80], abs=0.2)


def test_extrapolation_leaves_what_it_cannot_read():
    falling = np.array([[5.0, 4.0, 3.0, 2.0], [1.0, 2.0, 2.5, 2.7]])
    t = np.arange(1.0, 5.0)
    assert extrapolate(falling, t, 10.0)[0] == 2.0
    assert extrapolate(falling[:, :3], t[:3], 10.0).tolist() == [3.0, 2.5]
    assert extrapolate(falling, t, 4.0).tolist() == [2.0, 2.7]


def test_models_beat_the_last_value(curves):
    seen, final = curves
    early = seen[:, :6]
    last = kendall_tau(final, CurvePredictor("last").predict(early))
    parametric = CurvePredictor("parametric", horizon=30).predict(early)
    support = CurvePredictor("lcsvr", draws=30).fit(early[:40], final[:40]).predict(early[40:])
    assert kendall_tau(final, parametric) > last + 0.1
    assert kendall_tau(final[40:], support) > last + 0.2
    assert np.abs(support - final[40:]).mean() < 3


def test_static_columns_and_determinism(curves):
    seen, final = curves
    table = np.concatenate([seen[:, :3], final[:, None]], axis=1)
    assert CurvePredictor("last", static=1).predict(table).tolist() == seen[:, 2].tolist()
    model = CurvePredictor("lcsvr", static=1, draws=20)
    first = model.fit(table[:60], final[:60]).predict(table[60:])
    assert kendall_tau(final[60:], first) > 0.8
    assert np.array_equal(clone(model).fit(table[:60], final[:60]).predict(table[60:]), first)


def test_published_curves(records):
    expected = {
        "val_acc": [0.426, 0.646, 0.711, 0.771, 0.842, 0.927],
        "val_acc_noise": [0.031, 0.424, 0.660, 0.774, 0.814, 0.897],
    }
    for curve, taus in expected.items():
        found = curve_scores(records["val"], records["test"], curve=curve)["last"]
        assert list(found) == list(CURVE_EPOCHS[:-1])
        assert list(found.values()) == pytest.approx(taus, abs=6e-4)


def test_published_losses(records):
    found = curve_scores(records["val"], records["test"], kinds=("sotl", "sotl_e", "parametric"))
    assert found["sotl"][40] > found["sotl"][10] > found["sotl"][1] > 0.3
    assert found["sotl"][1] == found["sotl_e"][1]
    assert found["parametric"][40] > 0.7


def test_graph_free_anchors(records):
    train, test = records["val"], records["test"]
    found = graph_free_scores(
        train, test, features=GRAPH_FREE["zero-shot"], targets=("val_acc",), seeds=(0,)
    )
    assert found["val_acc"] == pytest.approx(0.490, abs=0.005)
    size = graph_free_scores(
        train, test, features=GRAPH_FREE["params, time"], targets=("time",), seeds=(0,)
    )
    assert size["time"] == pytest.approx(0.078, abs=0.01)  # time is not its own feature
    with pytest.raises(ValueError, match="the records hold no 'depth'; they hold val_acc"):
        graph_free_scores(train, test, features=("depth",))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("features", "taus"),
    [
        ("params", [-0.050, 0.022, 0.078, -0.005]),
        ("params, time", [0.196, 0.105, 0.078, 0.205]),
        ("zero-shot", [0.490, 0.386, 0.294, 0.309]),
        ("all", [0.500, 0.400, 0.341, 0.380]),
    ],
)
def test_all_graph_free_anchors(records, features, taus):
    found = graph_free_scores(records["val"], records["test"], features=GRAPH_FREE[features])
    assert list(found.values()) == pytest.approx(taus, abs=2e-3)


@pytest.mark.parametrize(
    ("settings", "X", "message"),
    [
        ({"kind": "gp"}, [[1.0]], "kind: expected one of last, sotl"),
        ({"window": 0}, [[1.0]], "expected window >= 1"),
        ({"static": 2}, [[1.0, 2.0]], "one curve a row and 2 static columns"),
        ({}, [1.0, 2.0], "one curve a row"),
        ({}, [[1.0, float("nan")]], "row 0 holds NaN"),
        ({"kind": "parametric", "epochs": (1, 5)}, [[1.0]], "epochs: expected 1 increasing"),
        ({"kind": "parametric", "epochs": (5, 1)}, [[1.0, 2.0]], "epochs: expected 2 increasing"),
    ],
)
def test_bad_input(settings, X, message):
    with pytest.raises(ValueError, match=message):
        CurvePredictor(**settings).predict(X)


def test_bad_fits():
    X = [[1.0, 2.0], [2.0, 3.0]]
    with pytest.raises(NotFittedError, match="call fit before predict"):
        CurvePredictor("lcsvr").predict(X)
    with pytest.raises(ValueError, match="3-fold cross-validation needs at least 3 networks"):
        CurvePredictor("lcsvr").fit(X, [1.0, 2.0])
    for kind in CURVE_KINDS:
        with pytest.raises(ValueError, match="constant"):
            CurvePredictor(kind).fit(X, [1.0, 1.0])
    with pytest.raises(ValueError, match="expected 2 columns as in fit, got 1"):
        CurvePredictor().fit(X, [1.0, 2.0]).predict([[1.0]])
