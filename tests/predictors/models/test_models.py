"""Every registered model: scikit-learn's contract, several targets, seeds, bad input."""

from __future__ import annotations

import pickle
import random
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from graph2nn.archgraph import ArchGraph, canonical
from graph2nn.cells import cell_graph, nb201_cell
from graph2nn.deepnets import EndlessNets, build_graph
from predictors import MODELS, ArchPredictor, GraphFeatures, load, make_predictor
from predictors.features.operations import UnknownOperationWarning
from predictors.metrics import kendall_tau

QUICK: dict[str, Any] = {"epochs": 3}
FOLDS = dict.fromkeys(("ensemble", "stack"), {"folds": 2})  # instead of 5
NEURAL = [
    *(
        "tart",
        "tart-scratch",
        "tart-published",
        "gcn",
        "gcn-raw",
        "neurpred",
        "gin",
        "gat",
        "pna",
    ),
    *("bananas", "bananas-published"),
]
TWO = "ensemble-tart"  # tested as its parts, and once as a whole
NO_CELLS = ("ghn-", "roofline")
READS_CELLS = [name for name in MODELS if not name.startswith(NO_CELLS) and name != TWO]


def cells(count: int, seed: int = 0) -> tuple[list[ArchGraph], np.ndarray]:
    """Random cells of NAS-Bench-201 whose label is the number of their 3x3 convolutions, less
    zeros, and a little of everything else."""
    codes = np.random.default_rng(seed).integers(0, 5, (count, 6))
    value = (codes == 2).sum(1) - (codes == 1).sum(1) + 0.01 * codes @ np.arange(6)
    return [nb201_cell(code) for code in codes], value


def quick(name: str, **options: Any) -> ArchPredictor:
    if name in NEURAL:
        options = {**QUICK, **options}
    options = {**FOLDS.get(name, {}), **options}
    if "boost" in MODELS[name].summary:
        pytest.importorskip("xgboost" if name.startswith("xgb") else "lightgbm")
    return make_predictor(name, **options)


def test_neural_models_are_listed() -> None:
    assert set(NEURAL) <= set(MODELS)
    assert all(entry.summary for entry in MODELS.values())


@pytest.mark.parametrize("name", [*READS_CELLS, TWO])
def test_fits_predicts_and_repeats(name: str) -> None:
    X, y = cells(40)
    model = quick(name, seed=3)
    with pytest.raises(NotFittedError, match="is not fitted: call fit"):
        model.predict(X)
    found = model.fit(X, y).predict(X[:7])
    assert found.shape == (7,) and np.isfinite(found).all()
    again = clone(model).fit(X, y).predict(X[:7])
    assert np.allclose(found, again, atol=1e-6)
    thawed = pickle.loads(pickle.dumps(model))
    assert np.allclose(found, thawed.predict(X[:7]), atol=1e-6)
    # a prediction does not depend on its neighbours in the list
    assert np.allclose(found[4:], model.predict(X[4:7]), atol=1e-4)


@pytest.mark.parametrize("name", READS_CELLS)
def test_several_targets(name: str) -> None:
    X, y = cells(40)
    model = quick(name).fit(X, np.stack([y, -2 * y + 1], axis=1))
    assert model.predict(X[:5]).shape == (5, 2)


@pytest.mark.parametrize(
    "name", ["ridge", "gp-graph", "rf-graph", "svr-graph", "et-graph", "stack"]
)
def test_learns_what_is_simple(name: str) -> None:
    X, _ = cells(160)
    alive = [Counter(canonical(graph).op_names()) for graph in X]
    y = np.array([3.0 * c["conv_3x3"] + c["conv_1x1"] - 0.5 * c["avg_pool_3x3"] for c in alive])
    assert kendall_tau(y[100:], quick(name).fit(X[:100], y[:100]).predict(X[100:])) > 0.7


@pytest.mark.parametrize("name", ["gp-graph", "rf-graph", "et-graph", "stack", "bananas"])
def test_standard_deviations(name: str) -> None:
    X, y = cells(60)
    std = quick(name).fit(X[:40], y[:40]).predict_std(X[40:])
    assert std.shape == (20,) and (std >= 0).all() and std.max() > 0


def test_a_line_through_graphs_of_one_size_reads_others(tmp_path: Path) -> None:
    X, y = cells(40)
    grown = [
        cell_graph(["input", *["conv_3x3"] * k, "output"], [(i, i + 1) for i in range(k + 1)])
        for k in (1, 3)
    ]
    model = quick("ridge").fit(X, y)
    for found in (model, load(model.save(tmp_path / "line.safetensors"))):
        assert np.isfinite(found.predict([*grown, *X[:2]])).all()
        assert (found.predict(X[:2]) == model.predict(X[:2])).all()
        alone = found.predict(grown[:1])
        assert alone == pytest.approx(found.predict([*grown, *X[:2]])[:1])


def test_no_standard_deviation_says_so() -> None:
    X, y = cells(30)
    with pytest.raises(ValueError, match="LinearBaseline with these settings has no standard dev"):
        quick("ridge").fit(X, y).predict_std(X)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "not labelled: fit needs y"),
        (np.ones(30), "target 0 is constant"),
        (np.r_[np.arange(29.0), np.nan], "1 of 30 labels are NaN or infinite, the first at row 29"),
        (np.arange(29.0), "expected 30 labels for 30 networks"),
        (["good"] * 30, "y: expected numbers"),
    ],
    ids=["missing", "constant", "nan", "length", "text"],
)
@pytest.mark.parametrize("name", MODELS)
def test_bad_labels(name: str, labels: Any, message: str) -> None:
    X, _ = cells(30)
    with pytest.raises(ValueError, match=message):
        quick(name).fit(X, labels)


@pytest.mark.parametrize("name", MODELS)
def test_bad_graphs(name: str) -> None:
    X, y = cells(30)
    with pytest.raises(ValueError, match="at least one ArchGraph, got an empty list"):
        quick(name).fit([], [])
    with pytest.raises(ValueError, match="got one ArchGraph; pass"):
        quick(name).fit(X[0], y)
    with pytest.raises(ValueError, match=r"X\[1\]: expected an ArchGraph, got int"):
        quick(name).fit([X[0], 3], y[:2])


@pytest.mark.parametrize("name", READS_CELLS)
def test_unknown_operation(name: str) -> None:
    X, y = cells(30)
    other = cell_graph(
        ["input", "warp", *["conv_3x3"] * 5, "output"],
        [(k, k + 1) for k in range(7)],
        vocabulary=("input", "output", "conv_3x3", "warp"),
    )
    model = quick(name).fit(X, y)
    with pytest.warns(UnknownOperationWarning, match="1 of 3 networks, .*warp → "):
        found = model.predict([*X[:2], other])
    assert np.isfinite(found).all()
    with warnings.catch_warnings(action="error"):
        np.testing.assert_allclose(model.predict(X[:2]), found[:2], rtol=1e-4)


@pytest.mark.parametrize("name", READS_CELLS)
def test_global_generators_are_left_alone(name: str) -> None:
    """Libsvm and others draw from them; what they draw must not depend on the caller either."""
    X, y = cells(30)
    predictions = []
    for seed in (1, 2):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        states = random.getstate(), np.random.get_state()[1:3], torch.get_rng_state()
        predictions.append(quick(name).fit(X, y).predict(X[:4]))
        assert random.getstate() == states[0] and torch.equal(torch.get_rng_state(), states[2])
        key, position = np.random.get_state()[1:3]
        assert (key == states[1][0]).all() and position == states[1][1]
    np.testing.assert_array_equal(*predictions)


@pytest.mark.parametrize("name", READS_CELLS)
def test_networks_that_are_all_the_same(name: str) -> None:
    X, y = [nb201_cell([0, 1, 2, 3, 4, 0]) for _ in range(10)], np.arange(10.0)
    found = quick(name).fit(X, y).predict(X[:3])
    assert np.isfinite(found).all() and np.ptp(found) < 0.1 and 0 <= found[0] <= 9  # rounding


def test_fewer_networks_than_folds() -> None:
    X, y = cells(30)
    with pytest.raises(ValueError, match="5-fold cross-validation needs at least 5 networks"):
        make_predictor("stack").fit(X[:4], y[:4])
    nets = [build_graph(EndlessNets("train", seed=1)[k]) for k in range(3)]
    with pytest.raises(ValueError, match="5-fold cross-validation needs at least 5 networks"):
        quick("ghn-svr").fit(nets, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("name", [n for n in READS_CELLS if MODELS[n].attributes])
def test_attributes_help(name: str) -> None:
    """A label that the graph does not show, but an attribute does."""
    if name in (*NEURAL, TWO) or name.endswith("-graf"):
        pytest.skip("three epochs teach too little, and so do published settings of kernels")
    X, _ = cells(120)
    hidden = np.random.default_rng(5).normal(size=120)
    known = [g.replace(attributes={"zc_hidden": float(v)}) for g, v in zip(X, hidden)]
    model = quick(name, attributes=("zc_*",)).fit(known[:90], hidden[:90])
    assert kendall_tau(hidden[90:], model.predict(known[90:])) > 0.6


def test_attributes_for_a_model_that_reads_graphs_only() -> None:
    with pytest.raises(ValueError, match="model tart reads graphs only; those with attributes are"):
        make_predictor("tart", attributes=("zc_*",))


def test_unknown_model() -> None:
    with pytest.raises(ValueError, match="unknown model 'best'; choose one of ridge, gp-graph"):
        make_predictor("best")


def test_scikit_learn_takes_them() -> None:
    X, y = cells(60)
    assert cross_val_score(quick("ridge"), X, y, cv=3).shape == (3,)
    grid = GridSearchCV(quick("rf-graph"), {"target": ["rank", "standard"]}, cv=2).fit(X, y)
    assert grid.best_params_["target"] in ("rank", "standard")
    line = make_pipeline(GraphFeatures(), StandardScaler(), SVR()).fit(X, y)
    assert line.predict(X).shape == (60,)
    assert cross_val_score(quick("gcn"), X[:30], y[:30], cv=3).shape == (3,)
