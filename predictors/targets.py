"""Transformations of targets before a model is fitted, and back."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from graph2nn.names import check_choice

__all__ = ["AIMS", "TARGETS", "TargetTransform"]

AIMS = ("ranks", "values")
"""What predictions are for: the order of networks, or their numbers."""

TARGETS = ("rank", "standard", "none")
"""Kinds: ranks spread evenly over [-1, 1], mean 0 and deviation 1, or as they are."""

_BEYOND = 0.05  # of the range of labels, how far predictions reach outside it


class TargetTransform:
    """Map from targets to what a model is trained on, and of predictions back to units of y.

    Rank targets are 2 * rank / (N - 1) - 1, ties sharing their mean rank: far from normal
    accuracies (many good networks, a tail of bad ones) cost a squared loss most of its attention.
    The way back is linear between the training labels, stays near them beyond, and keeps the order.

    Args:
        kind: One of `TARGETS`.

    Raises:
        ValueError: An unknown kind.
    """

    def __init__(self, kind: str = "rank") -> None:
        check_choice("target", kind, TARGETS)
        self.kind = kind

    def fit(self, targets: np.ndarray) -> TargetTransform:
        """Learn from training targets, (N, T)."""
        self.mean_, self.scale_ = targets.mean(0), targets.std(0)
        self.knots_ = [_knots(column) for column in targets.T] if self.kind == "rank" else []
        return self

    def transform(self, targets: np.ndarray) -> np.ndarray:
        """Map targets to what a model is trained on, (N, T) -> (N, T)."""
        if self.kind == "none":
            return targets
        if self.kind == "standard":
            return (targets - self.mean_) / self.scale_
        columns = [np.interp(c, k[1], k[0]) for c, k in zip(targets.T, self.knots_)]
        return np.stack(columns, axis=1)

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Map predictions back to the units of y, (N, T) -> (N, T)."""
        if self.kind == "none":
            return values
        if self.kind == "standard":
            return values * self.scale_ + self.mean_
        return np.stack([_extended(c, *k) for c, k in zip(values.T, self.knots_)], axis=1)

    def inverse_std(self, values: np.ndarray, std: np.ndarray) -> np.ndarray:
        """Map standard deviations to the units of y: half the distance between value ± std.

        Shapes: (N, T) each.
        """
        return (self.inverse(values + std) - self.inverse(values - std)) / 2


def _knots(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank targets and labels of the distinct training labels, both increasing."""
    ranks = 2 * (rankdata(column) - 1) / max(len(column) - 1, 1) - 1
    labels, first = np.unique(column, return_index=True)
    return ranks[first], labels


def _extended(values: np.ndarray, ranks: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Piecewise linear through the knots; outside it keeps the order but stays near the labels:
    what a rank beyond the best means in accuracy, the training labels do not say."""
    out = np.interp(values, ranks, labels)
    below, above = np.minimum(values - ranks[0], 0), np.maximum(values - ranks[-1], 0)
    return out + _BEYOND * (labels[-1] - labels[0]) * (np.expm1(below) - np.expm1(-above))
