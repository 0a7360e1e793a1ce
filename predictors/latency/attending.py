"""Blocks of the measured networks that mix positions by attention or linear layers."""

from __future__ import annotations

from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Attending", "Mixing", "Windows"]


class _Tokens(nn.Module):
    """Positions as tokens. Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride)."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.before: nn.Module = nn.Identity()
        if stride > 1 or inside != outside:
            self.before = nn.Conv2d(inside, outside, stride, stride)
        self.norm1, self.norm2 = nn.LayerNorm(outside), nn.LayerNorm(outside)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        count, width, height, across = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        tokens = tokens + self.mixed(self.norm1(tokens), height, across)
        tokens = tokens + self.mlp(self.norm2(tokens))
        return tokens.transpose(1, 2).reshape(count, width, height, across)

    def mixed(self, tokens: Tensor, height: int, across: int) -> Tensor:
        """Mix positions. Shapes: (B, H W, C) -> the same."""
        raise NotImplementedError

    def mlp(self, tokens: Tensor) -> Tensor:
        """Mix channels. Shapes: (B, H W, C) -> the same."""
        raise NotImplementedError


class _Wide(_Tokens):
    """Tokens with two linear layers along the channels, gated or not.

    Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride).
    """

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__(inside, outside, stride)
        inner = outside * rng.choice([2, 3, 4, 4])
        self.gated = rng.random() < 0.2
        self.up = nn.Linear(outside, inner * (1 + self.gated))
        self.down, self.act = nn.Linear(inner, outside), rng.choice([nn.GELU, nn.GELU, nn.SiLU])()

    def mlp(self, tokens: Tensor) -> Tensor:
        inner = self.up(tokens)
        if self.gated:
            gate, value = inner.chunk(2, -1)
            return self.down(self.act(gate) * value)
        return self.down(self.act(inner))


class Attending(_Wide):
    """A transformer's block: attention in one of four usual spellings.

    Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride).
    """

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__(inside, outside, stride, rng)
        self.heads = rng.choice([h for h in (1, 2, 3, 4, 6, 8) if outside % (8 * h) == 0] or [1])
        self.kind = rng.choice(["fused", "fused", "plain", "module", "linear", "channels"])
        if self.kind == "module":
            self.attention = nn.MultiheadAttention(outside, self.heads, batch_first=True)
        else:
            self.qkv, self.out = nn.Linear(outside, 3 * outside), nn.Linear(outside, outside)

    def mixed(self, tokens: Tensor, height: int, across: int) -> Tensor:
        """Attend to all positions. Shapes: (B, H W, C) -> the same."""
        if self.kind == "module":
            return self.attention(tokens, tokens, tokens, need_weights=False)[0]
        count, length, width = tokens.shape
        qkv = self.qkv(tokens).reshape(count, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        if self.kind == "fused":
            found = F.scaled_dot_product_attention(query, key, value)
        elif self.kind == "plain":
            scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
            found = scores.softmax(-1) @ value
        elif self.kind == "linear":
            query, key = F.relu(query), F.relu(key)
            total = F.pad(value, (0, 1), value=1.0)
            found = query @ (key.transpose(-2, -1) @ total)
            found = found[..., :-1] / (found[..., -1:] + 1e-6)
        else:
            query, key = F.normalize(query, dim=-2), F.normalize(key, dim=-2)
            found = value @ (query.transpose(-2, -1) @ key).softmax(-1)
        return self.out(found.transpose(1, 2).reshape(count, length, width))


class Windows(_Wide):
    """Attention inside of windows, shifted or not, with a bias for each distance.

    Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride).
    """

    index: Tensor

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__(inside, outside, stride, rng)
        self.heads = rng.choice([h for h in (1, 2, 3, 4, 6) if outside % (8 * h) == 0] or [1])
        self.side, self.shifted = rng.choice([2, 4, 4, 7]), rng.random() < 0.5
        self.qkv, self.out = nn.Linear(outside, 3 * outside), nn.Linear(outside, outside)
        area = self.side**2
        self.bias = nn.Parameter(torch.zeros((2 * self.side - 1) ** 2, self.heads))
        index = torch.arange(area)[:, None] + torch.arange(area)[None]
        self.register_buffer("index", index.remainder((2 * self.side - 1) ** 2))

    def mixed(self, tokens: Tensor, height: int, across: int) -> Tensor:
        """Attend to the positions of a window. Shapes: (B, H W, C) -> the same."""
        count, _, width = tokens.shape
        side = self.side
        x = tokens.view(count, height, across, width)
        more = (-height) % side, (-across) % side
        x = F.pad(x, (0, 0, 0, more[1], 0, more[0]))
        tall, wide = x.shape[1:3]
        if self.shifted:
            x = torch.roll(x, (-(side // 2), -(side // 2)), (1, 2))
        x = x.view(count, tall // side, side, wide // side, side, width)
        x = x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side * side, width)
        x = self.out(self.attended(x))
        x = x.view(count, tall // side, wide // side, side, side, width)
        x = x.permute(0, 1, 3, 2, 4, 5).reshape(count, tall, wide, width)
        if self.shifted:
            x = torch.roll(x, (side // 2, side // 2), (1, 2))
        return x[:, :height, :across].reshape(count, height * across, width)

    def attended(self, x: Tensor) -> Tensor:
        """Attend inside of each window. Shapes: (windows, S, C) -> the same."""
        count, length, width = x.shape
        qkv = self.qkv(x).reshape(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv[0], qkv[1], qkv[2]
        scores = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
        bias = self.bias[self.index.view(-1)].view(length, length, -1).permute(2, 0, 1)
        scores = F.softmax(scores + bias.contiguous().unsqueeze(0), dim=-1)
        return (scores @ value).transpose(1, 2).reshape(count, length, width)


class Mixing(_Wide):
    """Positions are mixed by pooling, or by a convolution over them as channels.

    Shapes: (B, C, H, W) -> (B, D, H / stride, W / stride).
    """

    def __init__(self, inside: int, outside: int, stride: int, rng: Random) -> None:
        super().__init__(inside, outside, stride, rng)
        self.kind = rng.choice(["pool", "linear", "deep"])
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.deep = nn.Conv2d(outside, outside, 3, padding=1, groups=outside)
        self.inner = rng.choice([64, 128, 256])
        self.weights = nn.Parameter(torch.rand(2, self.inner, 4096))

    def mixed(self, tokens: Tensor, height: int, across: int) -> Tensor:
        """Mix positions without attention. Shapes: (B, H W, C) -> the same."""
        x = tokens.transpose(1, 2)
        if self.kind == "linear":
            length = x.shape[-1]
            up, down = self.weights[0, :, :length], self.weights[1, :, :length].t()
            return F.linear(F.gelu(F.linear(x, up)), down).transpose(1, 2)
        maps = x.reshape(*x.shape[:2], height, across)
        maps = self.pool(maps) - maps if self.kind == "pool" else self.deep(maps)
        return maps.flatten(2).transpose(1, 2)
