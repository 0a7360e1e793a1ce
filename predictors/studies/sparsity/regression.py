"""How well the accuracy drop follows from features: in sample, and on networks held out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from graph2nn.deprecated import renamed_attribute
from graph2nn.runs.jobs import parallel_map
from graph2nn.runs.summaries import standard_error
from predictors.studies.sparsity.comparison_groups import blend, relative_drops, relative_features
from predictors.studies.sparsity.regressors import RANDOM_REGRESSORS, DropRegressor
from predictors.studies.sparsity.scoring import (
    adjusted_r2,
    bootstrap_error,
    comparison_taus,
    r_squared,
)
from predictors.studies.sparsity.task import PROTOCOLS, DropTask, splits

__all__ = [
    "BLEND",
    "IN_SAMPLE",
    "Trial",
    "TrialScore",
    "difference",
    "held_out_predictions",
    "plan_trials",
    "run_trials",
]

IN_SAMPLE = "in sample"
"""The protocol that predicts the networks it learnt from; its R² is adjusted."""

BLEND = "blend"
"""Features of a trial that blends extra trees on `density8` with a relative ridge on `profile`."""

_RANDOM_PROTOCOLS = ("random 10-fold", "grouped 5-fold")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One question: which data set, from what, by which regressor, held out how.

    Args:
        task: Name of the `DropTask`.
        features: Names of feature sets, as `features` takes them.
        regressor: Key of `DROP_REGRESSORS`.
        protocol: Key of `PROTOCOLS`, or `IN_SAMPLE`.
        repeats: Number of seeds 0, 1, ... of folds and regressor; 1 where neither is random.
        relative: Whether differences within comparison groups only are learned and predicted, which
            order pruning algorithms and say nothing of the level of accuracy.
    """

    task: str
    features: str
    regressor: str = "extra trees"
    protocol: str = "grouped 5-fold"
    repeats: int = 1
    relative: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class TrialScore:
    """What came out of a `Trial`.

    Args:
        trial: The question.
        r2s: R², one a seed. Predictions of all folds together are compared with all drops; adjusted
            R² in sample; NaN for relative ones.
        taus: Mean over comparison groups of Kendall's tau, one a seed.
        by_comparison_group: Kendall's tau of each comparison group, mean over seeds.
    """

    trial: Trial
    r2s: np.ndarray
    taus: np.ndarray
    by_comparison_group: np.ndarray
    by_contest = renamed_attribute("by_comparison_group")

    @property
    def r2(self) -> float:
        """Mean of R² over seeds."""
        return float(self.r2s.mean())

    @property
    def tau(self) -> float:
        """Mean of tau over seeds."""
        return float(self.taus.mean())

    @property
    def r2_error(self) -> float:
        """Standard error over seeds, NaN with one."""
        return standard_error(self.r2s)

    @property
    def tau_error(self) -> float:
        """Standard error over comparison groups (bootstrap), which is more than over seeds."""
        return bootstrap_error(self.by_comparison_group)


def held_out_predictions(
    task: DropTask,
    table: np.ndarray,
    regressor: str,
    protocol: str,
    *,
    relative: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """Predict the drop of every network without it.

    Args:
        task: The networks.
        table: Their features.
        regressor, protocol: Names of both.
        relative: Whether differences are predicted, see `Trial`.
        seed: Seed of folds and regressor.

    Shapes:
        table (networks, features) -> (networks,).
    """
    if relative:
        table = relative_features(task, table)
    rows = np.arange(len(table))
    parts = [(rows, rows)] if protocol == IN_SAMPLE else splits(task, protocol, seed=seed)
    predicted = np.empty(len(table))
    for learn, test in parts:
        drop = relative_drops(task, learn) if relative else task.drop[learn]
        model = DropRegressor(regressor, seed=seed).fit(table[learn], drop)
        predicted[test] = model.predict(table[test])
    return predicted


def plan_trials(
    tasks: Sequence[DropTask],
    features: Sequence[str],
    regressors: Sequence[str],
    protocols: Sequence[str],
    *,
    repeats: int = 1,
    relative: bool = False,
) -> list[Trial]:
    """List every combination; repeated where the folds or the regressor are random.

    Protocols that a task has too few groups for are left out (a table of one model has no
    leave-model-out).

    Raises:
        ValueError: An unknown protocol.
    """
    unknown = [name for name in protocols if name not in (*PROTOCOLS, IN_SAMPLE)]
    if unknown:
        raise ValueError(
            f"protocol: expected {IN_SAMPLE}, {', '.join(PROTOCOLS)}, got {', '.join(unknown)}"
        )
    trials = []
    for task, sets, regressor, protocol in product(tasks, features, regressors, protocols):
        if protocol != IN_SAMPLE and not _possible(task, protocol):
            continue
        random = regressor in RANDOM_REGRESSORS or protocol in _RANDOM_PROTOCOLS
        trials.append(
            Trial(
                task=task.name,
                features=sets,
                regressor=regressor,
                protocol=protocol,
                repeats=repeats if random else 1,
                relative=relative,
            )
        )
    return trials


def run_trials(
    tasks: Sequence[DropTask],
    trials: Iterable[Trial],
    *,
    jobs: int = 1,
    backend: str | None = None,
    progress: bool = True,
) -> list[TrialScore]:
    """Score all trials, in their order.

    Args:
        tasks: Tasks that the trials name.
        trials: Trials as `plan_trials` lists them.
        jobs, backend: Arguments of `parallel_map`.
        progress: Whether to show a bar.
    """
    trials = list(trials)
    items = [(trial, seed) for trial in trials for seed in range(trial.repeats)]
    run = partial(_run, {task.name: task for task in tasks})
    found = parallel_map(
        run, items, jobs=jobs, backend=backend, description="regression", progress=progress
    )
    results = dict(zip(items, found))
    return [_score(t, [results[t, seed] for seed in range(t.repeats)]) for t in trials]


def difference(one: Sequence[TrialScore], other: Sequence[TrialScore]) -> tuple[float, float]:
    """Compare two feature sets over the same comparison groups.

    Returned are the mean difference in tau and its standard error.

    Args:
        one, other: Scores on the same tasks in the same order.

    Raises:
        ValueError: Different tasks.

    Examples:
        >>> from graph2nn.sparsity import read_sparse_table
        >>> tasks = drop_tasks(read_sparse_table("cifar10"))
        >>> def scores(features):
        ...     trials = plan_trials(tasks, [features], ["ridge"], ["grouped 5-fold"])
        ...     return run_trials(tasks, trials, progress=False)
        >>> gap, error = difference(scores("mge16"), scores("density8"))
        >>> round(gap, 2), round(error, 2)
        (-0.31, 0.18)
    """
    if [s.trial.task for s in one] != [s.trial.task for s in other]:
        raise ValueError("differences are between scores on the same tasks, in the same order")
    pairs = [(a.by_comparison_group, b.by_comparison_group) for a, b in zip(one, other)]
    gaps = np.concatenate([a - b for a, b in pairs])
    return float(np.nanmean(gaps)), bootstrap_error(gaps)


def _run(tasks: dict[str, DropTask], item: tuple[Trial, int]) -> tuple[float, np.ndarray]:
    trial, seed = item
    task = tasks[trial.task]
    if trial.features == BLEND:
        return float("nan"), comparison_taus(task, _blended(task, trial.protocol, seed))
    table = task.features(trial.features).values
    predicted = held_out_predictions(
        task, table, trial.regressor, trial.protocol, relative=trial.relative, seed=seed
    )
    if trial.relative:
        r2 = float("nan")
    elif trial.protocol == IN_SAMPLE:
        r2 = adjusted_r2(task.drop, predicted, table.shape[1])
    else:
        r2 = r_squared(task.drop, predicted)
    return r2, comparison_taus(task, predicted)


def _blended(task: DropTask, protocol: str, seed: int) -> np.ndarray:
    levels, order = (task.features(name).values for name in ("density8", "profile"))
    members = [
        held_out_predictions(task, levels, "extra trees", protocol, seed=seed),
        held_out_predictions(task, order, "strong ridge", protocol, relative=True, seed=seed),
    ]
    return blend(task, members)


def _score(trial: Trial, results: Sequence[tuple[float, np.ndarray]]) -> TrialScore:
    taus = np.stack([taus for _, taus in results])
    return TrialScore(
        trial=trial,
        r2s=np.array([r2 for r2, _ in results]),
        taus=np.nanmean(taus, axis=1),
        by_comparison_group=taus.mean(axis=0),
    )


def _possible(task: DropTask, protocol: str) -> bool:
    try:
        return bool(splits(task, protocol))
    except ValueError:
        return False
