"""Rows of the leaderboard come out again from the tables that come with the package."""

from __future__ import annotations

import numpy as np
import pytest
from repository import ROOT

from graph2nn.runs.tables import read_rows
from predictors.benchmark import Trial, run_trial

LEADERBOARD = ROOT / "docs" / "results" / "leaderboard.csv"
ROWS = [
    ("nb201", "c10_val", "", 100),
    ("nb201", "hw_cifar10_fpga_latency", "valid", 100),
    ("nas_bench_macro", "acc", "", 100),
    ("nb101_500", "val_accuracy", "", 400),
]


@pytest.mark.parametrize(("table", "target", "subset", "train"), ROWS)
def test_a_row_of_the_linear_baseline(table: str, target: str, subset: str, train: int) -> None:
    setting = {"table": table, "target": target, "subset": subset, "attributes": ""}
    wanted = {**setting, "model": "ridge", "train": str(train)}
    (row,) = (r for r in read_rows(LEADERBOARD) if {name: r[name] for name in wanted} == wanted)
    found = [
        run_trial(
            Trial(
                table=table,
                target=target,
                subset=subset or None,
                model="ridge",
                train=train,
                seed=seed,
            )
        )  # fmt: skip
        for seed in range(int(row["seeds"]))
    ]
    for name in ("tau", "rho", "precision", "regret"):
        mean = np.mean([one[name] for one in found])
        assert mean == pytest.approx(float(row[name]), rel=1e-4)  # five digits are stored
