"""Networks seen beside their rivals: differences within a contest of pruning algorithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from predictors.studies.sparsity.task import DropTask

__all__ = ["blend", "relative_drops", "relative_features"]


def relative_features(task: DropTask, table: np.ndarray) -> np.ndarray:
    """Subtract from features their mean over the contest.

    A contest is all networks of the model at that sparsity. To rank algorithms, only how they
    differ counts; features of all of them are at hand, whether their networks were trained or not.

    Shapes:
        table (networks, features) -> the same.
    """
    count = np.bincount(task.contest)
    means = np.stack([np.bincount(task.contest, column) / count for column in table.T], axis=1)
    return table - means[task.contest]


def relative_drops(task: DropTask, learn: np.ndarray) -> np.ndarray:
    """Standardise the drops of the networks that are learnt from within each contest.

    Mean and deviation are over the learnt networks alone. Over the whole contest, the drops learnt
    from would add up to minus the one held out, and a linear model would read it off.

    Args:
        task: The networks.
        learn: Rows that are learnt from.

    Shapes:
        learn (n,) -> (n,).
    """
    return _standardised(task.contest[learn], task.drop[learn])


def blend(task: DropTask, predictions: Sequence[np.ndarray]) -> np.ndarray:
    """Sum several predictions, each standardised within contests first.

    The sum orders pruning algorithms by what predictors of different kinds agree on; levels are
    lost.

    Shapes:
        predictions (networks,) each -> (networks,).
    """
    return np.sum([_standardised(task.contest, values) for values in predictions], axis=0)


def _standardised(contest: np.ndarray, values: np.ndarray) -> np.ndarray:
    count = np.maximum(np.bincount(contest), 1)
    centred = values - (np.bincount(contest, values) / count)[contest]
    spread = np.sqrt(np.bincount(contest, centred**2) / count)
    return centred / np.maximum(spread, 1e-9)[contest]
