"""How is a predictor made again? From plain values and tensors, by constructors of ours alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sklearn.metrics import check_scoring
from torch import Tensor

from predictors.saving.arrays import ARRAY_TAGS, array_from
from predictors.saving.boosters import lightgbm_from, xgboost_from
from predictors.saving.classes import find_class, find_function
from predictors.saving.plain import plain_object
from predictors.saving.trees import check_forest, check_support_vectors, check_tree, tree_from

__all__ = ["Reader"]

_DISTRIBUTIONS = ("expon", "loguniform", "norm", "reciprocal", "uniform")
_CHECKS: dict[str, Callable[[Any], None]] = {
    "sklearn.ensemble.ExtraTreesRegressor": check_forest,
    "sklearn.ensemble.RandomForestRegressor": check_forest,
    "sklearn.svm.NuSVR": check_support_vectors,
    "sklearn.svm.SVR": check_support_vectors,
    "sklearn.tree.DecisionTreeRegressor": check_tree,
    "sklearn.tree.ExtraTreeRegressor": check_tree,
}


class Reader:
    """Converter from plain values to objects, the way back from `Writer`.

    Args:
        tensors: Tensors of any shape, by the names in the plain values.
        own: Classes that the file may name beside those of the list.
    """

    def __init__(self, tensors: Mapping[str, Tensor], own: Iterable[type] = ()) -> None:
        self.tensors = tensors
        self.own = tuple(own)

    def value(self, node: Any) -> Any:
        """Make the value that a node describes.

        Raises:
            ValueError: A node that describes nothing.
            ImportError: XGBoost or LightGBM is needed and not installed.
        """
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        if isinstance(node, list):
            return [self.value(item) for item in node]
        if not isinstance(node, dict):
            raise ValueError(f"it holds a {type(node).__name__}")
        if "class" in node:
            return self._object(node["class"], node["state"])
        tag = next(iter(node), "")
        if tag in ARRAY_TAGS:
            return array_from(node, self._take, self.value)
        for table in (self._plain(), self._foreign()):
            if tag in table and len(node) == 1:
                return table[tag](node[tag])
        raise ValueError(f"it holds an entry of the unknown kind {str(tag)[:80]!r}")

    def _plain(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "integer": int,
            "float": float,
            "tuple": lambda items: tuple(map(self.value, items)),
            "dict": lambda pairs: {self.value(key): self.value(item) for key, item in pairs},
            "set": lambda items: set(map(self.value, items)),
            "frozenset": lambda items: frozenset(map(self.value, items)),
            "range": lambda ends: range(*map(int, ends)),
            "path": lambda text: Path(str(text)),
            "tensor": self._take,
        }

    def _foreign(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "forest": lambda state: tree_from(self.value(state)),
            "xgboost": lambda state: xgboost_from(self.value(state)),
            "lightgbm": lambda state: lightgbm_from(self.value(state)),
            "random": self._random,
            "distribution": self._distribution,
            "scorer": lambda _: None,
            "function": find_function,
        }

    def _object(self, name: str, state: Mapping[str, Any]) -> Any:
        kind: Any = find_class(name, self.own)
        items = {key: self.value(item) for key, item in state.items()}
        make = getattr(kind, "from_saved_state", None)
        made = plain_object(kind, items) if make is None else make(items)
        if name in _CHECKS:
            _CHECKS[name](made)
        if "scorer_" in items:
            made.scorer_ = check_scoring(made.estimator, made.scoring)
        return made

    def _random(self, state: Any) -> np.random.RandomState:
        made = np.random.RandomState()
        made.set_state(tuple(self.value(state)))
        return made

    def _distribution(self, parts: Any) -> Any:
        name, args, settings = self.value(parts)
        if name not in _DISTRIBUTIONS:
            raise ValueError(f"it names the unknown distribution {str(name)[:80]!r}")
        return getattr(stats, name)(*args, **settings)

    def _take(self, name: str) -> Tensor:
        if not isinstance(name, str) or name not in self.tensors:
            raise ValueError(f"it names the tensor {str(name)[:80]!r}, which is not in the file")
        return self.tensors[name]
