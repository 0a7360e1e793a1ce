"""Predictors as files: every one round-trips bit for bit, or says what cannot be saved."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from saved_predictors import CODES, LABELS, same, small
from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler
from sklearn.svm import SVR

from ghn import GHN
from graph2nn.archgraph import ArchGraph
from graph2nn.cells import nb201_cell
from predictors import (
    MODELS,
    ArchPredictor,
    CurvePredictor,
    FeaturePredictor,
    GHNEmbedding,
    GHNPredictor,
    GraphFeatures,
    MultiSpacePredictor,
    make_predictor,
)
from predictors.features.path_encoding import AdjacencyEncoding, PathEncoding
from predictors.gaussian import GroupedGP
from predictors.saving import load, save

# ---- every predictor ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in MODELS if not n.startswith(("ghn-", "roofline"))])
def test_every_model_predicts_the_same(name: str, cells, tmp_path: Path, one_thread) -> None:
    model = small(name)
    if name in ("svr-graph", "gcn", "rf-graf"):  # several targets
        model.fit(cells, np.stack([LABELS, -2 * LABELS + 1], axis=1))
    else:
        model.fit(cells, LABELS)
    before = torch.random.get_rng_state()
    found = type(model).load(model.save(tmp_path / "model"))
    assert torch.equal(torch.random.get_rng_state(), before), "loading draws no numbers"
    same(found.predict_moments(cells), model.predict_moments(cells))
    assert repr(found) == repr(model)
    if model.predict_moments(cells)[1] is not None:
        same(found.predict_std(cells), model.predict_std(cells))
    again = load(found.save(tmp_path / "again"))
    same(again.predict(cells), model.predict(cells))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_keeps_its_settings_unfitted(name: str, tmp_path: Path) -> None:
    if "boost" in MODELS[name].summary and name not in ("ensemble", "ensemble-mean", "stack"):
        pytest.importorskip("xgboost" if name.startswith("xgb") else "lightgbm")
    model = make_predictor(name, seed=5)
    found = load(model.save(tmp_path / "model"))
    assert type(found) is type(model) and repr(found) == repr(model)
    assert found.get_params(deep=False).keys() == model.get_params(deep=False).keys()
    with pytest.raises(ValueError, match="is not fitted: call fit"):
        found.predict([nb201_cell(CODES[0])])


FRESH = """
import sys
import numpy as np
from graph2nn.cells import nb201_cell
from predictors.saving import load

codes = np.random.default_rng(0).integers(0, 5, (40, 6))
for path in sys.argv[1:]:
    mean, std = load(path).predict_moments([nb201_cell(code) for code in codes])
    np.savez(path + ".npz", mean=mean, std=mean if std is None else std)
"""


def test_a_fresh_process_predicts_the_same(cells, svr, tmp_path: Path, one_thread) -> None:
    models = {
        name: small(name).fit(cells, LABELS) for name in ("gp-graf", "rf-graph", "bananas", "tart")
    }
    models["svr"] = svr
    paths = [str(model.save(tmp_path / name)) for name, model in models.items()]
    subprocess.run([sys.executable, "-c", FRESH, *paths], check=True)
    for name, path in zip(models, paths):
        mean, std = models[name].predict_moments(cells)
        with np.load(path + ".npz") as found:
            assert np.array_equal(found["mean"], mean), name
            assert np.array_equal(found["std"], mean if std is None else std), name


def test_several_spaces(cells, tmp_path: Path, one_thread) -> None:
    model = MultiSpacePredictor(FeaturePredictor("gp"), weight=2, focus="a")
    model.fit_spaces({"a": (cells[:20], LABELS[:20]), "b": (cells[20:], 7 * LABELS[20:])})
    found = MultiSpacePredictor.load(model.save(tmp_path / "model"))
    for space in "ab":
        same(found.predict_space(space, cells), model.predict_space(space, cells))
    assert found.focus == "a" and found.get_params()["base__model"] == "gp"


@pytest.mark.parametrize("kind", ["last", "sotl_e", "lcsvr", "parametric"])
def test_curves(kind: str, tmp_path: Path, one_thread) -> None:
    curves = np.random.default_rng(1).random((12, 6))
    model = CurvePredictor(kind, draws=3, epochs=(1, 2, 3, 4, 5, 6.5)).fit(curves, curves[:, -1])
    found = CurvePredictor.load(model.save(tmp_path / "model"))
    same(found.predict(curves), model.predict(curves))
    assert found.get_params() == model.get_params()
    if kind == "lcsvr":
        assert found.model_.best_params_ == model.model_.best_params_
        assert found.model_.score(curves[:, :1].repeat(15, 1), curves[:, 0]) is not None


def test_hypernetworks(networks, tmp_path: Path, one_thread) -> None:
    ghn = GHN(hid=8, max_shape=(8, 8, 3, 3)).eval()
    embedding = GHNEmbedding(ghn, batch_size=3).fit()
    found = GHNEmbedding.load(embedding.save(tmp_path / "embedding"))
    same(found.transform(networks), embedding.transform(networks))
    model = GHNPredictor(ghn, folds=2, scaled=True, target="rank").fit(networks, np.arange(8.0))
    again = GHNPredictor.load(model.save(tmp_path / "model"))
    same(again.predict(networks), model.predict(networks))
    assert again.best_params_ == model.best_params_ and again.checkpoint.config == ghn.config
    assert (tmp_path / "model").stat().st_size < 1.5 * (tmp_path / "embedding").stat().st_size


def test_features_and_encodings(cells, tmp_path: Path, one_thread) -> None:
    graphs = [replace(graph, attributes={"zc": float(k)}) for k, graph in enumerate(cells)]
    for transformer in (
        GraphFeatures(),
        GraphFeatures(("counts", "graf"), attributes=("z*",), scale="log"),
        PathEncoding(20),
        AdjacencyEncoding(),
    ):
        transformer.fit(graphs)
        found = load(save(tmp_path / "model", transformer))
        same(found.transform(graphs), transformer.transform(graphs))
        assert found.get_params() == transformer.get_params()


def test_pipelines_and_nested_settings(cells, tmp_path: Path, one_thread) -> None:
    chains = [
        make_pipeline(GraphFeatures(), StandardScaler(), SelectKBest(f_regression, k=9), SVR()),
        Pipeline(
            [
                ("both", FeatureUnion([("a", GraphFeatures(("counts",))), ("b", PathEncoding())])),
                ("scale", PowerTransformer()),
                ("line", TransformedTargetRegressor(BayesianRidge(), transformer=StandardScaler())),
            ]
        ),
        make_pipeline(GraphFeatures(), GroupedGP(groups=[range(3), [4, 5]], steps=3)),
        GridSearchCV(FeaturePredictor("ridge"), {"target": ["rank", "standard"]}, cv=2),
    ]
    for chain in chains:
        chain.fit(cells, LABELS)
        found = load(save(tmp_path / "chain", chain))
        same(found.predict(cells), chain.predict(cells))
        assert repr(found) == repr(chain)
        assert found.get_params().keys() == chain.get_params().keys()


class Mine(ArchPredictor):
    """A predictor of a user, with a callable setting."""

    def __init__(self, *, rule: Callable[..., Any] = f_regression) -> None:
        self.rule = rule

    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        self.mean_ = targets.mean(0)

    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, None]:
        return np.tile(self.mean_, (len(graphs), 1)), None


def test_a_predictor_of_ones_own(cells, tmp_path: Path) -> None:
    path = Mine().fit(cells, LABELS).save(tmp_path / "mine")
    for found in (Mine.load(path), load(path, classes=[Mine])):
        assert found.rule is f_regression
        assert found.predict(cells)[0] == LABELS.mean()
    with pytest.raises(ValueError, match=r"holds a Mine, a class of .*: pass classes=\[Mine\]"):
        load(path)
    nested = MultiSpacePredictor(Mine()).fit(cells, LABELS).save(tmp_path / "nested")
    assert load(nested, classes=[Mine]).predict(cells).shape == (40,)


# ---- what cannot be saved ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (Mine(rule=lambda x: x), r"Mine\.rule is the function .*lambda.*cannot be saved"),
        (
            make_pipeline(GraphFeatures(), FunctionTransformer(np.log1p), SVR()),
            r"Pipeline\.steps\[1\]\[1\] is a sklearn.*FunctionTransformer, which cannot be saved",
        ),
        (FeaturePredictor(options={"a": b"x"}), r"options\['a'\] is a builtins.bytes"),
        (FeaturePredictor(options={"a": np.zeros(2, complex)}), r"complex128 cannot be saved"),
        ([1, 2], "expected a predictor to save, got a list"),
        (np.zeros(3), "expected a predictor to save, got a ndarray"),
        (GraphFeatures, "is the ABCMeta|is the type"),
    ],
)
def test_what_cannot_be_saved_says_where(thing: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        save(tmp_path / "new" / "x", thing)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


@pytest.mark.parametrize(
    ("kind", "package", "options"),
    [
        ("xgb", "xgboost", {"booster": "dart"}),
        ("xgb", "xgboost", {"objective": "reg:absoluteerror"}),
        ("lgbm", "lightgbm", {"boosting_type": "rf", "subsample": 0.5}),
        ("lgbm", "lightgbm", {"objective": "poisson"}),
        ("lgbm", "lightgbm", {"linear_tree": True}),
    ],
)
def test_boosters_of_other_kinds_are_not_saved_wrongly(
    kind: str, package: str, options: dict[str, Any], cells, tmp_path: Path
) -> None:
    pytest.importorskip(package)
    model = FeaturePredictor(kind, target="none", options={"n_estimators": 2, **options})
    model.fit(cells, LABELS - LABELS.min() + 1)
    with pytest.raises(ValueError, match=r"saved if it|saved if its|cannot be saved"):
        model.save(tmp_path / "x")


def test_boosters_with_other_trees(cells, tmp_path: Path, one_thread) -> None:
    cases = [
        ("xgb", "xgboost", {"gamma": 0.05}),
        ("xgb", "xgboost", {"grow_policy": "lossguide", "max_leaves": 5}),
        ("lgbm", "lightgbm", {"boosting_type": "dart"}),
        ("lgbm", "lightgbm", {"min_child_samples": 50}),  # more than there are: trees of one leaf
    ]
    for kind, package, options in cases:
        pytest.importorskip(package)
        model = FeaturePredictor(kind, options={"n_estimators": 5, **options}).fit(cells, LABELS)
        same(load(model.save(tmp_path / "x")).predict(cells), model.predict(cells))
