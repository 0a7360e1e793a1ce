"""Which small networks are measured to learn how fast a machine is? The same everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn

from predictors.latency.blocks import BLOCKS, Norm2d
from predictors.latency.odd import Odd

__all__ = ["COUNT", "SmallNetwork", "build_small", "small_networks"]

COUNT = 320
"""Number of networks of the list."""

_SIDES = (32, 32, 48, 64, 64, 64, 64, 96, 128, 224)
_SCALE = {32: 1, 48: 1, 64: 2, 96: 2, 128: 4, 224: 4}
_WIDTHS = (8, 16, 16, 24, 32, 32, 40, 48, 64, 64, 80, 96, 128, 192, 256, 384)
_GROWTH = (1, 1.5, 2, 2, 2, 3, 4)
_WIDEST = 2048
_LARGEST = {"work": 4e9, "parameters": 2.5e7}


@dataclass(frozen=True, kw_only=True)
class SmallNetwork:
    """A network of the list.

    Args:
        name: Name, with what it is made of.
        seed: Seed that everything is drawn from.
    """

    name: str
    seed: int


def small_networks(count: int = COUNT) -> Iterator[SmallNetwork]:
    """List the networks to measure, a mixture of everything from the first ones on.

    Args:
        count: Number of networks.

    Examples:
        >>> [network.name for network in small_networks(2)]
        ['small 0', 'small 1']
    """
    for seed in range(count):
        yield SmallNetwork(name=f"small {seed}", seed=seed)


def build_small(network: SmallNetwork, *, empty: bool = False) -> tuple[nn.Module, Tensor]:
    """Build a network of the list, with small random weights, and the images it takes.

    Args:
        network: The network.
        empty: Whether both stay on the meta device, which is enough to trace it.

    Shapes:
        images (B, 3, S, S).

    Examples:
        >>> model, images = build_small(SmallNetwork(name="small 1", seed=1))
        >>> model.eval()(images).shape[0] == len(images)
        True
    """
    rng = Random(network.seed)
    side = rng.choice(_SIDES)
    batch = rng.choice((1, 1, 1, 1, 1, 1, 2, 4)) if side <= 64 else 1
    with torch.device("meta"):
        model = _drawn(rng, side)
    if empty:
        return model.eval(), torch.empty((batch, 3, side, side), device="meta")
    model = model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(network.seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                low, high = (0.5, 1.5) if "running_var" in name else (-0.05, 0.05)
                tensor.uniform_(low, high, generator=generator)
            elif tensor.dim() == 2:  # numbers of distances in a window
                tensor.copy_(torch.arange(tensor.numel()).view_as(tensor) % len(tensor))
    images = torch.rand((batch, 3, side, side), generator=generator)
    return model.eval(), images


def _drawn(rng: Random, side: int) -> nn.Module:
    """A stem, stages of blocks that get wider, and a head."""
    width = rng.choice(_WIDTHS)
    stem, scale = _stem(width, rng, side)
    layers, small = [stem], side // scale
    names, weights = list(BLOCKS), [weight for weight, _ in BLOCKS.values()]
    kinds = rng.choices(names, weights, k=1 if rng.random() < 0.6 else 2)
    work, size = 0.0, 0
    for stage in range(rng.choice((2, 3, 4, 5, 5))):
        outside = min(8 * round(width * rng.choice(_GROWTH) / 8), _WIDEST) if stage else width
        stride = 2 if stage and small >= 2 else 1
        for _ in range(rng.choice((1, 1, 2, 2, 3, 4, 6))):
            block = BLOCKS[rng.choice(kinds)][1](width, outside, stride, rng)
            small //= stride
            size += sum(p.numel() for p in block.parameters())
            work += small**2 * size
            if size > _LARGEST["parameters"] or work > _LARGEST["work"]:
                return nn.Sequential(*layers, *_head(width, rng))
            layers.append(block)
            width, stride = outside, 1
            if rng.random() < 0.15:
                layers.append(Odd(width, rng))
    return nn.Sequential(*layers, *_head(width, rng))


def _stem(width: int, rng: Random, side: int) -> tuple[nn.Module, int]:
    """The first layers, and how many pixels each of their positions has."""
    scale = _SCALE[side]
    if scale == 4 and rng.random() < 0.5:
        return nn.Sequential(nn.Conv2d(3, width, 4, 4), Norm2d(width)), 4
    if side >= 64 and rng.random() < 0.15:
        patch = rng.choice((8, 16, 32))
        return nn.Sequential(nn.Conv2d(3, width, patch, patch), nn.Dropout(0.1)), patch
    kernel = rng.choice((3, 3, 5, 7)) if scale > 1 else 3
    layers: list[nn.Module] = [
        nn.Conv2d(3, width, kernel, min(scale, 2), kernel // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    ]
    if scale == 4:
        layers.append(nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(*layers), scale


def _head(width: int, rng: Random) -> list[nn.Module]:
    kind = rng.choice(("pool", "pool", "pool", "wide", "flat", "convolution", "deep"))
    classes = rng.choice((10, 100, 1000))
    if kind == "convolution":
        return [nn.Conv2d(width, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if kind == "flat":
        inner = rng.choice((256, 1024, 4096))
        side = rng.choice((2, 3, 4))
        return [
            nn.AdaptiveAvgPool2d(side),
            nn.Flatten(),
            nn.Linear(width * side**2, inner),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(inner, classes),
        ]
    layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if kind == "deep":
        inner = rng.choice((512, 1024, 1280))
        deep = nn.Conv2d(width, inner, rng.choice((2, 3)), 2, 1, bias=False)
        layers = [deep, nn.BatchNorm2d(inner), nn.ReLU6(), *layers, nn.Dropout(0.2)]
        width = inner
    if kind == "wide":
        inner = rng.choice((512, 1280, 2048))
        layers += [nn.LayerNorm(width), nn.Linear(width, inner), nn.Hardswish()]
        width = inner
    return [*layers, nn.Linear(width, classes)]
