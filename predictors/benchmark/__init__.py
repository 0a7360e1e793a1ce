"""The benchmark of predictors: protocol, runs over seeds, leaderboard and figures."""

from predictors.benchmark.figures import draw_benchmark, draw_scatter
from predictors.benchmark.leaderboard import Setting, Summary, summarise, write_leaderboard
from predictors.benchmark.protocol import TRAIN_SIZES, Trial, split_rows
from predictors.benchmark.run import prediction_file, run_benchmark, run_trial, stored_records
from predictors.benchmark.suites import SUITES, Suite, suite_trials, table_suite
from predictors.benchmark.tables import table_name

__all__ = [
    "SUITES",
    "TRAIN_SIZES",
    "Setting",
    "Suite",
    "Summary",
    "Trial",
    "draw_benchmark",
    "draw_scatter",
    "prediction_file",
    "run_benchmark",
    "run_trial",
    "split_rows",
    "stored_records",
    "suite_trials",
    "summarise",
    "table_name",
    "table_suite",
    "write_leaderboard",
]
