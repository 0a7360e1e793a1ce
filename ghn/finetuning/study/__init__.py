"""Does it help to begin with predicted parameters, when, and by how much?"""

from ghn.finetuning.study.analysis import (
    chosen_rates,
    compare_starts,
    epochs_to_reach,
    mean_curves,
    study_page,
)
from ghn.finetuning.study.figures import plot_study
from ghn.finetuning.study.runs import STUDY_STARTS, StudySettings, run_study

__all__ = [
    "STUDY_STARTS",
    "StudySettings",
    "chosen_rates",
    "compare_starts",
    "epochs_to_reach",
    "mean_curves",
    "plot_study",
    "run_study",
    "study_page",
]
