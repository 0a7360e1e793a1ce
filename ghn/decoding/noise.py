"""What makes predictions for one network differ? Noise that is drawn, and how alike they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["draw_noise", "gaussian", "likeness"]


def draw_noise(seeds: Sequence[int], width: int, *, count: int = 1) -> Tensor:
    """Draw Gaussian noise of each network from its own seed.

    Args:
        seeds: Seed of each of B networks.
        width: Width z of the noise.
        count: Number of draws.

    Shapes:
        (count, B, z).
    """
    generator = torch.Generator()
    drawn = [gaussian(count, width, generator.manual_seed(seed)) for seed in seeds]
    return torch.stack(drawn, dim=1)


def gaussian(count: int, width: int, generator: torch.Generator) -> Tensor:
    """Draw Gaussian vectors one after another: the first ones are those of any other count.

    Args:
        count: Number of vectors.
        width: Width z of a vector.
        generator: Generator on the CPU, which advances.

    Shapes:
        (count, z).
    """
    return torch.stack([torch.randn(width, generator=generator) for _ in range(count)])


def likeness(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Tensor:
    """Measure how alike two sets of parameters of a network are: 1 for equal ones.

    The mean over weights (tensors of two axes or more) of the cosine of the angle between both;
    vectors, whose entries are mostly near 1 or 0 in any case, count where there is nothing else.

    Args:
        one, other: Parameters by name, of any shapes that are the same in both.

    Shapes:
        A scalar, differentiable.
    """
    names = [name for name, tensor in one.items() if tensor.dim() > 1] or list(one)
    pairs = ((one[name].flatten(), other[name].flatten()) for name in names)
    return torch.stack([F.cosine_similarity(a, b, dim=0) for a, b in pairs]).mean()
