"""`train_detector`: a detector whose backbone begins with predicted parameters, or with others."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ghn.detection.backbone import DATASET, MapBackbone
from ghn.detection.data import DetectionData
from ghn.detection.detector import batches, build_detector, detect
from ghn.detection.metrics import coco_metrics, pycocotools
from ghn.detection.recipe import DetectionRecipe
from ghn.finetuning import NamedNetwork, Start, start_network
from ghn.model import GHN
from graph2nn.runs import RunFolder, load_checkpoint, seeded, to_dict
from graph2nn.runs.seeds import derived_seed, reseed
from graph2nn.training import (
    Record,
    clip_gradients,
    make_optimizer,
    precise_bn,
    set_learning_rate,
)
from graph2nn.vision import empty_images

__all__ = ["KIND", "TrainedDetector", "train_detector"]

KIND = "detector"
"""Kind of the files that hold a whole detector's weights."""

_RUN = "detector run"
_STATISTICS_BATCH = 4  # images of one pass


class TrainedDetector(NamedTuple):
    """A detector, and what was measured of it.

    Attributes:
        model: The detector, in evaluation mode.
        records: Losses and metrics of each epoch.
    """

    model: nn.Module
    records: list[Record]


def train_detector(
    network: NamedNetwork,
    data: tuple[DetectionData, DetectionData],
    recipe: DetectionRecipe,
    start: Start | GHN | str | Path = "random",
    *,
    seed: int = 0,
    folder: str | Path | None = None,
    resume: bool = True,
    device: torch.device | str = "cpu",
    progress: bool = True,
    save_seconds: float = 300,
) -> TrainedDetector:
    """Train a Faster R-CNN on the map of a network, and test it after every epoch.

    Args:
        network: Network of the backbone, of `backbone_network`; used up, as its head goes.
        data: Images of training and of the test.
        recipe: Recipe; with 0 epochs the detector is only tested.
        start: Weights that the backbone begins with, see `Start`, or a file with a whole detector.
            The other parts begin with torch's initial weights. Where weights are predicted or
            changed, statistics of batch normalisation are those of training images.
        seed: Seed of initial weights, order, mirroring and the draws of regions.
        folder: Folder of the run, which the same call goes on with; None keeps nothing.
        resume: Whether to go on with what the folder holds; otherwise a used folder is an error.
        device: Device.
        progress: Whether there is a progress bar.
        save_seconds: Seconds after which a checkpoint is due within an epoch.

    Returns:
        The detector with a record of each epoch: means of the losses of training, metrics of the
        test as of `coco_metrics`, learning rate and seconds. With 0 epochs there is one, of 0.

    Raises:
        ValueError: A network without a map, a start or a folder that do not fit, a loss that is not
            finite, or torchvision or pycocotools are not installed.

    Examples:
        >>> from ghn.detection import backbone_network, make_shapes
        >>> net = backbone_network("DARTS", channels=8, n_cells=3)
        >>> data = make_shapes(6, image_size=64).split_off_test(seed=1, test_images=2)
        >>> recipe = DetectionRecipe(epochs=1, image_size=64)
        >>> trained = train_detector(net, data, recipe, "ghn2-cifar10", progress=False)
        >>> trained.records[0]["epoch"], trained.records[0]["train_loss"] > 0
        (1, True)
    """
    pycocotools()  # missing, it would be missed after an epoch
    start = start if isinstance(start, Start) else Start(source=start, statistics=64)
    with seeded(seed):
        backbone = MapBackbone(network.model)
        how = {"image_size": recipe.image_size, "regions": recipe.regions}
        detector = build_detector(backbone, len(data[0].class_names), **how)
    detector.to(device)
    run = _run_folder(folder, network.name, data, recipe, start, seed, resume) if folder else None
    training = _Training(detector, data, recipe, seed, run, torch.device(device), progress)
    try:
        if run is None or not run.can_resume:
            training.said = _begin(training, network, start)
        backbone.drop_head()
        training.prepare(save_seconds)
        with seeded(seed, device):
            training.fit()
    finally:
        if run is not None:
            run.close()
    return TrainedDetector(detector.eval(), training.records)


def _begin(training: _Training, network: NamedNetwork, start: Start) -> str:
    """Put the weights in place that training begins with; say which."""
    source = start.source
    if isinstance(source, str | Path) and source not in ("", None) and Path(source).is_file():
        content = load_checkpoint(source)
        if content.get("kind") == KIND:
            training.detector.backbone.drop_head()
            _load(training.detector, content["state_dict"], str(source))
            return f"{Path(source).name}: a whole detector"
    return start_network(
        network.model,
        start,
        empty_images(DATASET),
        seed=training.seed,
        graph=network.graph,
        measure=training.measure_statistics,
    )


def _load(detector: nn.Module, weights: dict[str, Tensor], where: str) -> None:
    own = detector.state_dict()
    other = sorted(set(own) ^ set(weights))
    other += [k for k in own if k in weights and own[k].shape != weights[k].shape]
    if other:
        raise ValueError(
            f"{where} holds another detector: {len(other)} entries differ, {', '.join(other[:3])}; "
            "give the --arch and widths that it was trained with"
        )
    detector.load_state_dict(weights)


class _Training:
    """The loop and its state: steps done, sums of the losses of this epoch, records."""

    def __init__(
        self,
        detector: Any,
        data: tuple[DetectionData, DetectionData],
        recipe: DetectionRecipe,
        seed: int,
        run: RunFolder | None,
        device: torch.device,
        progress: bool,
    ) -> None:
        self.detector, self.recipe, self.seed, self.run = detector, recipe, seed, run
        self.train_data, self.test_data = data
        self.device, self.progress = device, progress
        self.said = ""
        self.step, self.seconds = 0, 0.0
        self.sums: dict[str, float] = {}
        self.records: list[Record] = []
        self.steps_per_epoch = recipe.steps_per_epoch(len(self.train_data))

    def prepare(self, save_seconds: float) -> None:
        """Make the optimiser, and go on with what the folder holds."""
        self.save_seconds = save_seconds
        self.parameters = [p for p in self.detector.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(
            self.parameters,
            self.recipe.optimizer,
            lr=self.recipe.lr,
            weight_decay=self.recipe.weight_decay,
            momentum=self.recipe.momentum,
            fused=True,
        )
        if self.run is not None:
            self._restore(self.run)
        self._saved = self._clock = time.monotonic()

    def measure_statistics(self, count: int) -> int:
        """Replace statistics of normalisation in the backbone by those of training images."""
        size = min(_STATISTICS_BATCH, len(self.train_data))
        wanted = min(count, len(self.train_data)) // size
        order = self._order(0, "statistics")[0]
        inputs = (self._resized(numbers) for numbers in islice(batches(order, size), wanted))
        with seeded(self.seed, self.device):
            precise_bn(self.detector.backbone, inputs)
        return wanted * size

    def fit(self) -> None:
        if not self.recipe.epochs:
            self._finish_epoch()
        total = self.recipe.epochs * self.steps_per_epoch
        with tqdm(
            total=total, initial=self.step, unit="step", leave=None, disable=not self.progress
        ) as bar:
            while self.step < total:
                self._train_epoch(bar)
                self._finish_epoch()

    def _order(self, epoch: int, purpose: str = "order") -> tuple[list[int], list[bool]]:
        """Order of an epoch's images, and which of them, by number, are mirrored."""
        generator = torch.Generator().manual_seed(derived_seed(self.seed, purpose, epoch))
        count = len(self.train_data)
        order = torch.randperm(count, generator=generator).tolist()
        flips = torch.rand(count, generator=generator) < self.recipe.flip
        return order, flips.tolist()

    def _resized(self, numbers: Sequence[int]) -> Tensor:
        """Images (B, 3, H, W) as the backbone gets them."""
        images = [self.train_data.target(index)[0].to(self.device) for index in numbers]
        return self.detector.transform(images)[0].tensors

    def _train_epoch(self, bar: tqdm) -> None:
        """The rest of an epoch, from wherever it was left."""
        self.detector.train()
        order, flips = self._order(self.step // self.steps_per_epoch)
        done = self.step % self.steps_per_epoch
        for numbers in islice(batches(order, self.recipe.batch_size), done, None):
            self._train_step(numbers, flips)
            bar.update(1)
            bar.set_postfix(loss=f"{self.sums['train_loss'] / self._done_in_epoch():.3f}")
            due = time.monotonic() - self._saved >= self.save_seconds
            if self.run is not None and due and self.step % self.steps_per_epoch:
                self._save(self.run)

    def _done_in_epoch(self) -> int:
        return (self.step - 1) % self.steps_per_epoch + 1

    def _train_step(self, numbers: Sequence[int], flips: Sequence[bool]) -> None:
        reseed(derived_seed(self.seed, "step", self.step), self.device)
        pairs = [self.train_data.target(index, flip=flips[index]) for index in numbers]
        images = [image.to(self.device) for image, _ in pairs]
        targets = [{k: v.to(self.device) for k, v in target.items()} for _, target in pairs]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.amp):
            losses = self.detector(images, targets)
        loss = sum(losses.values())
        if not math.isfinite(loss.item()):
            parts = ", ".join(f"{name} {value.item():g}" for name, value in losses.items())
            raise ValueError(
                f"the loss is not finite at step {self.step} ({parts}): lower the learning rate "
                f"({self.recipe.lr:g}), or set grad_clip"
            )
        self.optimizer.zero_grad()
        loss.backward()
        if self.recipe.grad_clip:
            clip_gradients(self.parameters, self.recipe.grad_clip)
        self.lr = set_learning_rate(
            self.optimizer, self.recipe.factor(self.step, self.steps_per_epoch)
        )
        self.optimizer.step()
        for name, value in {"train_loss": loss, **losses}.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.item()
        self.step += 1

    def _finish_epoch(self) -> None:
        """Test, record, save; the epoch is done only after all of it."""
        found = detect(
            self.detector,
            self.test_data,
            batch_size=self.recipe.test_batch_size,
            device=self.device,
            progress=self.progress,
        )
        now = time.monotonic()
        epoch = self.step // self.steps_per_epoch
        record: Record = {
            "epoch": epoch,
            **{name: value / self.steps_per_epoch for name, value in self.sums.items()},
            **coco_metrics(self.test_data, found),
            "lr": self.lr if self.step else 0.0,
            "seconds": self.seconds + now - self._clock,
            "start": self.said,
        }
        self.records.append(record)
        self.sums, self.seconds, self._clock = {}, 0.0, now
        if self.run is not None:
            self.run.log(epoch, **{k: v for k, v in record.items() if k != "epoch"})
            self._save(self.run)

    def _save(self, run: RunFolder) -> None:
        now = time.monotonic()
        run.save_last(
            {
                "kind": _RUN,
                "step": self.step,
                "state_dict": self.detector.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "sums": self.sums,
                "records": self.records,
                "seconds": self.seconds + now - self._clock,
                "said": self.said,
            }
        )
        self._saved = now

    def _restore(self, run: RunFolder) -> None:
        if not run.can_resume:
            run.rewind(-1)  # what a run logged that ended before its first checkpoint
            return
        content = load_checkpoint(run.last, kind=_RUN)
        _load(self.detector, content["state_dict"], str(run.last))
        self.optimizer.load_state_dict(content["optimizer"])
        self.step, self.sums, self.records = content["step"], content["sums"], content["records"]
        self.seconds, self.said = content["seconds"], content["said"]
        run.rewind(self.step // self.steps_per_epoch)


def _run_folder(
    folder: str | Path,
    name: str,
    data: tuple[DetectionData, DetectionData],
    recipe: DetectionRecipe,
    start: Start,
    seed: int,
    resume: bool,
) -> RunFolder:
    """The folder, with the settings that a resumed run must share."""
    settings = {
        "network": name,
        "data": [[part.name, part.split, len(part), _digest(part)] for part in data],
        "recipe": to_dict(recipe),
        "start": start.settings(),
        "seed": seed,
    }
    return RunFolder(folder, settings, resume=resume)


def _digest(data: DetectionData) -> str:
    """A checksum of images and boxes."""
    found = hashlib.sha256()
    for value in (*data.images, *data.boxes):
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
