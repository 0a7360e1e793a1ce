"""Files of predictors from elsewhere: other versions are told, hostile files refused."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from saved_predictors import LABELS, same, small

import predictors.saving.versions
from ghn import GHN
from graph2nn.runs import save_checkpoint
from graph2nn.runs.tensors import read_tensors, write_tensors
from predictors import (
    TART,
    ArchPredictor,
    FeaturePredictor,
    TargetTransform,
    make_predictor,
)
from predictors.saving import load, save
from predictors.saving.versions import check_versions

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
