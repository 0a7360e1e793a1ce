"""`run_jobs`: train the networks of many graphs and seeds as independent, restartable jobs."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph2nn.relational.campaign.job_results import merge_results
from graph2nn.relational.campaign.results import ResultTable, write_results
from graph2nn.relational.campaign.specs import NetworkSpec, build_network
from graph2nn.relational.networks.padding import padded_template
from graph2nn.runs import RunFolder, load_checkpoint, to_dict
from graph2nn.runs.campaign import (
    Files,
    Job,
    Report,
    Row,
    read_job,
    read_or_set_aside,
    result_files,
    run_campaign,
)
from graph2nn.training import Recipe, train_networks
from graph2nn.vision import Augment, ImageSettings

__all__ = ["run_jobs"]

# Images were normalised before they were padded; colours were not jittered (the published PCA
# lighting of ImageNet is left out).
_AS_PUBLISHED = Augment(pad_with="mean", jitter=0.0)


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What all jobs of a sweep share."""

    folder: str
    task: str
    data: ImageSettings
    recipe: Recipe
    device: str
    execution: str
    stacked: bool
    augment: Augment
    save_seconds: float
    keep: bool
    progress: bool


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Networks of a job, and the seed that it trains them with."""

    name: str
    seed: int
    specs: tuple[NetworkSpec, ...]
    settings: _Settings

    @property
    def folder(self) -> Path:
        return Path(self.settings.folder) / "jobs" / self.name

    def job(self) -> Job:
        """As a part of a campaign."""
        return Job(
            name=self.name,
            work=_train,
            payload=self,
            results=(Path(self.settings.folder) / "results" / f"{self.name}.jsonl",),
            networks=len(self.specs),
            scratch=None if self.settings.keep else self.folder / "last.pt",
        )


def run_jobs(
    folder: str | Path,
    specs: Sequence[NetworkSpec],
    seeds: Sequence[int],
    recipe: Recipe,
    *,
    task: str,
    data: ImageSettings,
    group_size: int = 8,
    jobs: int = 1,
    backend: str | None = None,
    device: str = "cpu",
    execution: str = "auto",
    stacked: bool | None = None,
    augment: Augment | None = None,
    save_seconds: float = 60.0,
    keep_checkpoints: bool = False,
    resume: bool = True,
    progress: bool = True,
) -> ResultTable:
    """Train every network with every seed and return the table of errors by epoch.

    A job trains `group_size` networks of similar width with one seed on one stream of images. It
    has a folder `jobs/<job>` with a checkpoint; finished, it leaves `results/<job>.jsonl` in one
    piece and its checkpoint goes. A campaign that was stopped, killed or partly failed goes on
    where it was when called again, also with more seeds or graphs: no result is lost or counted
    twice. At the end `results.csv` (last epoch) and `results_by_epoch.csv` have the published
    columns.

    Args:
        folder: Folder of the campaign; where jobs run on several machines, one that all of them
            reach.
        specs: The networks.
        seeds: Seeds of training; initial weights, order and augmentation of images depend on it.
        recipe: Recipe of training.
        task: Name in the table.
        data: Settings that say where the images come from.
        group_size: Number of networks a job; with `stacked` also those trained as one.
        jobs, backend: Number of processes, and joblib's way to run them (see `parallel_map`).
        device: Device of every job.
        execution: Execution of relational layers, see `set_execution`; "masked" where stacked.
        stacked: Whether a job's networks are trained as one; None does so for MLPs on a GPU.
        augment: Augmentation; None means as published: flip, and crop after padding with the mean
            colour.
        save_seconds: Time between a job's checkpoints.
        keep_checkpoints: Whether the last checkpoint of each job stays in place.
        resume: Whether to go on with what the folder holds; otherwise a used folder is an error.
        progress: Whether to show a bar over networks with their mean error; over steps where there
            is one job.

    Raises:
        ValueError: Nothing to train, or a folder of another campaign.
        RuntimeError: Jobs that failed, after all others are done.
    """
    _check(specs, seeds, group_size)
    recipe.must_train()
    if stacked is None:
        stacked = device.startswith("cuda") and all(spec.model == "mlp" for spec in specs)
    settings = _Settings(
        folder=os.path.abspath(folder),
        task=task,
        data=data,
        recipe=recipe,
        device=device,
        execution="masked" if stacked else execution,
        stacked=stacked,
        augment=augment or _AS_PUBLISHED,
        save_seconds=save_seconds,
        keep=keep_checkpoints,
        progress=progress and jobs == 1 and backend is None,
    )
    run = RunFolder(folder, _config(settings), resume=resume)
    groups, done = _remaining(settings, specs, seeds, group_size)
    unlogged = _unlogged(run, settings, {group.name for group in groups})
    campaign = run_campaign(
        run,
        [*unlogged, *(group.job() for group in groups)],
        jobs=jobs,
        backend=backend,
        done=max(0, done - sum(job.networks for job in unlogged)),
        report=_told,
        postfix=_Means().add,
        progress=progress,
    )
    campaign.check()
    return _write_tables(run.path)


def _check(specs: Sequence[NetworkSpec], seeds: Sequence[int], group_size: int) -> None:
    if not specs or not seeds:
        raise ValueError(
            f"expected at least one network and one seed, got {len(specs)} and {len(seeds)}"
        )
    if group_size < 1:
        raise ValueError(f"group_size must be at least 1 network a job, got {group_size}")
    kinds: tuple[tuple[str, list], ...] = (
        ("graph", [spec.entry.graph_id for spec in specs]),
        ("seed", list(seeds)),
    )
    for what, values in kinds:
        twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
        if twice:
            raise ValueError(f"{what} {twice[0]} is given twice; each is trained once")


def _config(settings: _Settings) -> dict[str, Any]:
    """What a resumed sweep must share; graphs, seeds and machines may differ."""
    return {
        "task": settings.task,
        "data": _stored_images(settings.data),
        "recipe": settings.recipe.settings(),
        "augment": dataclasses.asdict(settings.augment),
        "execution": settings.execution,
        "stacked": settings.stacked,
    }


def _stored_images(images: ImageSettings) -> dict[str, Any]:
    """By the keys that sweeps have always had, and what is unusual."""
    stored, usual = to_dict(images), to_dict(ImageSettings())
    always = ("train_split", "test_split", "imsize", "channels")
    name = stored.pop("dataset")
    return {"name": name} | {k: v for k, v in stored.items() if k in always or v != usual[k]}


def _remaining(
    settings: _Settings, specs: Sequence[NetworkSpec], seeds: Sequence[int], group_size: int
) -> tuple[list[_Group], int]:
    """Jobs still to be done, seed by seed and the widest networks first; and runs already done.

    Groups depend on the whole list, not on what is done, so that a stopped job finds its folder.
    """
    covered = _covered(Path(settings.folder))
    order = sorted(specs, key=lambda spec: (-spec.cost, spec.entry.graph_id))
    groups = [order[k : k + group_size] for k in range(0, len(order), group_size)]
    todo = []
    for seed in seeds:
        for group in groups:
            left = tuple(s for s in group if (s.entry.graph_id, seed) not in covered)
            if left:
                names = " ".join(spec.entry.graph_id for spec in left)
                digest = hashlib.sha256(f"{settings.task} {names}".encode()).hexdigest()[:10]
                todo.append(
                    _Group(name=f"seed{seed}-{digest}", seed=seed, specs=left, settings=settings)
                )
    return todo, len(specs) * len(seeds) - sum(len(group.specs) for group in todo)


def _unlogged(run: RunFolder, settings: _Settings, todo: set[str]) -> list[Job]:
    """Jobs, of any grouping, that were killed between their results and their line in the log."""
    logged = {row.get("job") for row in run.metrics()} | todo
    found = []
    for path in result_files(run.path):
        if path.stem not in logged:
            runs = {(row["graph_id"], row["seed"]) for row in read_job(path)}
            scratch = None if settings.keep else run.path / "jobs" / path.stem / "last.pt"
            found.append(
                Job(
                    name=path.stem, work=_train, payload=None, results=(path,),
                    networks=len(runs), scratch=scratch,
                )
            )  # fmt: skip
    return found


def _covered(folder: Path) -> set[tuple[str, int]]:
    """Graphs and seeds with results; a damaged file is put aside, so that its job runs again."""
    found: set[tuple[str, int]] = set()
    for path in result_files(folder):
        aside = path.with_suffix(".damaged").name
        rows = read_or_set_aside(path, f"It is now {aside}, and its job runs again")
        found |= {(row["graph_id"], row["seed"]) for row in rows or ()}
    return found


def _train(group: _Group) -> list[list[Row]]:
    s = group.settings
    train, test = (s.data.load(split) for split in (s.data.train_split, s.data.test_split))
    specs = {spec.entry.graph_id: spec for spec in group.specs}
    networks = {
        name: build_network(spec, train, group.seed, execution=s.execution)
        for name, spec in specs.items()
    }
    _drop_damaged(group.folder / "last.pt")
    records = train_networks(
        networks,
        train,
        test,
        s.recipe,
        seed=group.seed,
        device=s.device,
        folder=group.folder,
        stacked=padded_template if s.stacked else None,
        augment=s.augment,
        save_seconds=s.save_seconds,
        progress=s.progress,
    )
    return [[_row(group, specs[record["network"]], record) for record in records]]


def _told(files: Files) -> Report:
    """Mean error of a job's networks after the last epoch, and the seconds that they took."""
    rows: list[Row] = files[0]
    epochs = max(row["epoch"] for row in rows)
    last = [row["top1_error"] for row in rows if row["epoch"] == epochs]
    errors = [error for error in last if error is not None]
    return {
        "top1": sum(errors) / len(errors) if errors else None,
        "seconds": sum(row["seconds"] for row in rows),
    }


def _drop_damaged(checkpoint: Path) -> None:
    """A checkpoint that cannot be read costs the job's epochs so far, not the job."""
    if checkpoint.is_file():
        try:
            load_checkpoint(checkpoint)
        except ValueError as error:
            warnings.warn(f"{error}. Its job starts again", RuntimeWarning)
            checkpoint.unlink()


def _row(group: _Group, spec: NetworkSpec, record: Mapping[str, Any]) -> Row:
    return {
        "task": group.settings.task,
        "seed": group.seed,
        "epoch": record["epoch"],
        "top1_error": record["top1_error"],
        "top5_error": record["top5_error"],
        **spec.columns(),
        "time_avg_s": record["test_seconds"],
        "test_loss": record["test_loss"],
        "train_loss": record["train_loss"],
        "train_error": record["train_error"],
        "seconds": record["seconds"],
    }


class _Means:
    """Running mean error over the networks of finished jobs."""

    def __init__(self) -> None:
        self.sum = 0.0
        self.networks = self.failed = 0

    def add(self, report: Report) -> str:
        """Take in a job and return the line to show."""
        if report.get("top1") is not None:
            self.sum += report["top1"] * report["networks"]
            self.networks += report["networks"]
        self.failed += bool(report["error"])
        mean = f"top-1 error {self.sum / self.networks:.2f} %" if self.networks else ""
        return mean + (f", {self.failed} jobs failed" if self.failed else "")


def _write_tables(folder: Path) -> ResultTable:
    table = merge_results(folder)
    write_results(folder / "results_by_epoch.csv", table)
    write_results(folder / "results.csv", table.final())
    return table
