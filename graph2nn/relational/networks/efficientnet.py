"""EfficientNet-B0."""

from __future__ import annotations

from torch import Tensor, nn

from graph2nn.relational.networks.architecture import EXPANSIONS, HEAD, KERNELS, Architecture
from graph2nn.relational.networks.base import (
    LayerFactory,
    RelationalNetwork,
    chain,
    conv_stem,
    numbered,
)

__all__ = ["EfficientNet", "InvertedBlock", "SqueezeExcite"]


class SqueezeExcite(nn.Module):
    """Channels weighted by a gate that sees their means (arXiv:1709.01507), with swish inside.

    Shapes: (B, C, H, W) -> the same.
    """

    def __init__(self, make: LayerFactory, width: int, squeezed: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = make.conv(width, squeezed, 1, bias=True)
        self.act = nn.SiLU()
        self.excite = make.conv(squeezed, width, 1, bias=True)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.excite(self.act(self.squeeze(self.pool(x)))))


class InvertedBlock(nn.Module):
    """Expansion, depthwise convolution, squeeze-and-excitation and linear projection.

    Expansion and projection are relational.

    Args:
        make: Factory of the layers.
        fan_in, inner, fan_out: Channels; no expansion where inner = fan_in.
        kernel, stride: Size and stride of the depthwise convolution.
        expands: Whether there is an expansion.

    Attributes:
        skip: The identity where the input is added to the output, else None.

    Shapes:
        (B, fan_in, H, W) -> (B, fan_out, H', W').
    """

    def __init__(
        self,
        make: LayerFactory,
        fan_in: int,
        inner: int,
        fan_out: int,
        *,
        kernel: int,
        stride: int,
        expands: bool,
    ) -> None:
        super().__init__()
        self.expand: nn.Module | None = None
        if expands:
            self.expand = chain(
                conv=make.relational_conv(fan_in, inner, 1), norm=make.norm(inner), act=nn.SiLU()
            )
        self.depthwise = chain(
            conv=make.conv(inner, inner, kernel, stride=stride, groups=inner),
            norm=make.norm(inner),
            act=nn.SiLU(),
        )
        self.se = SqueezeExcite(make, inner, int(fan_in * 0.25))
        self.project = chain(
            conv=make.relational_conv(inner, fan_out, 1), norm=make.norm(fan_out, final=True)
        )
        self.skip = nn.Identity() if stride == 1 and fan_in == fan_out else None

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else self.expand(x)
        found = self.project(self.se(self.depthwise(inner)))
        return found if self.skip is None else self.skip(x) + found


class EfficientNet(RelationalNetwork):
    """EfficientNet-B0 (arXiv:1905.11946) without dropout and drop-connect.

    As in "Graph Structure of Neural Networks", arXiv:2007.06559, section 4.1. With a graph, the
    expansion of a stage keeps its published width and only the widths between blocks are matched. A
    layer narrower than the graph takes a graph of the same family on fewer nodes.
    """

    def __init__(self, sizes: Architecture, make: LayerFactory) -> None:
        super().__init__(sizes, make.graph)
        self.stem = conv_stem(make, sizes, kernel=3, pool=False, act=nn.SiLU)
        width, found = sizes.dim_first, []
        for stage, (dim, depth) in enumerate(zip(sizes.dims, sizes.depths)):
            blocks = []
            for index in range(depth):
                blocks.append(
                    InvertedBlock(
                        make,
                        width,
                        sizes.expansion(stage, width),
                        dim,
                        kernel=KERNELS[stage],
                        stride=sizes.family.strides[stage] if index == 0 else 1,
                        expands=EXPANSIONS[stage] != 1,
                    )
                )
                width = dim
            found.append(numbered("b", blocks))
        self.stages = numbered("s", found)
        self.head = chain(
            conv=make.conv(width, HEAD, 1),
            norm=make.norm(HEAD),
            act=nn.SiLU(),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=make.linear(HEAD, sizes.num_classes, bias=True),
        )
