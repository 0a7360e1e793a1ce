"""Learning from several spaces at once."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.base import clone

from graph2nn.archgraph import ArchGraph, canonical
from graph2nn.cells import nb201_cell, tnb101_cell
from predictors import FeaturePredictor, MultiSpacePredictor, TargetTransform
from predictors.metrics import kendall_tau


def spaces() -> dict[str, tuple[list[ArchGraph], np.ndarray]]:
    """Two spaces that value the same operations, in different units."""
    rng = np.random.default_rng(0)
    one = [nb201_cell(code) for code in rng.integers(0, 5, (80, 6))]
    two = [tnb101_cell(code) for code in rng.integers(0, 4, (80, 6))]
    return {
        "nb201": (one, np.array([_worth(g) for g in one])),
        "tnb101": (two, np.array([1000 - 50 * (3 - _worth(g)) for g in two])),
    }


def _worth(graph: ArchGraph) -> float:
    count = Counter(canonical(graph).op_names())
    return 2.0 * count["conv_3x3"] + count["conv_1x1"]


def test_each_space_keeps_its_units() -> None:
    data = spaces()
    model = MultiSpacePredictor(FeaturePredictor("rf")).fit_spaces(data)
    for name, (X, y) in data.items():
        found = model.predict_space(name, X)
        assert kendall_tau(y, found) > 0.8
        assert y.min() - np.ptp(y) < found.min() and found.max() < y.max() + np.ptp(y)


def test_few_labels_lean_on_another_space() -> None:
    data = spaces()
    X, y = data["nb201"]
    alone = FeaturePredictor("rf").fit(X[:6], y[:6]).predict(X[40:])
    few = {"nb201": (X[:6], y[:6]), "tnb101": data["tnb101"]}
    together = MultiSpacePredictor(FeaturePredictor("rf"), focus="nb201", weight=3).fit_spaces(few)
    found = together.predict_space("nb201", X[40:])
    assert kendall_tau(y[40:], found) > kendall_tau(y[40:], alone)


def test_one_space_is_an_ordinary_predictor() -> None:
    X, y = spaces()["nb201"]
    model = MultiSpacePredictor(FeaturePredictor("rf", target="none"))
    found = clone(model).fit(X[:60], y[:60]).predict(X[60:])
    transform = TargetTransform("rank").fit(y[:60, None])
    base = FeaturePredictor("rf", target="none").fit(
        X[:60], transform.transform(y[:60, None])[:, 0]
    )
    expected = transform.inverse(base.predict(X[60:])[:, None])[:, 0]
    assert np.allclose(found, expected)
    several = model.fit(X, np.stack([y, -y], axis=1))
    assert several.predict(X[:4]).shape == (4, 2)


def test_bad_input() -> None:
    X, y = spaces()["nb201"]
    model = MultiSpacePredictor(FeaturePredictor("ridge"))
    with pytest.raises(ValueError, match="is not fitted"):
        model.predict_space("nb201", X)
    with pytest.raises(ValueError, match="expected at least one space"):
        model.fit_spaces({})
    with pytest.raises(ValueError, match="space bad: y: target 0 is constant"):
        model.fit_spaces({"nb201": (X, y), "bad": (X, np.zeros(80))})
    with pytest.raises(ValueError, match=r"spaces have \[1, 2\] targets"):
        model.fit_spaces({"one": (X, y), "two": (X, np.stack([y, y], axis=1))})
    with pytest.raises(ValueError, match="no space 'nb101' was learned; there are nb201"):
        model.fit_spaces({"nb201": (X, y)}).predict_space("nb101", X)
    with pytest.raises(ValueError, match="focus: no space 'x' among nb201"):
        MultiSpacePredictor(FeaturePredictor("rf"), focus="x").fit_spaces({"nb201": (X, y)})
    with pytest.raises(ValueError, match="weight: expected a whole number from 1 up, got 0"):
        MultiSpacePredictor(FeaturePredictor("rf"), weight=0).fit_spaces({"nb201": (X, y)})
