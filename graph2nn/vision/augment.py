"""Augmentation of whole batches as tensors, from explicit generators.

Random numbers are drawn on the CPU and moved, so that a run gives the same images on any device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "Augment",
    "add_noise",
    "color_jitter",
    "cutout",
    "normalize",
    "random_crop",
    "random_flip",
]


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What happens to training images.

    Args:
        crop: Whether there is a random crop after zero padding; for image files a random resized
            crop.
        padding: Pixels added on each side; None means an eighth of the image side (4 at 32 x 32).
        pad_with: Colour that moves in: zero (black), or mean (the mean colour, zero after
            normalising, as where images are normalised first).
        flip: Whether every second image is mirrored, where the data set allows it.
        cutout: Side of a square set to zero after normalising (arXiv:1708.04552); 0 for none.
        jitter: Largest change of brightness, contrast and saturation, half of it for hue; None
            means 0.4 for image files and none otherwise.
    """

    crop: bool = True
    padding: int | None = None
    pad_with: str = "zero"
    flip: bool = True
    cutout: int = 0
    jitter: float | None = None

    def __post_init__(self) -> None:
        for name in ("padding", "cutout", "jitter"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"Augment.{name} must not be negative, got {value}")
        if self.pad_with not in ("zero", "mean"):
            raise ValueError(f"Augment.pad_with must be zero or mean, got {self.pad_with!r}")


def random_crop(
    images: Tensor, padding: int, generator: torch.Generator, fill: Sequence[float] | None = None
) -> Tensor:
    """Shift each image by up to `padding` pixels a side, zeros or `fill` moving in.

    `fill` has C values.

    Shapes:
        images (N, C, H, W) → (N, C, H, W).
    """
    if padding == 0 or len(images) == 0:
        return images
    n, _, height, width = images.shape
    shift = torch.randint(0, 2 * padding + 1, (2, n), generator=generator).to(images.device)
    padded = F.pad(images, (padding,) * 4)
    if fill is not None:
        inside = F.pad(images.new_ones((height, width), dtype=torch.bool), (padding,) * 4)
        padded = torch.where(inside, padded, images.new_tensor(fill)[:, None, None])
    rows = shift[0, :, None] + torch.arange(height, device=images.device)
    cols = shift[1, :, None] + torch.arange(width, device=images.device)
    number = torch.arange(n, device=images.device)[:, None, None]
    # Indexing around the channel axis puts that axis last: (N, H, W, C).
    moved = padded[number, :, rows[:, :, None], cols[:, None, :]]
    return moved.permute(0, 3, 1, 2).contiguous()


def random_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image (N, C, H, W) left to right with probability one half."""
    flipped = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    return torch.where(flipped[:, None, None, None], images.flip(-1), images)


def cutout(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Set a square of `side` pixels to zero in each image (N, C, H, W).

    The square is centred uniformly and clipped at the border. DeVries and Taylor, arXiv:1708.04552.
    Meant for normalised images, where zero is the mean.
    """
    if side == 0 or len(images) == 0:
        return images
    n, _, height, width = images.shape
    cy = torch.randint(0, height, (n, 1), generator=generator).to(images.device)
    cx = torch.randint(0, width, (n, 1), generator=generator).to(images.device)
    y = torch.arange(height, device=images.device)
    x = torch.arange(width, device=images.device)
    half = side // 2
    rows = (y >= cy - half) & (y < cy + side - half)
    cols = (x >= cx - half) & (x < cx + side - half)
    return images.masked_fill((rows[:, :, None] & cols[:, None, :])[:, None], 0)


def add_noise(images: Tensor, std: float, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise to float images in [0, 1], of any shape, clipped to that range."""
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return (images + std * noise).clamp_(0, 1)


def normalize(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Compute (images - mean) / std per channel.

    Images are float in [0, 1], (N, C, H, W).
    """
    shift = images.new_tensor(mean)[:, None, None]
    scale = images.new_tensor(std)[:, None, None]
    return (images - shift) / scale


def color_jitter(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast and saturation by 1 ± strength, hue by ± strength / 2.

    Factors differ an image; the order of the four differs a batch. Float images in [0, 1] of shape
    (N, 3, H, W), returned clipped to [0, 1].
    """
    n = len(images)
    draws = (2 * torch.rand((4, n, 1, 1, 1), generator=generator) - 1).to(images.device)
    order = torch.randperm(4, generator=generator).tolist()
    factor = (1 + strength * draws).clamp_min_(0)
    for which in order:
        if which == 0:
            images = images * factor[0]
        elif which == 1:
            grey = _grey(images).mean((-1, -2), keepdim=True)
            images = grey + factor[1] * (images - grey)
        elif which == 2:
            grey = _grey(images)
            images = grey + factor[2] * (images - grey)
        else:
            images = _turn_hue(images, draws[3] * strength / 2)
        images = images.clamp(0, 1)
    return images


def _grey(images: Tensor) -> Tensor:
    weight = images.new_tensor([0.299, 0.587, 0.114])[:, None, None]
    return (images * weight).sum(1, keepdim=True)


def _turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Hue moved by `turn` (1 is a full circle) with value and saturation kept."""
    value, where = images.max(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    safe = chroma.clamp_min(1e-8)
    sector = torch.where(
        where == 0,
        (green - blue) / safe,
        torch.where(where == 1, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = sector + 6 * turn
    # f(n) = V - C max(0, min(k, 4 - k, 1)) with k = (n + hue) mod 6 gives red, green and blue.
    k = (images.new_tensor([5.0, 3.0, 1.0])[:, None, None] + hue) % 6
    return value - chroma * torch.minimum(k, 4 - k).clamp(0, 1)
