"""The five-layer perceptron."""

from __future__ import annotations

from torch import nn

from graph2nn.relational.networks.architecture import Architecture
from graph2nn.relational.networks.base import LayerFactory, RelationalNetwork, chain

__all__ = ["MLP"]


class MLP(RelationalNetwork):
    """A dense stem, relational layers of one width and a dense head.

    Batch normalisation and ReLU follow each but the last. "Graph Structure of Neural Networks",
    arXiv:2007.06559, section 4.1. Takes images of any size.
    """

    def __init__(self, sizes: Architecture, make: LayerFactory) -> None:
        super().__init__(sizes, make.graph)
        width, dim = sizes.dim_first, sizes.dims[0]
        pixels = sizes.in_channels * sizes.image_size**2
        self.stem = chain(
            flatten=nn.Flatten(),
            linear=make.linear(pixels, width),
            norm=nn.BatchNorm1d(width),
            act=nn.ReLU(),
        )
        self.layers = nn.Sequential()
        for _ in range(sizes.depths[0]):
            self.layers.append(_layer(make, width, dim))
            width = dim
        self.head = make.linear(width, sizes.num_classes, bias=True)


def _layer(make: LayerFactory, fan_in: int, fan_out: int) -> nn.Sequential:
    return chain(
        linear=make.relational_linear(fan_in, fan_out), norm=nn.BatchNorm1d(fan_out), act=nn.ReLU()
    )
