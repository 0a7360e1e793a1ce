"""Leaf modules: torch's own, but left uninitialised on the meta device, and small helpers.

A hypernetwork's training builds many networks an iteration on meta tensors and runs them with
predicted parameters; initialising there would cost more than building.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["PosEnc", "conv2d", "drop_path", "even_shift", "layer_norm", "linear", "norm_layer"]

Device = torch.device | str | None


class _Conv2d(nn.Conv2d):
    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class _Linear(nn.Linear):
    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class _BatchNorm2d(nn.BatchNorm2d):
    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class _LayerNorm(nn.LayerNorm):
    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


def _plain(module: nn.Module) -> nn.Module:
    """Turn one of the classes above into torch's own, which tools recognise by exact type."""
    module.__class__ = module.__class__.__bases__[0]
    return module


def conv2d(
    c_in: int,
    c_out: int,
    kernel: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int = 1,
    groups: int = 1,
    device: Device = None,
) -> nn.Module:
    """Make a convolution without bias; on the meta device it stays uninitialised."""
    shape = (c_in, c_out, kernel, stride, padding, dilation, groups)
    return _plain(_Conv2d(*shape, bias=False, device=device))


def linear(c_in: int, c_out: int, *, bias: bool = True, device: Device = None) -> nn.Module:
    """Make a linear layer; on the meta device it stays uninitialised."""
    return _plain(_Linear(c_in, c_out, bias=bias, device=device))


def layer_norm(c: int, *, device: Device = None) -> nn.Module:
    """Make a layer normalisation over the last axis; on the meta device it stays uninitialised."""
    return _plain(_LayerNorm(c, device=device))


class PosEnc(nn.Module):
    """Learned positional encoding, added to a feature map.

    Shapes: (B, C, side, side) -> the same.
    """

    def __init__(self, c: int, side: int, *, device: Device = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, c, side, side, device=device))
        if not self.weight.is_meta:
            nn.init.normal_(self.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight


def norm_layer(norm: str | None, c: int, *, device: Device = None) -> nn.Module:
    """Make a batch normalisation; None makes an identity.

    It has running statistics if `norm` contains "track".
    """
    if norm in (None, "", "none"):
        return nn.Identity()
    return _plain(_BatchNorm2d(c, track_running_stats="track" in norm, device=device))


def drop_path(x: torch.Tensor, prob: float, generator: torch.Generator | None) -> torch.Tensor:
    """Drop whole samples with probability `prob` and scale the others by 1 / (1 - prob).

    Shapes: (B, ...) -> the same. Source: FractalNet (arXiv:1605.07648) as used by DARTS.
    """
    keep = torch.full((len(x),) + (1,) * (x.dim() - 1), 1 - prob, dtype=x.dtype, device=x.device)
    return x * (torch.bernoulli(keep, generator=generator) / (1 - prob))


def even_shift(x: torch.Tensor) -> torch.Tensor:
    """Cut off the first row and column; an odd side gets a row and column of zeros.

    A 1x1 convolution of stride 2 then gives as many pixels as one of the unshifted map, down to
    maps of one pixel, where the original fails. Shapes: (B, C, H, W) -> (B, C, H', W').
    """
    pad_w, pad_h = x.shape[-1] % 2, x.shape[-2] % 2
    if pad_w or pad_h:
        x = F.pad(x, (0, pad_w, 0, pad_h))
    return x[:, :, 1:, 1:]
