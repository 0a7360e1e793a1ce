"""The published unrolled encoding: its rules one by one, sizes of the published networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden_networks import TinyCNN, fill_by_formula
from published_rules import END, FIGURES, MAX, MEAN, NETWORKS, PAIR, STEM, Block, chain, conv, down
from torch import nn

from graph2nn.sparsity.graphs.edges import EdgeList, edge_list
from graph2nn.sparsity.graphs.encodings.published import published_unrolled
from graph2nn.sparsity.graphs.metrics.counting import count_edges
from graph2nn.sparsity.graphs.metrics.topometrics import topometrics
from graph2nn.sparsity.masks import Masks
from graph2nn.sparsity.networks.models import MODELS, build

NODES = {"CONV-6": 233366, "Resnet-20": 191894, "Resnet-32": 306582, "Wide-Resnet-28-2": 478614}
EDGES = {
    "CONV-6": 241388032,
    "Resnet-20": 37138432,
    "Resnet-32": 62783488,
    "Wide-Resnet-28-2": 194435072,
}
SPURIOUS = {  # sources and sinks that strides make
    "CONV-6": (0, 0),
    "Resnet-20": (2000, 1504),
    "Resnet-32": (2000, 1504),
    "Wide-Resnet-28-2": (4000, 3008),
}


def checksums(edges: EdgeList) -> tuple[int, float]:
    """A sum over the ends of all edges, and one with their weights."""
    source, target = edges.source.astype(np.int64), edges.target.astype(np.int64)
    weighted = edges.weight.astype(np.float64) * ((3 * source + 5 * target) % 11)
    return int(((source + 1) * (target + 2) % 65521).sum()), float(weighted.sum())


def graph_of(network: tuple[nn.Module, int], density: float = 0.5):
    model, size = network
    fill_by_formula(model, density, 1)
    return published_unrolled(model, None, (3, size, size))


@pytest.mark.parametrize("name", NETWORKS)
def test_rules(name):
    model, size = NETWORKS[name]
    fill_by_formula(model, 0.4, list(NETWORKS).index(name))
    graph = published_unrolled(model, None, (3, size, size))
    edges = edge_list(graph)
    nodes, count, ends, weights = FIGURES[name]
    assert (graph.num_nodes, len(edges)) == (nodes, count)
    assert checksums(edges) == (ends, pytest.approx(weights, rel=1e-9))


@pytest.mark.parametrize("classes", [10, 100, 200])
@pytest.mark.parametrize("name", MODELS)
def test_sizes_of_the_published_networks(name, classes):
    graph = published_unrolled(build(name, num_classes=classes), None, (3, 32, 32))
    assert graph.num_nodes == NODES[name] - 10 + classes
    assert graph.compat and graph.encoding == "unrolled"
    last = {"CONV-6": 256, "Wide-Resnet-28-2": 128 * 64}.get(name, 64 * 64)
    assert count_edges(graph) == EDGES[name] + (classes - 10) * last


@pytest.mark.parametrize("name", MODELS)
def test_strides_make_sources_and_sinks(name):
    graph = published_unrolled(build(name), None, (3, 32, 32))
    found = topometrics(graph, engine="edge-free", metrics=["source_nodes", "sink_nodes"])
    assert tuple(found.values()) == tuple(reversed(SPURIOUS[name]))


def test_edges_of_a_weight():
    """Of a dense layer, by the kernel and the size of what it writes."""
    for name in MODELS:
        model = build(name)
        graph = published_unrolled(model, None, (3, 32, 32))
        modules = dict(model.named_modules())
        for block in graph.blocks:
            module = modules[block.name.removesuffix(".weight")]
            pooled, size = block.source.shape[3], block.target.shape[1]
            if isinstance(module, nn.Linear):
                first = {"CONV-6": 4}.get(name, 64)
                expected = first if module is _first_linear(model) else 1
            elif block is graph.blocks[0]:
                expected = 32 * 32
            elif module.kernel_size == (1, 1):
                expected = size * size
            else:
                expected = pooled * (3 * size - 2) ** 2 / 9
            (only,) = (type(graph)(layers=graph.layers, blocks=(block,), outputs=()),)
            assert count_edges(only) / block.num_weights == expected, block.name


def _first_linear(model: nn.Module) -> nn.Module:
    return next(module for module in model.modules() if isinstance(module, nn.Linear))


def test_masks_and_zeros_are_the_same():
    model = TinyCNN()
    fill_by_formula(model, 0.3, 1)
    masks = Masks.of(model)
    pruned = edge_list(published_unrolled(model, None, (3, 8, 8)))
    with torch.no_grad():
        for weight in model.parameters():
            weight[weight == 0] = 7
    masked = edge_list(published_unrolled(model, masks, (3, 8, 8)))
    assert checksums(masked) == checksums(pruned)
    with torch.no_grad():
        model.c1.weight[masks["c1.weight"]] = 0  # kept but zero: no edges as published
    assert len(edge_list(published_unrolled(model, masks, (3, 8, 8)))) < len(pruned)


def test_weights_are_rounded_to_half_precision_and_kept_at_zero():
    model = TinyCNN()
    fill_by_formula(model, 0.5, 1)
    before = edge_list(published_unrolled(model, None, (3, 8, 8)))
    with torch.no_grad():
        model.c3.weight *= 1e-9
        model.l1.weight += 1e-6 * (model.l1.weight != 0)
    after = edge_list(published_unrolled(model, None, (3, 8, 8)))
    assert len(after) == len(before)
    assert (after.weight == 0).any()
    assert np.array_equal(after.weight, after.weight.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (chain(8, *PAIR, MAX(2), conv(6, 5), MAX(2, 2), nn.Linear(20, 3)),
         chain(8, *PAIR, MAX((2, 2)), conv(6, 5), MAX((2, 2)), nn.Linear(20, 3))),
        (chain(8, *PAIR, nn.AdaptiveAvgPool2d(1), nn.Linear(6, 3)),
         chain(8, *PAIR, MEAN((8, 8)), nn.Linear(6, 3))),
    ],
)  # fmt: skip
def test_other_ways_to_write_pooling(written, meant):
    assert checksums(edge_list(graph_of(written))) == checksums(edge_list(graph_of(meant)))


@pytest.mark.parametrize(
    "network",
    [
        chain(8, conv(3, 6), MAX((2, 2)), conv(6, 5), nn.Linear(5, 3)),
        chain(8, conv(3, 6), MAX((2, 2)), nn.Linear(96, 5)),
        chain(8, conv(3, 6), nn.Linear(384, 5)),
        chain(8, *PAIR, nn.Linear(384, 5), nn.Linear(5, 3)),
        chain(16, conv(3, 4), conv(4, 40), MAX((2, 2)), conv(40, 5), conv(5, 6), nn.Linear(6, 3)),
        chain(16, *PAIR, conv(6, 6, 3, 2), nn.Linear(384, 5), nn.Linear(5, 3)),
        chain(8, *STEM, down(4, 6), nn.Linear(6, 3)),
    ],
)
def test_no_layer_is_lost_where_the_published_code_fails(network):
    graph = graph_of(network, density=1)
    weights = {name for name, weight in network[0].named_parameters() if weight.dim() > 1}
    assert {block.name for block in graph.blocks} == weights
    inputs, outputs = graph.layers[0].size, graph.layers[-1].size
    edges = edge_list(graph)
    assert np.isin(np.arange(graph.num_nodes - outputs, graph.num_nodes), edges.target).all()
    assert np.isin(np.arange(inputs), edges.source).any()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (chain(8, *PAIR, MAX((3, 3), (2, 2), (1, 1)), conv(6, 6), nn.Linear(6, 3)), "overlap"),
        (chain(8, conv(3, 6), conv(6, 6, groups=2), nn.Linear(6, 3)), "groups=2"),
        (chain(8, conv(3, 6), nn.Conv2d(6, 6, (3, 1)), nn.Linear(6, 3)), r"kernel_size=\(3, 1\)"),
        (chain(8, conv(3, 6), nn.Conv2d(6, 6, 3, padding="same"), nn.Linear(6, 3)), "'same'"),
        (chain(8, *PAIR, MAX((3, 3)), conv(6, 6), nn.Linear(6, 3)), "pooling before it writes 54"),
        (chain(8, *PAIR, MAX((2, 2)), conv(6, 6, 3, 2, 0), *END), r"reads \(6, 3, 3\) values"),
        (chain(8, *PAIR, nn.AdaptiveAvgPool2d(3), nn.Linear(54, 3)), "does not divide into 3 x 3"),
        (chain(8, MAX((2, 2)), *PAIR, nn.Linear(6, 3)), "starts with MaxPool2d"),
        (chain(8, *PAIR, nn.Linear(6, 5), conv(5, 5), conv(5, 5)), "convolutions first"),
        (chain(2, *PAIR, MAX((2, 2)), conv(6, 6, 3, 1, 0), nn.Linear(6, 3)), "1 x 1 is too small"),
        (chain(8, conv(3, 6), conv(7, 6), nn.Linear(6, 3)), "reads 448 values, but there are 384"),
        (chain(8, *STEM, Block(4, 6, downsample=nn.Sequential(conv(4, 6)))), "`downsample`"),
        (
            chain(8, conv(3, 4), down(4, 2, 1), down(2, 4), Block(4, 4), nn.Linear(4, 3)),
            "2.conv1.weight and 2.shortcut.weight: .* between the same nodes",
        ),
        (chain(8, nn.ReLU()), "no Conv2d or Linear layer"),
        (chain(8, conv(4, 6), conv(6, 6), nn.Linear(6, 3)), "reads 4 channels, but inputs of"),
        (chain(8, *PAIR, nn.Linear(500, 3)), "takes 500 features, but .* writes 384"),
        (chain(8, conv(3, 6)), "two or more layers with weights"),
    ],
)
def test_networks_without_a_rule(network, message):
    with pytest.raises(ValueError, match=message):
        graph_of(network, density=1)


@pytest.mark.parametrize("size", [4, 16])
def test_images_of_another_size_than_the_network_takes(size):
    with pytest.raises(ValueError, match="l1 takes 20 features, .* 5 maps of (1 x 1|4 x 4)"):
        published_unrolled(TinyCNN(), None, (3, size, size))
    pooled = nn.Sequential(*PAIR, MAX((2, 2)), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *END)
    assert published_unrolled(pooled, None, (3, size, size)).layers[0].shape[0] == 3


@pytest.mark.parametrize("shape", [(3, 8), (3, 8, 9), (3, 0, 0), (3, 8.5, 8.5), "abc"])
def test_input_must_be_square(shape):
    with pytest.raises(ValueError, match=r"\(channels, size, size\), got \("):
        published_unrolled(TinyCNN(), None, shape)


def test_masks_and_weights_are_checked():
    model = TinyCNN()
    with pytest.raises(ValueError, match="no mask for c1.weight"):
        published_unrolled(model, {}, (3, 8, 8))
    with torch.no_grad():
        model.c2.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"c2\.weight: .* finite"):
        published_unrolled(model, None, (3, 8, 8))
