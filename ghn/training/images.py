"""The image side of hypernetwork training."""

from __future__ import annotations

from dataclasses import dataclass

from ghn.evaluation import evaluation_batches
from ghn.training.config import TrainConfig
from graph2nn.runs import Workers
from graph2nn.vision import Augment, Batches, ImageData, load_images

__all__ = ["ImageSet", "load_image_set"]


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Training batches and a few validation images of one data set."""

    train: Batches
    val: Batches
    num_classes: int
    in_channels: int


def load_image_set(config: TrainConfig, workers: Workers) -> ImageSet:
    """Load images for training; every process sees the same batches.

    `config` must be resolved.
    """
    assert config.batch_size is not None

    def load(split: str) -> ImageData:
        data = load_images(
            config.dataset, data_dir=config.data_dir, split=split, image_size=config.image_size
        )
        return data if data.lazy else data.to(workers.device)

    train, val = load("train"), load("val")
    return ImageSet(
        train=Batches(
            train,
            min(config.batch_size, len(train)),
            train=True,
            seed=config.seed,
            augment=Augment(crop=bool(config.augment), flip=bool(config.augment)),
            device=workers.device,
            drop_last=True,
            workers=config.num_workers,
        ),
        val=evaluation_batches(
            val, config.test_batch_size, device=workers.device, limit=config.val_images
        ),
        num_classes=train.num_classes,
        in_channels=train.channels,
    )
