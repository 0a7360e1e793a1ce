"""Which trials the studies consist of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from predictors.studies.sparsity.regression import BLEND, IN_SAMPLE, Trial, plan_trials
from predictors.studies.sparsity.regressors import available_regressors
from predictors.studies.sparsity.task import DropTask

__all__ = ["COMBINED", "HELD_OUT", "SINGLE_SETS", "possible_sets", "study_trials"]

COMBINED = "mge16+mge_log+density8+model"
"""Everything that a table tells of a network."""

HELD_OUT = ("grouped 5-fold", "leave-pruner-out", "leave-model-out")
"""Protocols in which no other seed of a predicted configuration is learnt from."""

SINGLE_SETS = ("density8", "mge16", "ramanujan3", "ramanujan3_inf")
"""Sets whose features are also looked at one by one."""

_IN_SAMPLE = (
    *("sparsity", "log_density", "log_density+model", "ramanujan3", "mge13", "mge16", "density8"),
    *("density8+model", COMBINED),
)
_COMPARED = ("density8", "mge16", "density8+mge_log", COMBINED, "ramanujan3")
_POOLED = ("density8", "mge16", COMBINED)
_REGRESSED = ("density8", "mge16", "mge_log")
_RELATIVE = ("density8", "profile", "mge16", "mge_log", "ramanujan3")
_QUICK = ("density8", "mge16")
_FEW = 2  # repeats where all regressors are compared: some are slow


def possible_sets(tasks: Sequence[DropTask]) -> tuple[set[str], list[str]]:
    """Find the feature sets of the studies that a table has columns for.

    The second value says why it lacks others.
    """
    wanted = {*_IN_SAMPLE, *_COMPARED, *_REGRESSED, *_RELATIVE, *SINGLE_SETS}
    found, notes = set(), []
    for name in sorted(wanted):
        try:
            for task in tasks:
                task.features(name)
            found.add(name)
        except ValueError as error:
            notes.append(f"features {name}: {error}")
    return found, notes


def study_trials(
    tasks: Sequence[DropTask],
    pool: DropTask,
    parts: Sequence[str],
    sets: set[str],
    *,
    repeats: int,
    quick: bool,
) -> list[Trial]:
    """List the trials of the parts `regression` and `ranking`, each once.

    Args:
        tasks: Tasks, one for each data set.
        pool: Task of all networks.
        parts: Parts of the study.
        sets: Feature sets that can be made.
        repeats: Number of repeats of random ones.
        quick: Whether to take two feature sets and the fastest regressors only.
    """

    def some(names: Iterable[str]) -> list[str]:
        return [n for n in names if n in sets and (not quick or n in _QUICK)]

    trials: list[Trial] = []
    if "regression" in parts:
        for task in tasks:
            linear = [n for n in _IN_SAMPLE if n in sets and _fits(task, n)]
            trials += plan_trials([task], linear, ["ols"], [IN_SAMPLE])
        regressors = ("ols", "ridge", "svr", "knn") if quick else available_regressors()
        folds = ("random 10-fold", "grouped 5-fold")
        few = min(repeats, _FEW)
        trials += plan_trials(tasks, some(_REGRESSED), regressors, folds, repeats=few)
    if "regression" in parts or "ranking" in parts:
        trees = ["extra trees"]
        trials += plan_trials(tasks, some(_COMPARED), trees, HELD_OUT, repeats=repeats)
        if len(tasks) > 1:
            pooled = some(_POOLED)
            trials += plan_trials([pool], pooled, trees, ["leave-dataset-out"], repeats=repeats)
    if "ranking" in parts:
        ridge = ["strong ridge"]
        sets_ = [n for n in _RELATIVE if n in sets]
        trials += plan_trials(tasks, sets_, ridge, HELD_OUT, repeats=repeats, relative=True)
        if {"density8", "profile"} <= sets:
            trials += plan_trials(
                tasks, [BLEND], ["extra trees"], HELD_OUT, repeats=repeats, relative=True
            )
    most = {replace(trial, repeats=1): trial for trial in sorted(trials, key=_repeats)}
    return list(dict.fromkeys(most[replace(trial, repeats=1)] for trial in trials))


def _fits(task: DropTask, name: str) -> bool:
    """Whether least squares has fewer unknowns than networks."""
    return task.features(name).values.shape[1] + 1 < task.table.num_rows


def _repeats(trial: Trial) -> int:
    return trial.repeats
