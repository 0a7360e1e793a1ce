"""Which images are trained and tested on: `ImageSettings`, and the sets that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import torch

from graph2nn.names import choose
from graph2nn.runs.config import option
from graph2nn.vision.augment import Augment
from graph2nn.vision.corruptions import CORRUPTIONS, corrupted
from graph2nn.vision.datasets import DATASETS, load_images
from graph2nn.vision.image_data import ImageData

__all__ = ["ImageSets", "ImageSettings", "dataset_label", "dataset_name", "load_sets"]

_LABELS = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "tiny_imagenet": "tinyimagenet"}


def dataset_name(name: str) -> str:
    """Return the name in `DATASETS` of a data set named so, or as tables of results spell it.

    Raises:
        ValueError: An unknown data set.

    Examples:
        >>> dataset_name("CIFAR-10"), dataset_name("digits")
        ('cifar10', 'digits')
    """
    known = {label.casefold(): own for own, label in _LABELS.items()}
    names = [*_LABELS.values(), *DATASETS]
    found = known.get(name.casefold(), name)
    return found if found in DATASETS else choose("data set", name, names, where="dataset")


def dataset_label(name: str) -> str:
    """Return what tables of results call a data set: the published spelling, where it has one."""
    return _LABELS.get(dataset_name(name), name)


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """Which images networks are trained and tested on.

    Args:
        dataset: Name in `graph2nn.vision.DATASETS`, or as published (`CIFAR-10`).
        image_size: Side in pixels; None keeps the native one.
        train: Number of training images, drawn without replacement; None means all that are left.
        val: Number of validation images, drawn from the same files; None for none.
        test: Number of test images, drawn from the test files; None means all.
        noise: Standard deviation of the Gaussian noise of corrupted images, for values in [0, 1].
        crop: Whether training images are cropped (and mirrored where the data allow it).
        seed: Seed of the draws and of the noise.
        channels: Channels of an image; 3 repeats that of grey images.
        train_split, test_split: Splits that images are drawn from, see `load_images`.
        data_dir: Folder of the data. It says where the images are, not which: it is not stored,
            and settings are equal whatever it is.

    Raises:
        ValueError: An unknown data set, or a number out of range.
    """

    dataset: str = "digits"
    image_size: int | None = option(None, name="imsize")
    train: int | None = None
    val: int | None = None
    test: int | None = None
    noise: float = 0.08
    crop: bool = False
    seed: int = 0
    channels: int = 3
    train_split: str = "trainval"
    test_split: str = "test"
    data_dir: str | None = option(None, stored=False)

    def __post_init__(self) -> None:
        dataset_name(self.dataset)
        for name in ("image_size", "train", "val", "test"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"ImageSettings.{name}: expected at least 1, got {value}")
        if self.noise < 0 or self.seed < 0:
            raise ValueError(
                "ImageSettings: noise and seed must not be negative, "
                f"got {self.noise} and {self.seed}"
            )

    @property
    def side(self) -> int:
        """Side of the images in pixels, known without the images."""
        return self.image_size or DATASETS[dataset_name(self.dataset)].image_size

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of an image."""
        return (self.channels, self.side, self.side)

    @property
    def num_classes(self) -> int:
        """Number of classes of the data set."""
        return DATASETS[dataset_name(self.dataset)].num_classes

    def at_most(self, side: int) -> ImageSettings:
        """Return the settings with a size where there is none: the native one, at most `side`."""
        return replace(self, image_size=self.image_size or min(self.side, side))

    def load(self, split: str) -> ImageData:
        """Return all images of a split, kept in memory for the next job of this process."""
        return _load(self, split, self.data_dir)


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageSets:
    """Images that settings ask for.

    Args:
        settings: Settings that they follow from.
        train, val, test: Images of training, of validation (maybe none) and of testing.
    """

    settings: ImageSettings
    train: ImageData
    val: ImageData
    test: ImageData

    @property
    def augment(self) -> Augment:
        """Augmentation of the training images."""
        return Augment(crop=self.settings.crop, flip=self.settings.crop)

    @cached_property
    def more_tests(self) -> dict[str, ImageData]:
        """Images that are tested on every epoch beside `val`: its noisy copy `val_noise`."""
        return {"val_noise": self._corrupted(self.val, "noise")}

    @cached_property
    def final_tests(self) -> dict[str, ImageData]:
        """Images that are tested on at the end.

        They are `final`, the test images, and their copies `final_NAME` with each of `CORRUPTIONS`.
        """
        copies = {f"final_{name}": self._corrupted(self.test, name) for name in CORRUPTIONS}
        return {"final": self.test, **copies}

    def _corrupted(self, data: ImageData, name: str) -> ImageData:
        return corrupted(data, name, noise=self.settings.noise, seed=self.settings.seed)


def load_sets(settings: ImageSettings, data_dir: str | Path | None = None) -> ImageSets:
    """Load the images that settings ask for; cached, so that jobs of one process share them.

    Training and validation images are drawn from one split, without an image in both.

    Args:
        settings: Settings that say which images.
        data_dir: Folder of the data; None takes that of the settings.

    Raises:
        ValueError: Fewer images than asked for.
        FileNotFoundError: The data are not there; says how to get them.
    """
    return _sets(settings, settings.data_dir if data_dir is None else str(data_dir))


@lru_cache(maxsize=4)
def _sets(settings: ImageSettings, data_dir: str | None) -> ImageSets:
    images, test = (
        _read(settings, s, data_dir) for s in (settings.train_split, settings.test_split)
    )
    held = settings.val or 0
    if settings.train is not None or held:
        count = len(images) if settings.train is None else settings.train + held
        images = images.draw(count, settings.seed)
    order, kept = torch.arange(len(images)), len(images) - held
    if settings.test is not None:
        test = test.draw(settings.test, settings.seed)
    return ImageSets(
        settings=settings,
        train=replace(images.subset(order[:kept]) if held else images, split="train"),
        val=replace(images.subset(order[kept:]), split="val"),
        test=test,
    )


@lru_cache(maxsize=2)
def _load(settings: ImageSettings, split: str, data_dir: str | None) -> ImageData:
    return _read(settings, split, data_dir)


def _read(settings: ImageSettings, split: str, data_dir: str | None) -> ImageData:
    return load_images(
        dataset_name(settings.dataset),
        data_dir=data_dir,
        split=split,
        image_size=settings.image_size,
        channels=settings.channels,
    )
