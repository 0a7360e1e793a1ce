"""Forests, boosted trees, support vectors, Gaussian processes and ridge on graph features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.base import ArchPredictor
from predictors.features import STANDARD_BLOCKS, GraphFeatures
from predictors.models.regressors import make_regressor
from predictors.targets import TargetTransform

__all__ = ["GRAF_BLOCKS", "ONE_HOT_BLOCKS", "FeaturePredictor"]

GRAF_BLOCKS = ("positions", "graf")
"""One-hot operations and GRAF's features of the graph as given: the published anchors."""

ONE_HOT_BLOCKS = ("positions",)
"""Operations by node number only: the linear baseline of latency and energy."""


class FeaturePredictor(ArchPredictor):
    """A regressor on `GraphFeatures`.

    Args:
        model: Name in `predictors.models.regressors.REGRESSORS`.
        blocks: Blocks of `GraphFeatures`.
        attributes: Patterns of graph attributes to use, such as `zc_*`.
        target: Kind of target that the regressor is trained on, see `TargetTransform`.
        bags: Number of regressors with different seeds, whose predictions are averaged.
        options: Further settings of the regressor.
        seed: Seed of whatever is random in the regressor.

    Examples:
        >>> X, y = load_table("nb101_500", target="val_accuracy")
        >>> FeaturePredictor("rf").fit(X[:100], y[:100]).predict(X[100:]).shape
        (400,)
    """

    def __init__(
        self,
        model: str = "rf",
        *,
        blocks: Sequence[str] = STANDARD_BLOCKS,
        attributes: Sequence[str] = (),
        target: str = "rank",
        bags: int = 1,
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.blocks = blocks
        self.attributes = attributes
        self.target = target
        self.bags = bags
        self.options = options
        self.seed = seed

    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        if self.bags < 1:
            raise ValueError(f"bags: expected at least 1, got {self.bags}")
        self.transform_ = TargetTransform(self.target).fit(targets)
        self.features_ = GraphFeatures(self.blocks, attributes=self.attributes).fit(graphs)
        table = self.features_.transform(graphs)
        self.columns_ = informative(table)
        place = {column: k for k, column in enumerate(self.columns_)}
        groups = [[place[c] for c in group if c in place] for group in self.features_.groups()]
        labels = self.transform_.transform(targets)
        self.regressors_ = [
            make_regressor(
                self.model, seed=self.seed + bag, groups=groups, options=self.options
            ).fit(table[:, self.columns_], labels)
            for bag in range(self.bags)
        ]

    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        table = self.features_.transform(graphs)[:, self.columns_]
        found = [regressor.predict(table) for regressor in self.regressors_]
        mean = np.mean([values for values, _ in found], axis=0)
        spread = np.var([values for values, _ in found], axis=0)
        known = [std**2 for _, std in found if std is not None]
        if not known and self.bags == 1:
            return self.transform_.inverse(mean), None
        if known:
            spread = spread + np.mean(known, axis=0)
        return self.transform_.inverse(mean), self.transform_.inverse_std(mean, np.sqrt(spread))


def informative(table: np.ndarray) -> np.ndarray:
    """Columns that vary and do not repeat an earlier one; the first where none varies.

    Shapes:
        (N, F) -> (K,).
    """
    varies = np.flatnonzero(np.ptp(table, axis=0) > 1e-12)
    if not len(varies):
        return np.zeros(1, dtype=np.int64)
    _, first = np.unique(table[:, varies], axis=1, return_index=True)
    return varies[np.sort(first)]
