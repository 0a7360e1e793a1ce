"""Which features a prediction of the accuracy drop rests on: permutation and SHAP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr
from tqdm import tqdm

from graph2nn.deprecated import renamed_keywords
from graph2nn.sparsity.graphs.metrics.topometrics import TOPOMETRICS
from predictors.studies.sparsity.regression import IN_SAMPLE
from predictors.studies.sparsity.regressors import DropRegressor
from predictors.studies.sparsity.scoring import mean_tau, r_squared
from predictors.studies.sparsity.task import DropTask, splits

__all__ = [
    "METRIC_GROUPS",
    "Importance",
    "correlated_groups",
    "permutation_importance",
    "shap_importance",
    "single_groups",
]

METRIC_GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(name for name, metric in TOPOMETRICS.items() if metric.group == group)
    for group in ("local", "neighbourhood", "strength", "global", "expansion")
}
"""The groups of topometrics (arXiv:2305.16886, section 3)."""

_CORRELATED = 0.8


@dataclass(frozen=True, eq=False, kw_only=True)
class Importance:
    """What is lost when a group of features is replaced by those of random networks.

    Args:
        task: The networks.
        protocol: Name of how the predicted networks were held out, or `IN_SAMPLE`.
        groups: Names of features by name of group.
        r2, tau: Scores with all features in place.
        r2_loss, tau_loss: Amounts that they fall by.
        error_gain: Rise of the squared error of each network, mean over repeats.

    Shapes:
        r2_loss, tau_loss (groups, repeats), error_gain (groups, networks).
    """

    task: DropTask
    protocol: str
    groups: dict[str, tuple[str, ...]]
    r2: float
    tau: float
    r2_loss: np.ndarray
    tau_loss: np.ndarray
    error_gain: np.ndarray

    def shares(self, column: str) -> dict[Any, np.ndarray]:
        """Compute each group's part of the whole rise in error, by value of a column.

        The rise is that among networks of each value. Groups whose permutation helps count as 0.
        Shapes: (groups,) a value.
        """
        values = self.task.table[column]
        found = {}
        for value in np.unique(values):
            gain = np.maximum(self.error_gain[:, values == value].mean(axis=1), 0)
            found[value.item()] = gain / gain.sum() if gain.sum() > 0 else gain
        return found


def single_groups(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Make every feature a group of its own."""
    return {name: (name,) for name in names}


def correlated_groups(
    task: DropTask, sets: str, *, threshold: float = _CORRELATED
) -> dict[str, tuple[str, ...]]:
    """Group features that stand in for each other.

    Groups are average-linkage clusters of 1 - |Spearman's rho|, cut at 1 - `threshold`. A feature
    permuted alone looks useless where another says the same; permuted together they show what they
    say.

    Args:
        task: The networks.
        sets: Names of feature sets.
        threshold: Mean |rho| within a group.
    """
    table = task.features(sets)
    moving = np.ptp(table.values, axis=0) > 0
    names = [name for name, moves in zip(table.names, moving) if moves]
    still = [name for name, moves in zip(table.names, moving) if not moves]
    groups = single_groups(still)
    if len(names) < 3:
        return single_groups(table.names)
    rho = np.abs(spearmanr(table.values[:, moving]).statistic)
    distance = squareform(np.clip(1 - rho, 0, None), checks=False)
    cluster = fcluster(linkage(distance, "average"), 1 - threshold, "distance")
    for number in dict.fromkeys(cluster.tolist()):
        members = tuple(name for name, c in zip(names, cluster) if c == number)
        groups[" / ".join(members)] = members
    return groups


@renamed_keywords(within_contests="within_comparison_groups")
def permutation_importance(
    task: DropTask,
    sets: str,
    groups: dict[str, tuple[str, ...]] | None = None,
    *,
    regressor: str = "extra trees",
    protocol: str = "grouped 5-fold",
    within_comparison_groups: bool = False,
    repeats: int = 10,
    seed: int = 0,
    progress: bool = True,
) -> Importance:
    """Measure losses in R² and tau, on held-out networks, when features are replaced at random.

    A network gets the group's values of another network; the fitted regressors stay. Breiman
    (Machine Learning 45, 2001), there on out-of-bag samples.

    Args:
        task: The networks.
        sets: Names of feature sets.
        groups: Features that are replaced together; None takes each alone.
        regressor, protocol: Names of both; `IN_SAMPLE` tells what the fit uses, not what
            generalises.
        within_comparison_groups: Whether to take values of networks of the same model, data set and
            sparsity, which shows what pruning algorithms are ordered by. Otherwise of any network,
            which shows what accuracy is predicted from, the sparsity foremost.
        repeats: Number of random replacements of each group.
        seed: Seed of regressor, folds and replacements.
        progress: Whether to show a bar.

    Raises:
        ValueError: A group with a feature that the sets have not.
    """
    table = task.features(sets)
    groups = single_groups(table.names) if groups is None else groups
    columns = {name: _columns(table.names, members) for name, members in groups.items()}
    fitted = _fitted(task, table.values, regressor, protocol, seed)
    base = _predict(fitted, table.values)
    rng = np.random.default_rng(seed)
    r2, tau = r_squared(task.drop, base), mean_tau(task, base)
    r2s, taus, gains = [], [], []
    for members in tqdm(columns.values(), desc="importance", disable=not progress, leave=False):
        guesses = []
        for _ in range(repeats):
            changed = table.values.copy()
            other = _shuffled(task, rng, within_comparison_groups)
            changed[:, members] = changed[other][:, members]
            guesses.append(_predict(fitted, changed))
        r2s.append([r2 - r_squared(task.drop, guess) for guess in guesses])
        taus.append([tau - mean_tau(task, guess) for guess in guesses])
        gains.append(np.mean([(g - task.drop) ** 2 for g in guesses], 0) - (base - task.drop) ** 2)
    return Importance(
        task=task,
        protocol=protocol,
        groups=dict(groups),
        r2=r2,
        tau=tau,
        r2_loss=np.array(r2s),
        tau_loss=np.array(taus),
        error_gain=np.array(gains),
    )


def shap_importance(
    task: DropTask,
    sets: str,
    *,
    regressor: str = "extra trees",
    protocol: str = "grouped 5-fold",
    seed: int = 0,
) -> np.ndarray:
    """Compute SHAP values of every network and feature, each network held out when explained.

    They are in units of the drop; those of a network add up to its prediction less the mean one.
    Trees only (arXiv:1802.03888).

    Shapes:
        (networks, features).

    Raises:
        ImportError: SHAP is not installed.
        ValueError: A regressor that is no forest.
    """
    if regressor not in ("extra trees", "random forest"):
        raise ValueError(f"shap_importance: expected extra trees or random forest, got {regressor}")
    try:
        from shap import TreeExplainer
    except ImportError:
        raise ImportError(
            'SHAP values need shap; run: pip install "netwright[explain]", or use permutation'
        ) from None
    table = task.features(sets).values
    values = np.empty_like(table)
    for model, test in _fitted(task, table, regressor, protocol, seed):
        explainer = TreeExplainer(model.model_)
        scaled = model.scaler_.transform(table[test])
        values[test] = explainer.shap_values(scaled) * model.scale_
    return values


def _shuffled(task: DropTask, rng: np.random.Generator, within: bool) -> np.ndarray:
    """Rows in random order, of all networks or of those of each comparison group."""
    rows = rng.permutation(len(task.comparison_group))
    if within:
        order = np.argsort(task.comparison_group, kind="stable")
        shuffled = rows[np.argsort(task.comparison_group[rows], kind="stable")]
        rows = np.empty_like(order)
        rows[order] = shuffled
    return rows


def _fitted(
    task: DropTask, table: np.ndarray, regressor: str, protocol: str, seed: int
) -> list[tuple[DropRegressor, np.ndarray]]:
    """Regressors and the rows that each predicts."""
    rows = np.arange(len(table))
    parts = [(rows, rows)] if protocol == IN_SAMPLE else splits(task, protocol, seed=seed)
    return [
        (DropRegressor(regressor, seed=seed).fit(table[learn], task.drop[learn]), test)
        for learn, test in parts
    ]


def _predict(fitted: Sequence[tuple[DropRegressor, np.ndarray]], table: np.ndarray) -> np.ndarray:
    predicted = np.empty(len(table))
    for model, test in fitted:
        predicted[test] = model.predict(table[test])
    return predicted


def _columns(names: Sequence[str], members: Sequence[str]) -> list[int]:
    absent = [name for name in members if name not in names]
    if absent:
        raise ValueError(f"groups: no feature {', '.join(absent)}; there are {', '.join(names)}")
    return [names.index(name) for name in members]
