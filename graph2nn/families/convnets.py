"""Small convolutional networks in the manner of those of torchvision, for small images."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.families.source import FamilyNets

__all__ = ["ConvNet", "ConvNets"]

_KINDS = ("vgg", "basic", "bottleneck", "mobile", "convnext")


@dataclass(frozen=True, kw_only=True)
class ConvNet:
    """Blueprint of a small convolutional network: stages that halve the image, mean, classifier.

    Args:
        kind: Kind of blocks: vgg (a plain convolution, arXiv:1409.1556), basic or bottleneck
            (residual, arXiv:1512.03385), mobile (inverted residual with a gate, arXiv:1801.04381
            and arXiv:1905.02244), convnext (arXiv:2201.03545).
        width: Width of the first stage; each further one doubles it.
        depths: Number of blocks of each stage.
        kernel: Side of the depthwise, or of vgg's, kernels.
        ratio: Inner width of a block by its own (mobile and convnext), or its inverse (bottleneck).
        gate: Whether mobile blocks have squeeze-and-excitation.
        image_size, num_classes, in_channels: Side, classes and channels of the images.
    """

    kind: str
    width: int
    depths: tuple[int, ...]
    kernel: int
    ratio: int
    gate: bool
    image_size: int
    num_classes: int
    in_channels: int

    @property
    def cell(self) -> tuple[Hashable, ...]:
        """All settings but the images."""
        return self.kind, self.width, self.depths, self.kernel, self.ratio, self.gate

    def skeleton(self) -> nn.Module:
        """Build the network on the meta device."""
        with torch.device("meta"):
            return _build(self)

    def network(self) -> nn.Module:
        """Build the network with torch's initial weights."""
        return _build(self)

    def archgraph(self) -> ArchGraph:
        """Trace the graph."""
        images = torch.empty(2, self.in_channels, self.image_size, self.image_size, device="meta")
        return trace(self.skeleton(), images, view="primitives")


class ConvNets(FamilyNets[ConvNet]):
    """Endless small networks in the manner of VGG, ResNet, MobileNet and ConvNeXt.

    Up to three stages of one to three blocks, of width 16 to 48 in the first; layers are those of
    the large networks, without their stems, which would leave nothing of a small image.

    Arguments and errors are those of `FamilyNets`; images need 4 pixels a side.

    Examples:
        >>> ConvNets(seed=1, image_size=8)[0].archgraph().num_classes
        10
    """

    def draw(self, rng: np.random.Generator) -> ConvNet | None:
        kind, width = str(rng.choice(_KINDS)), int(rng.choice([16, 24, 32, 48]))
        depths = tuple(int(d) for d in rng.integers(1, 4, rng.integers(1, 4)))
        kernel, ratio = int(rng.choice([3, 5])), int(rng.choice([2, 4]))
        gate = bool(rng.random() < 0.5)
        side = self.images["image_size"]
        if 2 ** len(depths) > side:
            return None
        net = ConvNet(
            kind=kind,
            width=width,
            depths=depths,
            kernel={"basic": 3, "bottleneck": 3, "convnext": kernel + 2}.get(kind, kernel),
            ratio=1 if kind in ("vgg", "basic") else ratio,
            gate=gate and kind == "mobile",
            **self.images,
        )
        return net if _work(net) <= 6e6 * max(1.0, side / 8) else None


def _work(net: ConvNet) -> float:
    """Multiply-adds of an image, roughly."""
    total = 0.0
    for stage, depth in enumerate(net.depths):
        width, area = net.width * 2**stage, (net.image_size / 2**stage) ** 2
        pairs = {"vgg": net.kernel**2, "basic": 18.0, "bottleneck": 2 / net.ratio}
        pairs["bottleneck"] += 9 / net.ratio**2
        total += depth * area * width**2 * pairs.get(net.kind, 2.0 * net.ratio)
    return total


def _build(net: ConvNet) -> nn.Sequential:
    stem: list[nn.Module] = [nn.Conv2d(net.in_channels, net.width, 3, padding=1, bias=False)]
    stem.append(_ChannelNorm(net.width) if net.kind == "convnext" else nn.BatchNorm2d(net.width))
    blocks: list[nn.Module] = []
    width = net.width
    for stage, depth in enumerate(net.depths):
        for block in range(depth):
            out = net.width * 2**stage
            blocks.append(_block(net, width, out, 2 if stage and not block else 1))
            width = out
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, net.num_classes)]
    return nn.Sequential(*stem, *blocks, *head)


def _block(net: ConvNet, fan_in: int, fan_out: int, stride: int) -> nn.Module:
    if net.kind == "vgg":
        return _unit(fan_in, fan_out, net.kernel, stride)
    if net.kind == "convnext":
        return _ConvNextBlock(net, fan_in, fan_out, stride)
    inner = {"basic": fan_out, "bottleneck": fan_out // net.ratio}.get(net.kind, fan_in * net.ratio)
    if net.kind == "basic":
        body = [*_unit(fan_in, inner, 3, stride), *_unit(inner, fan_out, 3, act=False)]
    elif net.kind == "bottleneck":
        body = [*_unit(fan_in, inner, 1), *_unit(inner, inner, 3, stride)]
        body += _unit(inner, fan_out, 1, act=False)
    else:
        body = [*_unit(fan_in, inner, 1), *_unit(inner, inner, net.kernel, stride, groups=inner)]
        body += [_Gate(inner)] if net.gate else []
        body += _unit(inner, fan_out, 1, act=False)
    return _Residual(nn.Sequential(*body), fan_in, fan_out, stride, act=net.kind != "mobile")


def _unit(
    fan_in: int, fan_out: int, kernel: int, stride: int = 1, *, groups: int = 1, act: bool = True
) -> nn.Sequential:
    """A convolution, normalised, and ReLU."""
    conv = nn.Conv2d(
        fan_in, fan_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    return nn.Sequential(conv, nn.BatchNorm2d(fan_out), *([nn.ReLU()] if act else []))


class _Residual(nn.Module):
    """The body and its input, projected where shapes change; of mobile blocks nothing then."""

    def __init__(
        self, body: nn.Module, fan_in: int, fan_out: int, stride: int, *, act: bool
    ) -> None:
        super().__init__()
        self.body, self.act = body, nn.ReLU() if act else nn.Identity()
        same = fan_in == fan_out and stride == 1
        self.skip: nn.Module | None = nn.Identity() if same else None
        if act and not same:
            self.skip = _unit(fan_in, fan_out, 1, stride, act=False)

    def forward(self, x: Tensor) -> Tensor:
        body = self.body(x)
        return self.act(body if self.skip is None else body + self.skip(x))


class _Gate(nn.Module):
    """Squeeze-and-excitation, arXiv:1709.01507: (B, c, H, W) -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(4, width // 4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze, self.excite = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.excite(torch.relu(self.squeeze(self.pool(x)))))


class _ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels: (B, c, H, W) -> the same."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _ConvNextBlock(nn.Module):
    def __init__(self, net: ConvNet, fan_in: int, fan_out: int, stride: int) -> None:
        super().__init__()
        self.down: nn.Module = nn.Identity()
        if fan_in != fan_out or stride != 1:
            down = nn.Conv2d(fan_in, fan_out, 2, stride=2)
            self.down = nn.Sequential(_ChannelNorm(fan_in), down)
        k, inner = net.kernel, net.ratio * fan_out
        self.depthwise = nn.Conv2d(fan_out, fan_out, k, padding=k // 2, groups=fan_out)
        self.norm = nn.LayerNorm(fan_out)
        self.expand, self.act = nn.Linear(fan_out, inner), nn.GELU()
        self.project = nn.Linear(inner, fan_out)
        self.scale = nn.Parameter(torch.ones(fan_out))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.project(self.act(self.expand(y)))
        return x + y.permute(0, 3, 1, 2)
