"""`generate`: train the networks of a table as independent, restartable jobs."""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph2nn.deepnets.campaign.networks import NetEntry, draw_networks
from graph2nn.deepnets.campaign.settings import GroundTruthSettings
from graph2nn.deepnets.networks.network import Network
from graph2nn.runs import RunFolder, one_thread, parallel_map, seeded, to_dict
from graph2nn.runs.campaign import follow_jobs, read_or_set_aside
from graph2nn.runs.job_results import read_job, write_job
from graph2nn.training import Record, train_networks
from graph2nn.vision import load_sets

__all__ = ["Result", "Run", "read_results", "result_path", "train_all", "train_group"]

Result = dict[str, Any]
"""What training a network with a seed gave, JSON-able; see `train_group`."""

Run = tuple[NetEntry, int]
"""A network and the seed that it is trained with."""

_MAY_GROW = ("train_networks", "test_networks", "seeds", "repeated")
_NOT_TRAINING = ("name", "converged", "timing_batch", "timing_rounds")


@dataclass(frozen=True, kw_only=True)
class _Job:
    """Networks that one process trains with one seed on one stream of images."""

    entries: tuple[NetEntry, ...]
    seed: int
    settings: GroundTruthSettings
    folder: Path
    data_dir: str | None
    device: str
    save_seconds: float | None

    @property
    def name(self) -> str:
        return f"{self.entries[0].name}_s{self.seed}"


def train_all(
    settings: GroundTruthSettings,
    folder: str | Path,
    *,
    data_dir: str | None = None,
    group: int = 1,
    jobs: int = 1,
    backend: str | None = None,
    device: str = "cpu",
    save_seconds: float | None = 60.0,
    resume: bool = True,
    progress: bool = True,
) -> Path:
    """Trains every network of a table that has no result in `folder` yet.

    A job leaves a file a network in `results/`, whole or not at all, and has a checkpoint while it
    runs. A run that was killed thus loses no finished network, trains none twice and goes on within
    an unfinished one. A network whose loss stops being finite has a result that says so.

    Args:
        settings: of the table.
        folder: of the run; where jobs run on several machines, one that all of them reach.
        data_dir: folder of the images.
        group: networks a job, trained on one stream of images (more of them fill a GPU); results do
            not depend on it.
        jobs, backend: processes, and joblib's way to run them (see `parallel_map`).
        device: of every job.
        save_seconds: between a job's checkpoints; None for no checkpoints, which pays where a
            network takes seconds (a killed run then trains unfinished networks from the start).
        resume: go on with what the folder holds; otherwise a used folder is an error.
        progress: show a bar over networks.

    Returns:
        The folder.

    Raises:
        ValueError: a folder of another table, or settings that cannot be used.
        RuntimeError: networks that could not be trained, after all others are done.
    """
    if group < 1:
        raise ValueError(f"group: expected at least 1 network a job, got {group}")
    run = RunFolder(folder, _identity(settings), resume=resume, may_differ=_MAY_GROW)
    load_sets(settings.images, data_dir)  # what is missing is said before anything is started
    runs = planned_runs(draw_networks(settings), settings)
    todo = [one for one in runs if not _finished(run.path, *one)]
    common: dict[str, Any] = {"settings": settings, "folder": run.path, "data_dir": data_dir}
    common |= {"device": device, "save_seconds": save_seconds}
    plan = [_Job(entries=entries, seed=seed, **common) for entries, seed in _grouped(todo, group)]
    reports = parallel_map(_run_job, plan, jobs=jobs, backend=backend, progress=False, batch_size=1)
    failed = follow_jobs(
        run,
        ((len(job.entries), report) for job, report in zip(plan, reports)),
        total=len(runs),
        done=len(runs) - len(todo),
        progress=progress,
    )
    if failed:
        raise RuntimeError(
            f"{len(failed)} of {len(plan)} jobs failed, the first ({failed[0]['job']}: "
            f"{failed[0]['error']}). The others are done and kept in {run.path}; the same command "
            "repeats those that failed"
        )
    return run.path


def planned_runs(entries: Sequence[NetEntry], settings: GroundTruthSettings) -> list[Run]:
    """Every network with the first seed, then the repeated ones with the others."""
    again = [entry for entry in entries if entry.half == "train"][: settings.repeated // 2]
    again += [entry for entry in entries if entry.half == "test"][: -(-settings.repeated // 2)]
    first, *others = settings.seeds
    return [(e, first) for e in entries] + [(e, seed) for seed in others for e in again]


def result_path(folder: Path, entry: NetEntry, seed: int) -> Path:
    """Where the result of a run is, or will be."""
    return folder / "results" / f"{entry.name}_s{seed}.jsonl"


def read_results(folder: Path, runs: Sequence[Run]) -> dict[tuple[str, int], Result]:
    """The results of those runs that are finished, by name of network and seed."""
    return {
        (entry.name, seed): read_job(path)[0]
        for entry, seed in runs
        if (path := result_path(folder, entry, seed)).is_file()
    }


def train_group(
    entries: Sequence[NetEntry],
    settings: GroundTruthSettings,
    seed: int,
    *,
    data_dir: str | None = None,
    device: str = "cpu",
    folder: Path | None = None,
    save_seconds: float = 60.0,
) -> list[Result]:
    """Trains networks with a seed, on one thread, and says what came of each.

    Initial weights, order and augmentation of images depend on the seed alone, not on the other
    networks or the place in the table.

    Returns:
        A dictionary a network: `status` (ok or diverged), `seconds` of training, `curves` (name →
        a value an epoch from 0 on) and `final` (name → value). Accuracies are in percent; None
        where a network has diverged, and of training curves at epoch 0.
    """
    sets = load_sets(settings.images, data_dir)
    networks = {}
    with one_thread(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "network .* the loss is not finite", RuntimeWarning)
        for entry in entries:
            with seeded(seed):
                networks[entry.name] = Network(entry.config)
        records = train_networks(
            networks,
            sets.train,
            sets.val,
            settings.recipe,
            seed=seed,
            device=device,
            folder=folder,
            augment=sets.augment,
            more_tests=sets.more_tests,
            final_tests=sets.final_tests,
            save_seconds=save_seconds,
            progress=False,
        )
    return [
        _result([record for record in records if record["network"] == entry.name], sets.final_tests)
        for entry in entries
    ]


def _result(records: Sequence[Record], final_tests: Mapping[str, Any]) -> Result:
    curves = {
        "val_acc": [_accuracy(record["top1_error"]) for record in records],
        "val_acc_noise": [_accuracy(record["val_noise_error"]) for record in records],
        "train_acc": [_accuracy(record["train_error"]) for record in records],
        "val_loss": [record["test_loss"] for record in records],
        "val_loss_noise": [record["val_noise_loss"] for record in records],
        "train_loss": [record["train_loss"] for record in records],
    }
    last = records[-1]
    final = {}
    for name in final_tests:
        corruption = name.removeprefix("final")
        final[f"test_acc{corruption}"] = _accuracy(last[f"{name}_error"])
        final[f"test_loss{corruption}"] = last[f"{name}_loss"]
    return {
        "status": "diverged" if last["top1_error"] is None else "ok",
        "seconds": sum(record["seconds"] for record in records),
        "curves": curves,
        "final": final,
    }


def _accuracy(error: float | None) -> float | None:
    return None if error is None else 100 - error


def _identity(settings: GroundTruthSettings) -> dict[str, Any]:
    """Settings that results depend on."""
    return {k: v for k, v in to_dict(settings).items() if k not in _NOT_TRAINING}


def _finished(folder: Path, entry: NetEntry, seed: int) -> bool:
    """Whether a result exists; a damaged one is put aside, so that its network is trained again."""
    path = result_path(folder, entry, seed)
    rows = read_or_set_aside(path, f"{entry.name} is trained again")
    if rows is None:
        return False
    if rows[0]["key"] != entry.key:
        raise ValueError(
            f"{path} is of another network than {entry.name} is now: it was made with other "
            "rules; choose another folder"
        )
    return True


def _grouped(runs: Sequence[Run], size: int) -> Iterator[tuple[tuple[NetEntry, ...], int]]:
    for seed in dict.fromkeys(seed for _, seed in runs):
        entries = [entry for entry, own in runs if own == seed]
        for start in range(0, len(entries), size):
            yield tuple(entries[start : start + size]), seed


def _run_job(job: _Job) -> dict[str, Any]:
    try:
        results = _train_and_write(job)
    except Exception as error:  # the other jobs go on; all failures are reported at the end
        reason = f"{type(error).__name__}: {error}"
        return {"job": job.name, "error": reason, "accuracy": None, "seconds": None}
    accuracies = [result["curves"]["val_acc"][-1] for result in results]
    finite = [value for value in accuracies if value is not None]
    return {
        "job": job.name,
        "error": "",
        "accuracy": sum(finite) / len(finite) if finite else math.nan,
        "seconds": sum(result["seconds"] for result in results),
    }


def _train_and_write(job: _Job) -> list[Result]:
    folder = None if job.save_seconds is None else job.folder / "jobs" / job.name
    results = train_group(
        job.entries,
        job.settings,
        job.seed,
        data_dir=job.data_dir,
        device=job.device,
        folder=folder,
        save_seconds=job.save_seconds or 0.0,
    )
    for entry, result in zip(job.entries, results):
        row = {"network": entry.name, "seed": job.seed, "key": entry.key, **result}
        write_job(result_path(job.folder, entry, job.seed), job.name, [row])
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    return results
