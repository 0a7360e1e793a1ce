"""`netwright measure` and `netwright latency`: how long networks take on the machine at hand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from graph2nn.runs import option
from graph2nn.runs.summaries import format_rows
from netwright.command.inputs import INPUT_HELP
from netwright.command.targets import graph_of

__all__ = ["LatencyCommand", "MeasureCommand", "measure_machine", "show_latency"]

_FILE = "latency.safetensors"


@dataclass(frozen=True, kw_only=True)
class MeasureCommand:
    """Time small networks on this machine, so that `netwright latency` can predict any network.

    The list of networks is the same everywhere; it takes about ten minutes. Other programs disturb
    it little where one thread is timed, and much where there are more.

    Examples:
        netwright measure
        netwright measure --threads 4 --out four_threads.safetensors
        netwright measure --device cuda --out gpu.safetensors
    """

    out: str = option(_FILE, help="file to write the predictor to")
    count: int = option(320, help="networks of the list to time, at most")
    minutes: float = option(10.0, help="minutes after which no further network is timed")
    threads: int = option(1, help="threads that networks run on; 0 for what torch is set to")
    clock: Literal["auto", "wall", "cpu"] = option(
        "auto", help="cpu counts processor time of one thread; auto takes it where it can"
    )
    device: str = option("cpu", help="device that networks run on")
    seed: int = option(0, help="seed of the predictor")

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise ValueError(f"--threads: expected at least 0, got {self.threads}")
        if self.clock == "cpu" and (self.threads != 1 or self.device != "cpu"):
            raise ValueError("--clock cpu counts one thread on a CPU: leave it out, or --threads 1")


def measure_machine(config: MeasureCommand) -> str:
    """Time networks, write the predictor, and return what to print.

    Raises:
        ValueError, OSError, RuntimeError: Too few networks, no such device, or a file that cannot
            be written.
    """
    from predictors.latency import learn_machine

    model = learn_machine(
        count=config.count,
        threads=config.threads or None,
        clock=None if config.clock == "auto" else config.clock,
        device=config.device,
        minutes=config.minutes,
        seed=config.seed,
    )
    seconds = model.seen_[1]
    path = model.save(config.out)
    return (
        f"{path} holds the predictor, learned from {len(seconds)} networks of "
        f"{1000 * seconds.min():.2g} to {1000 * seconds.max():.3g} ms; error on a fifth of them "
        f"that was left out: {100 * math.expm1(model.relative_std_):.0f} %"
    )


@dataclass(frozen=True, kw_only=True)
class LatencyCommand:
    """Predict how long a network takes on this machine, and where the time goes.

    Nothing is computed: the network is traced. `netwright measure` has to have run once.

    Examples:
        netwright latency torchvision.models:resnet50 --input 1x3x224x224
        netwright latency models.py:text --input ids=int64:1x128 --by module --depth 2
    """

    target: str = option(positional=True, help="MODULE:FUNCTION, FILE.py:FUNCTION or graph")
    keywords: tuple[str, ...] = option((), positional=True, help="arguments: num_classes=10 ...")
    machine: str = option(_FILE, help="file that `netwright measure` has written")
    input: str | None = option(None, help=f"input: {INPUT_HELP}")
    by: Literal["operation", "module"] = option("operation", help="what times are summed by")
    depth: int = option(1, help="parts of the names of modules that count")
    rows: int = option(12, help="largest sums to show")


def show_latency(config: LatencyCommand) -> str:
    """Predict and return what to print.

    Raises:
        ValueError, OSError, ImportError: The network cannot be had or traced, or the file holds no
            predictor of latencies.
    """
    from pathlib import Path

    from predictors import LatencyPredictor
    from predictors.latency import where_time_goes

    if not Path(config.machine).is_file():
        raise FileNotFoundError(
            f"there is no file {config.machine}: run `netwright measure` once on this machine, or "
            "name its file with --machine"
        )
    model = LatencyPredictor.load(config.machine)
    graph = graph_of(config.target, config.keywords, input=config.input, measures=True)
    value, std = (
        float(np.ravel(v)[0]) for v in (model.predict([graph]), model.predict_std([graph]))
    )
    rows = where_time_goes(model.predict_operations(graph), by=config.by, depth=config.depth)
    shown: list[dict[str, Any]] = [
        {
            config.by: row[config.by],
            "calls": row["calls"],
            "ms": f"{1000 * row['seconds']:.3f}",
            "share": f"{100 * row['share']:.1f} %",
        }
        for row in rows[: config.rows]
    ]
    head = f"{graph.name}: {1000 * value:.3g} ± {1000 * std:.2g} ms"
    return f"{head}\n\n{format_rows(shown)}"
