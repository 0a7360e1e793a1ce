"""Compare predictors over tables, numbers of labels and seeds: the leaderboard.

    python experiments/neural_predictor_batch_experiment.py
    python experiments/neural_predictor_batch_experiment.py --suite nb201 nb101 --jobs 2
    python experiments/neural_predictor_batch_experiment.py --suite nb201 --model tart --train 100
    python experiments/neural_predictor_batch_experiment.py --table mine.h5

Prints mean and standard deviation over seeds; writes leaderboard.md, leaderboard.csv and a figure a
setting into the run folder. The same command goes on with a run that was stopped; more suites,
models or seeds add to the folder. Without arguments: our table on digits. With --table: tables of
your own (docs/how_to/own_table.md) in place of suites.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graph2nn.names import choose
from graph2nn.runs import option, parse_config, run_script
from predictors import MODELS
from predictors.benchmark import (
    SUITES,
    Suite,
    Summary,
    draw_benchmark,
    run_benchmark,
    stored_records,
    suite_trials,
    summarise,
    table_suite,
    write_leaderboard,
)


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """Settings of the benchmark."""

    suite: tuple[str, ...] = option(
        ("digits",), help=f"names of suites, {', '.join(SUITES)}, or all"
    )
    table: tuple[str, ...] = option((), "-t", help="tables in place of suites: names, or files")
    model: tuple[str, ...] = option((), "-m", help="models in place of the suite's")
    train: tuple[int, ...] = option((), "-n", help="numbers of networks in place of the suite's")
    seeds: int = option(10, "-s", help="number of seeds; each has its split and its models")
    jobs: int = option(1, "-j", help="processes, -1 for one a core")
    backend: str | None = option(None, help="loky, dask:tcp://SCHEDULER:8786, ray, ...")
    data_dir: str | None = option(None, "-D", help="folder of the tables' files")
    out: str = option("runs/leaderboard", "-o", help="run folder")

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"--seeds: expected at least 1, got {self.seeds}")
        for kind, names, known in (
            ("suite", self.suite, (*SUITES, "all")),
            ("model", self.model, tuple(MODELS)),
        ):
            for name in names:
                choose(kind, name, known)


def suites(config: BatchConfig) -> list[Suite]:
    """The suites that the command line names, or one of each table."""
    if config.table:
        return [table_suite(table, data_dir=config.data_dir) for table in config.table]
    names = tuple(SUITES) if "all" in config.suite else config.suite
    return [SUITES[name] for name in names]


def show(summaries: Sequence[Summary]) -> None:
    """Prints mean and standard deviation of tau over seeds, best first."""
    for setting in dict.fromkeys(s.setting for s in summaries):
        print(setting.title())
        for s in (s for s in summaries if s.setting == setting):
            deviation = np.nan_to_num(s.error["tau"] * s.seeds**0.5)
            print(
                f"  {s.train:5d} networks  {s.model:16} tau {s.mean['tau']:.3f}, "
                f"deviation {deviation:.3f} ({s.seeds} seeds, {s.mean['fit_s']:.1f} s a fit)"
            )


def parse(argv: Sequence[str] | None = None) -> BatchConfig:
    """The settings that the command line gives."""
    return parse_config(BatchConfig, argv, description=__doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the suites that the command line names."""
    config = parse(argv)
    how = {"seeds": config.seeds, "models": config.model, "train": config.train}
    trials = [trial for suite in suites(config) for trial in suite_trials(suite, **how)]
    folder = Path(config.out)
    records = run_benchmark(
        folder, trials, jobs=config.jobs, backend=config.backend, data_dir=config.data_dir
    )
    everything = stored_records(folder)  # earlier commands' results too
    summaries = write_leaderboard(folder, everything, data_dir=config.data_dir)
    draw_benchmark(summaries, folder, data_dir=config.data_dir)
    show(summarise(records))
    print(f"wrote {folder}/leaderboard.md, leaderboard.csv and figures")


if __name__ == "__main__":
    run_script(main)
