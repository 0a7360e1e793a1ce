"""Leaf modules: torch's own, but left uninitialised on the meta device, and small helpers.

A hypernetwork's training builds many networks an iteration on meta tensors and runs them with
predicted parameters; initialising there would cost more than building.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

__all__ = [
    "BatchNorm2d",
    "Conv2d",
    "LayerNorm",
    "Linear",
    "PosEnc",
    "drop_path",
    "even_shift",
    "norm_layer",
]


class Conv2d(nn.Conv2d):
    """Convolution without bias."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int = 1,
        groups: int = 1,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(
            c_in, c_out, kernel, stride, padding, dilation, groups, bias=False, device=device
        )

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class Linear(nn.Linear):
    """Fully connected layer."""

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class BatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation."""

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the last axis."""

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class PosEnc(nn.Module):
    """Learned positional encoding, added to a feature map.

    Shapes: (B, C, side, side) -> the same.
    """

    def __init__(self, c: int, side: int, *, device: torch.device | str | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, c, side, side, device=device))
        if not self.weight.is_meta:
            nn.init.normal_(self.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight


def norm_layer(norm: str | None, c: int, *, device: torch.device | str | None = None) -> nn.Module:
    """Batch normalisation with running statistics iff `norm` contains "track"; None: identity."""
    if norm in (None, "", "none"):
        return nn.Identity()
    return BatchNorm2d(c, track_running_stats="track" in norm, device=device)


def drop_path(x: torch.Tensor, prob: float, generator: torch.Generator | None) -> torch.Tensor:
    """Drops whole samples with probability `prob` and scales the others by 1 / (1 - prob).

    Shapes: (B, ...) -> the same. Source: FractalNet (arXiv:1605.07648) as used by DARTS.
    """
    keep = torch.full((len(x),) + (1,) * (x.dim() - 1), 1 - prob, dtype=x.dtype, device=x.device)
    return x * (torch.bernoulli(keep, generator=generator) / (1 - prob))


def even_shift(x: torch.Tensor) -> torch.Tensor:
    """The map without its first row and column; an odd side gets a row and column of zeros.

    A 1x1 convolution of stride 2 then gives as many pixels as one of the unshifted map, down to
    maps of one pixel, where the original fails. Shapes: (B, C, H, W) -> (B, C, H', W').
    """
    pad_w, pad_h = x.shape[-1] % 2, x.shape[-2] % 2
    if pad_w or pad_h:
        x = F.pad(x, (0, pad_w, 0, pad_h))
    return x[:, :, 1:, 1:]
