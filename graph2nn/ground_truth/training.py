"""`generate`: train the networks of a table as independent, restartable jobs."""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph2nn.deprecated import renamed_keywords
from graph2nn.families import build_network
from graph2nn.ground_truth.extending import MAY_GROW, known_results, training_settings
from graph2nn.ground_truth.networks import NetEntry, draw_networks
from graph2nn.ground_truth.settings import GroundTruthSettings
from graph2nn.ground_truth.table import GroundTruth
from graph2nn.runs import RunFolder, one_thread, seeded
from graph2nn.runs.campaign import (
    Files,
    Job,
    Report,
    Row,
    read_job,
    read_or_set_aside,
    run_campaign,
    write_job,
)
from graph2nn.training import DivergedWarning, Record, train_networks
from graph2nn.vision import load_sets

__all__ = ["Result", "Run", "read_results", "result_path", "train_all", "train_group"]

Result = dict[str, Any]
"""What training a network with a seed gave, JSON-able; see `train_group`."""

Run = tuple[NetEntry, int]
"""A network and the seed that it is trained with."""


@dataclass(frozen=True, kw_only=True)
class _Group:
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

    def job(self) -> Job:
        """As a part of a campaign."""
        return Job(
            name=self.name,
            work=_train,
            payload=self,
            results=tuple(result_path(self.folder, entry, self.seed) for entry in self.entries),
            networks=len(self.entries),
            scratch=self.scratch,
        )

    @property
    def scratch(self) -> Path | None:
        """Folder of checkpoints."""
        return None if self.save_seconds is None else self.folder / "jobs" / self.name


@renamed_keywords(group="group_size")
def train_all(
    settings: GroundTruthSettings,
    folder: str | Path,
    *,
    data_dir: str | None = None,
    group_size: int = 1,
    jobs: int = 1,
    backend: str | None = None,
    device: str = "cpu",
    save_seconds: float | None = 60.0,
    resume: bool = True,
    extend: GroundTruth | None = None,
    progress: bool = True,
) -> Path:
    """Train every network of a table that has no result in `folder` yet.

    A job leaves a file a network in `results/`, whole or not at all, and has a checkpoint while it
    runs. A run that was killed thus loses no finished network, trains none twice and goes on within
    an unfinished one. A network whose loss stops being finite has a result that says so.

    Args:
        settings: Settings of the table.
        folder: Folder of the run; where jobs run on several machines, one that all of them reach.
        data_dir: Folder of the images.
        group_size: Number of networks a job, trained on one stream of images (more of them fill a
            GPU); results do not depend on it.
        jobs, backend: Number of processes, and joblib's way to run them (see `parallel_map`).
        device: Device of every job.
        save_seconds: Time between a job's checkpoints; None for no checkpoints, which pays where a
            network takes seconds (a killed run then trains unfinished networks from the start).
        resume: Whether to go on with what the folder holds; otherwise a used folder is an error.
        extend: Table whose trainings are taken over instead of done again.
        progress: Whether to show a bar over networks.

    Returns:
        The folder.

    Raises:
        ValueError: A folder of another table, a table to extend that was trained with other
            settings, or settings that cannot be used.
        RuntimeError: Networks that could not be trained, after all others are done.
    """
    if group_size < 1:
        raise ValueError(f"group_size: expected at least 1 network a job, got {group_size}")
    known = [] if extend is None else list(known_results(extend, settings))
    run = RunFolder(folder, training_settings(settings), resume=resume, may_differ=MAY_GROW)
    load_sets(settings.images, data_dir)  # what is missing is said before anything is started
    for name, seed, result in known:
        path = _result_path(run.path, name, seed)
        if not path.exists():
            write_job(path, f"{name}_s{seed}", [result])
    runs = planned_runs(draw_networks(settings), settings)
    todo = [one for one in runs if not _finished(run.path, *one)]
    common: dict[str, Any] = {"settings": settings, "folder": run.path, "data_dir": data_dir}
    common |= {"device": device, "save_seconds": save_seconds}
    groups = [
        _Group(entries=entries, seed=seed, **common) for entries, seed in _grouped(todo, group_size)
    ]
    campaign = run_campaign(
        run,
        [group.job() for group in groups],
        jobs=jobs,
        backend=backend,
        done=len(runs) - len(todo),
        report=_told,
        progress=progress,
    )
    campaign.check()
    for checkpoints in (run.path / "jobs").glob("*"):  # of a job killed after its results
        shutil.rmtree(checkpoints, ignore_errors=True)
    return run.path


def planned_runs(entries: Sequence[NetEntry], settings: GroundTruthSettings) -> list[Run]:
    """Every network with the first seed, then the repeated ones with the others."""
    again = [entry for entry in entries if entry.half == "train"][: settings.repeated // 2]
    again += [entry for entry in entries if entry.half == "test"][: -(-settings.repeated // 2)]
    first, *others = settings.seeds
    return [(e, first) for e in entries] + [(e, seed) for seed in others for e in again]


def result_path(folder: Path, entry: NetEntry, seed: int) -> Path:
    """Return the path of the result of a run, which may not be there yet."""
    return _result_path(folder, entry.name, seed)


def _result_path(folder: Path, network: str, seed: int) -> Path:
    return folder / "results" / f"{network}_s{seed}.jsonl"


def read_results(folder: Path, runs: Sequence[Run]) -> dict[tuple[str, int], Result]:
    """Read the results of those runs that are finished, by name of network and seed."""
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
    """Train networks with a seed, on one thread, and say what came of each.

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
        warnings.simplefilter("ignore", DivergedWarning)
        for entry in entries:
            with seeded(seed):
                networks[entry.name] = build_network(entry.net)
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


def _train(group: _Group) -> list[list[Row]]:
    results = train_group(
        group.entries,
        group.settings,
        group.seed,
        data_dir=group.data_dir,
        device=group.device,
        folder=group.scratch,
        save_seconds=group.save_seconds or 0.0,
    )
    return [
        [{"network": entry.name, "seed": group.seed, "key": entry.key, **result}]
        for entry, result in zip(group.entries, results)
    ]


def _told(files: Files) -> Report:
    """Mean accuracy of a job's networks, NaN where all diverged, and the seconds they took."""
    results = [rows[0] for rows in files]
    accuracies = [result["curves"]["val_acc"][-1] for result in results]
    finite = [value for value in accuracies if value is not None]
    return {
        "accuracy": sum(finite) / len(finite) if finite else math.nan,
        "seconds": sum(result["seconds"] for result in results),
    }
