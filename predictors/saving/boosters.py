"""How are the models of XGBoost and LightGBM stored, so that their C++ code reads nothing hostile?

Their own readers believe what a text says and crash where it is wrong. So a file of ours holds the
numbers of the trees alone, as arrays; on loading these are checked and a text is written anew from
them. That is possible for what our regressors make: sums of regression trees with a number at each
leaf, on columns that are numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from predictors.saving.classes import imported

__all__ = ["lightgbm_from", "lightgbm_state", "xgboost_from", "xgboost_state"]

_XGB_WHOLE = ("left_children", "right_children", "parents", "split_indices", "default_left")
_XGB_REAL = ("split_conditions", "base_weights", "loss_changes", "sum_hessian")
_XGB_OBJECTIVE = {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}
_XGB_ROOT = 2**31 - 1  # the parent of a root

_LIGHT_WHOLE = ("split_feature", "decision_type", "left_child", "right_child", "internal_count")
_LIGHT_REAL = ("split_gain", "threshold", "internal_value", "internal_weight")
_LIGHT_LEAVES = ("leaf_value", "leaf_weight")
_LIGHT_HEADER = {
    *("tree", "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx"),
    *("objective", "feature_names", "feature_infos", "tree_sizes"),
}
_LIGHT_OBJECTIVES = ("regression", "regression_l1", "huber", "fair", "mape")

Arrays = dict[str, np.ndarray]


# ---- XGBoost ---------------------------------------------------------------------------------


def xgboost_state(booster: Any) -> dict[str, Any]:
    """Return a model of XGBoost as arrays, one after another of all its trees, (nodes,) each.

    Raises:
        ValueError: Something else than a sum of regression trees under a squared error.
    """
    found = json.loads(booster.save_raw("json"))
    learner, version = found["learner"], found["version"]
    wanted, grown = learner["learner_model_param"], learner["gradient_booster"]
    plain = grown["name"] == "gbtree" and wanted["num_target"] == "1"
    named = learner["feature_names"] or learner["attributes"]
    if not plain or learner["objective"] != _XGB_OBJECTIVE or named:
        raise ValueError(
            "an XGBoost model is saved if it is a sum of trees (booster gbtree) with one target, a "
            "squared error, columns without names and no early stopping"
        )
    trees = grown["model"]["trees"]
    if grown["model"]["gbtree_model_param"]["num_parallel_tree"] != "1" or any(
        any(tree["split_type"]) or tree["tree_param"]["size_leaf_vector"] not in ("0", "1")
        for tree in trees
    ):
        raise ValueError("an XGBoost model with categories or parallel trees cannot be saved")
    base = json.loads(wanted["base_score"])
    state = {
        "version": version,
        "features": int(wanted["num_feature"]),
        "base": np.atleast_1d(np.array(base, dtype=np.float32)),
        "base_is_list": isinstance(base, list),
        "sizes": np.array([len(tree["parents"]) for tree in trees], dtype=np.int64),
        **{name: _joined(trees, name, np.int32) for name in _XGB_WHOLE},
        **{name: _joined(trees, name, np.float32) for name in _XGB_REAL},
    }
    _check_xgboost(state)
    return state


def xgboost_from(state: Mapping[str, Any]) -> Any:
    """Make a model of XGBoost, which takes one thread, of what `xgboost_state` returns.

    Raises:
        ImportError: XGBoost is not installed.
        ValueError: No such model.
    """
    _check_xgboost(state)
    count, features = len(state["sizes"]), str(state["features"])
    parts = _parts(state, (*_XGB_WHOLE, *_XGB_REAL))
    base = state["base"].tolist()
    grown = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(count)},
        "iteration_indptr": list(range(count + 1)),
        "tree_info": [0] * count,
        "trees": [_xgboost_tree(k, part, features) for k, part in enumerate(parts)],
    }
    learner = {
        "attributes": {},
        "feature_names": [],
        "feature_types": [],
        "gradient_booster": {"model": grown, "name": "gbtree"},
        "learner_model_param": {
            "base_score": json.dumps(base if state["base_is_list"] else base[0]),
            "boost_from_average": "1",
            "num_class": "0",
            "num_feature": features,
            "num_target": "1",
        },
        "objective": _XGB_OBJECTIVE,
    }
    text = json.dumps({"learner": learner, "version": state["version"]}, allow_nan=False)
    booster = imported("xgboost").Booster({"nthread": 1})
    booster.load_model(bytearray(text.encode()))
    return booster


def _xgboost_tree(number: int, part: Mapping[str, Any], features: str) -> dict[str, Any]:
    """A tree as XGBoost writes it, of its arrays as lists."""
    nodes = len(part["parents"])
    return {
        **part,
        "id": number,
        "split_type": [0] * nodes,
        **{f"categories{end}": [] for end in ("", "_nodes", "_segments", "_sizes")},
        "tree_param": {
            "num_deleted": "0",
            "num_feature": features,
            "num_nodes": str(nodes),
            "size_leaf_vector": "1",
        },
    }


def _check_xgboost(state: Mapping[str, Any]) -> None:
    version = state["version"]
    if not (len(version) == 3 and all(type(v) is int and 0 <= v < 1000 for v in version)):
        raise ValueError("an XGBoost model has no version")
    _check_arrays(state, "sizes", _XGB_WHOLE, np.int32, _XGB_REAL, np.float32)
    if not (state["base"].shape == (1,) and state["base"].dtype == np.float32):
        raise ValueError("an XGBoost model has more than one base score")
    if not np.isfinite(state["base"]).all() or not np.isin(state["default_left"], (0, 1)).all():
        raise ValueError("an XGBoost model holds numbers out of range")
    for part in _parts(state, _XGB_WHOLE, plain=False):
        left, right, parents = part["left_children"], part["right_children"], part["parents"]
        _check_children(left, right, part["split_indices"], state["features"])
        inner = np.flatnonzero(left != -1)
        above = np.full(len(left), _XGB_ROOT)
        above[left[inner]] = above[right[inner]] = inner
        if (parents != above).any() or (right[inner] != left[inner] + 1).any():
            raise ValueError("a tree of an XGBoost model has its children in other places")


# ---- LightGBM --------------------------------------------------------------------------------


def lightgbm_state(booster: Any) -> dict[str, Any]:
    """Return a model of LightGBM as arrays, one after another of all its trees, (nodes,) each.

    Raises:
        ValueError: Something else than a sum of regression trees.
    """
    text, _, _ = booster.model_to_string(num_iteration=-1).partition("end of trees")
    header, *blocks = re.split(r"\n\n+", text.strip())
    said, trees = _lines(header), [_lines(block) for block in blocks]
    plain = said["num_class"] == said["num_tree_per_iteration"] == "1"
    names = " ".join(f"Column_{k}" for k in range(int(said["max_feature_idx"]) + 1))
    plain = plain and said["feature_names"] == names and booster.best_iteration < 1
    if not plain or said["objective"] not in _LIGHT_OBJECTIVES or set(said) - _LIGHT_HEADER:
        raise ValueError(
            "a LightGBM model is saved if its predictions are sums of trees (boosting gbdt), with "
            "one target, columns without names, no early stopping and one of the objectives "
            f"{', '.join(_LIGHT_OBJECTIVES)}"
        )
    if any(tree["num_cat"] != "0" or tree.get("is_linear", "0") != "0" for tree in trees):
        raise ValueError("a LightGBM model with categories or linear trees cannot be saved")
    many = [{k: v.split() for k, v in tree.items()} for tree in trees]
    for tree in many:
        for name in ("leaf_weight", "leaf_count"):  # not said of a tree that is one leaf
            tree[name] = tree.get(name) or ["0"]
    state = {
        "version": said["version"],
        "objective": said["objective"],
        "features": int(said["max_feature_idx"]) + 1,
        "leaves": np.array([int(tree["num_leaves"]) for tree in trees], dtype=np.int64),
        "shrinkage": np.array([float(tree["shrinkage"]) for tree in trees]),
        **{name: _joined(many, name, np.int64) for name in (*_LIGHT_WHOLE, "leaf_count")},
        **{name: _joined(many, name, np.float64) for name in (*_LIGHT_REAL, *_LIGHT_LEAVES)},
    }
    _check_lightgbm(state)
    return state


def lightgbm_from(state: Mapping[str, Any]) -> Any:
    """Make a model of LightGBM of what `lightgbm_state` returns.

    Raises:
        ImportError: LightGBM is not installed.
        ValueError: No such model.
    """
    _check_lightgbm(state)
    features = state["features"]
    lines = [
        *("tree", f"version={state['version']}", "num_class=1", "num_tree_per_iteration=1"),
        *("label_index=0", f"max_feature_idx={features - 1}", f"objective={state['objective']}"),
        "feature_names=" + " ".join(f"Column_{k}" for k in range(features)),
        "feature_infos=" + " ".join(["none"] * features),
        "",
    ]
    for k, part in enumerate(_light_parts(state)):
        lines += [f"Tree={k}", f"num_leaves={len(part['leaf_value'])}", "num_cat=0"]
        # seventeen digits, as LightGBM writes them, so that it reads the same numbers
        lines += [f"{n}={' '.join(f'{v:.17g}' for v in part[n].tolist())}" for n in part]
        lines += ["is_linear=0", f"shrinkage={state['shrinkage'][k]:.17g}", "", ""]
    text = "\n".join([*lines, "end of trees", ""])
    return imported("lightgbm").Booster(model_str=text)


def _check_lightgbm(state: Mapping[str, Any]) -> None:
    if state["objective"] not in _LIGHT_OBJECTIVES or state["version"] not in ("v3", "v4"):
        raise ValueError("a LightGBM model has an unknown objective or version")
    leaves, shrinkage = state["leaves"], state["shrinkage"]
    if leaves.dtype != np.int64 or leaves.ndim != 1 or (leaves < 1).any():
        raise ValueError("a tree of LightGBM has no leaf")
    if shrinkage.shape != leaves.shape or not np.isfinite(shrinkage).all():
        raise ValueError("the trees of a LightGBM model have no shrinkage")
    nodes = {**state, "nodes": leaves - 1}
    _check_arrays(nodes, "nodes", _LIGHT_WHOLE, np.int64, _LIGHT_REAL, np.float64)
    _check_arrays(state, "leaves", ("leaf_count",), np.int64, _LIGHT_LEAVES, np.float64)
    if not np.isin(state["decision_type"], (0, 2, 4, 6, 8, 10)).all():
        raise ValueError("a tree of LightGBM asks for categories")
    for part in _light_parts(state):
        count = len(part["leaf_value"])
        ends = np.full(count, -1)
        both = np.concatenate([part["left_child"], part["right_child"]])
        if (both >= count - 1).any():
            raise ValueError("a node of a tree of LightGBM is none")
        # leaves are numbered -1, -2, ...: here they stand behind the inner nodes
        left, right = (
            np.concatenate([np.where(way < 0, count - 2 - way, way), ends])
            for way in (part["left_child"], part["right_child"])
        )
        feature = np.concatenate([part["split_feature"], ends])
        _check_children(left, right, feature, state["features"])


def _light_parts(state: Mapping[str, Any]) -> list[Arrays]:
    nodes = _parts(
        {**state, "sizes": state["leaves"] - 1}, (*_LIGHT_WHOLE, *_LIGHT_REAL), plain=False
    )
    leaves = _parts(
        {**state, "sizes": state["leaves"]}, (*_LIGHT_LEAVES, "leaf_count"), plain=False
    )
    return [{**node, **leaf} for node, leaf in zip(nodes, leaves)]


def _lines(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.split("\n"))
    return {name: value for name, _, value in pairs}


# ---- trees as arrays -------------------------------------------------------------------------


def _joined(trees: Sequence[Mapping[str, Any]], name: str, dtype: type) -> np.ndarray:
    """A column of all trees, one after another, (nodes,)."""
    return np.array([value for tree in trees for value in tree.get(name, ())], dtype=dtype)


def _parts(state: Mapping[str, Any], names: Sequence[str], *, plain: bool = True) -> list[Any]:
    """The columns of each tree, as lists or as arrays of shape (nodes,)."""
    ends = np.cumsum(state["sizes"])[:-1]
    split = {name: np.split(state[name], ends) for name in names}
    rows = [dict(zip(split, part)) for part in zip(*split.values())]
    return [{k: v.tolist() for k, v in row.items()} for row in rows] if plain else rows


def _check_arrays(
    state: Mapping[str, Any],
    sizes: str,
    whole: Sequence[str],
    integer: type,
    real: Sequence[str],
    floating: type,
) -> None:
    """Columns have the length and type that they should, and numbers that are some."""
    counts, features = state[sizes], state["features"]
    if counts.dtype != np.int64 or counts.ndim != 1 or not len(counts) or (counts < 0).any():
        raise ValueError("a model of trees has no trees")
    if type(features) is not int or not 0 < features < 2**24:
        raise ValueError("a model of trees has no features")
    total = int(counts.sum())
    for names, dtype in ((whole, integer), (real, floating)):
        for name in names:
            column = state[name]
            if column.shape != (total,) or column.dtype != dtype:
                raise ValueError(f"{name} of a model of trees does not fit its nodes")
            if not np.isfinite(column).all() or (
                dtype is np.int64 and abs(column).max(initial=0) >= 2**31
            ):
                raise ValueError(f"{name} of a model of trees holds numbers out of range")


def _check_children(
    left: np.ndarray, right: np.ndarray, feature: np.ndarray, features: int
) -> None:
    """Every node but the first has one parent, before it; features are there. Shapes: (nodes,)."""
    inner = np.flatnonzero(left != -1)
    children = np.concatenate([left[inner], right[inner]])
    ok = (
        len(left) > 0
        and ((left == -1) == (right == -1)).all()
        and (children > np.concatenate([inner, inner])).all()
        and (children < len(left)).all()
        and len(np.unique(children)) == len(children) == len(left) - 1
        and (feature[inner] >= 0).all()
        and (feature[inner] < features).all()
    )
    if not ok:
        raise ValueError("the nodes of a tree are none")
