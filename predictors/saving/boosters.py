"""How are the models of XGBoost and LightGBM stored, and checked before C++ code reads them?

Both have a published text format, which later versions read. Only what our regressors make is let
through: sums of regression trees with numbers at the leaves, on columns that are numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

__all__ = ["lightgbm_from", "lightgbm_text", "xgboost_from", "xgboost_text"]

_XGBOOST_NODES = (
    *("left_children", "right_children", "parents", "split_indices", "split_conditions"),
    *("default_left", "split_type", "base_weights", "loss_changes", "sum_hessian"),
)
_NUMBERS = re.compile(r"[-+0-9.eE ]|nan|inf")
_LIGHT_HEADER = {
    *("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx"),
    *("objective", "feature_names", "feature_infos"),
}
_LIGHT_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_LIGHT_NODES = (
    *("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child"),
    *("internal_value", "internal_weight", "internal_count"),
)
_LIGHT_SINGLE = {"num_leaves": None, "num_cat": "0", "is_linear": "0", "shrinkage": None}


# ---- XGBoost ---------------------------------------------------------------------------------


def xgboost_text(booster: Any) -> str:
    """Return a model of XGBoost as JSON.

    Raises:
        ValueError: Something else than a sum of regression trees.
    """
    text = booster.save_raw("json").decode()
    _check_xgboost(text)
    return text


def xgboost_from(text: str, threads: int = 1) -> Any:
    """Make a model of XGBoost from its JSON.

    Raises:
        ImportError: XGBoost is not installed.
        ValueError: No such model.
    """
    _check_xgboost(text)
    booster = _package("xgboost").Booster({"nthread": threads})
    booster.load_model(bytearray(text.encode()))
    return booster


def _check_xgboost(text: str) -> None:
    learner = json.loads(text)["learner"]
    wanted, model = learner["learner_model_param"], learner["gradient_booster"].get("model")
    if learner["gradient_booster"].get("name") != "gbtree" or wanted["num_target"] != "1":
        raise ValueError("only XGBoost models that are sums of trees with one target are saved")
    base = json.loads(wanted["base_score"])
    if len(base if isinstance(base, list) else [base]) != 1 or wanted["num_class"] != "0":
        raise ValueError("an XGBoost model has more than one target")
    trees, features = model["trees"], int(wanted["num_feature"])
    ends = model["iteration_indptr"]
    cats = model.get("cats", {"enc": []})
    consistent = (
        int(model["gbtree_model_param"]["num_trees"]) == len(trees) == len(model["tree_info"])
        and model["gbtree_model_param"]["num_parallel_tree"] == "1"
        and not any(model["tree_info"])
        and ends == list(range(len(trees) + 1))
        and not cats["enc"]
    )
    if not consistent:
        raise ValueError("the trees of an XGBoost model do not fit their numbers")
    for tree in trees:
        _check_xgboost_tree(tree, features)


def _check_xgboost_tree(tree: dict[str, Any], features: int) -> None:
    count = int(tree["tree_param"]["num_nodes"])
    if any(len(tree[name]) != count for name in _XGBOOST_NODES) or any(tree["split_type"]):
        raise ValueError("a tree of an XGBoost model is none of numbers")
    if tree["tree_param"]["size_leaf_vector"] not in ("0", "1") or tree["categories"]:
        raise ValueError("a tree of an XGBoost model has more than a number at its leaves")
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    _check_children(left, right, np.array(tree["split_indices"]), features, leaf=-1)
    inner = np.flatnonzero(left != -1)
    parents = np.array(tree["parents"])
    if (parents[left[inner]] != inner).any() or (right[inner] != left[inner] + 1).any():
        raise ValueError("a tree of an XGBoost model has its children in other places")


def _check_children(
    left: np.ndarray, right: np.ndarray, feature: np.ndarray, features: int, *, leaf: int
) -> None:
    """Children come after their parents and have one; features are there. Shapes: (nodes,) each."""
    inner = np.flatnonzero(left != leaf)
    children = np.concatenate([left[inner], right[inner]])
    after = np.concatenate([inner, inner])
    ok = (
        np.issubdtype(left.dtype, np.integer)
        and np.issubdtype(right.dtype, np.integer)
        and np.issubdtype(feature.dtype, np.integer)
        and ((left == leaf) == (right == leaf)).all()
        and (children > after).all()
        and (children < len(left)).all()
        and len(np.unique(children)) == len(children)
        and (feature[inner] >= 0).all()
        and (feature[inner] < features).all()
    )
    if not ok:
        raise ValueError("the nodes of a tree are none")


# ---- LightGBM --------------------------------------------------------------------------------


def lightgbm_text(booster: Any) -> str:
    """Return a model of LightGBM as its text, without settings and without places of trees.

    Raises:
        ValueError: Something else than a sum of regression trees.
    """
    trees, end, _ = booster.model_to_string(num_iteration=-1).partition("end of trees\n")
    text = re.sub(r"^tree_sizes=.*\n", "", trees, flags=re.MULTILINE) + end
    _check_lightgbm(text)
    return text


def lightgbm_from(text: str) -> Any:
    """Make a model of LightGBM from its text.

    Raises:
        ImportError: LightGBM is not installed.
        ValueError: No such model.
    """
    _check_lightgbm(text)
    return _package("lightgbm").Booster(model_str=text)


def _check_lightgbm(text: str) -> None:
    blocks = re.split(r"\n\n+", text.strip())
    if blocks[0].split("\n")[0] != "tree" or blocks[-1] != "end of trees":
        raise ValueError("a model of LightGBM has no beginning or end")
    header = _lines(blocks[0].split("\n")[1:])
    if not {"version", "num_class", "max_feature_idx"} <= set(header) <= _LIGHT_HEADER:
        raise ValueError("a model of LightGBM has other settings than ours")
    if header["num_class"] != "1" or header["num_tree_per_iteration"] != "1":
        raise ValueError("a model of LightGBM has more than one target")
    features = int(header["max_feature_idx"]) + 1
    if any(len(header[name].split()) != features for name in ("feature_names", "feature_infos")):
        raise ValueError("a model of LightGBM does not name its features")
    for k, block in enumerate(blocks[1:-1]):
        first, *rest = block.split("\n")
        if first != f"Tree={k}":
            raise ValueError("a model of LightGBM has no trees one after another")
        _check_lightgbm_tree(_lines(rest), features)


def _check_lightgbm_tree(tree: dict[str, str], features: int) -> None:
    leaves = int(tree["num_leaves"])
    for name, only in _LIGHT_SINGLE.items():
        if only is not None and tree.get(name, only) != only:
            raise ValueError(f"a tree of LightGBM has {name}={tree[name][:20]}")
    for names, count in ((_LIGHT_LEAVES, leaves), (_LIGHT_NODES, leaves - 1)):
        for name in names:
            if leaves > 1 and len(tree[name].split()) != count:
                raise ValueError(f"a tree of LightGBM has not {count} numbers {name}")
    unknown = set(tree) - {*_LIGHT_LEAVES, *_LIGHT_NODES, *_LIGHT_SINGLE}
    if unknown or leaves < 1:
        raise ValueError("a tree of LightGBM has more than its nodes and leaves")
    if leaves == 1:
        if len(tree["leaf_value"].split()) != 1:
            raise ValueError("a tree of LightGBM has no leaf")
        return
    if any(int(kind) & 1 for kind in tree["decision_type"].split()):
        raise ValueError("a tree of LightGBM asks for categories")
    left, right, feature = (
        np.array([int(n) for n in tree[name].split()])
        for name in ("left_child", "right_child", "split_feature")
    )
    # leaves are numbered -1, -2, ...: put them behind the inner nodes
    left, right = (np.where(way < 0, leaves - 2 - way, way) for way in (left, right))
    ends = np.full(leaves, -1)
    _check_children(
        np.concatenate([left, ends]),
        np.concatenate([right, ends]),
        np.concatenate([feature, ends]),
        features,
        leaf=-1,
    )


def _lines(lines: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or name in found:
            raise ValueError("a line of a model of LightGBM has no name, or occurs twice")
        numbers = name not in _LIGHT_HEADER or name.startswith(("num_", "max_", "label_"))
        if numbers and _NUMBERS.sub("", value):
            raise ValueError(f"{name[:20]} of a model of LightGBM are no numbers")
        found[name] = value
    return found


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ImportError(
            f"{name} is not installed and the predictor needs it; run: "
            'pip install "netwright[boost]"'
        ) from None
