"""How do pruning algorithms differ within a comparison group, whatever its level?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from predictors.studies.sparsity.task import DropTask

__all__ = ["blend", "relative_drops", "relative_features"]


def relative_features(task: DropTask, table: np.ndarray) -> np.ndarray:
    """Subtract from features their mean over the comparison group.

    A comparison group is all networks of a model and data set at one sparsity. To rank algorithms,
    only how they differ counts; features of all of them are at hand, whether their networks were
    trained or not.

    Shapes:
        table (networks, features) -> the same.
    """
    group = task.comparison_group
    count = np.bincount(group)
    means = np.stack([np.bincount(group, column) / count for column in table.T], axis=1)
    return table - means[group]


def relative_drops(task: DropTask, learn: np.ndarray) -> np.ndarray:
    """Standardise accuracy drops of the learnt networks within each comparison group.

    Mean and deviation are over the learnt networks alone. Over the whole group, the drops learnt
    from would add up to minus the one held out, and a linear model would read it off.

    Args:
        task: The networks.
        learn: Rows that are learnt from.

    Shapes:
        learn (n,) -> (n,).
    """
    return _standardised(task.comparison_group[learn], task.drop[learn])


def blend(task: DropTask, predictions: Sequence[np.ndarray]) -> np.ndarray:
    """Sum several predictions, each standardised within comparison groups first.

    The sum orders pruning algorithms by what predictors of different kinds agree on; levels are
    lost.

    Shapes:
        predictions (networks,) each -> (networks,).
    """
    return np.sum([_standardised(task.comparison_group, values) for values in predictions], axis=0)


def _standardised(group: np.ndarray, values: np.ndarray) -> np.ndarray:
    count = np.maximum(np.bincount(group), 1)
    centred = values - (np.bincount(group, values) / count)[group]
    spread = np.sqrt(np.bincount(group, centred**2) / count)
    return centred / np.maximum(spread, 1e-9)[group]
