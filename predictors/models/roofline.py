"""`RooflinePredictor`: the time of a network as the sum of what it does, at learned prices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from graph2nn.archgraph import ArchGraph
from predictors.base import ArchPredictor
from predictors.features.networks.nodes import all_valued
from predictors.features.networks.sizes import costs_of
from predictors.models.classical import FeaturePredictor

__all__ = ["RooflinePredictor"]

_SHRINK = 1e-2


class RooflinePredictor(ArchPredictor):
    """Prices of costs, as in the roofline model, and a Gaussian process of what they leave.

    A label is a sum over costs of the whole network (parameters, multiply-adds, values, memory
    traffic, and times at several balances of work and traffic, summed and along the slowest path),
    each times a price that is not negative. Prices have the least squared relative error (Lawson
    and Hanson's algorithm), drawn a little towards zero. So a network ten times as large as those
    learned from takes ten times as long, where other models stay near the labels they know. The
    logarithm of label over sum is then predicted from costs by kind, map and level.

    For times, energies and memory: labels that are positive and grow with what a network does.

    Args:
        attributes: Patterns of graph attributes that the process sees too.
        refine: Whether there is the process.
        seed: Seed of the process.

    Raises:
        ValueError: In `fit`, labels that are not positive, or graphs that do not know how many
            values their operations give out (those that `trace` makes do).

    Examples:
        >>> X, y = load_table("hwgpt", target="lat_a100_ms")
        >>> RooflinePredictor().fit(X[:40], y[:40]).predict(X[40:45]).shape
        (5,)
    """

    def __init__(
        self, *, attributes: Sequence[str] = (), refine: bool = True, seed: int = 0
    ) -> None:
        self.attributes = attributes
        self.refine = refine
        self.seed = seed

    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        if not all_valued(graphs):
            raise ValueError(
                "RooflinePredictor needs graphs that know how many values their operations give "
                "out: trace the networks (view 'full' or 'primitives'), or take another predictor"
            )
        if (targets <= 0).any():
            raise ValueError(
                f"RooflinePredictor: labels are costs, which are positive; got {targets.min():g}; "
                "take another predictor"
            )
        costs = costs_of(graphs)
        self.prices_ = np.stack([_prices(costs, column) for column in targets.T], axis=1)
        self.floor_ = targets.min(0) / 100
        self.process_ = None
        if self.refine:
            left = np.log(targets / self._sums(graphs))
            if (np.ptp(left, axis=0) > 0).all():
                self.process_ = FeaturePredictor(
                    "gp",
                    blocks=("sizes", "maps", "levels"),
                    attributes=self.attributes,
                    target="none",
                    seed=self.seed,
                ).fit(graphs, left)

    def _sums(self, graphs: list[ArchGraph]) -> np.ndarray:
        """Costs times prices. Shapes: -> (N, T)."""
        return np.maximum(costs_of(graphs) @ self.prices_, self.floor_)

    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        sums = self._sums(graphs)
        if self.process_ is None:
            return sums, None
        mean, std = self.process_.predict_moments(graphs)
        found = sums * np.exp(mean)
        return found, None if std is None else found * std


def _prices(costs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Prices, not negative, of the least squared relative error. Shapes: (N, C), (N,) -> (C,)."""
    table = costs / labels[:, None]
    scale = np.sqrt((table**2).mean(0)) + 1e-300
    count = table.shape[1]
    ridge = np.sqrt(_SHRINK * len(labels)) * np.eye(count)
    wanted = np.concatenate([np.ones(len(labels)), np.zeros(count)])
    return nnls(np.concatenate([table / scale, ridge]), wanted)[0] / scale
