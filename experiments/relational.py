"""Relational graphs: sweep them, train them, find the sweet spot.

    python experiments/relational.py graphs --nodes 64 --out data/graphs_n64.h5
    python experiments/relational.py train --task mlp_digits --division all --jobs 2
    python experiments/relational.py train --task mlp_cifar10 --division best
    python experiments/relational.py analyze runs/mlp_digits_all

`graphs` sweeps WS-flex graphs, measures each and thins them; `train` trains the networks of a task;
`analyze` draws the figures and tables of "Graph Structure of Neural Networks" (arXiv:2007.06559)
from a run, a table of results, or the published results. `COMMAND --help` lists the flags;
docs/understand/relational.md says how to read what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from graph2nn.relational import (
    DIVISIONS,
    ENGINES,
    EXECUTIONS,
    TASKS,
    SweepGrid,
    diverged_runs,
    division_entries,
    find_task,
    network_specs,
    run_jobs,
    sweep_to_file,
)
from graph2nn.runs import option, parse_command, run_script
from graph2nn.training import AMP, Recipe
from predictors.studies.relational import analyze


@dataclass(frozen=True, kw_only=True)
class GraphsConfig:
    """Sweep WS-flex graphs, measure C and L of each, and thin them to 3942 / 449 / 52 (n = 64)."""

    nodes: int = option(64, "-n", help="nodes of every graph; 64 and 16 give the published grids")
    out: str | None = option(None, "-o", help="HDF5 file; none for data/graphs_nNODES.h5")
    degrees: int | None = option(None, help="number of mean degrees; none for the usual grid")
    probabilities: int | None = option(None, help="number of rewiring probabilities; none for 300")
    seeds: int | None = option(None, help="graphs of each kind; none for 30")
    jobs: int = option(-1, "-j", help="processes, -1 for one a core")
    backend: str | None = option(None, help="loky, dask:tcp://SCHEDULER:8786, ray, ...")
    engine: str = option("auto", help="engine that measures; plain is slow", choices=ENGINES)
    figure: bool = option(True, help="draw the sweep")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Train the networks of a task; the same command goes on with a sweep that was stopped."""

    task: str = option("mlp_cifar10", "-t", help=f"one of {', '.join(TASKS)}")
    division: str = option("best", help="best graph, all graphs, baseline", choices=DIVISIONS)
    graphs: str | None = option(
        None, help="graphs of division all: n64_52, ..., a file, or your own: 'star:n=64 grid:n=64'"
    )
    subset: str = option(
        "coarse", help="subset of such a file", choices=("coarse", "medium", "fine")
    )
    only: tuple[str, ...] = option((), help="graph_ids of the graphs to take of division all")
    seeds: tuple[int, ...] | None = option(None, "-s", help="seeds; none for the task's")
    epochs: int | None = option(None, "-e", help="epochs; none for the task's")
    batch_size: int | None = option(None, "-b", help="images a step; none for the task's")
    lr: float | None = option(None, help="learning rate; none for the task's")
    weight_decay: float | None = option(None, help="weight decay; none for the task's")
    small_recipe: bool = option(False, help="take the published recipe for one GPU (ImageNet)")
    amp: str = option("none", help="precision; bf16 is faster", choices=AMP)
    execution: str = option("auto", help="how masked layers compute", choices=("auto", *EXECUTIONS))
    stacked: bool | None = option(None, help="train a job's networks as one; none: MLPs on a GPU")
    group: int = option(8, help="networks a job, trained on one stream of images")
    jobs: int = option(1, "-j", help="processes, -1 for one a core")
    backend: str | None = option(None, help="loky, dask:tcp://SCHEDULER:8786, ray, ...")
    device: str | None = option(None, help="none takes a GPU if there is one")
    data_dir: str | None = option(None, "-D", help="folder of the data")
    out: str | None = option(None, "-o", help="run folder; none for runs/TASK_DIVISION")
    keep_checkpoints: bool = option(False, help="keep the trained networks")

    def __post_init__(self) -> None:
        find_task(self.task)


@dataclass(frozen=True, kw_only=True)
class AnalyzeConfig:
    """Draw figures and tables of results: a run folder, a CSV file, or `published`."""

    source: str = option(positional=True, help="run folder, table, or: published")
    out: str | None = option(None, "-o", help="folder; none for SOURCE/analysis")
    task: tuple[str, ...] | None = option(None, "-t", help="tasks to draw; none for all")
    compare: str | None = option(None, help="another source to correlate with, e.g. published")
    formats: tuple[str, ...] = option(("png",), help="formats of the figures: png, pdf, svg")


def graphs(config: GraphsConfig) -> None:
    """The command `graphs`."""
    out = Path(config.out or f"data/graphs_n{config.nodes}.h5")
    named = {axis: getattr(config, axis) for axis in ("degrees", "probabilities", "seeds")}
    changed = {axis: count for axis, count in named.items() if count is not None}
    grid = replace(SweepGrid.for_nodes(config.nodes), **changed)
    out.parent.mkdir(parents=True, exist_ok=True)
    found = sweep_to_file(
        out,
        config.nodes,
        grid=grid,
        jobs=config.jobs,
        backend=config.backend,
        engine=config.engine,
        figure=config.figure,
    )
    sets = " / ".join(str(len(found.graphs(name))) for name in ("fine", "medium", "coarse"))
    print(f"{len(found.sweep.C)} graphs of {config.nodes} nodes, thinned to {sets}: {out}")


def recipe(config: TrainConfig) -> Recipe:
    """The task's recipe with what the command line changes."""
    task = find_task(config.task)
    if config.small_recipe and task.small_recipe is None:
        raise ValueError(f"--small-recipe: {task.name} has one recipe only")
    base = task.small_recipe if config.small_recipe and task.small_recipe else task.recipe
    named = {name: getattr(config, name) for name in ("epochs", "batch_size", "lr", "weight_decay")}
    changed = {name: value for name, value in named.items() if value is not None}
    return replace(base, amp=config.amp, **changed)


def train(config: TrainConfig) -> None:
    """The command `train`."""
    task, how = find_task(config.task), recipe(config)
    device = config.device or ("cuda" if torch.cuda.is_available() else "cpu")
    source = task.data(config.data_dir)
    entries = division_entries(
        task,
        config.division,
        graphs=config.graphs,
        subset=config.subset,
        only=config.only,
        data_dir=config.data_dir,
    )
    images = source.load(source.train_split)
    specs = network_specs(task, entries, images, data_dir=config.data_dir)
    out = config.out or f"runs/{task.name}_{config.division}"
    table = run_jobs(
        out,
        specs,
        config.seeds or task.seeds,
        how,
        task=task.table_name,
        data=source,
        group_size=config.group,
        jobs=config.jobs,
        backend=config.backend,
        device=device,
        execution=config.execution,
        stacked=config.stacked,
        keep_checkpoints=config.keep_checkpoints,
    )
    final = table.final()
    for title, which in (("relational", ~final["is_baseline"]), ("dense", final["is_baseline"])):
        errors = final["top1_error"][which]
        if errors.size:
            spread = f"{np.nanmean(errors):.2f} ± {np.nanstd(errors):.2f}"
            print(f"{title:10} top-1 error {spread} % (mean and deviation of {errors.size} runs)")
    print(f"wrote {out}/results.csv; next: python experiments/relational.py analyze {out}")
    if lost := diverged_runs(out):
        runs = f"{len(lost)} of {len(specs) * len(config.seeds or task.seeds)} runs"
        raise ValueError(f"{runs} diverged and are in no table: lower --lr, with another --out")


def analysis(config: AnalyzeConfig) -> None:
    """The command `analyze`."""
    beside = Path(config.source)
    beside = beside if beside.is_dir() else Path("runs") / beside.name.split(".")[0]
    out = Path(config.out) if config.out else beside / "analysis"
    analyze(config.source, out, task=config.task, compare=config.compare, formats=config.formats)
    print(f"wrote {out}/report.md with its figures and tables")


COMMANDS = {
    "graphs": (GraphsConfig, graphs),
    "train": (TrainConfig, train),
    "analyze": (AnalyzeConfig, analysis),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the command line names."""
    classes = {name: cls for name, (cls, _) in COMMANDS.items()}
    config = parse_command(classes, argv, description=__doc__ or "")
    next(run for cls, run in COMMANDS.values() if isinstance(config, cls))(config)


if __name__ == "__main__":
    run_script(main)
