"""How images are corrupted to test what networks make of them: noise, blur, low contrast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from graph2nn.names import choose
from graph2nn.vision.augment import add_noise
from graph2nn.vision.image_data import ImageData

__all__ = ["CORRUPTIONS", "corrupted"]

_BINOMIAL = (0.25, 0.5, 0.25)
_CONTRAST = 0.4


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
    """Return a corrupted copy of some images, the same for every network.

    The published noise (arXiv:2110.13100, section 4) has a standard deviation of .08 on CIFAR-10.
    Values are rounded to 8 bits.

    Args:
        data: Images in memory.
        name: One of `CORRUPTIONS`.
        noise: Standard deviation of `noise`, for values in [0, 1].
        seed: Seed of the noise.

    Shapes:
        images (N, C, H, W), before and after.

    Raises:
        ValueError: An unknown corruption, or images that are decoded when asked for.
    """
    choose("corruption", name, CORRUPTIONS)
    if not isinstance(data.images, Tensor):
        raise ValueError(f"{data.name}: only images held in memory can be corrupted")
    generator = torch.Generator().manual_seed(seed)
    changed = CORRUPTIONS[name](data.images.float().div(255), noise, generator)
    images = changed.mul(255).round_().clamp_(0, 255).to(torch.uint8)
    return replace(data, images=images, split=f"{data.split} {name}")
