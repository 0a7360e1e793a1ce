"""Blocks of the small networks whose latencies are measured: what networks of today are made of."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from predictors.latency.attending import Attending, Mixing, Windows

__all__ = ["ACTIVATIONS", "BLOCKS", "Block", "Norm2d"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "hardswish": nn.Hardswish,
    "leaky": nn.LeakyReLU,
    "elu": nn.ELU,
    "mish": nn.Mish,
    "tanh": nn.Tanh,
    "prelu": nn.PReLU,
}
"""Activations by name."""

Block = Callable[[int, int, int, Random], nn.Module]
"""Maker of a block: channels in, channels out, stride, draws; maps (B, C, H, W) to alike."""


class Norm2d(nn.LayerNorm):
    """Normalisation of the channels of each position. Shapes: (B, C, H, W) -> the same."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        return super().forward(x).permute(0, 3, 1, 2)


def _norm(width: int, rng: Random) -> nn.Module:
    kind = rng.choice(["batch"] * 8 + ["group", "layer"])
    if kind == "group" and width % 8 == 0:
        return nn.GroupNorm(8, width)
    return Norm2d(width) if kind == "layer" else nn.BatchNorm2d(width)


def _act(rng: Random) -> nn.Module:
    return ACTIVATIONS[rng.choice(["relu"] * 6 + ["silu"] * 3 + list(ACTIVATIONS))]()


def _conv(
    inside: int, outside: int, rng: Random, kernel: int = 1, stride: int = 1, groups: int = 1,
    dilation: int = 1, act: bool = True,
) -> nn.Sequential:  # fmt: skip
    padding = dilation * (kernel - 1) // 2
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, kernel, stride, padding, dilation, groups, bias=False),
        _norm(outside, rng),
    ]
    return nn.Sequential(*layers, *([_act(rng)] if act else []))


class _Residual(nn.Module):
    """A branch beside a shortcut. Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride)."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut, self.after = branch, shortcut, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.branch(x) + self.shortcut(x))


def _beside(inside: int, outside: int, stride: int, rng: Random) -> nn.Module:
    if stride == 1 and inside == outside:
        return nn.Identity()
    return _conv(inside, outside, rng, stride=stride, act=False)


class _Gate(nn.Module):
    """Squeeze and excitation, or a gate of one convolution along the channels.

    Shapes: (B, C, H, W) -> the same.
    """

    def __init__(self, width: int, rng: Random) -> None:
        super().__init__()
        self.kind = rng.choice(["squeeze", "squeeze", "pooled", "channels"])
        inner = max(width // rng.choice([4, 8, 16]), 4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.down, self.up = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1)
        self.along = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.act, self.gate = _act(rng), rng.choice([nn.Sigmoid, nn.Hardsigmoid])()

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "channels":
            y = self.along(x.mean((2, 3)).view(x.shape[0], 1, -1))
            return x * y.view(x.shape[0], -1, 1, 1).sigmoid().expand_as(x)
        y = self.pool(x) if self.kind == "pooled" else x.mean((2, 3), keepdim=True)
        return x * self.gate(self.up(self.act(self.down(y))))


def _plain(inside: int, outside: int, stride: int, rng: Random) -> nn.Module:
    return _conv(inside, outside, rng, rng.choice([1, 3, 3, 3, 5, 7]), stride)


def _basic(inside: int, outside: int, stride: int, rng: Random) -> nn.Module:
    branch = nn.Sequential(
        _conv(inside, outside, rng, 3, stride),
        _conv(outside, outside, rng, 3, act=False),
        *([_Gate(outside, rng)] if rng.random() < 0.2 else []),
    )
    return _Residual(branch, _beside(inside, outside, stride, rng), _act(rng))


def _bottleneck(inside: int, outside: int, stride: int, rng: Random) -> nn.Module:
    inner = max(outside // rng.choice([1, 2, 4]) // 8 * 8, 8)
    groups = rng.choice(
        [g for g in (1, 1, 1, 2, 4, 8, inner // 8, inner // 16) if g and inner % g == 0]
    )
    dilation = rng.choice([1, 1, 1, 2, 4])
    branch = nn.Sequential(
        _conv(inside, inner, rng),
        _conv(inner, inner, rng, 3, stride, groups, dilation),
        *([_Gate(inner, rng)] if rng.random() < 0.3 else []),
        _conv(inner, outside, rng, act=False),
    )
    return _Residual(branch, _beside(inside, outside, stride, rng), _act(rng))


def _inverted(inside: int, outside: int, stride: int, rng: Random) -> nn.Module:
    inner = inside * rng.choice([1, 2, 3, 4, 6])
    kernel = rng.choice([3, 3, 3, 5, 5, 7, 9])
    branch = nn.Sequential(
        _conv(inside, inner, rng),
        _conv(inner, inner, rng, kernel, stride, inner),
        *([_Gate(inner, rng)] if rng.random() < 0.5 else []),
        _conv(inner, outside, rng, act=False),
    )
    if stride > 1 or inside != outside:
        return branch
    return _Residual(branch, nn.Identity(), nn.Identity())


class _Dense(nn.Module):
    """Layers that read all before them. Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride)."""

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__()
        count, growth = rng.choice([2, 4, 6]), rng.choice([8, 16, 32])
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(inside + k * growth),
                nn.ReLU(),
                nn.Conv2d(inside + k * growth, growth, 3, padding=1, bias=False),
            )
            for k in range(count)
        )
        self.after = _conv(inside + count * growth, outside, rng)
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for layer in self.layers:
            found.append(layer(torch.cat(found, 1)))
        return self.pool(self.after(torch.cat(found, 1)))


class _Branches(nn.Module):
    """Branches of several kernels. Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride)."""

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__()
        part, inner = outside // 4, max(outside // 8, 4)
        size = rng.choice([3, 5, 7])
        pool = rng.choice([nn.MaxPool2d, nn.AvgPool2d])
        self.branches = nn.ModuleList(
            [
                _conv(inside, part, rng, stride=stride),
                nn.Sequential(_conv(inside, inner, rng), _conv(inner, part, rng, 3, stride)),
                nn.Sequential(
                    _conv(inside, inner, rng),
                    nn.Conv2d(inner, inner, (1, size), padding=(0, size // 2)),
                    nn.Conv2d(inner, part, (size, 1), stride, padding=(size // 2, 0)),
                    _act(rng),
                ),
                nn.Sequential(pool(3, stride, 1), _conv(inside, outside - 3 * part, rng)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class _Shuffle(nn.Module):
    """Half of the channels pass, then all are shuffled.

    Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride).
    """

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__()
        half = outside // 2
        self.before = _beside(inside, 2 * half, stride, rng)
        self.branch = nn.Sequential(
            _conv(half, half, rng),
            _conv(half, half, rng, 3, groups=half, act=False),
            _conv(half, half, rng),
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.before(x).chunk(2, 1)
        x = torch.cat([left, self.branch(right)], 1)
        count, width, height, across = x.shape
        x = x.view(count, 2, width // 2, height, across).transpose(1, 2).contiguous()
        return x.view(count, width, height, across)


class _ConvNeXt(nn.Module):
    """Depth-wise, then two linear layers. Shapes: (B, C, H, W) -> (B, D, H / s, W / s)."""

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__()
        self.before: nn.Module = nn.Identity()
        if stride > 1 or inside != outside:
            self.before = nn.Sequential(Norm2d(inside), nn.Conv2d(inside, outside, stride, stride))
        kernel = rng.choice([5, 7, 7, 9])
        self.deep = nn.Conv2d(outside, outside, kernel, padding=kernel // 2, groups=outside)
        self.norm = nn.LayerNorm(outside)
        inner = outside * rng.choice([2, 4])
        self.up, self.down = nn.Linear(outside, inner), nn.Linear(inner, outside)
        self.act = rng.choice([nn.GELU, nn.GELU, nn.SiLU])()
        self.gamma = nn.Parameter(torch.ones(outside)) if rng.random() < 0.7 else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        y = self.norm(self.deep(x).permute(0, 2, 3, 1))
        y = self.down(self.act(self.up(y)))
        y = y if self.gamma is None else y * self.gamma
        return x + y.permute(0, 3, 1, 2)


def _separable(inside: int, outside: int, stride: int, rng: Random) -> nn.Module:
    kernel = rng.choice([3, 5])
    layers = nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(inside, inside, kernel, stride, kernel // 2, groups=inside, bias=False),
        nn.Conv2d(inside, outside, 1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
        nn.Conv2d(outside, outside, kernel, padding=kernel // 2, groups=outside, bias=False),
        nn.Conv2d(outside, outside, 1, bias=False),
        nn.BatchNorm2d(outside),
    )
    return _Residual(layers, _beside(inside, outside, stride, rng), nn.Identity())


class _Fire(nn.Module):
    """Squeeze, then expand twice. Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride)."""

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__()
        inner, half = max(outside // 8, 4), outside // 2
        self.pool = nn.MaxPool2d(3, stride, ceil_mode=True) if stride > 1 else nn.Identity()
        self.squeeze = nn.Conv2d(inside, inner, 1)
        self.one = nn.Conv2d(inner, half, 1)
        self.three = nn.Conv2d(inner, outside - half, 3, padding=1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.squeeze(self.pool(x)))
        return torch.cat([self.act(self.one(x)), self.act(self.three(x))], 1)


class _Ghost(nn.Module):
    """Half of the channels are made of the other half.

    Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride).
    """

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__()
        half = (outside + 1) // 2
        self.outside = outside
        self.first = _conv(inside, half, rng, rng.choice([1, 3]), stride)
        self.cheap = _conv(half, half, rng, 3, groups=half)
        self.gate = _Gate(outside, rng) if rng.random() < 0.3 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.gate(torch.cat([x, self.cheap(x)], 1)[:, : self.outside])


class _Cross(nn.Module):
    """One half passes, the other goes deep. Shapes: (B, C, H, W) -> (B, D, H / s, W / s)."""

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__()
        half = outside // 2
        self.before = _conv(inside, outside, rng, 3, stride)
        self.deep = nn.Sequential(*(_basic(half, half, 1, rng) for _ in range(rng.choice([1, 2]))))
        self.after = _conv(2 * half, outside, rng)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        half = x.shape[1] // 2
        left, right = x[:, :half], x[:, half : 2 * half]
        return self.after(torch.cat([left, self.deep(right)], 1))


class _Standardised(nn.Conv2d):
    """A convolution whose weights are standardised. Shapes: (B, C, H, W) -> (B, D, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        weight = F.batch_norm(
            self.weight.reshape(1, self.out_channels, -1), None, None, training=True, eps=1e-6
        ).reshape_as(self.weight)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, 1, self.groups)


def _standardised(inside: int, outside: int, stride: int, rng: Random) -> nn.Module:
    branch = nn.Sequential(
        _act(rng),
        _Standardised(inside, outside, 3, stride, 1),
        _act(rng),
        _Standardised(outside, outside, 1),
    )
    return _Residual(branch, _beside(inside, outside, stride, rng), nn.Identity())


class _Around(nn.Module):
    """Features of a coarser map are added to a map, or those of both are gathered.

    Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride).
    """

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__()
        self.fine = _conv(inside, outside, rng, 3, stride)
        self.coarse = nn.Sequential(nn.MaxPool2d(2), _conv(outside, outside, rng))
        self.mode = rng.choice(["nearest", "bilinear"])

    def forward(self, x: Tensor) -> Tensor:
        x = self.fine(x)
        if min(x.shape[2:]) < 2:
            return x
        return x + F.interpolate(self.coarse(x), size=x.shape[2:], mode=self.mode)


class _Branched(nn.Module):
    """Sums of convolutions of each channel, of kernels 3 and 1, and the input.

    Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride).
    """

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__()
        deep = rng.random() < 0.7
        groups = inside if deep else rng.choice([1, 1, *(g for g in (2, 4) if inside % g == 0)])
        kernel = rng.choice([3, 3, 5, 7])
        middle = inside if deep else outside
        self.large = nn.Conv2d(inside, middle, kernel, stride, kernel // 2, groups=groups)
        self.small = nn.Conv2d(inside, middle, 1, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(middle)
        self.after = _conv(middle, outside, rng) if deep else _act(rng)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.large(x) + self.norm(self.small(x)))


BLOCKS: dict[str, tuple[float, Block]] = {
    "plain": (2, _plain),
    "basic": (2, _basic),
    "bottleneck": (3, _bottleneck),
    "inverted": (4, _inverted),
    "dense": (1, _Dense),
    "branches": (1.5, _Branches),
    "shuffle": (1, _Shuffle),
    "convnext": (1.5, _ConvNeXt),
    "separable": (1, _separable),
    "fire": (1, _Fire),
    "ghost": (1, _Ghost),
    "cross": (1, _Cross),
    "standardised": (0.7, _standardised),
    "around": (0.7, _Around),
    "branched": (1.2, _Branched),
    "attending": (3, Attending),
    "windows": (1.5, Windows),
    "mixing": (0.7, Mixing),
}
"""Weights of the draw and makers, by name."""
