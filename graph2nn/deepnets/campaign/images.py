"""Images of a table: training, validation and test images, and corrupted copies of the latter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graph2nn.deepnets.campaign.settings import ImageSettings
from graph2nn.vision import Augment, ImageData, add_noise, load_images

__all__ = ["CORRUPTIONS", "ImageSets", "corrupted", "load_sets"]

_BINOMIAL = (0.25, 0.5, 0.25)
_CONTRAST = 0.4


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageSets:
    """What networks of a table are trained with and tested on.

    Args:
        train, val: images of training and validation.
        more_tests: tested on every epoch: `val_noise`.
        final_tests: tested on at the end: `final`, the test images, and their corrupted copies
            `final_NAME`.
        augment: of training images.
    """

    train: ImageData
    val: ImageData
    more_tests: dict[str, ImageData]
    final_tests: dict[str, ImageData]
    augment: Augment


def _noise(images: Tensor, std: float, generator: torch.Generator) -> Tensor:
    return add_noise(images, std, generator)


def _blur(images: Tensor, std: float, generator: torch.Generator) -> Tensor:
    kernel = images.new_tensor(_BINOMIAL)
    weight = (kernel[:, None] * kernel).expand(images.shape[1], 1, 3, 3)
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, weight, groups=images.shape[1])


def _contrast(images: Tensor, std: float, generator: torch.Generator) -> Tensor:
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + _CONTRAST * (images - mean)


CORRUPTIONS: dict[str, Callable[[Tensor, float, torch.Generator], Tensor]] = {
    "noise": _noise,
    "blur": _blur,
    "contrast": _contrast,
}
"""Gaussian noise of a given deviation, clipped to [0, 1]; 3x3 binomial blur; contrast times .4."""


def corrupted(data: ImageData, name: str, *, noise: float = 0.08, seed: int = 0) -> ImageData:
    """A corrupted copy of some images, the same for every network.

    The published noise (arXiv:2110.13100, section 4) has a standard deviation of .08 on CIFAR-10.
    Values are rounded to 8 bits.

    Args:
        data: images in memory.
        name: one of `CORRUPTIONS`.
        noise: standard deviation of `noise`, for values in [0, 1].
        seed: of the noise.

    Raises:
        ValueError: an unknown corruption, or images that are decoded when asked for.
    """
    if name not in CORRUPTIONS:
        raise ValueError(f"unknown corruption {name!r}; expected one of {', '.join(CORRUPTIONS)}")
    if not isinstance(data.images, Tensor):
        raise ValueError(f"{data.name}: only images held in memory can be corrupted")
    generator = torch.Generator().manual_seed(seed)
    changed = CORRUPTIONS[name](data.images.float().div(255), noise, generator)
    images = changed.mul(255).round_().clamp_(0, 255).to(torch.uint8)
    return replace(data, images=images, split=f"{data.split} {name}")


@lru_cache(maxsize=4)
def load_sets(settings: ImageSettings, data_dir: str | Path | None = None) -> ImageSets:
    """The images of a table; cached, so that jobs of one process share them.

    Raises:
        ValueError: fewer images than asked for.
        FileNotFoundError: the data are not there; says how to get them.
    """
    rest = load_images(
        settings.dataset, data_dir=data_dir, split="trainval", imsize=settings.imsize
    )
    test = load_images(settings.dataset, data_dir=data_dir, split="test", imsize=settings.imsize)
    chosen = rest.draw(settings.train + settings.val, settings.seed)
    val = replace(chosen.subset(torch.arange(settings.train, len(chosen))), split="val")
    test = test.draw(settings.test, settings.seed)
    how: dict[str, Any] = {"noise": settings.noise, "seed": settings.seed}
    return ImageSets(
        train=replace(chosen.subset(torch.arange(settings.train)), split="train"),
        val=val,
        more_tests={"val_noise": corrupted(val, "noise", **how)},
        final_tests={
            "final": test,
            **{f"final_{name}": corrupted(test, name, **how) for name in CORRUPTIONS},
        },
        augment=Augment(crop=settings.crop, flip=settings.crop),
    )
