"""`train_networks`: one classifier or many, on one stream of images, resumable at any step."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from graph2nn.runs.checkpoint import load_checkpoint
from graph2nn.runs.folder import RunFolder
from graph2nn.runs.processes import StopRequest, Workers, stopping_between_steps
from graph2nn.runs.seeds import derived_seed, reseed, seeded
from graph2nn.training.evaluation import RunningErrors
from graph2nn.training.loop.images import Streams
from graph2nn.training.loop.learner import Learner
from graph2nn.training.loop.observer import Observer
from graph2nn.training.loop.stacked import Template, make_learners
from graph2nn.training.recipe import Recipe
from graph2nn.vision.augment import Augment
from graph2nn.vision.batches import Batches
from graph2nn.vision.image_data import ImageData

__all__ = ["DivergedWarning", "Record", "train_networks"]

Batch = tuple[Tensor, Tensor]
Record = dict[str, Any]
"""One line of results, of a network after an epoch; see `train_networks`."""

_KIND = "networks"

_TURN, _TURN_BYTES = 8, 1 << 25  # batches, and bytes of images, of a network's turn (`_turns`)
_REFRESH = 0.5  # seconds between readings of the loss, each of which waits for the device


class DivergedWarning(RuntimeWarning):
    """A network's loss is not finite any more; the others go on."""


def train_networks(
    networks: Mapping[str, nn.Module],
    train: ImageData,
    test: ImageData,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    folder: str | Path | None = None,
    resume: bool = True,
    stacked: Template | None = None,
    augment: Augment | None = None,
    more_tests: Mapping[str, ImageData] | None = None,
    final_tests: Mapping[str, ImageData] | None = None,
    observers: Mapping[str, Observer] | None = None,
    save_seconds: float = 60.0,
    save_epochs: bool = False,
    decoders: int = 0,
    workers: Workers | None = None,
    progress: bool = True,
) -> list[Record]:
    """Train classifiers in place and test them before the first and after every epoch.

    All networks see the same images in the same order and augmentation, which depend on `seed`
    alone, and share no other randomness: results equal those of training each network alone,
    bit for bit (one by one) or within rounding (stacked). Which is faster? Loading, cropping and
    flipping is done once either way. Stacking pays where kernels are so small that starting them
    takes the time, as with MLPs on a GPU; on a CPU it does not.

    A run with a `folder` goes on from its last checkpoint, written every `save_seconds` between any
    two steps (with many networks, after their turns of a few batches each), to the same numbers as
    if it had never stopped: bit for bit with as many threads as before (`threads` in
    `environment.json`), within rounding otherwise. A network whose loss stops being finite is named
    in a warning and left behind: its errors are None from then on; the others go on.

    Args:
        networks: Networks by name; (B, C, H, W) → (B, classes). They end in evaluation mode on
            `device`.
        train, test: Images; moved to `device` once.
        recipe: Recipe of training.
        seed: Seed of the order of images, of augmentation and of dropout.
        device: Device of the computation.
        folder: Folder of the run (see `RunFolder`); None keeps nothing.
        resume: Whether to go on with what the folder holds; otherwise a used folder is an error.
        stacked: Function that makes the module that networks of equal structure are padded to; None
            trains one after the other on each batch.
        augment: Augmentation of training images; None means `Augment()`.
        more_tests: Further images, by name, to test on whenever `test` is (corrupted ones, say).
        final_tests: Images to test on after the last epoch only, by name.
        observers: Observers by name of network: what is to happen around its steps and after its
            epochs.
        save_seconds: Time between checkpoints.
        save_epochs: Whether to save after every epoch, too, so that a killed run loses the present
            one at most.
        decoders: Number of threads that decode image files, where images are not held in memory.
        workers: Processes that share every training batch, each of which makes this call on its
            own copy; their results are those of one, within rounding and but for dropout. `device`
            is then theirs. None for this process alone.
        progress: Whether to show a bar with the mean loss of the epoch so far.

    Returns:
        One dictionary a network and evaluated epoch, epoch by epoch: `network` (str), `epoch` (0 is
        before training), `top1_error` and `top5_error` (percent of the test images), `test_loss`,
        `train_loss`, `train_error` (percent, while training, with augmentation; None at epoch 0),
        `lr`, `seconds` (since the last evaluation: of the whole call, divided by the number of
        networks), `test_seconds` (a test batch, likewise); `NAME_error` and `NAME_loss` of each
        of the further tests, None in an epoch without it; what the network's observer adds. What is
        not finite is None.

    Raises:
        ValueError: No network, a seed or folder that cannot be used, images without a whole batch,
            an observer of no network or of one that is stacked.
        Stopped: The program was asked to stop, see `stoppable`; with a folder the step is saved.

    Examples:
        >>> from graph2nn.vision import load_images
        >>> train, test = (load_images("digits", split=name) for name in ("trainval", "test"))
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 10))
        >>> recipe = Recipe(epochs=2)
        >>> rows = train_networks({"net": net}, train, test, recipe, seed=1, progress=False)
        >>> [row["epoch"] for row in rows], rows[-1]["top1_error"] < 50
        ([0, 1, 2], True)
    """
    if not networks:
        raise ValueError("train_networks: expected at least one network, got none")
    if seed < 0:
        raise ValueError(f"train_networks: seed must not be negative, got {seed}")
    workers = workers or Workers(0, 1, torch.device(device))
    place = workers.device
    if workers.world > 1 and stacked is not None:
        raise ValueError("train_networks: several processes train networks one by one, not stacked")
    if recipe.amp == "fp16" and place.type == "cpu":
        raise ValueError("train_networks: amp fp16 needs a GPU; use bf16 or none on a CPU")
    with seeded(seed, place):
        learners = make_learners(networks, recipe, workers, stacked)
        data = Streams(train, test, recipe, seed, place, augment or Augment(), decoders)
        data.add_tests(more_tests or {}, final_tests or {})
        watching = _checked_observers(observers or {}, learners)
        run = None
        if folder is not None and workers.first:
            config = _describe(networks, data, watching, stacked is not None)
            run = RunFolder(folder, config, resume=resume)
        training = _Training(learners, data, run, watching, workers, progress and workers.first)
        training.save_seconds, training.save_epochs = save_seconds, save_epochs
        if folder is not None:
            training.kept_in = Path(folder)
            workers.barrier()  # until the first process has looked at the folder
            training.restore(Path(folder) / "last.pt")
            workers.barrier()  # before the first process writes
        return training.fit()


class _Training:
    """The loop and its state: epochs done, batches of the present one, records."""

    def __init__(
        self,
        learners: list[Learner],
        data: Streams,
        run: RunFolder | None,
        observers: Mapping[str, Observer],
        workers: Workers,
        progress: bool,
    ) -> None:
        self.learners, self.data, self.run, self.recipe = learners, data, run, data.recipe
        self.observers, self.workers, self.progress = observers, workers, progress
        self.save_seconds, self.save_epochs = math.inf, False
        self.kept_in: Path | None = None
        self.names = [name for learner in learners for name in learner.names]
        self.done = -1  # epochs evaluated; -1 before the first evaluation
        self.records: list[Record] = []
        self.seconds = 0.0
        self._saved = self._clock = time.monotonic()

    def fit(self) -> list[Record]:
        total = self.recipe.epochs * len(self.data.train)
        held = stopping_between_steps(self.workers) if self.kept_in else nullcontext()
        with (
            held as request,
            tqdm(
                total=total, initial=self._step, unit="step", leave=None, disable=not self.progress
            ) as bar,
        ):
            while self.done < self.recipe.epochs:
                if self.done >= 0 and self.data.train.epoch == self.done:
                    self._train_epoch(bar, request)
                self._finish_epoch()
        for learner in self.learners:
            learner.train(False)
            learner.write_back()
        return self.records

    @property
    def _step(self) -> int:
        """The next step of the optimiser, from 0."""
        return self.data.train.epoch * len(self.data.train) + self.data.train.position

    def _train_epoch(self, bar: tqdm, request: StopRequest | None) -> None:
        """The rest of an epoch, from wherever the images stand."""
        shown = time.monotonic()
        active = [learner for learner in self.learners if any(learner.alive)]
        for learner in active:
            learner.train()
        step = self._step
        for turn in self._turns(self.data.train, len(active)):
            for learner in active:
                for at, (images, labels) in enumerate(turn, start=step):
                    self._train_step(learner, at, images, labels)
            step += len(turn)
            bar.update(len(turn))
            if self.progress and time.monotonic() - shown > _REFRESH:
                shown = time.monotonic()
                bar.set_postfix(epoch=self.done + 1, loss=f"{self._mean_loss():.3f}")
            if self.run is not None and time.monotonic() - self._saved >= self.save_seconds:
                self._save(self.run)
            if request is not None and request.asked():
                if self.run is not None:
                    self._save(self.run)
                request.stop(f"epoch {self.done + 1}, step {self._step} is kept in {self.kept_in}")

    def _train_step(self, learner: Learner, step: int, images: Tensor, labels: Tensor) -> None:
        observer = self.observers.get(learner.names[0])
        if observer is not None:
            observer.before_step(step)
        self._seed_draws(self._dropout_seed(step) + self.workers.rank)
        learner.train_step(images, labels, self.data.schedule(step))
        if observer is not None:
            observer.after_step(step, learner.optimizer)

    def _turns(self, batches: Iterable[Batch], learners: int) -> Iterator[list[Batch]]:
        """A few batches at a time, on all of which a network is trained or tested before the next
        one's turn: while it lasts, its weights and momentum stay in the processor's cache."""
        stream = ((self.data.as_input(images), labels) for images, labels in batches)
        for first in stream:
            size = first[0].numel() * first[0].element_size()
            most = 1 if learners == 1 else max(1, min(_TURN, _TURN_BYTES // size))
            yield [first, *islice(stream, most - 1)]

    def _finish_epoch(self) -> None:
        """Statistics of normalisation, test, records; the epoch is done only after all of it."""
        epoch = self.done + 1
        if epoch > 0 and self.recipe.precise_bn:
            self._precise_statistics(epoch)
        if self.recipe.evaluates(epoch):
            self._evaluate(epoch)
        for learner in self.learners:
            learner.errors = RunningErrors(len(learner.names), self.data.device)
        self.done = epoch
        due = self.save_epochs or epoch == self.recipe.epochs
        if self.run is not None and (due or time.monotonic() - self._saved >= self.save_seconds):
            self._save(self.run)

    def _precise_statistics(self, epoch: int) -> None:
        active = [learner for learner in self.learners if any(learner.alive)]
        draw = self._dropout_seed(self._step, "statistics")
        with ExitStack() as stack:
            contexts = [stack.enter_context(learner.precise_statistics()) for learner in active]
            for images, _ in self.data.for_statistics(epoch):
                images = self.data.as_input(images)
                for learner, context in zip(active, contexts):
                    self._seed_draws(draw)
                    learner.statistics_step(images, context)

    def _evaluate(self, epoch: int) -> None:
        start = time.monotonic()
        for learner in self.learners:
            learner.train(False)
        tested = self._test(self.data.test)
        tested_at = time.monotonic()
        last = epoch == self.recipe.epochs
        more = {
            name: self._test(batches) if last or name not in self.data.final_only else None
            for name, batches in self.data.more_tests.items()
        }
        now, count = time.monotonic(), len(self.names)
        timing = {
            "lr": self.recipe.lr * self.data.schedule(max(0, self._step - 1)),
            "seconds": (now - self._clock + self.seconds) / count,
            "test_seconds": (tested_at - start) / len(self.data.test) / count,
        }
        self._clock, self.seconds = now, 0.0
        for at, learner in enumerate(self.learners):
            extra = {name: means and means[at] for name, means in more.items()}
            self._record(epoch, learner, learner.errors.means(), tested[at], extra, timing)

    def _test(self, batches: Batches) -> list[list[tuple[float, float, float]]]:
        """Loss, top-1 and top-5 error of every network of every learner."""
        found = [RunningErrors(len(learner.names), self.data.device) for learner in self.learners]
        active = [(learner, e) for learner, e in zip(self.learners, found) if any(learner.alive)]
        for turn in self._turns(batches, len(active)):
            for learner, errors in active:
                for images, labels in turn:
                    learner.test_step(images, labels, errors)
        return [errors.means() for errors in found]

    def _record(
        self,
        epoch: int,
        learner: Learner,
        train: list,
        test: list,
        more: Mapping[str, list | None],
        timing: Mapping[str, float],
    ) -> None:
        for k, name in enumerate(learner.names):
            finite = all(map(math.isfinite, (*train[k], *test[k])))
            if learner.alive[k] and not finite:
                learner.alive[k] = False
                warnings.warn(
                    f"network {name}: the loss is not finite in epoch {epoch}; it is left behind "
                    "and its errors are None from here on (lower the learning rate?)",
                    DivergedWarning,
                )
            trained = train[k] if learner.alive[k] and epoch > 0 else (None,) * 3
            tested = test[k] if learner.alive[k] else (None,) * 3
            record = {
                "network": name,
                "epoch": epoch,
                "top1_error": tested[1],
                "top5_error": tested[2],
                "test_loss": tested[0],
                "train_loss": trained[0],
                "train_error": trained[1],
                **_further(more, k, learner.alive[k]),
                **timing,
            }
            if learner.alive[k] and name in self.observers:
                record = _united(record, self.observers[name].after_epoch(epoch))
            self.records.append(record)
            if self.run is not None:
                self.run.log(epoch, **{key: v for key, v in record.items() if key != "epoch"})

    def _mean_loss(self) -> float:
        losses = [mean[0] for learner in self.learners for mean in learner.errors.means()]
        finite = [loss for loss in losses if math.isfinite(loss)]
        return sum(finite) / len(finite) if finite else math.nan

    def _seed_draws(self, seed: int) -> None:
        """Before each network, so that it draws (dropout) what it would draw alone."""
        reseed(seed, self.data.device)

    def _dropout_seed(self, step: int, purpose: str = "step") -> int:
        return derived_seed(self.data.seed, purpose, step)

    def _save(self, run: RunFolder) -> None:
        now = time.monotonic()
        payload = {
            "kind": _KIND,
            "done": self.done,
            "images": self.data.train.state_dict(),
            "units": [learner.state_dict() for learner in self.learners],
            "records": self.records,
            "seconds": self.seconds + now - self._clock,
            "observers": {name: seen.state_dict() for name, seen in self.observers.items()},
        }
        run.save_last(payload)
        self._saved = time.monotonic()

    def restore(self, last: Path) -> None:
        """Go on from a checkpoint, if it is there; drop what was logged after it."""
        if last.is_file():
            self._load(last)
        if self.run is not None:
            self.run.rewind(self.done)
        self._saved = self._clock = time.monotonic()

    def _load(self, last: Path) -> None:
        content = load_checkpoint(last, kind=_KIND)  # a device gets copies, not the file
        stored = [learner["names"] for learner in content["units"]]
        if stored != [list(learner.names) for learner in self.learners]:
            raise ValueError(
                f"{last} groups the networks otherwise than this run; use its settings or "
                "another folder"
            )
        for learner, state in zip(self.learners, content["units"]):
            learner.load_state_dict(state)
        for name, observer in self.observers.items():
            observer.load_state_dict(content["observers"][name])
        self.data.train.load_state_dict(content["images"])
        self.done, self.records = content["done"], content["records"]
        self.seconds = content["seconds"]


def _further(more: Mapping[str, list | None], k: int, alive: bool) -> dict[str, float | None]:
    """Entries of a record for further tests; None where they were not made or are not finite."""
    entries: dict[str, float | None] = {}
    for name, means in more.items():
        loss, error, _ = means[k] if means is not None and alive else (None,) * 3
        finite = loss is not None and math.isfinite(loss)
        entries[f"{name}_error"] = error if finite else None
        entries[f"{name}_loss"] = loss if finite else None
    return entries


def _united(record: Record, measured: Mapping[str, Any]) -> Record:
    twice = sorted(set(record) & set(measured))
    if twice:
        raise ValueError(f"the observer of {record['network']}: records have a {twice[0]} already")
    return {**record, **measured}


def _checked_observers(
    observers: Mapping[str, Observer], learners: list[Learner]
) -> Mapping[str, Observer]:
    alone = {learner.names[0] for learner in learners if len(learner.names) == 1}
    wrong = sorted(set(observers) - alone)
    if wrong:
        raise ValueError(
            f"observers: {wrong[0]} names no network that is trained on its own; those are "
            f"{', '.join(sorted(alone)) or 'none, as all are stacked'}"
        )
    return observers


def _describe(
    networks: Mapping[str, nn.Module],
    data: Streams,
    observers: Mapping[str, Observer],
    stacked: bool,
) -> dict[str, Any]:
    """Settings that a resumed run must share, JSON-able."""
    layout = hashlib.sha256()
    for name, network in networks.items():
        shapes = [(key, tuple(value.shape)) for key, value in network.named_parameters()]
        layout.update(f"{name} {shapes}".encode())
    tests = {
        name: [part.data.split, len(part.data), name in data.final_only]
        for name, part in data.more_tests.items()
    }
    watched = {name: dict(observer.settings()) for name, observer in observers.items()}
    return {
        **({"more_tests": tests} if tests else {}),
        **({"observers": watched} if watched else {}),
        "networks": list(networks),
        "layout": layout.hexdigest()[:16],
        "stacked": stacked,
        "seed": data.seed,
        "recipe": data.recipe.settings(),
        "augment": dataclasses.asdict(data.augment),
        "train": [data.train.data.name, data.train.data.split, len(data.train.data)],
        "test": [data.test.data.name, data.test.data.split, len(data.test.data)],
    }
