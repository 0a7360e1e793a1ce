"""The unrolled encoding against derivatives of the network itself, edge by edge.

Every network below marks with `cut` where nodes are expected. The oracle runs the network made
linear (activations and normalisation are left out, products become sums, what pools adds up) and
replaces the activations by independent variables at each cut; the derivatives of one cut by the
variables of those before it are then exactly the edges that enter its nodes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from graph2nn.sparsity.graphs.edges import edge_list
from graph2nn.sparsity.graphs.encodings.encode import encode
from graph2nn.sparsity.graphs.multipartite import Block, MultipartiteGraph
from graph2nn.sparsity.masks import Masks
from graph2nn.training.probe import prunable

Edges = dict[tuple[int, int], float]


class Net(nn.Module):
    """A network from a function of itself and the input; `cut` marks expected layers of nodes."""

    def __init__(self, forward: Callable, shape: tuple[int, ...], **layers: nn.Module):
        super().__init__()
        self.run, self.shape = forward, shape
        self.cut: Callable[[Tensor], Tensor] = lambda x: x
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


class MadeLinear(TorchFunctionMode):
    """Leaves out activations and normalisation, adds instead of multiplying, sums up pools."""

    SAME = ("relu", "relu_", "sigmoid", "batch_norm", "layer_norm", "dropout", "hardswish")
    MAX = {"max_pool2d": F.avg_pool2d, "max_pool1d": F.avg_pool1d, "amax": torch.mean}
    POOLS = ("avg_pool2d", "adaptive_avg_pool2d", "mean", "interpolate", "adaptive_avg_pool1d")

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name == "norm":
            return args[0].sum(kwargs["dim"], keepdim=True)
        if name in self.SAME:
            return args[0]
        if name == "tanh":  # of a value that is multiplied by itself
            return torch.zeros_like(args[0])
        if name == "glu":
            return sum(args[0].chunk(2, kwargs["dim"]))
        if name in ("mul", "__mul__"):
            return args[0] + args[1] if isinstance(args[1], Tensor) else args[0]
        if name in self.MAX:
            for key in ("dilation", "return_indices"):
                kwargs.pop(key, None)
            func = self.MAX[name]
        if name in self.MAX or name in self.POOLS:
            jacobian = torch.autograd.functional.jacobian(
                lambda x: func(x, *args[1:], **kwargs), torch.zeros_like(args[0])
            )
            shape = jacobian.shape[: jacobian.dim() - args[0].dim()]
            unit = (jacobian != 0).double().reshape(shape.numel(), -1)
            return (unit @ args[0].reshape(-1)).reshape(shape)
        return func(*args, **kwargs)


def oracle(net: Net, masks: Masks) -> tuple[Edges, list[int]]:
    """Edges and sizes of layers from derivatives."""
    for name, weight in net.named_parameters():
        keep = masks[name] if name in masks else not name.endswith("bias")
        weight.data = weight.detach().abs().double() * keep
    cuts: list[Tensor] = []
    leaves: list[Tensor] = []

    def cut(x: Tensor) -> Tensor:
        cuts.append(x)
        leaves.append(torch.zeros(x.shape, dtype=torch.float64, requires_grad=True))
        return leaves[-1]

    net.cut = cut
    first = cut(torch.zeros(1, *net.shape, dtype=torch.float64))
    with MadeLinear():
        net.eval()(first)
    edges: Edges = {}
    starts = list(itertools.accumulate((x.numel() for x in cuts), initial=0))
    for to, made in enumerate(cuts[1:], 1):
        rows = torch.eye(made.numel(), dtype=torch.float64).reshape(-1, *made.shape)
        slopes = torch.autograd.grad(
            made, leaves, rows, allow_unused=True, retain_graph=True, is_grads_batched=True
        )
        for start, slope in zip(starts, slopes):
            if slope is not None:
                flat = slope.reshape(len(rows), -1)
                for row, at in flat.nonzero().tolist():
                    edges[start + at, starts[to] + row] = float(flat[row, at])
    return edges, [x.numel() for x in cuts]


def expand(block: Block) -> list[tuple[int, int, float]]:
    """The edges of a block, by its definition."""
    channels, height, width, _ = block.source.shape
    out, own, *taps = block.weight.shape
    edges = []
    for o, c, a, b in np.argwhere(block.mask.numpy()).tolist():
        first = o // (out // block.groups) * own
        for y, x in np.ndindex(block.target.shape[1:]):
            i = y * block.stride[0] + a * block.dilation[0] - block.padding[2]
            j = x * block.stride[1] + b * block.dilation[1] - block.padding[0]
            if 0 <= i < height and 0 <= j < width:
                for source in block.source[first + c, i, j]:
                    if source >= 0:
                        weight = float(block.weight[o, c, a, b])
                        edges.append((int(source), int(block.target[o, y, x]), weight))
    return edges


def listed(graph: MultipartiteGraph) -> Edges:
    edges = [edge for block in graph.blocks for edge in expand(block)]
    pairs = {(u, v): w for u, v, w in edges}
    assert len(pairs) == len(edges), "an edge comes twice"
    return pairs


def half(net: nn.Module) -> Masks:
    generator = torch.Generator().manual_seed(1)
    return Masks(
        {n: torch.rand(p.shape, generator=generator) < 0.6 for n, p in prunable(net).items()}
    )


def conv(*args, **kwargs) -> nn.Conv2d:
    return nn.Conv2d(*args, **kwargs)


def one_conv(shape: tuple[int, int, int], *args, **kwargs) -> Net:
    return Net(lambda n, x: n.cut(n.c(x)), shape, c=conv(shape[0], *args, **kwargs))


def pooled(pool: Callable[[Tensor], Tensor], own: bool, shape=(2, 6, 5)) -> Net:
    """conv, pool (with nodes of its own or not), conv."""

    def forward(n, x):
        x = pool(n.b(n.cut(n.a(x))).relu())
        return n.cut(n.c(n.cut(x) if own else x))

    return Net(forward, shape, a=conv(2, 3, 3, padding=1), b=nn.BatchNorm2d(3), c=conv(3, 2, 1))


def basic_block(n, x):
    out = n.cut(n.a(x).relu_())
    return n.cut(n.b(out) + n.short(x)).relu()


def residual(n, x):
    x = n.cut(n.stem(x)).relu()
    out = n.cut(n.a(x)).relu()
    out = n.bn(n.b(out))
    out += x
    x = n.cut(out).relu()
    return n.cut(n.head(x.mean((2, 3))))


def option_a(n, x):
    x = n.cut(n.stem(x))
    short = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))
    return n.cut(n.b(n.cut(n.a(x)).relu()) + short)


def parallel_skip(n, x):
    x = n.cut(n.stem(x))
    out = n.a(x)
    return n.cut(out + n.cut(x))


def two_of_one(n, x):
    first = n.cut(n.a(x))
    return n.cut(first + n.b(x))


def shuffle(n, x):
    x = n.cut(n.a(x))
    left, right = x.chunk(2, dim=1)
    x = torch.cat([left, n.cut(n.b(right))], 1)
    x = x.view(1, 2, 2, 4, 4).transpose(1, 2).contiguous().view(1, 4, 4, 4)
    return n.cut(n.c(x))


def gate(n, x):
    x = n.cut(n.a(x)).relu()
    s = n.cut(n.fc1(F.adaptive_avg_pool2d(x, 1))).relu()
    return n.cut(n.c(n.cut(x * n.cut(n.fc2(s)).sigmoid())))


def swish(n, x):
    """The hand-written activation reads the layer twice, and still it is only the sum's."""
    x = n.cut(n.stem(x))
    out = n.b(n.cut(n.a(x)))
    return n.cut(out * torch.tanh(out) + x)


def dense(n, x):
    x = n.cut(n.a(x))
    y = n.cut(n.b(x).relu())
    z = F.avg_pool2d(torch.cat([x, y], 1), 2)
    z = torch.cat([z, n.cut(n.c(z))], 1)
    return n.cut(n.d(z))


def chained_sum(n, x):
    a = n.cut(n.a(x))
    return n.cut(a + n.b(n.cut(n.p(a))) + n.c(n.cut(n.q(a))))


def channels_last(n, x):
    y = n.cut(n.a(x)).permute(0, 2, 3, 1)
    y = n.cut(n.fc1(n.norm(y)).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    y = n.fc2(y).permute(0, 3, 1, 2)
    return n.cut(y * 2 + x)


def depth_wise(n, x):
    return n.cut(n.fc(n.cut(n.b(n.cut(n.a(x)))).flatten(1)))


def no_one_reads(n, x):
    """A sum of layers that others read too has nodes of its own."""
    a, b = n.cut(n.a(x)), n.cut(n.b(x))
    return n.cut(n.c(torch.cat([a, b, n.cut(a + b)], 1)))


def reflected(n, x):
    return n.cut(n.c(n.cut(F.pad(n.cut(n.a(x)), (1, 1, 1, 1), mode="reflect"))))


def upsampled(n, x):
    small = F.max_pool2d(n.cut(n.a(x)), 2)
    return n.cut(n.c(n.cut(F.interpolate(small, scale_factor=2.0))))


def one_dimensional(n, x):
    x = F.max_pool1d(n.cut(n.a(x)), 2)
    return n.cut(n.fc(n.cut(n.b(x)).mean(-1)))


def overwritten(n, x):
    x = n.cut(n.a(x))
    y = x.clone()
    y[:, :1, 1:] = x[:, 1:2, :-1]
    return n.cut(n.b(n.cut(y)))


NETS: dict[str, Callable[[], Net]] = {
    "padding": lambda: one_conv((2, 4, 5), 3, 3, padding=1),
    "stride": lambda: one_conv((2, 8, 7), 3, 3, stride=2, padding=1),
    "uneven stride": lambda: one_conv((2, 7, 8), 3, (2, 3), stride=(3, 2), padding=(0, 2)),
    "dilation": lambda: one_conv((1, 7, 7), 2, 3, dilation=2, padding=1),
    "one row": lambda: one_conv((2, 4, 5), 3, (1, 3), padding=(0, 1)),
    "same": lambda: one_conv((2, 4, 5), 2, 4, padding="same"),
    "same, dilated": lambda: one_conv((2, 6, 5), 2, (2, 3), dilation=(3, 1), padding="same"),
    "valid": lambda: one_conv((2, 4, 5), 2, 2, padding="valid"),
    "groups": lambda: one_conv((4, 4, 4), 6, 3, padding=1, groups=2),
    "circular": lambda: Net(
        lambda n, x: n.cut(n.c(n.cut(F.pad(x, (1, 1, 1, 1), mode="circular")))),
        (2, 4, 4), c=conv(2, 2, 3),
    ),
    "transposed": lambda: Net(
        lambda n, x: n.cut(n.c(n.cut(n.a(x)))), (2, 3, 4), a=conv(2, 4, 1),
        c=nn.ConvTranspose2d(4, 6, 3, 2, padding=1, output_padding=1, groups=2, dilation=2),
    ),
    "depthwise": lambda: Net(
        depth_wise, (3, 4, 4), a=conv(3, 3, 3, padding=1, groups=3), b=conv(3, 2, 1),
        fc=nn.Linear(32, 3),
    ),
    "max": lambda: pooled(lambda x: F.max_pool2d(x, 2), False),
    "max, ceil": lambda: pooled(lambda x: F.max_pool2d(x, 2, ceil_mode=True), False),
    "max with gaps": lambda: pooled(lambda x: F.max_pool2d(x, (1, 2), 3), False),
    "average": lambda: pooled(lambda x: F.avg_pool2d(x, (3, 2), (3, 2)), False),
    "global": lambda: pooled(lambda x: F.adaptive_avg_pool2d(x, 1), False),
    "adaptive": lambda: pooled(lambda x: F.adaptive_avg_pool2d(x, (3, 5)), False),
    "mean of columns": lambda: pooled(lambda x: x.mean(3, keepdim=True), False),
    "maximum of all": lambda: pooled(lambda x: x.amax((2, 3), keepdim=True), False),
    "norm of channels": lambda: Net(
        lambda n, x: n.cut(n.c(n.cut(n.a(x)).norm(p=2, dim=1, keepdim=True))), (2, 3, 3),
        a=conv(2, 3, 1), c=conv(1, 2, 1),
    ),
    "overlapping": lambda: pooled(lambda x: F.max_pool2d(x, 3, 2, padding=1), True),
    "overlapping average": lambda: pooled(lambda x: F.avg_pool2d(x, 3, 2), True),
    "overlapping, ceil": lambda: pooled(lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True), True),
    "overlapping, same size": lambda: pooled(lambda x: F.avg_pool2d(x, 3, 1, 1), True),
    "adaptive, overlapping": lambda: pooled(lambda x: F.adaptive_avg_pool2d(x, (4, 3)), True),
    "bilinear": lambda: pooled(
        lambda x: F.interpolate(x, size=(9, 8), mode="bilinear", align_corners=False), True
    ),
    "bilinear, aligned": lambda: pooled(
        lambda x: F.interpolate(x, size=(11, 9), mode="bilinear", align_corners=True), True
    ),
    "conv shortcut": lambda: Net(
        basic_block, (2, 6, 6), a=conv(2, 3, 3, stride=2, padding=1, bias=False),
        b=conv(3, 3, 3, padding=1), short=conv(2, 3, 1, stride=2),
    ),
    "identity skip": lambda: Net(
        residual, (2, 4, 4), stem=conv(2, 3, 3, padding=1), a=conv(3, 3, 3, padding=1),
        b=conv(3, 3, 3, padding=1), bn=nn.BatchNorm2d(3), head=nn.Linear(3, 2),
    ),
    "option A": lambda: Net(
        option_a, (1, 6, 6), stem=conv(1, 2, 1), a=conv(2, 4, 3, stride=2, padding=1),
        b=conv(4, 4, 3, padding=1),
    ),
    "x + conv(x)": lambda: Net(
        parallel_skip, (2, 4, 4), stem=conv(2, 2, 1), a=conv(2, 2, 3, padding=1)
    ),
    "conv(x) + conv(x)": lambda: Net(
        two_of_one, (2, 4, 4), a=conv(2, 2, 3, padding=1), b=conv(2, 2, 1)
    ),
    "sum of three": lambda: Net(
        chained_sum, (2, 3, 3), a=conv(2, 2, 1), p=conv(2, 2, 1), q=conv(2, 2, 1),
        b=conv(2, 2, 1), c=conv(2, 2, 1),
    ),
    "channel shuffle": lambda: Net(
        shuffle, (2, 4, 4), a=conv(2, 4, 1), b=conv(2, 2, 3, padding=1), c=conv(4, 2, 1)
    ),
    "squeeze and excite": lambda: Net(
        gate, (2, 3, 3), a=conv(2, 4, 1), fc1=conv(4, 2, 1), fc2=conv(2, 4, 1), c=conv(4, 2, 1)
    ),
    "swish": lambda: Net(
        swish, (2, 3, 3), stem=conv(2, 2, 1), a=conv(2, 2, 1), b=conv(2, 2, 1)
    ),
    "dense connections": lambda: Net(
        dense, (2, 4, 4), a=conv(2, 2, 1), b=conv(2, 3, 3, padding=1), c=conv(5, 2, 1),
        d=conv(7, 2, 2),
    ),
    "channels last": lambda: Net(
        channels_last, (3, 3, 2), a=conv(3, 3, 3, padding=1, groups=3), norm=nn.LayerNorm(3),
        fc1=nn.Linear(3, 4), fc2=nn.Linear(4, 3),
    ),
    "sum that others see": lambda: Net(
        no_one_reads, (2, 3, 3), a=conv(2, 2, 1), b=conv(2, 2, 1), c=conv(6, 2, 1)
    ),
    "reflected": lambda: Net(reflected, (1, 4, 4), a=conv(1, 2, 1), c=conv(2, 2, 3)),
    "upsampled": lambda: Net(upsampled, (2, 4, 4), a=conv(2, 2, 1), c=conv(2, 2, 2)),
    "one dimension": lambda: Net(
        one_dimensional, (2, 9), a=nn.Conv1d(2, 4, 3, 2, padding=1),
        b=nn.Conv1d(4, 4, 2, padding="same", groups=2), fc=nn.Linear(4, 2),
    ),
    "product": lambda: Net(
        lambda n, x: n.cut(n.a(x) * n.b(n.cut(n.p(x))).sigmoid()), (2, 3, 3),
        a=conv(2, 2, 1), p=conv(2, 3, 1), b=conv(3, 2, 1),
    ),
    "gated halves": lambda: Net(
        lambda n, x: n.cut(n.c(n.cut(F.glu(n.cut(n.a(x)), 1)))), (2, 3, 3),
        a=conv(2, 4, 1), c=conv(2, 2, 1),
    ),
    "pooled shortcut": lambda: Net(
        lambda n, x: n.cut(n.b(n.cut(n.a(x))) + F.avg_pool2d(x, 2)), (2, 4, 4),
        a=conv(2, 3, 3, 2, 1), b=conv(3, 2, 1),
    ),
    "pooled beside what it reads": lambda: Net(
        lambda n, x: n.cut(torch.add(n.a(x), n.cut(F.avg_pool2d(x, 2)))), (2, 4, 4),
        a=conv(2, 2, 3, 2, 1),
    ),
    "twice the same": lambda: Net(
        lambda n, x: n.cut(n.b(n.cut(torch.cat([n.cut(n.a(x))] * 2, 1)))), (2, 3, 3),
        a=conv(2, 2, 1), b=conv(4, 2, 1),
    ),
    "shared weights": lambda: Net(
        lambda n, x: n.cut(n.a(n.cut(n.a(x)).relu())), (2, 3, 3), a=conv(2, 2, 3, padding=1)
    ),
    "broadcast": lambda: Net(
        lambda n, x: n.cut(n.a(x) + n.cut(n.fc(x.flatten(1)))[:, :, None, None]), (2, 3, 3),
        a=conv(2, 2, 1), fc=nn.Linear(18, 2),
    ),
    "overwritten": lambda: Net(overwritten, (2, 4, 3), a=conv(2, 3, 1), b=conv(3, 2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_every_edge(name: str) -> None:
    net = NETS[name]()
    masks = half(net)
    if name == "transposed":  # cannot be pruned, but its zeros are no edges
        net.c.weight.data[:, 1, ::2] = 0
    graph = encode(net, masks, "unrolled", net.shape)
    expected, sizes = oracle(net, masks)
    assert graph.dims == tuple(sizes)
    found = listed(graph)
    assert found.keys() == expected.keys()
    assert all(w == pytest.approx(expected[e], rel=1e-6) for e, w in found.items())


@pytest.mark.parametrize("name", NETS)
def test_edge_list_of_the_engine(name: str) -> None:
    net = NETS[name]()
    graph = encode(net, half(net), "unrolled", net.shape)
    edges = edge_list(graph)
    fast = dict(zip(zip(edges.source.tolist(), edges.target.tolist()), edges.weight.tolist()))
    assert fast == listed(graph) and len(fast) == len(edges)
