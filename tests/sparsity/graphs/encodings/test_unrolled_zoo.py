"""torchvision's networks unrolled: what flows through the graph is what flows through the network.

The network is made linear, with positive weights; the same image sent through its graph, block by
block, must arrive with the same values.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from graph2nn.sparsity.graphs.edges import edge_list
from graph2nn.sparsity.graphs.encodings.encode import encode
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph

torchvision = pytest.importorskip("torchvision", reason="the networks are torchvision's")

SIZE = 32
QUICK = {  # nodes, layers of nodes
    "resnet18": (55_272, 20),
    "mobilenet_v2": (140_360, 54),
    "squeezenet1_1": (44_072, 29),
    "shufflenet_v2_x0_5": (26_504, 59),
    "mnasnet0_5": (66_632, 54),
    "regnet_y_400mf": (95_640, 93),
    "efficientnet_b0": (192_708, 94),
    "mobilenet_v3_small": (41_200, 61),
    "googlenet": (96_344, 69),
    "densenet121": (148_968, 123),
}
LONG = {
    "vgg11": (188_904, 13),
    "alexnet": (67_432, 12),
    "inception_v3": (837_656, 106),
    "resnext50_32x4d": (271_336, 52),
    "regnet_x_400mf": (64_728, 69),
    "convnext_tiny": (278_248, 60),
    "efficientnet_v2_s": (344_736, 189),
}
SIZES = {"inception_v3": 96, "alexnet": 64}
ATTENTION = {"vit_b_32": "multi_head_attention_forward", "swin_t": "matmul"}


class Summed(TorchFunctionMode):
    """Activations and normalisation left out; pools and products as sums."""

    SAME = frozenset(
        "relu relu6 silu hardswish hardsigmoid sigmoid gelu hardtanh dropout batch_norm layer_norm "
        "relu_".split()
    )

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name in self.SAME:
            return args[0]
        if name in ("mul", "__mul__", "__rmul__"):
            both = all(isinstance(a, Tensor) and not isinstance(a, nn.Parameter) for a in args)
            return args[0] + args[1] if both else next(a for a in args if not _scale(a))
        if name == "max_pool2d":
            kwargs = {k: v for k, v in kwargs.items() if k in ("stride", "padding", "ceil_mode")}
            return F.avg_pool2d(*args[:2], **kwargs, divisor_override=1)
        if name == "avg_pool2d":
            names = "kernel_size stride padding ceil_mode count_include_pad".split()
            return func(args[0], **dict(zip(names, args[1:])), **kwargs, divisor_override=1)
        if name == "adaptive_avg_pool2d":
            return _window_sums(*args)
        if name == "mean":
            return torch.sum(*args, **kwargs)
        return func(*args, **kwargs)


def _scale(value: object) -> bool:
    return isinstance(value, (int, float, nn.Parameter))


def _window_sums(x: Tensor, size: int | tuple[int, int]) -> Tensor:
    rows, columns = (size, size) if isinstance(size, int) else size
    height, width = x.shape[2:]

    def window(k: int, parts: int, length: int) -> slice:
        return slice(k * length // parts, -(-(k + 1) * length // parts))

    sums = [
        x[:, :, window(i, rows, height), window(j, columns, width)].sum((2, 3))
        for i in range(rows)
        for j in range(columns)
    ]
    return torch.stack(sums, -1).reshape(*x.shape[:2], rows, columns)


def positive(name: str) -> nn.Module:
    options = {"aux_logits": False} if name in ("googlenet", "inception_v3") else {}
    if options:
        options["init_weights"] = False
    model = torchvision.models.get_model(name, weights=None, **options).eval()
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        if weight.dim() < 2:
            weight.data.zero_()
        else:  # sums stay near the size of the image; a third is pruned
            values = torch.rand(weight.shape, generator=generator) - 0.33
            weight.data = values.clamp(min=0) * (4 / max(weight[0].numel(), 1))
    return model


def flow(graph: MultipartiteGraph, image: Tensor) -> torch.Tensor:
    """The values of all nodes, each the weighted sum of those with an edge to it."""
    values = torch.zeros(graph.num_nodes + 1, dtype=torch.float64)  # the last: no node
    values[: image.numel()] = image.reshape(-1)
    for block in graph.blocks:
        read = values[torch.from_numpy(block.source)].sum(-1)[None]
        weight = block.weight.double() * block.mask
        geometry = {"stride": block.stride, "dilation": block.dilation, "groups": block.groups}
        made = F.conv2d(F.pad(read, block.padding), weight, **geometry)
        values[torch.from_numpy(block.target)] += made[0]
    return values[:-1]


def check(name: str, nodes: int, layers: int) -> None:
    size = SIZES.get(name, SIZE)
    model = positive(name)
    graph = encode(model, None, "unrolled", (3, size, size))
    assert (graph.num_nodes, len(graph.layers)) == (nodes, layers)
    numbered = np.cumsum([0, *graph.dims])
    assert [layer.start for layer in graph.layers] == numbered[:-1].tolist()
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad(), Summed():
        expected = model.double()(image).reshape(-1)
    assert (expected > 0).all()
    values = flow(graph, image)
    ends = torch.cat(
        [values[graph.layers[k].start :][: graph.layers[k].size] for k in graph.outputs]
    )
    if name.startswith("squeezenet"):  # its last layer is pooled: no nodes of its own
        ends = ends.reshape(len(expected), -1).sum(1)
    torch.testing.assert_close(ends, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", QUICK)
def test_flow(name: str) -> None:
    check(name, *QUICK[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_flow_of_larger_networks(name: str) -> None:
    check(name, *LONG[name])


@pytest.mark.parametrize("name", ATTENTION)
def test_attention_has_no_unrolled_form(name: str) -> None:
    model = torchvision.models.get_model(name, weights=None)
    with pytest.raises(ValueError, match=f"cannot unroll operation '{ATTENTION[name]}' in module"):
        encode(model, None, "unrolled", (3, 224, 224))


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"])
def test_edges_lead_forward_and_come_once(name: str) -> None:
    graph = encode(positive(name), None, "unrolled", (3, SIZE, SIZE))
    edges = edge_list(graph)
    assert (edges.source < edges.target).all()
    pairs = np.sort(edges.source.astype(np.int64) * graph.num_nodes + edges.target)
    assert (pairs[1:] > pairs[:-1]).all()
