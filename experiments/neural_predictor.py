"""Predict the accuracy (or another property) of networks from their graphs alone.

    python experiments/neural_predictor.py
    python experiments/neural_predictor.py --table nb201 --target c10_val --train 400 \\
        --model tart gcn xgb-graph --seeds 10
    python experiments/neural_predictor.py --table nb201 --subset valid --attributes "zc_*" \\
        --train 100 400 --model xgb-graph
    python experiments/neural_predictor.py --table mine.h5

Without arguments: our table of DeepNets-1M networks trained on digits, with the four properties of
the TART paper (arXiv:2501.02007). Other tables are published ones, by name, or your own, by the
path of a file that `predictors.Table.save` wrote (docs/how_to/own_table.md). Each model learns from
the same networks of a split and is scored on the same others; `--list` shows models, tables and
targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graph2nn.names import choose
from graph2nn.runs import option, parse_config, run_script
from graph2nn.runs.summaries import with_error
from predictors import MODELS, TABLES, read_table
from predictors.benchmark import (
    Summary,
    Trial,
    draw_benchmark,
    draw_scatter,
    prediction_file,
    run_benchmark,
    suite_trials,
    table_name,
    table_suite,
    write_leaderboard,
)

DEFAULT = ("tart", "gp-graph", "svr-graph", "rf-graph", "ensemble")


@dataclass(frozen=True, kw_only=True)
class PredictorConfig:
    """Settings of the comparison."""

    table: str = option("deepnets_digits", "-t", help="see --list, or a file of Table.save")
    target: tuple[str, ...] = option((), help="none for the table's own, see --list")
    subset: str | None = option(None, help="rows of a published protocol, such as valid")
    model: tuple[str, ...] = option(DEFAULT, "-m", help="see --list")
    train: tuple[int, ...] = option((), "-n", help="networks; none for 400, at most half")
    own_split: bool = option(False, help="learn from the table's own training half instead")
    test: int | None = option(None, help="networks; none for the protocol's number")
    seeds: int = option(3, "-s", help="number of seeds; each has its split and its models")
    attributes: tuple[str, ...] = option((), "-a", help="patterns of zero-cost proxies to use")
    jobs: int = option(1, "-j", help="processes, -1 for one a core")
    backend: str | None = option(None, help="loky, dask:tcp://SCHEDULER:8786, ray, ...")
    data_dir: str | None = option(None, "-D", help="folder of the table's files")
    out: str | None = option(None, "-o", help="run folder; none for runs/predictors_TABLE")
    list: bool = option(False, help="list models, tables and targets, and stop")

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"--seeds: expected at least 1, got {self.seeds}")
        for name in self.model:
            choose("model", name, MODELS)


def trials(config: PredictorConfig) -> list[Trial]:
    """Every combination of target, number of networks, model and seed; the baseline is added."""
    suite = table_suite(
        config.table,
        targets=config.target,
        train=(None,) if config.own_split else config.train,
        models=config.model,
        subset=config.subset,
        attributes=config.attributes,
        test=config.test,
        data_dir=config.data_dir,
    )
    return suite_trials(suite, seeds=config.seeds)


def show(summaries: Sequence[Summary]) -> None:
    """Prints tau of every model, best first."""
    for setting in dict.fromkeys(s.setting for s in summaries):
        print(setting.title())
        for s in (s for s in summaries if s.setting == setting):
            tau = with_error(s.mean["tau"], s.error["tau"])
            print(f"  {s.train:5d} networks  {s.model:16} tau {tau}")


def scatters(folder: Path, todo: Sequence[Trial], summaries: Sequence[Summary]) -> None:
    """Predicted against measured, for the best model of every target at its largest size."""
    best: dict[str, Summary] = {}
    for s in sorted(summaries, key=lambda s: (s.train, s.mean["tau"])):
        best[s.setting.target] = s
    sizes = {None: max(s.train for s in summaries)}
    for trial in todo:
        table = read_table(trial.table)
        s = best[trial.target or table.default]
        chosen = (s.model, s.train, 0)
        if (trial.model, sizes.get(trial.train, trial.train), trial.seed) == chosen:
            stored = np.load(folder / "predictions" / prediction_file(trial))
            name = f"scatter_{s.setting.target}.png"
            title = f"{s.setting.target}: {s.model}, {s.train} networks"
            draw_scatter(stored["truth"], stored["predicted"], folder / name, title)


def list_everything(config: PredictorConfig) -> None:
    """Prints the names of models, tables and targets."""
    print("models")
    for name, entry in MODELS.items():
        print(f"  {name:16} {entry.summary}")
    print("tables")
    for name in TABLES:
        try:
            table = read_table(name, data_dir=config.data_dir)
        except ValueError as error:
            print(f"  {name:16} {error}")
            continue
        subsets = f"; subsets {', '.join(table.subsets)}" if table.subsets else ""
        print(f"  {name:16} {len(table)} networks: {', '.join(table.targets)}{subsets}")


def parse(argv: Sequence[str] | None = None) -> PredictorConfig:
    """The settings that the command line gives."""
    return parse_config(PredictorConfig, argv, description=__doc__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the comparison that the command line describes."""
    config = parse(argv)
    if config.list:
        list_everything(config)
        return
    folder = Path(config.out or f"runs/predictors_{table_name(config.table)}")
    todo = trials(config)
    records = run_benchmark(
        folder, todo, jobs=config.jobs, backend=config.backend, data_dir=config.data_dir
    )
    summaries = write_leaderboard(folder, records, data_dir=config.data_dir)
    draw_benchmark(summaries, folder, data_dir=config.data_dir)
    scatters(folder, todo, summaries)
    show(summaries)
    print(f"wrote {folder}/leaderboard.md, leaderboard.csv and figures")


if __name__ == "__main__":
    run_script(main)
