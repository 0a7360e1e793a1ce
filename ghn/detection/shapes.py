"""Images to learn detection on without any download: coloured shapes on textured ground."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ghn.detection.data import DetectionData, boxes_of_masks

__all__ = ["make_shapes", "shape_scene"]

_MOST = 3  # shapes in an image
_SEEN = 0.5  # share of a shape that must stay visible


def make_shapes(count: int = 170, *, image_size: int = 128, seed: int = 0) -> DetectionData:
    """Draw a data set laid out as Penn-Fudan: one class, one to three instances an image.

    Args:
        count: Number of images.
        image_size: Longest side of an image in pixels; sides are drawn from three quarters of it.
        seed: Seed. Image i depends on nothing but seed, size and i.

    Raises:
        ValueError: No image, or images too small for shapes.

    Examples:
        >>> data = make_shapes(3, image_size=64)
        >>> len(data), data.class_names
        (3, ('shape',))
    """
    if count < 1 or image_size < 32:
        raise ValueError(
            f"shapes: expected 1 image or more of 32 pixels or more, got {count} of {image_size}"
        )
    scenes = [shape_scene(index, image_size=image_size, seed=seed) for index in range(count)]
    return DetectionData(
        images=tuple(image for image, _ in scenes),
        boxes=tuple(boxes_of_masks(mask) for _, mask in scenes),
        labels=tuple(torch.ones(int(mask.max()), dtype=torch.int64) for _, mask in scenes),
        class_names=("shape",),
        files=tuple(f"shapes{index:05d}.png" for index in range(count)),
        name="shapes",
    )


def shape_scene(index: int, *, image_size: int = 128, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Draw one image and its mask of instances.

    Discs, squares and triangles of random colour, size and angle lie on a smooth ground of two
    colours with grain; later ones may cover a part of earlier ones.

    Args:
        index: Number of the image.
        image_size: Longest side in pixels.
        seed: Seed of the data set.

    Shapes:
        image (3, H, W) uint8, mask (H, W) int64 with instances from 1.
    """
    draw = np.random.RandomState([seed, index])  # a stream that numpy has frozen
    height, width = draw.randint(image_size * 3 // 4, image_size + 1, 2)
    image = _ground(draw, height, width)
    mask = np.zeros((height, width), dtype=np.int64)
    areas: list[int] = []
    for _ in range(draw.randint(1, _MOST + 1)):
        for _ in range(20):  # until it hides no other; crowded images get fewer
            inside = _shape(draw, height, width, image_size)
            tried = np.where(inside, len(areas) + 1, mask)
            seen = [(tried == k + 1).sum() for k in range(len(areas))]
            if inside.any() and all(s >= _SEEN * area for s, area in zip(seen, areas)):
                mask = tried
                areas.append(int(inside.sum()))
                colour = draw.rand(3)
                grain = 0.04 * draw.randn(height, width, 1)
                image = np.where(inside[..., None], colour + grain, image)
                break
    pixels = np.round(255 * image.clip(0, 1)).astype(np.uint8)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), torch.from_numpy(mask)


def _ground(draw: np.random.RandomState, height: int, width: int) -> np.ndarray:
    """Two colours mixed by smooth noise, with grain, (H, W, 3)."""
    coarse = draw.rand(6, 6)
    mix = (_hats(height, 6) @ coarse @ _hats(width, 6).T)[..., None]
    first, second = draw.rand(2, 3)
    return mix * first + (1 - mix) * second + 0.08 * draw.randn(height, width, 1)


def _hats(length: int, knots: int) -> np.ndarray:
    """Weights of linear interpolation between knots, (length, knots)."""
    places = np.linspace(0, knots - 1, length)[:, None]
    return np.maximum(0, 1 - np.abs(places - np.arange(knots)))


def _shape(draw: np.random.RandomState, height: int, width: int, image_size: int) -> np.ndarray:
    """Which pixels are inside of a disc, square or triangle, (H, W); at least 5 in a row."""
    radius = image_size * draw.uniform(0.13, 0.28)
    y = np.arange(height)[:, None] - draw.uniform(0.6 * radius, height - 0.6 * radius)
    x = np.arange(width)[None] - draw.uniform(0.6 * radius, width - 0.6 * radius)
    sides = draw.choice((0, 3, 4))
    angle = draw.uniform(0, 2 * np.pi)
    if sides == 0:
        return x * x + y * y < radius * radius
    normals = angle + 2 * np.pi * np.arange(sides) / sides
    apothem = radius * np.cos(np.pi / sides)
    return np.all([np.cos(a) * x + np.sin(a) * y < apothem for a in normals], axis=0)
