"""How far may a label be from its prediction? Conformal intervals from out-of-fold errors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold

from graph2nn.archgraph import ArchGraph
from predictors.checks import check_folds
from predictors.features.networks.nodes import UnknownSizesWarning
from predictors.features.operations import UnknownOperationWarning

__all__ = ["conformal_scores", "half_widths", "out_of_fold"]

_LEAST = 0.1  # of the mean deviation: what a network is taken to be uncertain by at least


class _Predictor(Protocol):
    def fit(self, X: Sequence[ArchGraph], y: Any) -> Any: ...

    def predict_moments(self, X: Sequence[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]: ...


def out_of_fold(
    model: _Predictor,
    graphs: Sequence[ArchGraph],
    targets: np.ndarray,
    *,
    folds: int,
    groups: Any = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Predict each network by a copy of a predictor that has not seen it.

    Args:
        model: Predictor, fitted or not, which is left as it is.
        graphs, targets: Labelled networks.
        folds: Number of copies, each fitted on all but one fold.
        groups: Label of the group of each network; groups are not divided. None groups nothing.
        seed: Seed of the folds.

    Returns:
        Means and, where known, standard deviations.

    Shapes:
        targets (N, T), groups (N,); (N, T) each.

    Raises:
        ValueError: Fewer networks, or groups, than folds; or fewer than two folds.
    """
    if folds < 2:
        raise ValueError(f"folds: expected at least 2, got {folds}")
    count = len(graphs) if groups is None else len(np.unique(groups))
    check_folds(count, folds, type(model).__name__)
    divide = KFold if groups is None else GroupKFold
    splits = divide(folds, shuffle=True, random_state=seed).split(targets, groups=groups)
    mean = np.zeros_like(targets)
    std: np.ndarray | None = np.zeros_like(targets)
    with warnings.catch_warnings():  # what falls out of a fold is there when all is fitted
        for known in (UnknownOperationWarning, UnknownSizesWarning):
            warnings.simplefilter("ignore", known)
        for inside, left in splits:
            found = clone(model).fit([graphs[k] for k in inside], targets[inside])
            moments = found.predict_moments([graphs[k] for k in left])
            mean[left] = moments[0]
            if moments[1] is None:
                std = None
            elif std is not None:
                std[left] = moments[1]
    return mean, std


def conformal_scores(
    targets: np.ndarray, mean: np.ndarray, std: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Summarise errors on networks that were not seen: what `half_widths` needs.

    A score is an error in units of the predicted deviation (arXiv:1604.04173, section 5.2), where
    there is one; a tenth of the mean deviation is the least unit, as a network like one that was
    learned from is not known exactly.

    Shapes:
        (N, T) each; `scores` (N, T) in rising order, `least` (T,).
    """
    least = np.zeros(targets.shape[1]) if std is None else _LEAST * std.mean(0)
    errors = np.abs(targets - mean)
    scores = errors if std is None else errors / np.maximum(np.maximum(std, least), 1e-300)
    return {"scores": np.sort(scores, axis=0), "least": least}


def half_widths(
    calibration: dict[str, np.ndarray], std: np.ndarray | None, count: int, coverage: float
) -> np.ndarray:
    """Compute half the width of the interval of each prediction.

    It is the ceil((n + 1) coverage)-th smallest of n scores, in units of the deviation: with new
    networks drawn as those of the scores were, intervals hold a label with at least that
    probability (split conformal prediction, arXiv:1604.04173, theorem 2.2).

    Args:
        calibration: What `conformal_scores` gave.
        std: Predicted deviations; None if there are none.
        count: Number of predictions.
        coverage: Share of labels that intervals should hold.

    Shapes:
        std (M, T); (M, T).

    Raises:
        ValueError: A coverage outside (0, 1), or one that so few scores cannot tell.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage: expected a share between 0 and 1, got {coverage}")
    scores = calibration["scores"]
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    if rank > len(scores):
        needed = math.ceil(coverage / (1 - coverage) - 1e-9)
        raise ValueError(
            f"coverage: {coverage:g} needs at least {needed} networks to calibrate on, got "
            f"{len(scores)}"
        )
    quantile = scores[rank - 1]
    if std is None:
        return np.tile(quantile, (count, 1))
    return quantile * np.maximum(std, calibration["least"])
