"""`study`: regression, importance and ranking on one table of sparse networks, as a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec

import numpy as np
from tqdm import tqdm

from graph2nn.sparsity.campaign.results import SparseTable
from predictors.studies.sparsity.importance import (
    METRIC_GROUPS,
    Importance,
    correlated_groups,
    permutation_importance,
    shap_importance,
)
from predictors.studies.sparsity.plan import SINGLE_SETS, possible_sets, study_trials
from predictors.studies.sparsity.ranking import TauRow, baseline_taus, metric_taus
from predictors.studies.sparsity.regression import IN_SAMPLE, TrialScore, run_trials
from predictors.studies.sparsity.scoring import Ceiling, ceiling
from predictors.studies.sparsity.task import DropTask, drop_task, drop_tasks

__all__ = ["PARTS", "Study", "study"]

PARTS = ("regression", "importance", "ranking")
"""The studies."""

_POOL = "all data sets"

Groups = dict[str, tuple[str, ...]]


@dataclass(eq=False, kw_only=True)
class Study:
    """What was found on a table; `predictors.studies.sparsity.report.write_report` writes it.

    Args:
        tasks: Tasks, one for each data set.
        ceilings: Ceilings by task.
        scores: Scores of every trial.
        metrics, baselines: Tau of single metrics and copied rankings.
        importance: Importance by task and what was permuted: each `feature`, `correlated` ones,
            each published `group`; `in sample`, features on the networks learnt from; `both` and
            `both, within contests`, groups and layer densities in a predictor from both.
        shap: Mean absolute SHAP value of each feature, by task.
        notes: Remarks on what could not be computed, and why.
    """

    tasks: list[DropTask]
    ceilings: dict[str, Ceiling]
    scores: list[TrialScore] = field(default_factory=list)
    metrics: list[TauRow] = field(default_factory=list)
    baselines: list[TauRow] = field(default_factory=list)
    importance: dict[tuple[str, str], Importance] = field(default_factory=dict)
    shap: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def study(
    table: SparseTable,
    *,
    parts: Sequence[str] = PARTS,
    repeats: int = 5,
    quick: bool = False,
    jobs: int = 1,
    backend: str | None = None,
    progress: bool = True,
) -> Study:
    """Study a table of pruned networks: regression, importance and ranking.

    Each result stands beside that of eight numbers of the layers' densities, and beside what the
    luck of training seeds leaves to be predicted.

    Args:
        table: Networks with topometrics and layers; with a column `drop` where accuracies are to be
            compared with something outside the table (`published_networks`).
        parts: Some of `PARTS`.
        repeats: Number of seeds of folds, forests and permutations; standard errors are over them.
        quick: Whether to see everything once: one seed, two feature sets, linear models, few
            permutations.
        jobs, backend: Arguments of `parallel_map`.
        progress: Whether to show bars.

    Raises:
        ValueError: Unknown parts, or a table with too few networks.

    Examples:
        >>> from graph2nn.sparsity import read_sparse_table
        >>> table = read_sparse_table("cifar10")
        >>> found = study(table, parts=["ranking"], quick=True, progress=False)
        >>> found.metrics[0].name, round(found.metrics[0].tau, 3)
        ('cut-edges', -0.673)
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown or isinstance(parts, str):
        raise ValueError(f"parts: expected some of {', '.join(PARTS)}, got {parts!r}")
    if repeats < 1:
        raise ValueError(f"repeats: expected at least 1, got {repeats}")
    tasks, pool = drop_tasks(table), drop_task(table, _POOL)
    sets, notes = possible_sets(tasks)
    found = Study(tasks=tasks, ceilings={task.name: ceiling(task) for task in tasks}, notes=notes)
    repeats = 1 if quick else repeats
    trials = study_trials(tasks, pool, parts, sets, repeats=repeats, quick=quick)
    found.scores = run_trials([*tasks, pool], trials, jobs=jobs, backend=backend, progress=progress)
    if "ranking" in parts:
        found.metrics = metric_taus(tasks, [name for name in SINGLE_SETS if name in sets])
        found.baselines = baseline_taus(pool)
    if "importance" in parts:
        times = 2 if quick else repeats
        _importance(found, pool, sets, repeats=times, quick=quick, progress=progress)
    return found


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """How importance is looked at: a function of `pool` gives the groups."""

    sets: str = "mge16"
    groups: Groups | None = None
    protocol: str = "grouped 5-fold"
    within_comparison_groups: bool = False


def _plans(pool: DropTask, sets: set[str], quick: bool) -> dict[str, _Plan]:
    plans = {
        "feature": _Plan(),
        "in sample": _Plan(protocol=IN_SAMPLE),
        "correlated": _Plan(groups=correlated_groups(pool, "mge16")),
        "group": _Plan(groups=METRIC_GROUPS),
    }
    if "density8" in sets:
        groups = {"layer densities": pool.features("density8").names, **METRIC_GROUPS}
        both = _Plan(sets="density8+mge16", groups=groups)
        within = replace(both, within_comparison_groups=True)
        plans |= {"both": both, "both, within contests": within}
    return {name: plan for name, plan in plans.items() if not (quick and plan.groups is None)}


def _importance(
    found: Study, pool: DropTask, sets: set[str], *, repeats: int, quick: bool, progress: bool
) -> None:
    """Fills in what the predictions rest on, for every task."""
    if "mge16" not in sets:
        found.notes.append("importance: the table lacks some of the sixteen topometrics")
        return
    plans = _plans(pool, sets, quick)
    jobs = [(task, name) for task in found.tasks for name in plans]
    for task, name in tqdm(jobs, desc="importance", disable=not progress):
        plan = plans[name]
        found.importance[task.name, name] = permutation_importance(
            task,
            plan.sets,
            plan.groups,
            protocol=plan.protocol,
            within_comparison_groups=plan.within_comparison_groups,
            repeats=repeats,
            progress=False,
        )
    if quick:
        return
    if find_spec("shap") is None:
        found.notes.append('SHAP values: shap is not installed (pip install "netwright[explain]")')
        return
    for task in tqdm(found.tasks, desc="SHAP", disable=not progress):
        values = np.abs(shap_importance(task, "mge16")).mean(axis=0)
        found.shap[task.name] = dict(zip(task.features("mge16").names, values.tolist()))
