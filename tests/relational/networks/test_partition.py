"""The partition of channels and the mask, against the definition written out loop by loop."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from graph2nn.relational.graphs.graph import RelationalGraph, as_graph
from graph2nn.relational.networks.partition import fitting_graph, node_sizes, relational_mask


def sizes_by_definition(channels: int, n: int) -> list[int]:
    generator = np.random.Generator(np.random.MT19937())
    generator.bit_generator._legacy_seeding(1)
    vector = [channels // n + (i < channels % n) for i in range(n)]
    # numpy's legacy permutation: Fisher-Yates from the end, indices by masked rejection.
    for i in range(n - 1, 0, -1):
        bits = (1 << i.bit_length()) - 1
        while (j := int(generator.bit_generator.random_raw()) & bits) > i:
            pass
        vector[i], vector[j] = vector[j], vector[i]
    return vector


def mask_by_definition(adjacency: np.ndarray, ins: int, outs: int) -> np.ndarray:
    n = len(adjacency)
    owner_in = [i for i, s in enumerate(sizes_by_definition(ins, n)) for _ in range(s)]
    owner_out = [i for i, s in enumerate(sizes_by_definition(outs, n)) for _ in range(s)]
    mask = np.zeros((outs, ins), dtype=bool)
    for row, column in itertools.product(range(outs), range(ins)):
        to, source = owner_out[row], owner_in[column]
        mask[row, column] = to == source or adjacency[to, source]
    return mask


@pytest.mark.parametrize(
    ("channels", "n"), [(64, 64), (65, 64), (127, 64), (512, 64), (1539, 64), (10, 4), (7, 1)]
)
def test_sizes(channels, n):
    sizes = node_sizes(channels, n)
    assert sizes.tolist() == sizes_by_definition(channels, n)
    assert sizes.sum() == channels and sizes.max() - sizes.min() <= 1


def test_sizes_leave_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    node_sizes(100, 64)
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize(("ins", "outs"), [(8, 8), (37, 29), (13, 64)])
def test_mask(ins, outs, directed):
    adjacency = np.random.default_rng(0).random((8, 8)) < 0.3
    np.fill_diagonal(adjacency, False)
    if not directed:
        adjacency |= adjacency.T
    mask = relational_mask(RelationalGraph(adjacency=adjacency), ins, outs)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, mask_by_definition(adjacency, ins, outs))


def test_the_complete_graph_is_a_dense_layer_and_the_empty_one_a_grouped():
    complete = as_graph(1 - np.eye(5, dtype=int))
    assert relational_mask(complete, 12, 9).all()
    empty = as_graph(np.zeros((5, 5), dtype=bool))
    assert relational_mask(empty, 12, 9).sum() == (node_sizes(12, 5) * node_sizes(9, 5)).sum()


@pytest.mark.parametrize(("ins", "outs"), [(7, 20), (20, 7)])
def test_more_nodes_than_channels(ins, outs):
    graph = as_graph(np.zeros((8, 8), dtype=bool))
    with pytest.raises(ValueError, match="8 nodes cannot share 7 channels.*at least 8 channels"):
        relational_mask(graph, ins, outs)


def test_a_graph_shrinks_to_narrow_layers_where_it_can():
    def path(n: int) -> RelationalGraph:
        return RelationalGraph(adjacency=np.eye(n, k=1, dtype=bool), regrow=path)

    assert fitting_graph(path(8), 20, 6).num_nodes == 6
    assert fitting_graph(path(8), 20, 9).num_nodes == 8
    with pytest.raises(ValueError, match="at least 8 channels"):
        fitting_graph(as_graph(np.eye(8, k=1)), 20, 6)


def test_no_nodes():
    with pytest.raises(ValueError, match="at least one node, got 0"):
        node_sizes(3, 0)
