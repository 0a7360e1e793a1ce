"""The benchmark of predictors: protocol, runs over seeds, leaderboard and figures."""

from predictors.benchmark.figures import draw_benchmark, draw_scatter
from predictors.benchmark.leaderboard import Setting, Summary, summarise, write_leaderboard
from predictors.benchmark.protocol import TRAIN_SIZES, Trial, split_rows
from predictors.benchmark.run import run_benchmark, run_trial

__all__ = [
    "TRAIN_SIZES",
    "Setting",
    "Summary",
    "Trial",
    "draw_benchmark",
    "draw_scatter",
    "run_benchmark",
    "run_trial",
    "split_rows",
    "summarise",
    "write_leaderboard",
]
