"""How long does an operation take? Lines in its work and memory, and trees for what they miss."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from scipy.optimize import nnls
from sklearn.ensemble import ExtraTreesRegressor

from predictors.latency.operations import ADDED, KINDS, NUMBERS, Operations

__all__ = ["OperationTimes", "added_numbers", "fitted_line"]

_FEWEST = 15  # operations of a name that get a line of their own
_LEAST = 5e-7  # seconds
_STEPS = 12
_SCALES = np.array([1.0, 1, 1, 1, 1, 1, 1e5])  # of about the same time
_BY_KIND = ("conv", "pointwise", "depthwise", "channelwise")
_ANY = "any"


class OperationTimes:
    """Regressor of the times of operations, learned from measured ones.

    A line with non-negative weights first, of each name (of each kind for convolutions, and for
    names that are rare): so much a call, a product, a multiply-add, a byte read and written. It
    goes on beyond what was measured. Trees then learn the logarithm of what is left: how well a
    kernel does on sizes like these.

    Args:
        trees: Number of trees.
        leaf: Least number of operations in a leaf.
        most: Number of operations of one name and kind that trees learn from, at most.
        seed: Seed of trees and choice.
    """

    def __init__(self, *, trees: int = 40, leaf: int = 5, most: int = 3000, seed: int = 0) -> None:
        self.trees = trees
        self.leaf = leaf
        self.most = most
        self.seed = seed

    def fit(self, operations: Operations, seconds: np.ndarray) -> OperationTimes:
        """Learn from operations with times.

        Shapes:
            seconds (K,), above 0.
        """
        added = added_numbers(operations)
        labels = {
            "name": operations.names,
            "kind": operations.kinds,
            _ANY: np.full(len(operations), _ANY, dtype=object),
        }
        self.lines_: dict[str, np.ndarray] = {}
        for sort, column in labels.items():
            for value in sorted(set(column)):
                rows = column == value
                if rows.sum() >= _FEWEST or sort == _ANY:
                    self.lines_[f"{sort} {value}"] = fitted_line(added[rows], seconds[rows])
        self.names_ = sorted(n for n in set(operations.names) if f"name {n}" in self.lines_)
        kept = self._kept(operations)
        chosen, line = operations.take(kept), self.by_lines(operations)[kept]
        self.trees_: Any = ExtraTreesRegressor(
            self.trees, min_samples_leaf=self.leaf, max_features=0.8, random_state=self.seed
        ).fit(self._table(chosen, line), np.log(seconds[kept] / line))
        return self

    def predict(self, operations: Operations) -> np.ndarray:
        """Predict the seconds of each operation, (K,)."""
        line = self.by_lines(operations)
        if not len(operations):
            return line
        return line * np.exp(self.trees_.predict(self._table(operations, line)))

    def by_lines(self, operations: Operations) -> np.ndarray:
        """Predict the seconds of each operation by its line alone, (K,)."""
        lines = [self._line(n, kind) for n, kind in zip(operations.names, operations.kinds)]
        if not lines:
            return np.zeros(0)
        return np.maximum((added_numbers(operations) * np.array(lines)).sum(1), _LEAST)

    def _line(self, name: str, kind: str) -> np.ndarray:
        order = (f"name {name}", f"kind {kind}") if kind not in _BY_KIND else (f"kind {kind}",)
        found = (self.lines_[key] for key in order if key in self.lines_)
        return next(found, self.lines_[f"{_ANY} {_ANY}"])

    def _kept(self, operations: Operations) -> np.ndarray:
        pairs = list(zip(operations.names, operations.kinds))
        order = np.random.default_rng(self.seed).permutation(len(pairs))
        seen: Counter[tuple[str, str]] = Counter()
        kept = []
        for k in order.tolist():
            seen[pairs[k]] += 1
            if seen[pairs[k]] <= self.most:
                kept.append(k)
        return np.sort(kept)

    def _table(self, operations: Operations, line: np.ndarray) -> np.ndarray:
        numbers = operations.numbers
        moved = numbers[:, [_place("bytes_in"), _place("bytes_out"), _place("bytes_weights")]]
        intensity = np.log((numbers[:, 0] + 1) / (moved.sum(1) + 1))
        sizes = numbers[:, [_place("width"), _place("channels_a_group")]]
        even = [sizes % step == 0 for step in (8, 16)]
        kinds = operations.kinds[:, None] == np.array(KINDS, dtype=object)
        names = operations.names[:, None] == np.array([*self.names_, ""], dtype=object)
        parts = [np.log1p(numbers), np.log(line)[:, None], intensity[:, None], *even, kinds, names]
        return np.concatenate(parts, axis=1).astype(np.float32)


def fitted_line(added: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Fit non-negative weights so that the logarithm of the sum is off least, squared.

    Shapes:
        added (K, F), seconds (K,) -> (F,).
    """
    line = nnls(added / seconds[:, None], np.ones(len(seconds)))[0]
    for _ in range(_STEPS):  # of Gauss and Newton; shares alone would rather be too small
        now = np.maximum(added @ line, 1e-3 * seconds)
        off = np.clip(np.log(now / seconds), -1, 1)
        line = (line + nnls(added / now[:, None], 1 - off)[0]) / 2
    return line


def _place(name: str) -> int:
    return NUMBERS.index(name)


def added_numbers(operations: Operations) -> np.ndarray:
    """Return a call, which counts 1e6 as the rest is large, and what adds up, (K, 8)."""
    found = operations.numbers[:, :ADDED] * _SCALES
    return np.column_stack([np.full(len(operations), 1e6), found])
