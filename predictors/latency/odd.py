"""Operations that some networks have and most have not, so that no name is quite unknown."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ODD", "Odd"]

ODD: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "amax": lambda x: x - x.amax(1, keepdim=True),
    "bmm": lambda x: (
        torch.bmm(x.flatten(2), x.flatten(2).transpose(1, 2)).mean(2)[..., None, None] + x
    ),
    "clamp": lambda x: x.clamp(min=-1, max=1),
    "clone": torch.clone,
    "cos": torch.cos,
    "cumsum": lambda x: x.cumsum(2),
    "div": lambda x: x / 3,
    "einsum": lambda x: torch.einsum("bchw,bdhw->bcd", x, x).mean(2)[..., None, None] + x,
    "erf": torch.erf,
    "exp": torch.exp,
    "flip": lambda x: x.flip(3),
    "floor_divide": lambda x: x // 2,
    "glu": lambda x: torch.cat([F.glu(x, 3), F.glu(x, 3)], 3) if x.shape[3] % 2 == 0 else x,
    "index_select": lambda x: x.index_select(2, torch.arange(x.shape[2])),
    "instance_norm": lambda x: F.instance_norm(x) if x.shape[2] > 1 else x,
    "log": lambda x: torch.log(x * x + 1),
    "logsigmoid": F.logsigmoid,
    "log_softmax": lambda x: x.log_softmax(1),
    "masked_fill": lambda x: x.masked_fill(x > 2, 0.0),
    "max": lambda x: x + x.max(1, keepdim=True)[0],
    "maximum": lambda x: torch.maximum(x, -x),
    "meshgrid": lambda x: x + torch.meshgrid(x[0, 0, :, 0], x[0, 0, 0], indexing="ij")[0],
    "neg": lambda x: -x,
    "norm": lambda x: x / (x.norm(dim=1, keepdim=True) + 1),
    "pixel_shuffle": lambda x: (
        F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2) if x.shape[1] % 4 == 0 else x
    ),
    "pow": lambda x: x.pow(2),
    "repeat": lambda x: x.repeat(1, 1, 2, 1)[:, :, ::2],
    "rms_norm": lambda x: F.rms_norm(x, x.shape[-1:]),
    "rsqrt": lambda x: torch.rsqrt(x * x + 1),
    "rsub": lambda x: 1 - x,
    "select": lambda x: x + x.select(2, 0)[:, :, None],
    "sin": torch.sin,
    "softplus": F.softplus,
    "sqrt": lambda x: torch.sqrt(x.abs()),
    "square": torch.square,
    "stack": lambda x: torch.stack([x, x], 1)[:, 0],
    "std": lambda x: x / (x.std((2, 3), keepdim=True, correction=0) + 1),
    "sub": lambda x: x - 0.5,
    "sum": lambda x: x + x.sum(1, keepdim=True),
    "tile": lambda x: x.tile(1, 1, 1, 2)[..., : x.shape[3]],
    "topk": lambda x: x + x.topk(1, 1)[0],
    "tril": torch.tril,
    "unfold": lambda x: F.fold(F.unfold(x, 3, padding=1), x.shape[2:], 3, padding=1),
    "var": lambda x: x * x.var(1, keepdim=True, correction=0),
    "var_mean": lambda x: x - torch.var_mean(x, -1, correction=0, keepdim=True)[1],
    "mean": lambda x: x - x.mean(1, keepdim=True),
    "where": lambda x: torch.where(x > 0, x, 0.1 * x),
}
"""Functions of maps, (B, C, H, W) -> (B, C, H, W), by what they show."""


class Odd(nn.Module):
    """A few of `ODD`, one after the other. Shapes: (B, C, H, W) -> the same."""

    def __init__(self, width: int, rng: Random) -> None:
        super().__init__()
        self.names = rng.sample(sorted(ODD), 4)
        self.norm = nn.GroupNorm(1, width)  # values stay small

    def forward(self, x: Tensor) -> Tensor:
        for name in self.names:
            x = ODD[name](self.norm(x))
        return self.norm(x)
