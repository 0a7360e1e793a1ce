"""What metrics of sparse networks say about the accuracy that pruning costs."""

from predictors.sparsity.importance import permutation_importance, shap_importance
from predictors.sparsity.ranking import baseline_taus, metric_taus
from predictors.sparsity.regression import plan_trials, run_trials
from predictors.sparsity.report import write_report
from predictors.sparsity.scoring import ceiling
from predictors.sparsity.studies import Study, study
from predictors.sparsity.task import (
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
