"""The runs of the fine-tuning study: tuning of the learning rate, then what is reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ghn.finetuning.named import named_network
from ghn.finetuning.starts import Start
from ghn.finetuning.study.analysis import chosen_rates
from ghn.finetuning.training import train
from ghn.model import GHN
from ghn.pretrained import from_pretrained
from graph2nn.names import choose
from graph2nn.runs import RunFolder
from graph2nn.runs.campaign import Job, run_campaign
from graph2nn.runs.campaign.results import Row, read_rows
from graph2nn.runs.config import to_dict
from graph2nn.training import Recipe, count_parameters
from graph2nn.vision import DATASETS, ImageData, load_images

__all__ = ["STUDY_NETWORKS", "STUDY_STARTS", "StudySettings", "run_study"]

STUDY_STARTS: dict[str, dict[str, Any]] = {
    "torch": {"source": "random"},
    "kaiming": {"source": "kaiming"},
    "orth": {"source": "orth"},
    "predicted": {"source": "ghn"},
    "predicted-orth": {"source": "ghn", "orthogonal": True},
    "mlp": {"source": "mlp"},
    "mlp-orth": {"source": "mlp", "orthogonal": True},
}
"""Arguments of `Start` by name; `ghn` and `mlp` stand for the hypernetworks of the settings."""

STUDY_NETWORKS = (
    *("test-3", "wide-3", "deep-3", "dense-1", "bnfree-1"),
    *("convnets-3", "convnets-22", "transformers-6"),
    *("relational-3", "relational-7", "wirings-1", "wirings-6"),
)
"""Networks of DeepNets-1M, in the manner of torchvision (a ResNet, a ConvNeXt), vision transformer,
relational and wired ones, none of which the shipped hypernetworks were trained on."""


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """What is trained, and from what.

    Args:
        dataset: Name of the data set.
        image_size: Side of the images in pixels; None keeps the native one.
        data_dir: Folder of the data.
        networks: Names of `named_network`, such as test-3.
        starts: Names in `STUDY_STARTS`.
        ghn, mlp: Names or files of the hypernetworks that predict.
        shots: Number of training images of each class.
        rates: Learning rates to choose from, for every start and number of images.
        seeds: Number of seeds that are reported: 0, 1, ... Each draws images and initial weights.
        tuning_seeds: Number of further seeds, from 1000 on, whose validation accuracy chooses the
            rate; they are not reported.
        test_images: Number of validation and of test images at most.
        epochs, batch_size, weight_decay: Settings of the recipe, which is SGD with momentum and a
            cosine as in `experiments/sgd/train_net.py`.

    Raises:
        ValueError: An unknown data set or start, or nothing to train.
    """

    dataset: str = "digits"
    image_size: int | None = None
    data_dir: str | None = None
    networks: tuple[str, ...] = STUDY_NETWORKS
    starts: tuple[str, ...] = tuple(STUDY_STARTS)
    ghn: str = "ghn2-digits-mixed"
    mlp: str = "mlp-digits"
    shots: tuple[int, ...] = (10,)
    rates: tuple[float, ...] = (0.005, 0.025, 0.1, 0.3)
    seeds: int = 5
    tuning_seeds: int = 1
    test_images: int = 500
    epochs: int = 20
    batch_size: int = 32
    weight_decay: float = 3e-4

    def __post_init__(self) -> None:
        choose("data set", self.dataset, DATASETS)
        for start in self.starts:
            choose("start", start, STUDY_STARTS)
        for name in ("networks", "starts", "shots", "rates"):
            if not getattr(self, name):
                raise ValueError(f"StudySettings.{name}: expected at least one, got none")
        if min(self.seeds, self.tuning_seeds, self.epochs, self.test_images) < 1:
            raise ValueError(
                "StudySettings: expected at least one epoch, one test image and one seed of each "
                "kind"
            )

    @property
    def tuning(self) -> range:
        """Seeds that choose."""
        return range(1000, 1000 + self.tuning_seeds)


_EXTENDED = ("networks", "starts", "shots", "rates", "seeds", "tuning_seeds", "data_dir")


@dataclass(frozen=True, kw_only=True)
class _One:
    """One training."""

    settings: StudySettings
    network: str
    start: str
    shots: int
    rate: float
    seed: int

    @property
    def name(self) -> str:
        parts = (self.network, self.start, f"{self.shots}shot", f"lr{self.rate:g}", f"s{self.seed}")
        return "_".join(parts)


def run_study(
    settings: StudySettings, folder: str | Path, *, jobs: int = 1, progress: bool = True
) -> list[Row]:
    """Train all runs of the study and return every epoch of those that are reported.

    The same call goes on with a study that was stopped; more networks, starts, images, rates or
    seeds extend it.

    Args:
        settings: What is trained.
        folder: Folder of the results, one file a run.
        jobs: Number of processes.
        progress: Whether to show a bar.

    Returns:
        Rows with `network`, `start`, `shots`, `rate`, `seed`, `epoch`, `top1` in percent (None
        where a run has diverged), `train_loss`, `parameters`, `seconds`.

    Raises:
        RuntimeError: Runs that failed.
        ValueError: The folder holds a study with other settings.
    """
    how: dict[str, Any] = {"may_differ": _EXTENDED, "defaults": to_dict(StudySettings())}
    run = RunFolder(folder, to_dict(settings), resume=True, **how)
    try:
        return _run(settings, run, jobs, progress)
    finally:
        run.close()


def _run(settings: StudySettings, run: RunFolder, jobs: int, progress: bool) -> list[Row]:
    tuned = _campaign(list(_tuning(settings)), run, jobs, progress)
    rates = chosen_rates(tuned)
    reported = [
        _One(settings=settings, network=n, start=s, shots=k, rate=rates[s, k], seed=seed)
        for seed in range(settings.seeds)
        for k in settings.shots
        for n in settings.networks
        for s in settings.starts
    ]
    return _campaign(reported, run, jobs, progress)


def _tuning(settings: StudySettings) -> Iterator[_One]:
    for seed in settings.tuning:
        for shots in settings.shots:
            for network in settings.networks:
                for start in settings.starts:
                    for rate in settings.rates:
                        yield _One(
                            settings=settings,
                            network=network,
                            start=start,
                            shots=shots,
                            rate=rate,
                            seed=seed,
                        )


def _campaign(runs: list[_One], folder: RunFolder, jobs: int, progress: bool) -> list[Row]:
    paths = [folder.path / "results" / f"{run.name}.jsonl" for run in runs]
    plan = [
        Job(name=run.name, work=_train, payload=run, results=(path,))
        for run, path in zip(runs, paths)
    ]
    run_campaign(folder, plan, jobs=jobs, unit="run", progress=progress).check("runs")
    return [row for path in paths for row in read_rows(path)]


def _train(run: _One) -> list[list[Row]]:
    """Train once; a tuning seed is tested on validation images, any other on test images."""
    c = run.settings
    images = _images(c.dataset, c.data_dir, "train", c.image_size)
    few = images.draw(len(images), run.seed).few_shot(run.shots)
    part = "val" if run.seed in c.tuning else "test"
    test = _images(c.dataset, c.data_dir, part, c.image_size)
    test = test.draw(min(len(test), c.test_images), 0)
    network = named_network(run.network, few, seed=run.seed)
    recipe = Recipe(
        epochs=c.epochs,
        batch_size=c.batch_size,
        test_batch_size=250,
        lr=run.rate,
        weight_decay=c.weight_decay,
        nesterov=False,
        grad_clip=5.0,
        precise_bn=0,
        drop_last=0 < len(few) % c.batch_size < 2,
    )
    records = train(
        network.model,
        (few, test),
        recipe,
        _start(c, run.start),
        seed=run.seed,
        graph=network.graph,
        progress=False,
    )
    own = {k: getattr(run, k) for k in ("network", "start", "shots", "rate", "seed")}
    size = count_parameters(network.model)
    return [[own | _measured(record, size) for record in records]]


def _measured(record: Mapping[str, Any], parameters: int) -> Row:
    error = record["top1_error"]
    return {
        "epoch": record["epoch"],
        "top1": None if error is None else 100 - error,
        "train_loss": record["train_loss"],
        "parameters": parameters,
        "seconds": record["seconds"],
    }


def _start(settings: StudySettings, name: str) -> Start:
    start = Start(**STUDY_STARTS[name])
    if start.source in ("ghn", "mlp"):
        return replace(start, source=_hypernetwork(getattr(settings, str(start.source))))
    return start


@lru_cache(maxsize=4)
def _hypernetwork(name: str) -> GHN:
    return from_pretrained(name).eval()


@lru_cache(maxsize=4)
def _images(name: str, data_dir: str | None, split: str, image_size: int | None) -> ImageData:
    return load_images(name, data_dir=data_dir, split=split, image_size=image_size)
