"""Predictors as files: every one round-trips bit for bit, and hostile files are refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler
from sklearn.svm import SVR

import predictors.saving.versions
from ghn import GHN
from graph2nn.archgraph import ArchGraph
from graph2nn.cells import nb201_cell
from graph2nn.deepnets import EndlessNets, build_graph
from graph2nn.runs import save_checkpoint
from graph2nn.runs.tensors import read_tensors, write_tensors
from predictors import (
    MODELS,
    TART,
    ArchPredictor,
    CurvePredictor,
    FeaturePredictor,
    GHNEmbedding,
    GHNPredictor,
    GraphFeatures,
    LinearBaseline,
    MultiSpacePredictor,
    StackedEnsemble,
    TargetTransform,
    make_predictor,
)
from predictors.features.path_encoding import AdjacencyEncoding, PathEncoding
from predictors.gaussian import GroupedGP
from predictors.saving import load, save
from predictors.saving.versions import check_versions

rng = np.random.default_rng(0)
CODES = rng.integers(0, 5, (40, 6))
LABELS = (CODES == 2).sum(1) - (CODES == 1).sum(1) + 0.01 * CODES @ np.arange(6)
FEW = {"options": {"n_estimators": 4}}
QUICK: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        ("rf-graph", "et-graph", "xgb-graph", "lgbm-graph", "rf-graf", "xgb-graf"), FEW
    ),
    **dict.fromkeys(("tart", "tart-scratch", "gcn", "gcn-raw", "neurpred"), {"epochs": 1}),
    **dict.fromkeys(("gin", "gat", "pna", "bananas"), {"epochs": 1, "hidden": 8}),
    "bananas-published": {"epochs": 1},
    "tart-published": {"epochs": 1, "width": 16, "layers": 2},
    **dict.fromkeys(("ensemble", "stack"), {"folds": 2}),
}


@pytest.fixture(scope="module")
def cells() -> list[ArchGraph]:
    return [nb201_cell(code) for code in CODES]


@pytest.fixture(scope="module")
def networks() -> list[ArchGraph]:
    nets = EndlessNets("train", seed=0, image_size=8, in_channels=1)
    return [build_graph(nets[k]) for k in range(8)]


@pytest.fixture(scope="module")
def svr(cells: list[ArchGraph]) -> ArchPredictor:
    return make_predictor("svr-graph").fit(cells, LABELS)


def small_members() -> list[tuple[str, ArchPredictor]]:
    """The kinds of the standard members with few trees, and a network."""
    forests: dict[str, Any] = {"options": {"n_estimators": 3}}
    return [
        ("gp rank", FeaturePredictor("gp")),
        ("rf standard", FeaturePredictor("rf", target="standard", bags=2, **forests)),
        ("line", LinearBaseline()),
        ("tokens", TART(encoder="none", epochs=1, width=8, layers=1)),
    ]


def small(name: str) -> ArchPredictor:
    if "boost" in MODELS[name].summary and name not in ("ensemble", "stack"):
        pytest.importorskip("xgboost" if name.startswith("xgb") else "lightgbm")
    if name == "ensemble-tart":
        parts = [
            ("features", StackedEnsemble(small_members(), combine="mean")),
            ("tokens", TART(epochs=1)),
        ]
        return StackedEnsemble(parts, combine="mean", seed=3)
    if name in ("ensemble", "stack"):
        return make_predictor(name, seed=3, members=small_members(), **QUICK[name])
    return make_predictor(name, seed=3, **QUICK.get(name, {}))


def same(found: Any, expected: Any) -> None:
    """Equal to the last bit, arrays in arrays too."""
    assert type(found) is type(expected)
    if isinstance(expected, (tuple, list)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            same(one, other)
    else:
        assert np.array_equal(found, expected)


# ---- every predictor ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in MODELS if not n.startswith("ghn-")])
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
    if "boost" in MODELS[name].summary and name not in ("ensemble", "stack"):
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


# ---- who may read a file -----------------------------------------------------------------------


def rewritten(path: Path, change: Callable[[dict[str, str], dict[str, Any]], None]) -> Path:
    """The file with other texts or plain values, and a right checksum."""
    tensors, texts = read_tensors(path)
    tree = json.loads(texts["tree"])
    change(texts, tree)
    texts["tree"] = json.dumps(tree) if texts["tree"] else ""
    return write_tensors(path.with_name("changed"), tensors, texts)


@pytest.fixture
def file(svr, tmp_path: Path) -> Path:
    return svr.save(tmp_path / "svr.safetensors")


def test_another_class(file: Path) -> None:
    with pytest.raises(
        ValueError, match=r"holds a FeaturePredictor, expected a TART: load it with"
    ):
        TART.load(file)
    assert isinstance(ArchPredictor.load(file), FeaturePredictor)


@pytest.mark.parametrize("number", ["2", "0"])
def test_another_format(file: Path, number: str) -> None:
    newer = rewritten(file, lambda texts, _: texts.update(format=number, netwright="9.1"))
    with pytest.raises(
        ValueError, match=rf"format {number} .*reads format 1: update with pip .*9\.1"
    ):
        load(newer)


def test_other_versions_of_scikit_learn(file: Path, cells, svr, monkeypatch) -> None:
    then = json.loads(read_tensors(file)[1]["versions"])["sklearn"]
    major, minor = then.split(".")[:2]
    for now in (f"{int(major) + 1}.0.0", f"{int(major) - 1}.9.1"):
        monkeypatch.setattr(predictors.saving.versions, "version", lambda _, now=now: now)
        with pytest.raises(ValueError, match=rf'scikit-learn {then}.*pip install "scikit-learn=='):
            load(file)
    monkeypatch.setattr(
        predictors.saving.versions, "version", lambda _: f"{major}.{int(minor) + 1}.0"
    )
    with pytest.warns(UserWarning, match="predictions are most likely the same"):
        same(load(file).predict(cells), svr.predict(cells))


def test_boosters_may_have_been_older(monkeypatch) -> None:
    monkeypatch.setattr(predictors.saving.versions, "version", lambda _: "3.1.0")
    check_versions("x", {"xgboost": "2.0.3", "lightgbm": "3.9.9"})
    with pytest.raises(ValueError, match=r'x was written with xgboost 4\.0.*"xgboost==4\.0\.1"'):
        check_versions("x", {"xgboost": "4.0.1"})


def test_versions_are_noted(cells, tmp_path: Path) -> None:
    pytest.importorskip("xgboost")
    path = small("xgb-graph").fit(cells, LABELS).save(tmp_path / "x")
    assert set(json.loads(read_tensors(path)[1]["versions"])) == {"xgboost"}
    net = make_predictor("gcn", epochs=1, hidden=8).fit(cells, LABELS).save(tmp_path / "y")
    assert json.loads(read_tensors(net)[1]["versions"]) == {}, "it needs no other package"


def test_a_booster_without_its_package(cells, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("lightgbm")
    path = small("lgbm-graph").fit(cells, LABELS).save(tmp_path / "x")
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(
        ImportError, match=r"lightgbm is not installed.*pip install .netwright\[boost"
    ):
        load(path)


def test_columns_of_another_version(file: Path, cells) -> None:
    def fewer(_: dict[str, str], tree: dict[str, Any]) -> None:
        features = tree["state"]["features_"]["state"]
        features["columns_"]["dict"][0][1].pop()

    with pytest.raises(ValueError, match="fitted by a version of netwright with other columns"):
        load(rewritten(file, fewer)).predict(cells)


# ---- hostile files -----------------------------------------------------------------------------


def put(tree: dict[str, Any], value: Any, *path: Any) -> None:
    for step in path[:-1]:
        tree = tree[step]
    tree[path[-1]] = value


FEATURES = ("state", "features_", "state")


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({"class": "os.system", "state": {}}, ("state", "seed"), "names the class 'os.system'"),
        ({"class": "builtins.eval", "state": {}}, ("state", "seed"), "names the class"),
        ({"class": 3, "state": {}}, ("state", "seed"), "names the class"),
        ({"class": "../../x", "state": {}}, ("state", "seed"), "names the class"),
        ({"function": "os.system"}, ("state", "seed"), "names the function 'os.system'"),
        ({"distribution": ["__class__", [], {"dict": []}]}, ("state", "seed"), "distribution"),
        ({"tensor": "../../etc/passwd"}, ("state", "seed"), "the tensor .*is not in the file"),
        ({"array": 7}, ("state", "seed"), "not in the file"),
        ({"pickle": "gASV"}, ("state", "seed"), "unknown kind 'pickle'"),
        ({}, ("state", "seed"), "unknown kind"),
        ({"tuple": [1], "list": []}, ("state", "seed"), "unknown kind"),
        ({"scalar": 1, "dtype": "object"}, ("state", "seed"), "unknown type 'object'"),
        ({"integer": "9" * 9000}, ("state", "seed"), "cannot be loaded"),
        ({"objects": [1], "shape": [10**12]}, ("state", "seed"), "do not have the shape"),
        (1, ("state", "predict"), "predict is a method of FeaturePredictor"),
        (1, ("state", "__class__"), "no attribute '__class__'"),
        (1, ("state", "a b"), "no attribute 'a b'"),
        (1, (*FEATURES, "space_", "state", "secret"), "unexpected keyword argument"),
        ({"class": "sklearn.svm.SVR", "state": {"support_vectors_": 1}}, ("state", "seed"), "load"),
    ],
)
def test_hostile_values(value: Any, path: tuple, message: str, file: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load(rewritten(file, lambda _, tree: put(tree, value, *path)))


def test_deep_nesting_and_broken_descriptions(file: Path) -> None:
    tensors, texts = read_tensors(file)
    for tree in ("[" * 50_000 + "]" * 50_000, "{", "[1, 2", '"x"', "7"):
        path = write_tensors(file.with_name("changed"), tensors, {**texts, "tree": tree})
        with pytest.raises(ValueError, match="cannot be loaded"):
            load(path)
    for name in ("kind", "format", "versions", "tree"):
        fewer = {k: v for k, v in texts.items() if k != name}
        with pytest.raises(ValueError, match=r"holds no predictor|cannot be loaded"):
            load(write_tensors(file.with_name("changed"), tensors, fewer))


def test_other_files(file: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="is a folder"):
        load(tmp_path)
    (tmp_path / "text").write_text("not a predictor")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "pickle").write_bytes(b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.")
    save_checkpoint(tmp_path / "checkpoint", {"kind": "net", "x": torch.zeros(3)})
    for name in ("text", "empty", "pickle", "checkpoint"):
        with pytest.raises(ValueError, match=f"{name} is no file of tensors"):
            load(tmp_path / name)
    GHN(hid=8, max_shape=(4, 4, 3, 3)).save(tmp_path / "ghn.safetensors")
    with pytest.raises(ValueError, match="holds no predictor, its kind is 'ghn'"):
        load(tmp_path / "ghn.safetensors")


TREE = (
    "state",
    "regressors_",
    0,
    "state",
    "models",
    0,
    "state",
    "estimators_",
    0,
    "state",
    "tree_",
)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("left_child", 10**6, "lies outside"),
        ("left_child", 0, "lies outside|circle"),
        ("right_child", 1, "circle|not all|lies outside"),
        ("feature", 10**6, "feature that there is not"),
        ("feature", -3, "feature that there is not"),
    ],
)
def test_trees_that_would_be_read_beyond_their_arrays(
    field: str, value: int, message: str, cells, tmp_path: Path
) -> None:
    model = small("rf-graph").fit(cells, LABELS)
    path = model.save(tmp_path / "x")
    tensors, texts = read_tensors(path)
    tree: Any = json.loads(texts["tree"])
    for step in TREE:
        tree = tree[step]
    forest = tree["forest"]["dict"]
    entries = dict(forest)
    nodes = tensors[entries["nodes"]["array"]].numpy()
    kinds = model.regressors_[0].models_[0].estimators_[0].tree_.__getstate__()["nodes"].dtype
    nodes.view(kinds)[0, 0][field] = value
    with pytest.raises(ValueError, match=message):
        load(write_tensors(path, tensors, texts))


def test_damaged_bytes_are_noticed(file: Path, svr, cells) -> None:
    """Flipped, cut, doubled and shifted bytes: an error that says so, or the very same values."""
    whole, random = file.read_bytes(), np.random.default_rng(3)
    expected, target = svr.predict(cells), file.with_name("damaged")
    header = int.from_bytes(whole[:8], "little") + 8
    refused = 0
    for k in range(300):
        place = int(random.integers(0, 8 if k % 5 == 0 else header if k % 2 else len(whole)))
        if k % 10 < 7:
            bits = bytes([whole[place] ^ (1 << int(random.integers(8)))])
            damaged = whole[:place] + bits + whole[place + 1 :]
        else:
            damaged = [whole[:place], whole[:place] * 2, whole[place:]][k % 3]
        target.write_bytes(damaged)
        try:
            found = load(target)
        except ValueError as error:
            refused += 1
            assert str(target) in str(error)
        else:
            assert np.array_equal(found.predict(cells), expected)
    assert refused > 290


def test_changed_descriptions_give_an_error_or_an_object(file: Path) -> None:
    """With a right checksum anything may stand in a file: nothing but a ValueError comes out."""
    tensors, texts = read_tensors(file)
    random = np.random.default_rng(4)
    values = (None, -1, 2**40, 1e300, "x", [], {}, {"array": "0"}, {"class": "TART", "state": {}})
    for k in range(200):
        tree = json.loads(texts["tree"])
        spots = list(spots_of(tree))
        for spot in random.integers(0, len(spots), 1 + k % 3):
            holder, key = spots[int(spot)]
            holder[key] = values[int(random.integers(len(values)))]
        path = write_tensors(
            file.with_name("changed"), tensors, {**texts, "tree": json.dumps(tree)}
        )
        try:
            load(path)
        except ValueError as error:
            assert str(path) in str(error)


def spots_of(node: Any):
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        yield node, key
        if isinstance(value, (dict, list)):
            yield from spots_of(value)


def test_the_transform_of_targets(tmp_path: Path) -> None:
    targets = np.random.default_rng(5).random((9, 2))
    for kind in ("rank", "standard", "none"):
        transform = TargetTransform(kind).fit(targets)
        found = load(save(tmp_path / "x", transform))
        same(found.inverse(targets), transform.inverse(targets))


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("xgb-graph", "left_children", 10**6),
        ("xgb-graph", "right_children", 1),
        ("xgb-graph", "split_indices", 10**6),
        ("xgb-graph", "parents", 3),
        ("lgbm-graph", "left_child", 2),
        ("lgbm-graph", "right_child", -40),
        ("lgbm-graph", "split_feature", -1),
        ("lgbm-graph", "decision_type", 1),
        ("lgbm-graph", "leaf_count", 2**40),
        ("lgbm-graph", "threshold", np.nan),
    ],
)
def test_boosters_that_would_be_read_beyond_their_arrays(
    name: str, column: str, value: float, cells, tmp_path: Path
) -> None:
    path = small(name).fit(cells, LABELS).save(tmp_path / "x")
    tensors, texts = read_tensors(path)
    place = re.search(rf'"{column}",{{"array":"(\d+)"', texts["tree"])
    assert place is not None
    tensors[place[1]][0] = value
    with pytest.raises(ValueError, match="cannot be loaded: .*(model|tree)"):
        load(write_tensors(path, tensors, texts))
