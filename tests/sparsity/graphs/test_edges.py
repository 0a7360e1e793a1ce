"""Edges of a graph, listed at once, against the definition of a block, edge by edge."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graph2nn.sparsity.graphs.edges import EdgeList, edge_list, edge_list_reference
from graph2nn.sparsity.graphs.multipartite import Block, Layer, MultipartiteGraph


def random_graph(seed: int) -> MultipartiteGraph:
    """One block: any groups, strides, dilations and paddings, some sources missing or several."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    groups, several = int(rng.choice([1, 2])), int(rng.choice([1, 1, 2]))
    channels, out = (groups * rng.integers(1, 3, 2)).tolist()
    stride, dilation = (tuple(rng.integers(1, 3, 2).tolist()) for _ in "ab")
    padding = tuple(rng.integers(0, 3, 4).tolist())
    size, kernel = rng.integers(5, 8, 2).tolist(), rng.integers(1, 4, 2).tolist()
    shape = [
        (size[k] + padding[2 - 2 * k] + padding[3 - 2 * k] - (kernel[k] - 1) * dilation[k] - 1)
        // stride[k]
        + 1
        for k in (0, 1)
    ]
    nodes = channels * size[0] * size[1] * several
    source = rng.permutation(nodes).reshape(channels, *size, several)
    if rng.random() < 0.5:
        source[rng.random(source.shape) < 0.2] = -1
    weight = torch.rand(out, channels // groups, *kernel, generator=generator)
    mask = torch.rand(weight.shape, generator=generator) < 0.5
    block = Block(
        name="weight",
        source=source,
        target=nodes + np.arange(out * shape[0] * shape[1]).reshape(out, *shape),
        weight=weight * mask,
        mask=mask,
        stride=stride,
        dilation=dilation,
        padding=padding,
        groups=groups,
    )
    layers = (
        Layer(name="in", start=0, shape=(channels, size[0], size[1] * several)),
        Layer(name="out", start=nodes, shape=(out, *shape)),
    )
    return MultipartiteGraph(layers=layers, blocks=(block,), outputs=(1,))


def rows(edges: EdgeList) -> list[tuple[int, int, float]]:
    columns = (edges.source, edges.target, edges.weight)
    return sorted(zip(*(column.tolist() for column in columns)))


def test_random_blocks() -> None:
    total = 0
    for seed in range(200):
        graph = random_graph(seed)
        edges = edge_list(graph)
        assert rows(edges) == edge_list_reference(graph), seed
        total += len(edges)
    assert total > 10_000


def tiny(source: np.ndarray, kernel: torch.Tensor, start: int = 0) -> MultipartiteGraph:
    """A convolution of stride 1 without padding from `source` to what follows it."""
    shape = (len(kernel), *(n - k + 1 for n, k in zip(source.shape[1:], kernel.shape[2:])))
    last = start + int(source.max()) + 1
    target = last + np.arange(np.prod(shape)).reshape(shape)
    block = Block(name="w", source=source, target=target, weight=kernel.abs(), mask=kernel != 0)
    layers = (
        Layer(name="in", start=start, shape=(1, 1, last - start)),
        Layer(name="out", start=last, shape=shape),
    )
    return MultipartiteGraph(layers=layers, blocks=(block,), outputs=(1,))


def test_a_pooled_source_makes_an_edge_from_each_of_its_nodes() -> None:
    pooled = np.array([[[[0, 1]], [[2, -1]]]])  # one channel, two rows, one column
    edges = edge_list(tiny(pooled, torch.tensor([[[[0.5]]]])))
    assert rows(edges) == [(0, 3, 0.5), (1, 3, 0.5), (2, 4, 0.5)]


def test_a_kept_weight_of_zero_makes_edges() -> None:
    graph = tiny(np.arange(4).reshape(1, 2, 2, 1), torch.ones(1, 1, 1, 1))
    graph.blocks[0].weight.zero_()
    assert rows(edge_list(graph)) == [(0, 4, 0.0), (1, 5, 0.0), (2, 6, 0.0), (3, 7, 0.0)]


def test_nothing_kept() -> None:
    edges = edge_list(tiny(np.arange(4).reshape(1, 2, 2, 1), torch.zeros(1, 1, 1, 1)))
    assert len(edges) == 0
    assert edges.nbytes == 0


@pytest.mark.parametrize(("first", "ids"), [(0, np.int32), (2**31, np.int64)])
def test_node_numbers_take_32_bits_where_they_fit(first: int, ids: type) -> None:
    graph = tiny(np.arange(4).reshape(1, 2, 2, 1) + first, torch.ones(1, 1, 2, 2))
    edges = edge_list(graph)
    assert edges.source.dtype == edges.target.dtype == ids
    assert edges.weight.dtype == np.float32
    assert rows(edges) == edge_list_reference(graph)
    assert rows(edges)[0][0] == first
