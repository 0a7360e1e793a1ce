"""The plain convolutional network of six layers and a stem."""

from __future__ import annotations

from torch import nn

from graph2nn.relational.architecture import Architecture
from graph2nn.relational.models.base import (
    LayerFactory,
    RelationalNetwork,
    chain,
    conv_stem,
    numbered,
    pooled_head,
)

__all__ = ["CNN"]


class CNN(RelationalNetwork):
    """Stages of 3x3 convolutions, each with batch normalisation and ReLU; the first of a stage
    halves the image. "Graph Structure of Neural Networks", arXiv:2007.06559, section 4.1."""

    def __init__(self, sizes: Architecture, make: LayerFactory) -> None:
        super().__init__(sizes, make.graph)
        self.stem = conv_stem(make, sizes, kernel=3, pool=True)
        width, stages = sizes.dim_first, []
        for dim, depth, stride in zip(sizes.dims, sizes.depths, sizes.family.strides):
            blocks = []
            for index in range(depth):
                blocks.append(_block(make, width, dim, stride if index == 0 else 1))
                width = dim
            stages.append(numbered("b", blocks))
        self.stages = numbered("s", stages)
        self.head = pooled_head(make, width, sizes.num_classes)


def _block(make: LayerFactory, fan_in: int, fan_out: int, stride: int) -> nn.Sequential:
    return chain(
        conv=make.relational_conv(fan_in, fan_out, 3, stride=stride),
        norm=make.norm(fan_out),
        act=nn.ReLU(),
    )
