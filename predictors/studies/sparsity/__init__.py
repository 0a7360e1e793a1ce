"""What metrics of sparse networks say about the accuracy that pruning costs."""

from predictors.studies.sparsity.importance import permutation_importance, shap_importance
from predictors.studies.sparsity.ranking import baseline_taus, metric_taus
from predictors.studies.sparsity.regression import plan_trials, run_trials
from predictors.studies.sparsity.report import write_report
from predictors.studies.sparsity.scoring import ceiling
from predictors.studies.sparsity.studies import Study, study
from predictors.studies.sparsity.task import (
    PROTOCOLS,
    DropTask,
    drop_task,
    drop_tasks,
    published_networks,
    splits,
)

__all__ = [
    "PROTOCOLS",
    "DropTask",
    "Study",
    "baseline_taus",
    "ceiling",
    "drop_task",
    "drop_tasks",
    "metric_taus",
    "permutation_importance",
    "plan_trials",
    "published_networks",
    "run_trials",
    "shap_importance",
    "splits",
    "study",
    "write_report",
]
