"""`generate`, `regenerate`: from settings to a table, and from a row of it back to its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.archgraph.storage import pack_graphs
from graph2nn.families import DEEPNETS, build_archgraph
from graph2nn.ground_truth.measure import count_flops, inference_times
from graph2nn.ground_truth.networks import NetEntry, draw_networks
from graph2nn.ground_truth.settings import GroundTruthSettings
from graph2nn.ground_truth.table import (
    STATUS,
    GroundTruth,
    read_ground_truth,
    write_ground_truth,
)
from graph2nn.ground_truth.training import (
    Result,
    planned_runs,
    read_results,
    train_all,
    train_group,
)
from graph2nn.runs import describe_environment
from graph2nn.runs.campaign import read_or_set_aside, write_job

__all__ = ["Regenerated", "generate", "regenerate"]


def generate(
    settings: GroundTruthSettings,
    path: str | Path,
    *,
    folder: str | Path | None = None,
    extend: str | Path | None = None,
    progress: bool = True,
    **how: Any,
) -> GroundTruth:
    """Train the networks of a table, measure their inference and write the table.

    The same call goes on with a run that was stopped. Inference is timed when all training is done,
    once for the whole table (`inference_times`); keep the machine quiet meanwhile. Attributes
    (`add_attributes`) of an older table at `path`, or of the one that is extended, are kept, NaN
    for networks that it has not.

    Args:
        settings: Settings of the table.
        path: Path of the HDF5 file.
        folder: Folder of the run; None for `runs/ground_truth_NAME`.
        extend: Table whose trainings are taken over instead of done again: a file, or one of
            `TABLES`. What it was made with is kept in `made["extends"]`.
        progress: Whether to show bars.
        how: Arguments `data_dir`, `group_size`, `jobs`, `backend`, `device`, `save_seconds`,
            `resume` of `train_all`.

    Raises:
        ValueError, RuntimeError, OSError: See `train_all`.
    """
    place = Path(folder or f"runs/ground_truth_{settings.name}")
    base = None if extend is None else read_ground_truth(extend)
    train_all(settings, place, extend=base, progress=progress, **how)
    entries = draw_networks(settings)
    timing = _timed(place, entries, settings, progress)
    truth = _collect(settings, entries, place, timing)
    older = read_ground_truth(path) if Path(path).is_file() else base
    if older is not None:
        truth = _with_attributes_of(older, truth)
    if base is not None:
        truth = replace(truth, made={**truth.made, "extends": dict(base.made)})
    write_ground_truth(truth, path)
    return truth


@dataclass(frozen=True, kw_only=True)
class Regenerated:
    """A row of a table and what training its network again gave.

    Args:
        network: Name of the network.
        seed: Seed of training.
        stored, again: Every number of the row and its new value, by name (`val_acc[3]` is a curve's
            value at an epoch).
    """

    network: str
    seed: int
    stored: Mapping[str, np.float32]
    again: Mapping[str, np.float32]

    @property
    def identical(self) -> bool:
        """Whether every number is the same, bit for bit in float32."""
        return all(v.tobytes() == self.again[k].tobytes() for k, v in self.stored.items())

    @property
    def difference(self) -> float:
        """Largest difference of an accuracy after the last epoch, in percentage points.

        Infinite where one training diverged and the other did not.
        """
        found = []
        for name in (name for name in self.stored if name.startswith(("val_acc", "test_acc"))):
            old, new = self.stored[name], self.again[name]
            both = np.isnan(old) and np.isnan(new)
            found.append(0.0 if both else abs(new - old))
        return float(np.nan_to_num(np.max(found), nan=np.inf))


def regenerate(
    path: str | Path, row: int, *, repeat: int = 0, data_dir: str | None = None
) -> Regenerated:
    """Train the network of a row again, from nothing but the table, and compare.

    On the same machine and versions the numbers are the same, bit for bit, whatever the number of
    cores: training uses one thread. Other processors add in another order, which training
    amplifies: expect differences like those between two seeds.

    Args:
        path: Path of the table.
        row: Number of the network.
        repeat: Number of the seed.
        data_dir: Folder of the images.

    Raises:
        ValueError: No such row or seed, or a network not trained with this seed.
    """
    truth = read_ground_truth(path)
    if not 0 <= row < len(truth):
        raise ValueError(f"{path} has the rows 0 to {len(truth) - 1}, not {row}")
    if not 0 <= repeat < len(truth.status) or not truth.status[repeat, row]:
        raise ValueError(f"{path}: row {row} was not trained with seed number {repeat}")
    seed = truth.settings.seeds[repeat]
    entry = NetEntry(
        net=truth.configs[row],
        name=truth.names[row],
        half=str(truth.split[row]),
        key=str(truth.keys[row]),
    )
    result = train_group([entry], truth.settings, seed, data_dir=data_dir)[0]
    curves = {name: values[repeat, row].tolist() for name, values in truth.curves.items()}
    final = {name: float(values[repeat, row]) for name, values in truth.final.items()}
    return Regenerated(
        network=truth.names[row],
        seed=seed,
        stored=_flat(curves, final),
        again=_flat(result["curves"], result["final"]),
    )


def _flat(curves: Mapping[str, Sequence], final: Mapping[str, Any]) -> dict[str, np.float32]:
    """Every number by name, `val_acc` the value after the last epoch and `val_acc[1]` an earlier
    one."""
    numbers = {f"{k}[{i}]": v for k, curve in curves.items() for i, v in enumerate(curve[:-1])}
    numbers |= {name: curve[-1] for name, curve in curves.items()}
    return {k: np.float32(np.nan if v is None else v) for k, v in {**numbers, **final}.items()}


def _timed(
    folder: Path, entries: Sequence[NetEntry], settings: GroundTruthSettings, progress: bool
) -> np.ndarray:
    """Times of inference, measured once for these networks and kept. Shapes: (rounds, N)."""
    path = folder / "timing.jsonl"
    what = {
        "keys": [entry.key for entry in entries],
        "batch": settings.timing_batch,
        "rounds": settings.timing_rounds,
    }
    stored = read_or_set_aside(path, "Inference is timed again")
    if stored is not None and {name: stored[0][name] for name in what} == what:
        return np.array(stored[0]["times"])
    times = inference_times(
        [entry.net for entry in entries],
        settings.images,
        batch=settings.timing_batch,
        rounds=settings.timing_rounds,
        progress=progress,
    )
    write_job(path, "timing", [{**what, "times": times.tolist()}])
    return times


def _collect(
    settings: GroundTruthSettings, entries: Sequence[NetEntry], folder: Path, timing: np.ndarray
) -> GroundTruth:
    # The halves one after the other, the order within each as drawn.
    order = sorted(range(len(entries)), key=lambda at: entries[at].half != "train")
    entries = [entries[at] for at in order]
    results = read_results(folder, planned_runs(entries, settings))
    seeds = settings.seeds
    runs = [[results.get((entry.name, seed)) for entry in entries] for seed in seeds]
    sample = next(iter(results.values()))
    graphs = [build_archgraph(entry.net) for entry in entries]
    facts = {
        "params": np.array([graph.num_params() for graph in graphs]),
        "flops": np.array([count_flops(entry.net, settings.images) for entry in entries]),
        "nodes": np.array([graph.num_nodes for graph in graphs]),
        "edges": np.array([graph.num_edges for graph in graphs]),
    }
    seconds = [[np.nan if run is None else run["seconds"] for run in row] for row in runs]
    environment = {k: v for k, v in describe_environment().items() if k != "command"}
    return GroundTruth(
        settings=settings,
        made={**environment, "minutes": round(float(np.nansum(seconds)) / 60, 1)},
        configs=tuple(entry.net for entry in entries),
        names=tuple(entry.name for entry in entries),
        split=np.array([entry.half for entry in entries]),
        keys=np.array([entry.key for entry in entries]),
        facts=facts,
        status=np.array([[_code(run) for run in row] for row in runs], np.int8),
        curves={name: _stack(runs, "curves", name, sample) for name in sample["curves"]},
        final={name: _stack(runs, "final", name, sample) for name in sample["final"]},
        seconds=np.array(seconds, np.float32),
        timing=timing[:, order].astype(np.float32),
        packed={} if list(settings.weights) == [DEEPNETS] else pack_graphs(graphs),
    )


def _with_attributes_of(old: GroundTruth, truth: GroundTruth) -> GroundTruth:
    rows = {key: row for row, key in enumerate(old.keys)}
    kept = {
        name: np.array([values[rows[key]] if key in rows else np.nan for key in truth.keys])
        for name, values in old.attributes.items()
    }
    return replace(truth, attributes=kept)


def _code(run: Result | None) -> int:
    return 0 if run is None else STATUS.index(run["status"])


def _stack(runs: list, group: str, name: str, sample: Result) -> np.ndarray:
    """Values of all runs as one array, NaN for None. Shapes: (S, N) or (S, N, E + 1)."""
    empty = np.full(np.shape(sample[group][name]), np.nan)
    rows = [[empty if run is None else run[group][name] for run in row] for row in runs]
    return np.array(rows, np.float64).astype(np.float32)  # None becomes NaN
