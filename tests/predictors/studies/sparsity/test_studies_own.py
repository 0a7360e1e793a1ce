"""The studies on the tables that come with the repository."""

from __future__ import annotations

import numpy as np
import pytest
from repository import DATA

from graph2nn.sparsity.campaign.results import SparseTable, read_sparse_table
from predictors.studies.sparsity.regression import IN_SAMPLE, plan_trials, run_trials
from predictors.studies.sparsity.task import drop_tasks

FOLDER = DATA / "sparse"


@pytest.fixture(scope="module", params=["digits", "cifar10"])
def table(request) -> SparseTable:
    return read_sparse_table(FOLDER / f"{request.param}.csv")


def test_every_network_can_be_studied(table):
    (task,) = drop_tasks(table)
    assert task.left_out == 0 and task.table.num_rows == table.num_rows > 50
    assert np.abs(task.drop).max() < 1
    trials = plan_trials([task], ["density8", "mge16"], ["ols"], [IN_SAMPLE])
    density, mge = (score.r2 for score in run_trials([task], trials, progress=False))
    assert 0.5 < density < 1 and 0.5 < mge < 1


def test_ranking_learnt_within_groups_carries_over(table):
    """What was found on the published table: better than chance on pruners never seen."""
    tasks = drop_tasks(table)
    trials = plan_trials(tasks, ["profile"], ["strong ridge"], ["leave-pruner-out"], relative=True)
    (score,) = run_trials(tasks, trials, progress=False)
    assert score.tau > 0.3
