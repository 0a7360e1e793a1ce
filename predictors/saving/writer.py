"""How does a predictor become plain values and tensors? Piece by piece, of known classes only."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from torch import Tensor

from predictors.saving.arrays import array_node
from predictors.saving.boosters import lightgbm_state, xgboost_state
from predictors.saving.classes import class_name, function_name, own_name, package_of
from predictors.saving.plain import plain_state
from predictors.saving.trees import is_tree, tree_state

__all__ = ["Writer"]

_LARGEST = 2**53  # whole numbers up to here survive every reader of JSON


class Writer:
    """Converter from objects to plain values (`tree`), which name the tensors they need.

    Args:
        own: Class of a user that may stand in the file beside those of the list; subclasses too.

    Attributes:
        tensors: Tensors of any shape, by the names in the plain values.
        packages: Packages other than ours that the object needs.
    """

    def __init__(self, own: type) -> None:
        self.own = own
        self.tensors: dict[str, Tensor] = {}
        self.packages: set[str] = set()
        self._names: dict[Hashable, str] = {}
        self._alive: list[Any] = []  # an id above is taken as long as its object lives

    def tree(self, value: Any, where: str = "predictor") -> Any:
        """Describe a value in plain values.

        Raises:
            ValueError: Something that is not saved; the message says where.
        """
        if value is None or type(value) in (bool, str):
            return value
        if type(value) is int:
            return value if abs(value) <= _LARGEST else {"integer": str(value)}
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if type(value) is list:
            return [self.tree(item, f"{where}[{k}]") for k, item in enumerate(value)]
        for node in (self._container, self._array, self._foreign, self._object):
            found = node(value, where)
            if found is not None:
                return found
        raise ValueError(
            f"{where} is {_described(value)}, which cannot be saved: files hold plain values, "
            "arrays, tensors, and objects of the predictors, of scikit-learn's usual regressors "
            "and transformers, of XGBoost and of LightGBM"
        )

    def _container(self, value: Any, where: str) -> dict[str, Any] | None:
        if type(value) is tuple:
            return {"tuple": [self.tree(item, f"{where}[{k}]") for k, item in enumerate(value)]}
        if isinstance(value, dict):
            items = [
                (self.tree(k, where), self.tree(v, f"{where}[{k!r}]")) for k, v in value.items()
            ]
            return {"dict": items}
        if isinstance(value, (set, frozenset)):
            items = [self.tree(item, where) for item in sorted(value)]
            return {"set" if isinstance(value, set) else "frozenset": items}
        if type(value) is range:
            return {"range": [value.start, value.stop, value.step]}
        if isinstance(value, PurePath):
            return {"path": Path(value).as_posix()}
        return None

    def _array(self, value: Any, where: str) -> dict[str, Any] | None:
        if isinstance(value, Tensor):
            return {"tensor": self._keep_once(_identity(value), value, value)}
        if isinstance(value, (np.ndarray, np.generic)):
            try:
                return array_node(
                    value,
                    lambda tensor: self._keep_once(id(value), tensor, value),
                    lambda item: self.tree(item, where),
                )
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
        return None

    def _foreign(self, value: Any, where: str) -> dict[str, Any] | None:
        """What is kept in C, C++ or closures, and functions."""
        kind = type(value)
        name = f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
        try:
            if is_tree(value):
                return {"forest": self.tree(tree_state(value), where)}
            if name == "xgboost.Booster":
                return {"xgboost": self.tree(xgboost_state(value), where)}
            if name == "lightgbm.Booster":
                return {"lightgbm": self.tree(lightgbm_state(value), where)}
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if name == "numpy.RandomState":
            return {"random": self.tree(list(value.get_state()), where)}
        if name == "scipy.rv_continuous_frozen":
            parts = [value.dist.name, value.args, dict(value.kwds)]
            return {"distribution": self.tree(parts, where)}
        if name == "sklearn._PassthroughScorer":
            return {"scorer": None}  # the estimator's own, which a search makes again
        if callable(value) and (function := function_name(value)) is not None:
            return {"function": function}
        return None

    def _object(self, value: Any, where: str) -> dict[str, Any] | None:
        kind = type(value)
        name = class_name(kind)
        if name is None and isinstance(value, self.own):
            name = own_name(kind)  # a predictor of the user's, which `load` must be given
        if name is None or isinstance(value, type):
            return None
        self.packages |= {package_of(name)} - {""}
        state: Callable[[], Any] = getattr(value, "saved_state", lambda: plain_state(value))
        place = where if where != "predictor" else kind.__name__
        left = getattr(kind, "not_saved", ())
        items = {k: self.tree(v, f"{place}.{k}") for k, v in state().items() if k not in left}
        return {"class": name, "state": items}

    def _keep_once(self, key: Hashable, tensor: Tensor, owner: Any = None) -> str:
        """The name of a tensor, the same for one that was met before."""
        if key not in self._names:
            self._names[key] = self._keep(tensor)
            self._alive.append(owner)
        return self._names[key]

    def _keep(self, tensor: Tensor) -> str:
        name = str(len(self.tensors))
        self.tensors[name] = tensor
        return name


def _identity(tensor: Tensor) -> Hashable:
    """What two tensors have in common that are the same numbers at the same place."""
    if not tensor.numel():
        return id(tensor)
    return tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride(), tensor.device


def _described(value: Any) -> str:
    kind = type(value)
    if hasattr(value, "__qualname__"):
        return f"the {kind.__name__} {value.__module__}.{value.__qualname__}"
    return f"a {kind.__module__}.{kind.__qualname__}"
