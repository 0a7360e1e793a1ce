"""What the relational networks share: the base class, and how their layers are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.relational.networks.architecture import Architecture
from graph2nn.relational.networks.counting import Counts, count_module
from graph2nn.relational.networks.layers import RelationalConv2d, RelationalLinear
from graph2nn.relational.networks.partition import fitting_graph

__all__ = [
    "LayerFactory",
    "RelationalNetwork",
    "chain",
    "conv_stem",
    "numbered",
    "pooled_head",
    "stages",
]


class RelationalNetwork(nn.Module):
    """A network whose stages exchange messages along one graph, or its dense twin.

    Made by `build_model`. Subclasses register their layers in the order of use.

    Attributes:
        sizes: All sizes.
        graph: The relational graph; None in the dense twin.
    """

    def __init__(self, sizes: Architecture, graph: RelationalGraph | None) -> None:
        super().__init__()
        self.sizes, self.graph = sizes, graph
        size, channels = sizes.image_size, sizes.in_channels
        self.expected_input_sz = size if channels == 3 else (channels, size, size)  # for tracing

    @property
    def dims(self) -> tuple[int, ...]:
        """Width of each stage."""
        return self.sizes.dims

    def counts(self) -> Counts:
        """Count the multiply-adds of one image and the trainable parameters."""
        return count_module(self, self.sizes.image_size)

    def forward(self, x: Tensor) -> Tensor:
        """Classify images: (N, C, H, W) -> (N, num_classes)."""
        for module in self.children():
            x = module(x)
        return x


class LayerFactory:
    """Maker of the layers of one network, whose weights are drawn in the order of the calls.

    Convolutions start as N(0, sqrt(2 / fan_out)) with fan_out = kernel area * output channels
    (times the density of a relational one), linear layers as N(0, 0.01), their biases as zero.
    Nothing is drawn from torch's global generator.

    Args:
        graph: Graph of the relational layers; None makes them dense.
        generator: Source of the initial weights.
        execution: Execution of the relational layers.
        shrinks: Whether a layer narrower than the graph takes a graph of fewer nodes.
        zero_final: Whether normalisations that end a residual block start as zero.
    """

    def __init__(
        self,
        graph: RelationalGraph | None,
        generator: torch.Generator,
        *,
        execution: str = "masked",
        shrinks: bool = False,
        zero_final: bool = False,
    ) -> None:
        self.graph, self.generator, self.execution = graph, generator, execution
        self.shrinks, self.zero_final = shrinks, zero_final

    def linear(self, fan_in: int, fan_out: int, *, bias: bool = False) -> nn.Linear:
        """Make a dense linear layer."""
        layer = skip_init(nn.Linear, fan_in, fan_out, bias=bias)
        nn.init.normal_(layer.weight, 0, 0.01, generator=self.generator)
        if bias:
            nn.init.zeros_(layer.bias)
        return layer

    def relational_linear(self, fan_in: int, fan_out: int) -> nn.Linear:
        """Make a linear layer of a stage."""
        if self.graph is None:
            return self.linear(fan_in, fan_out)
        return RelationalLinear(
            self._fitting(fan_in, fan_out),
            fan_in,
            fan_out,
            execution=self.execution,
            generator=self.generator,
        )

    def conv(
        self,
        fan_in: int,
        fan_out: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> nn.Conv2d:
        """Make a dense convolution that keeps the height where the stride is 1.

        A bias starts as torch's does.
        """
        layer = skip_init(
            nn.Conv2d,
            fan_in,
            fan_out,
            kernel,
            stride=stride,
            padding=kernel // 2,
            groups=groups,
            bias=bias,
        )
        std = math.sqrt(2 / (kernel**2 * fan_out))
        nn.init.normal_(layer.weight, 0, std, generator=self.generator)
        if layer.bias is not None:
            bound = 1 / math.sqrt(fan_in // groups * kernel**2)
            nn.init.uniform_(layer.bias, -bound, bound, generator=self.generator)
        return layer

    def relational_conv(
        self, fan_in: int, fan_out: int, kernel: int, *, stride: int = 1
    ) -> nn.Conv2d:
        """Make a convolution of a stage."""
        if self.graph is None:
            return self.conv(fan_in, fan_out, kernel, stride=stride)
        return RelationalConv2d(
            self._fitting(fan_in, fan_out),
            fan_in,
            fan_out,
            kernel,
            stride=stride,
            padding=kernel // 2,
            execution=self.execution,
            generator=self.generator,
        )

    def norm(self, width: int, *, final: bool = False) -> nn.BatchNorm2d:
        """Make the batch normalisation of images; `final` ends a residual block."""
        layer = nn.BatchNorm2d(width)
        if final and self.zero_final:
            nn.init.zeros_(layer.weight)
        return layer

    def _fitting(self, fan_in: int, fan_out: int) -> RelationalGraph:
        assert self.graph is not None
        return fitting_graph(self.graph, fan_in, fan_out) if self.shrinks else self.graph


def chain(**modules: nn.Module) -> nn.Sequential:
    """Put named modules one after the other."""
    found = nn.Sequential()
    for name, module in modules.items():
        found.add_module(name, module)
    return found


def stages(sizes: Architecture, block: Callable[[int, int, int], nn.Module]) -> nn.Sequential:
    """Make the stages of a convolutional network from its blocks.

    Each stage has its number of `sizes.depths` blocks, the first with the stage's stride.

    Args:
        sizes: Widths, depths and strides; the stem's width comes in.
        block: Function that makes a block from its input width, output width and stride.
    """
    width, found = sizes.dim_first, []
    for dim, depth, stride in zip(sizes.dims, sizes.depths, sizes.family.strides):
        blocks = []
        for index in range(depth):
            blocks.append(block(width, dim, stride if index == 0 else 1))
            width = dim
        found.append(numbered("b", blocks))
    return numbered("s", found)


def numbered(prefix: str, modules: Iterable[nn.Module]) -> nn.Sequential:
    """Put modules one after the other, named prefix1, prefix2, ..."""
    return chain(**{f"{prefix}{index}": module for index, module in enumerate(modules, 1)})


def conv_stem(
    make: LayerFactory,
    sizes: Architecture,
    *,
    kernel: int,
    pool: bool,
    act: type[nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Make the dense first layer, with stride 2 and max pooling only for large images."""
    found = chain(
        conv=make.conv(sizes.in_channels, sizes.dim_first, kernel, stride=1 if sizes.small else 2),
        norm=make.norm(sizes.dim_first),
        act=act(),
    )
    if pool and not sizes.small:
        found.add_module("pool", nn.MaxPool2d(3, stride=2, padding=1))
    return found


def pooled_head(make: LayerFactory, width: int, num_classes: int) -> nn.Sequential:
    """Make the mean over the image and the dense classifier."""
    return chain(
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=make.linear(width, num_classes, bias=True),
    )
