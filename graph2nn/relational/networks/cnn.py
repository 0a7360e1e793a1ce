"""The plain convolutional network of six layers and a stem."""

from __future__ import annotations

from functools import partial

from torch import nn

from graph2nn.relational.networks.architecture import Architecture
from graph2nn.relational.networks.base import (
    LayerFactory,
    RelationalNetwork,
    chain,
    conv_stem,
    pooled_head,
    stages,
)

__all__ = ["CNN"]


class CNN(RelationalNetwork):
    """Stages of 3x3 convolutions, each with batch normalisation and ReLU.

    The first of a stage halves the image. "Graph Structure of Neural Networks", arXiv:2007.06559,
    section 4.1.
    """

    def __init__(self, sizes: Architecture, make: LayerFactory) -> None:
        super().__init__(sizes, make.graph)
        self.stem = conv_stem(make, sizes, kernel=3, pool=True)
        self.stages = stages(sizes, partial(_block, make))
        self.head = pooled_head(make, sizes.dims[-1], sizes.num_classes)


def _block(make: LayerFactory, fan_in: int, fan_out: int, stride: int) -> nn.Sequential:
    return chain(
        conv=make.relational_conv(fan_in, fan_out, 3, stride=stride),
        norm=make.norm(fan_out),
        act=nn.ReLU(),
    )
