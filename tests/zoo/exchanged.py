"""Fifty-odd networks that leave PyTorch and come back: their names, how to build them, inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from zoo import build_timm, build_torchvision, image_size

__all__ = ["NETWORKS", "OWN", "build"]


class Tied(nn.Module):
    """A matrix that is table and output layer, a layer used twice, a part without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(10, 8), nn.Linear(8, 8)
        self.out = nn.Linear(8, 10, bias=False)
        self.out.weight = self.table.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            places = torch.arange(x.shape[1]).float()[:, None] * 0.1
        return self.out(self.layer(self.layer(self.table(x) + places)))


class InPlace(nn.Module):
    """Changes of views, of what they are views of, and of single entries."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(4, 3)
        self.register_buffer("scale", torch.full((8,), 0.5))

    def forward(self, x: torch.Tensor) -> Any:
        h = self.a(x)
        v = h[:, :4]
        h += self.b(x) * self.scale
        v.mul_(2)
        v[:, 0] = 0
        return {"y": self.c(v), "z": [h]}


class Attention(nn.Module):
    """Attention, layer scale, addition in place, mean over tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
        self.scale, self.out = nn.Parameter(torch.rand(8) + 0.5), nn.Linear(8, 5)
        nn.init.uniform_(self.mix.out_proj.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu_(self.norm(self.stem(x))).flatten(2).transpose(1, 2)
        x = x + self.mix(x, x, x, need_weights=False)[0] * self.scale
        x += 1
        return self.out(F.gelu(x).mean(1))


class Gated(nn.Module):
    """Squeeze and excitation between activations that ONNX writes out."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.b = nn.Conv2d(3, 16, 3), nn.GroupNorm(4, 16), nn.Conv2d(16, 8, 3)
        self.squeeze, self.excite = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.out = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.silu(self.norm(self.a(x)))
        gate = self.excite(F.mish(self.squeeze(F.adaptive_avg_pool2d(x, 1))))
        x = F.hardswish(self.b(x * gate.sigmoid()))
        return self.out(F.max_pool2d(x, 2).mean((2, 3)))


class Parallel(nn.Module):
    """Dilated, grouped and transposed convolutions of several axes, joined and split."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 3, padding=2, dilation=2)
        self.c = nn.Conv2d(16, 16, 3, groups=4, dilation=2)
        self.up, self.line = nn.ConvTranspose2d(16, 4, 2, 2), nn.Conv1d(2, 3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.up(F.leaky_relu(self.c(torch.cat([self.a(x), self.b(x)], 1))))
        one, other = x.flatten(2).chunk(2, 1)
        return self.line(one * 0.5 + F.avg_pool1d(other, 3, 1, 1))


class Recurrent(nn.Module):
    """Two kinds of recurrent layers, and a bilinear form."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True)
        self.gru, self.out = nn.GRU(12, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.gru(self.lstm(x)[0])[0][:, -1])


class Volume(nn.Module):
    """Three-dimensional convolutions with instance normalisation and PReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm = nn.Conv3d(1, 4, 3), nn.InstanceNorm3d(4, affine=True)
        self.act, self.out = nn.PReLU(4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.act(self.norm(self.a(x))).mean((2, 3, 4)))


class Rms(nn.Module):
    """A gated block of a language model, its norm written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(8) + 0.5)
        self.gate, self.up = (nn.Linear(8, 16, bias=False) for _ in range(2))
        self.down = nn.Linear(16, 8, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


def _mixer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, activation="gelu")
    return nn.TransformerEncoder(layer, 2)


Made = tuple[nn.Module, Any]


def _with(make: Callable[[], nn.Module], *shape: int, high: int = 0) -> Callable[[], Made]:
    def made() -> Made:
        example = torch.randint(high, shape) if high else torch.rand(shape)
        return make(), example

    return made


OWN: dict[str, Callable[[], Made]] = {
    "tied": _with(Tied, 2, 5, high=10),
    "in place": _with(InPlace, 2, 4),
    "attention": _with(Attention, 2, 3, 8, 8),
    "gated": _with(Gated, 2, 3, 12, 12),
    "parallel": _with(Parallel, 2, 3, 12, 12),
    "recurrent": _with(Recurrent, 2, 5, 4),
    "volume": _with(Volume, 2, 1, 6, 6, 6),
    "rms": _with(Rms, 2, 3, 8),
    "transformer": _with(_mixer, 2, 5, 16),
}
"""Small networks of our own, each with what is hard to exchange."""


def _torchvision(name: str) -> Callable[[], Made]:
    def made() -> Made:
        model = build_torchvision(name)
        return model, torch.zeros(1, *image_size(model))

    return made


def _timm(name: str) -> Callable[[], Made]:
    def made() -> Made:
        model = build_timm(name)
        return model, torch.zeros(1, *image_size(model))

    return made


_TORCHVISION = (
    "alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 "
    "maxvit_t mnasnet0_5 mobilenet_v2 mobilenet_v3_small regnet_x_400mf regnet_y_400mf resnet18 "
    "resnet50 resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_0 swin_t swin_v2_t vgg11_bn vit_b_16"
).split()
_TIMM = (
    "beit_base_patch16_224 cait_xxs24_224 convmixer_768_32 convnextv2_atto cspdarknet53 "
    "deit_tiny_patch16_224 dla34 edgenext_small efficientformer_l1 fasternet_t0 ghostnet_050 "
    "hgnetv2_b0 lcnetv2_small mixer_s16_224 mobilenetv4_conv_small mobilevit_xxs poolformer_s12 "
    "repvgg_a0 resmlp_12_224 rexnet_100 vit_tiny_patch16_224 xcit_nano_12_p16_224"
).split()
NETWORKS: dict[str, Callable[[], Made]] = {
    **OWN,
    **{name: _torchvision(name) for name in _TORCHVISION},
    **{f"timm:{name}": _timm(name) for name in _TIMM},
}
"""Those, and networks of torchvision and timm."""


def build(name: str) -> Made:
    """A network in eval mode, and an example of its input."""
    torch.manual_seed(0)
    model, example = NETWORKS[name]()
    return model.eval(), example
