"""Residual networks: ResNet-34, its separable variant, and ResNet-50."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from graph2nn.relational.networks.architecture import Architecture
from graph2nn.relational.networks.base import (
    LayerFactory,
    RelationalNetwork,
    chain,
    conv_stem,
    pooled_head,
    stages,
)

__all__ = ["BottleneckResNet", "ResNet", "ResidualBlock", "SeparableResNet"]


class ResidualBlock(nn.Module):
    """ReLU(skip + f(x)), with a projected skip where width or height change.

    Args:
        make: Factory of the layers.
        fan_in, fan_out: Channels.
        stride: Stride of the block.
        transform: Function that makes f from (make, fan_in, fan_out, stride).
        relational_skip: Whether the projection follows the graph too.
    """

    def __init__(
        self,
        make: LayerFactory,
        fan_in: int,
        fan_out: int,
        stride: int,
        transform: Callable[[LayerFactory, int, int, int], nn.Sequential],
        *,
        relational_skip: bool,
    ) -> None:
        super().__init__()
        self.proj: nn.Module | None = None
        if fan_in != fan_out or stride != 1:
            project = make.relational_conv if relational_skip else make.conv
            self.proj = chain(
                conv=project(fan_in, fan_out, 1, stride=stride), norm=make.norm(fan_out)
            )
        self.f = transform(make, fan_in, fan_out, stride)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.proj is None else self.proj(x)
        return self.act(skip + self.f(x))


def _basic(make: LayerFactory, fan_in: int, fan_out: int, stride: int) -> nn.Sequential:
    return chain(
        a=make.relational_conv(fan_in, fan_out, 3, stride=stride),
        a_norm=make.norm(fan_out),
        a_act=nn.ReLU(),
        b=make.relational_conv(fan_out, fan_out, 3),
        b_norm=make.norm(fan_out, final=True),
    )


def _separable(make: LayerFactory, fan_in: int, fan_out: int, stride: int) -> nn.Sequential:
    """Depthwise convolutions are dense: they mix no channels, hence no nodes."""
    return chain(
        a_depthwise=make.conv(fan_in, fan_in, 3, stride=stride, groups=fan_in),
        a=make.relational_conv(fan_in, fan_out, 1),
        a_norm=make.norm(fan_out),
        a_act=nn.ReLU(),
        b_depthwise=make.conv(fan_out, fan_out, 3, groups=fan_out),
        b=make.relational_conv(fan_out, fan_out, 1),
        b_norm=make.norm(fan_out, final=True),
    )


def _bottleneck(make: LayerFactory, fan_in: int, fan_out: int, stride: int) -> nn.Sequential:
    inner = int(round(fan_out / 4))
    return chain(
        a=make.relational_conv(fan_in, inner, 1),
        a_norm=make.norm(inner),
        a_act=nn.ReLU(),
        b=make.relational_conv(inner, inner, 3, stride=stride),
        b_norm=make.norm(inner),
        b_act=nn.ReLU(),
        c=make.relational_conv(inner, fan_out, 1),
        c_norm=make.norm(fan_out, final=True),
    )


class ResNet(RelationalNetwork):
    """ResNet-34: two 3x3 convolutions a block.

    "Graph Structure of Neural Networks", arXiv:2007.06559, section 4.1. As in its code, projections
    on skips are relational here and in ResNet-34-sep, and dense in ResNet-50.
    """

    transform = staticmethod(_basic)
    relational_skip = True

    def __init__(self, sizes: Architecture, make: LayerFactory) -> None:
        super().__init__(sizes, make.graph)
        self.stem = conv_stem(make, sizes, kernel=7, pool=True)
        self.stages = stages(sizes, partial(self._block, make))
        self.head = pooled_head(make, sizes.dims[-1], sizes.num_classes)

    def _block(self, make: LayerFactory, fan_in: int, fan_out: int, stride: int) -> ResidualBlock:
        return ResidualBlock(
            make, fan_in, fan_out, stride, self.transform, relational_skip=self.relational_skip
        )


class SeparableResNet(ResNet):
    """ResNet-34-sep: each 3x3 convolution is a depthwise one followed by a relational 1x1."""

    transform = staticmethod(_separable)


class BottleneckResNet(ResNet):
    """ResNet-50: 1x1, 3x3 and 1x1 convolutions a block, all relational; dense projections."""

    transform = staticmethod(_bottleneck)
    relational_skip = False
