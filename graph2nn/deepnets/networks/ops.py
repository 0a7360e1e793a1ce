"""The operations on the edges of a cell (DeepNets-1M, arXiv:2110.13100, Table 1).

All keep the width `c` and, with stride 2, halve the map, rounding up. Parameter names are those of
the published networks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from graph2nn.deepnets.networks.layers import conv2d, even_shift, layer_norm, linear, norm_layer

__all__ = [
    "SqueezeExcite",
    "FactorizedReduce",
    "Stride",
    "Transformer",
    "build_op",
    "relu_conv_norm",
]

Device = torch.device | str | None
HEADS = 8


class Chain(nn.Module):
    """Layers one after the other, under the published name `op`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.op(x)


class Stride(nn.Module):
    """Every second row and column. Shapes: (B, C, H, W) -> (B, C, ceil(H/2), ceil(W/2))."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, ::2, ::2]


class FactorizedReduce(nn.Module):
    """Two 1x1 convolutions that halve the map, the second one shifted by a pixel (DARTS).

    Shapes: (B, c_in, H, W) -> (B, c, ceil(H/2), ceil(W/2)). Unlike the original, odd sides work.
    """

    def __init__(self, c_in: int, c: int, norm: str | None, device: Device = None) -> None:
        super().__init__()
        self.conv_1 = conv2d(c_in, c // 2, 1, stride=2, device=device)
        self.conv_2 = conv2d(c_in, c // 2, 1, stride=2, device=device)
        self.bn = norm_layer(norm, c, device=device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(even_shift(x))], dim=1))


class SqueezeExcite(nn.Module):
    """Channel attention (arXiv:1709.01507) with a hard-swish gate, op `cse`.

    Shapes: (B, c, H, W) -> (B, c, H, W), or halved maps with stride 2.
    """

    def __init__(self, c: int, stride: int, device: Device = None) -> None:
        super().__init__()
        self.stride = stride
        self.fc1 = linear(c, c // 2, device=device)
        self.fc2 = linear(c // 2, c, device=device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = F.hardswish(self.fc2(F.relu(self.fc1(x.flatten(2).mean(dim=2)))))  # (B, c)
        x = x * gate[:, :, None, None]
        return x[:, :, ::2, ::2] if self.stride > 1 else x


class FeedForward(nn.Module):
    """Two fully connected layers with GELU, under the published name `net`."""

    def __init__(self, c: int, device: Device = None) -> None:
        super().__init__()
        # Index 3 of the second layer is published: the original has a dropout of 0 at index 2.
        self.net = nn.Sequential(
            linear(c, c, device=device), nn.GELU(), nn.Identity(), linear(c, c, device=device)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class Transformer(nn.Module):
    """A pre-norm transformer block whose tokens are the pixels (arXiv:2010.11929), op `msa`.

    Eight heads of width c // 8. Shapes: (B, c, H, W) -> (B, c, H, W), or halved with stride 2.
    """

    def __init__(self, c: int, stride: int, device: Device = None) -> None:
        super().__init__()
        self.stride = stride
        inner = HEADS * (c // HEADS)
        self.to_qkv = linear(c, 3 * inner, bias=False, device=device)
        self.to_out = nn.Sequential(linear(inner, c, device=device))
        self.ln1 = layer_norm(c, device=device)
        self.ln2 = layer_norm(c, device=device)
        self.ff = FeedForward(c, device=device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = x.shape
        tokens = x.flatten(2).transpose(1, 2)  # (B, H*W, c)
        qkv = self.to_qkv(self.ln1(tokens)).unflatten(-1, (3, HEADS, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, H*W, c // heads) each
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        tokens = self.to_out(attended) + tokens
        tokens = self.ff(self.ln2(tokens)) + tokens
        x = tokens.transpose(1, 2).reshape(shape)
        return x[:, :, ::2, ::2] if self.stride > 1 else x


def relu_conv_norm(
    c_in: int, c: int, k: int, stride: int, norm: str | None, device: Device = None
) -> Chain:
    """Make ReLU, a k x k convolution and a norm."""
    conv = conv2d(c_in, c, k, stride=stride, padding=k // 2, device=device)
    return Chain(nn.ReLU(), conv, norm_layer(norm, c, device=device))


def _sep_conv(c: int, k: int, stride: int, norm: str | None, device: Device) -> Chain:
    layers: list[nn.Module] = []
    for s in (stride, 1):
        layers += [
            nn.ReLU(),
            conv2d(c, c, k, stride=s, padding=k // 2, groups=c, device=device),
            conv2d(c, c, 1, device=device),
            norm_layer(norm, c, device=device),
        ]
    return Chain(*layers)


def _dil_conv(c: int, k: int, stride: int, norm: str | None, device: Device) -> Chain:
    return Chain(
        nn.ReLU(),
        conv2d(c, c, k, stride=stride, padding=k - 1, dilation=2, groups=c, device=device),
        conv2d(c, c, 1, device=device),
        norm_layer(norm, c, device=device),
    )


def _conv_7x1_1x7(c: int, k: int, stride: int, norm: str | None, device: Device) -> Chain:
    return Chain(
        nn.ReLU(),
        conv2d(c, c, (1, k), stride=(1, stride), padding=(0, k // 2), device=device),
        conv2d(c, c, (k, 1), stride=(stride, 1), padding=(k // 2, 0), device=device),
        norm_layer(norm, c, device=device),
    )


def build_op(name: str, c: int, stride: int, norm: str | None, device: Device = None) -> nn.Module:
    """Build the module of operation `name`, one of `config.OPS` other than "none"."""
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(c, c, norm, device)
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride=stride, padding=1)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=stride, padding=1, count_include_pad=False)
    if name == "msa":
        return Transformer(c, stride, device)
    if name == "cse":
        return SqueezeExcite(c, stride, device)
    k = int(name[-1])
    if name.startswith("sep_conv"):
        return _sep_conv(c, k, stride, norm, device)
    if name.startswith("dil_conv"):
        return _dil_conv(c, k, stride, norm, device)
    if name == "conv_7x1_1x7":
        return _conv_7x1_1x7(c, k, stride, norm, device)
    return relu_conv_norm(c, c, k, stride, norm, device)
