"""How are scikit-learn's trees and support vectors stored, and checked before C code reads them?

Both are read by compiled code that believes the numbers it is given: a child or a feature outside
of its array would be read, so a file that holds one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.tree._tree import Tree

__all__ = [
    "check_forest",
    "check_support_vectors",
    "check_tree",
    "is_tree",
    "tree_from",
    "tree_state",
]


def is_tree(value: Any) -> bool:
    """Tell whether a value is a fitted tree."""
    return isinstance(value, Tree)


def tree_state(tree: Tree) -> dict[str, Any]:
    """Return a tree of a regression as arrays, nodes as a table of bytes (nodes, size).

    Raises:
        ValueError: A tree of a classification.
    """
    if tree.max_n_classes != 1:
        raise ValueError("a tree that tells classes apart cannot be saved; trees of numbers can")
    state = tree.__getstate__()
    nodes = state["nodes"]
    return {
        "features": int(tree.n_features),
        "outputs": int(tree.n_outputs),
        "fields": _fields(nodes.dtype),
        "nodes": nodes.view(np.uint8).reshape(len(nodes), nodes.dtype.itemsize),
        "values": state["values"],
    }


def tree_from(state: Mapping[str, Any]) -> Tree:
    """Make a tree of what `tree_state` returns.

    Raises:
        ValueError: Nodes that are no tree, or of another version of scikit-learn.
    """
    features, outputs = state["features"], state["outputs"]
    if not (type(features) is int and 0 < features < 2**31 and 0 < outputs < 2**20):
        raise ValueError("a tree has no features or outputs")
    tree = Tree(features, np.ones(outputs, dtype=np.intp), outputs)
    dtype = tree.__getstate__()["nodes"].dtype
    if state["fields"] != _fields(dtype):
        raise ValueError("the nodes of a tree have the fields of another version of scikit-learn")
    table, values = state["nodes"], state["values"]
    if table.dtype != np.uint8 or table.ndim != 2 or table.shape[1] != dtype.itemsize:
        raise ValueError("the nodes of a tree are no table of bytes")
    nodes = np.ascontiguousarray(table).view(dtype).reshape(len(table))
    if values.shape != (len(nodes), outputs, 1) or values.dtype != np.float64:
        raise ValueError("the values of a tree do not belong to its nodes")
    depth = _depth(nodes, features)
    count = len(nodes)
    tree.__setstate__(
        {"max_depth": depth, "node_count": count, "nodes": nodes, "values": values.copy(order="C")}
    )
    return tree


def check_tree(model: Any) -> None:
    """Check that a tree has the features of the estimator that it is of.

    Raises:
        ValueError: It has others.
    """
    if hasattr(model, "tree_") and not (
        is_tree(model.tree_)
        and model.tree_.n_features == model.n_features_in_
        and model.tree_.n_outputs == model.n_outputs_
    ):
        raise ValueError("a tree has other features or outputs than its estimator")


def check_forest(model: Any) -> None:
    """Check that all trees of a forest have its features and outputs.

    Raises:
        ValueError: One has others.
    """
    for one in getattr(model, "estimators_", ()):
        if not isinstance(one, type(model.estimator)) or not hasattr(one, "tree_"):
            raise ValueError("a forest holds something else than its trees")
        mine = (one.tree_.n_features, one.tree_.n_outputs)
        if mine != (model.n_features_in_, model.n_outputs_):
            raise ValueError("a tree has other features or outputs than its forest")


def check_support_vectors(model: Any) -> None:
    """Check that the arrays of a support vector regression fit each other.

    Raises:
        ValueError: They do not, or the kernel is a function.
    """
    if not hasattr(model, "support_vectors_"):
        return
    if vars(model)["_sparse"] or model.kernel not in ("rbf", "linear", "poly", "sigmoid"):
        raise ValueError("a support vector regression has a kernel or data that are not loaded")
    count, features = model.support_vectors_.shape
    shapes = {
        "support_vectors_": (count, model.n_features_in_),
        "support_": (count,),
        "dual_coef_": (1, count),
        "_dual_coef_": (1, count),
        "intercept_": (1,),
        "_intercept_": (1,),
        "_n_support": (2,),
        "_probA": (0,),
        "_probB": (0,),
    }
    for name, shape in shapes.items():
        array = vars(model)[name]
        kind = np.int32 if name in ("support_", "_n_support") else np.float64
        if array.shape != shape or array.dtype != kind or not array.flags.c_contiguous:
            raise ValueError(f"{name} of a support vector regression does not fit the others")


def _fields(dtype: np.dtype) -> list[list[Any]]:
    assert dtype.fields is not None
    return [[name, kind.str, place] for name, (kind, place, *_) in dtype.fields.items()]


def _depth(nodes: np.ndarray, features: int) -> int:
    """Depth of a tree, level by level; each node but the first must have one parent."""
    left, right, feature = (nodes[name] for name in ("left_child", "right_child", "feature"))
    level, seen, depth = np.zeros(min(len(nodes), 1), dtype=np.int64), 0, -1
    while len(level):
        seen, depth = seen + len(level), depth + 1
        inner = level[left[level] != -1]
        if (right[level[left[level] == -1]] != -1).any():
            raise ValueError("a leaf of a tree has a child")
        if len(inner) and not (0 <= feature[inner].min() <= feature[inner].max() < features):
            raise ValueError("a node of a tree asks for a feature that there is not")
        level = np.concatenate([left[inner], right[inner]])
        if len(level) and not (0 < level.min() <= level.max() < len(nodes)):
            raise ValueError("a child of a node of a tree lies outside of the tree")
        if seen + len(level) > len(nodes):
            raise ValueError("the nodes of a tree form a circle")
    if seen != len(nodes) or not seen:
        raise ValueError("the nodes of a tree are not all in it")
    return depth
