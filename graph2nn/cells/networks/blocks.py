"""Layers of the cell networks: one operation of `CELL_OPS`, a sum over a cell, poolings."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets.networks.layers import conv2d, norm_layer
from graph2nn.deepnets.networks.ops import FactorizedReduce, relu_conv_norm

__all__ = [
    "BATCH_NORM",
    "GlobalPool",
    "InvertedResidual",
    "SumCell",
    "Zero",
    "cell_op",
    "conv_norm",
    "conv_norm_relu",
    "sources",
]

BATCH_NORM = "track"
"""Batch normalisation with running statistics, as `norm_layer` reads it."""


def conv_norm(c_in: int, c: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Make a convolution and normalisation; stride 2 halves the map, rounding up."""
    conv = conv2d(c_in, c, kernel, stride=stride, padding=kernel // 2)
    return nn.Sequential(conv, norm_layer(BATCH_NORM, c))


def conv_norm_relu(c_in: int, c: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Make a convolution, normalisation and ReLU, in the order of NAS-Bench-101."""
    return nn.Sequential(*conv_norm(c_in, c, kernel, stride), nn.ReLU())


class InvertedResidual(nn.Module):
    """The block of MobileNetV2 (arXiv:1801.04381): expand, depthwise, project, without ReLU.

    The input is added where shapes allow. Shapes: (B, c_in, H, W) -> (B, c, ceil(H/s), ceil(W/s)).
    """

    def __init__(self, c_in: int, c: int, kernel: int, expansion: int, stride: int = 1) -> None:
        super().__init__()
        hidden = expansion * c_in
        depthwise = conv2d(
            hidden, hidden, kernel, stride=stride, padding=kernel // 2, groups=hidden
        )
        self.body = nn.Sequential(
            *conv_norm(c_in, hidden, 1),
            nn.ReLU6(),
            depthwise,
            norm_layer(BATCH_NORM, hidden),
            nn.ReLU6(),
            *conv_norm(hidden, c, 1),
        )
        self.residual = stride == 1 and c_in == c

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


class Zero(nn.Module):
    """Zeros of the shape an operation would give, joined to the input so that autograd passes.

    Shapes: (B, C, H, W) -> (B, c, ceil(H/stride), ceil(W/stride)).
    """

    def __init__(self, c: int, stride: int = 1) -> None:
        super().__init__()
        self.c, self.stride = c, stride

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, :1, :: self.stride, :: self.stride] * 0).expand(-1, self.c, -1, -1)


class GlobalPool(nn.Module):
    """Mean over the map. Shapes: (B, C, H, W) -> (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


def cell_op(name: str, c_in: int, c: int, stride: int = 1) -> nn.Module:
    """Make the module of an operation of `CELL_OPS`; convolutions are ReLU, convolution, norm.

    A pool or identity that changes the width ends in a 1x1 convolution; an identity of stride 2 is
    DARTS' pair of shifted convolutions, of a larger stride a 1x1 convolution.

    Raises:
        ValueError: Not an operation with a module.
    """
    if name in ("conv_1x1", "conv_3x3"):
        return relu_conv_norm(c_in, c, int(name[-1]), stride, BATCH_NORM)
    if name in ("mbconv_k3_e3", "mbconv_k5_e6"):
        return InvertedResidual(c_in, c, int(name[8]), int(name[-1]), stride)
    if name == "skip":
        if stride == 2 and c % 2 == 0:
            return FactorizedReduce(c_in, c, BATCH_NORM)
        return nn.Identity() if stride == 1 and c_in == c else conv_norm(c_in, c, 1, stride)
    if name == "none":
        return Zero(c, stride)
    pools = {"avg_pool_3x3": nn.AvgPool2d, "max_pool_3x3": nn.MaxPool2d}
    if name not in pools:
        raise ValueError(f"no module for the operation {name!r} of a cell; see CELL_OPS")
    options = {"count_include_pad": False} if name == "avg_pool_3x3" else {}
    pool = pools[name](3, stride=stride, padding=1, **options)
    return pool if c_in == c else nn.Sequential(pool, *conv_norm(c_in, c, 1))


def sources(graph: ArchGraph) -> list[list[int]]:
    """List the nodes from which each node has edges."""
    found: list[list[int]] = [[] for _ in range(graph.num_nodes)]
    for u, v in graph.edges.T.tolist():
        found[v].append(u)
    return found


class SumCell(nn.Module):
    """A cell whose nodes add what reaches them: NAS-Bench-201, TransNAS-Bench-101.

    Args:
        graph: Cell without dead nodes; first the input, last the output.
        make: Function from node and operation to module.
        zero: Module that stands for the cell if no path joins input and output.

    Shapes: (B, C, H, W) -> (B, c, H', W'), as the modules do.
    """

    def __init__(
        self, graph: ArchGraph, make: Callable[[int, str], nn.Module], zero: nn.Module
    ) -> None:
        super().__init__()
        names = graph.op_names()
        self.sources = sources(graph)
        inner = range(1, graph.num_nodes - 1)
        self.ops = nn.ModuleDict({str(k): make(k, names[k]) for k in inner})
        self.zero = zero

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for node, op in zip(self.sources[1:], self.ops.values()):
            values.append(op(_total(values, node)))
        last = self.sources[-1]
        return _total(values, last) if last else self.zero(x)


def _total(values: list[Tensor], nodes: list[int]) -> Tensor:
    total = values[nodes[0]]
    for k in nodes[1:]:
        total = torch.add(total, values[k])
    return total
