"""Measures: equal to networkx, to known values, and independent of the order of nodes."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest

from graph2nn.relational.graphs import measures
from graph2nn.relational.graphs.generators import (
    barabasi_albert,
    complete,
    cycle,
    erdos_renyi,
    grid,
    hypercube,
    regular,
    tree,
    ws_flex,
)
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.relational.graphs.measures import (
    clustering,
    clustering_reference,
    distance_counts,
    measure,
    measure_reference,
    path_length,
    path_length_reference,
    small_world_index,
)


def directed(n: int, share: float, seed: int) -> RelationalGraph:
    table = np.random.default_rng(seed).random((n, n)) < share
    np.fill_diagonal(table, False)
    return RelationalGraph(adjacency=table, name=f"directed_{n}_{share}")


GRAPHS = [
    ws_flex(64, 9.1, 0.2, 3),
    ws_flex(150, 5.5, 0.05, 1),
    erdos_renyi(50, 8, 2),
    barabasi_albert(90, 4, 1),
    regular(30, 7),
    hypercube(32),
    grid(42),
    tree(65, seed=2),
    directed(40, 0.2, 0),
    directed(70, 0.4, 1),
]


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
def test_equal_to_networkx(graph: RelationalGraph) -> None:
    assert clustering(graph) == pytest.approx(clustering_reference(graph), abs=1e-12)
    assert path_length(graph) == pytest.approx(path_length_reference(graph), abs=1e-12)
    found = measure(graph)
    for name, expected in measure_reference(graph).items():
        assert getattr(found, name) == pytest.approx(expected, abs=1e-9, nan_ok=True), name
    nodes = graph.to_networkx()
    degrees = [d for _, d in (nodes.in_degree() if graph.directed else nodes.degree())]
    assert (found.degree_min, found.degree_max) == (min(degrees), max(degrees))
    assert found.degree_mean == pytest.approx(np.mean(degrees))
    assert found.degree_std == pytest.approx(np.std(degrees))


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
def test_order_of_nodes_does_not_matter(graph: RelationalGraph) -> None:
    order = np.random.default_rng(0).permutation(graph.num_nodes)
    other = graph.adjacency[np.ix_(order, order)]
    assert (clustering(other), path_length(other)) == (clustering(graph), path_length(graph))


@pytest.mark.parametrize(
    ("graph", "c", "length"),
    [
        (complete(10), 1.0, 1.0),
        (cycle(6), 0.0, 1.8),
        (cycle(3), 1.0, 1.0),
        (hypercube(8), 0.0, 12 / 7),
        (regular(12, 4), 0.5, (4 + 4 * 2 + 3 * 3) / 11),
        (tree(2), 0.0, 1.0),
    ],
)
def test_known_values(graph: RelationalGraph, c: float, length: float) -> None:
    assert clustering(graph) == pytest.approx(c, abs=1e-15)
    assert path_length(graph) == pytest.approx(length, abs=1e-15)


def test_long_paths_and_many_words() -> None:
    n = 301
    assert path_length(cycle(n)) == (n + 1) / 4
    assert distance_counts(cycle(7)).tolist() == [7, 14, 14, 14]


def test_disconnected() -> None:
    table = np.zeros((5, 5), bool)
    for u, v in [(0, 1), (1, 2), (0, 2)]:
        table[u, v] = table[v, u] = True
    found = measure(table)
    assert not found.connected
    assert math.isinf(found.L)
    assert math.isinf(found.diameter)
    assert math.isnan(found.small_world)
    assert found.C == 3 / 5
    assert found.efficiency == 6 / 20
    assert found.spectral_gap == 0
    assert path_length_reference(table) == float("inf")
    assert distance_counts(table).tolist() == [5, 6]


def test_one_way_is_disconnected() -> None:
    """A directed path reaches all from one end only."""
    found = measure([[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert (found.directed, found.connected, found.num_edges) == (True, False, 2)
    assert math.isinf(found.L)
    assert path_length([[0, 1, 0], [0, 0, 1], [1, 0, 0]]) == 1.5


def test_communities_are_found() -> None:
    ring = nx.ring_of_cliques(4, 6)
    assert measure(ring).modularity == pytest.approx(
        nx.community.modularity(ring, [range(6 * i, 6 * i + 6) for i in range(4)])
    )
    assert measure(np.zeros((3, 3))).modularity == 0


def test_small_world_index() -> None:
    assert small_world_index(ws_flex(64, 8, 0.05, 1)) > 2
    assert small_world_index(erdos_renyi(64, 8, 1)) == pytest.approx(1, abs=0.25)
    assert small_world_index(complete(10)) == pytest.approx(1)
    assert math.isnan(small_world_index(cycle(40)))  # random graphs as sparse fall apart
    same = [small_world_index(GRAPHS[0], seed=1, samples=5) for _ in range(2)]
    assert same[0] == same[1]


def test_equal_degrees_have_no_assortativity() -> None:
    assert math.isnan(measure(cycle(8)).assortativity)
    star = np.zeros((5, 5))
    star[0, 1:] = star[1:, 0] = 1
    assert measure(star).assortativity == pytest.approx(-1)


def test_bits_without_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = path_length(GRAPHS[1])
    monkeypatch.delattr(measures.np, "bitwise_count", raising=False)
    assert path_length(GRAPHS[1]) == expected


def test_a_single_node_has_no_path_length() -> None:
    with pytest.raises(ValueError, match="one node is undefined"):
        path_length([[0]])
    assert clustering([[0]]) == 0


@pytest.mark.parametrize("bad", [[[0, 1, 0]], [[0, 2], [2, 0]], [[1, 0], [0, 0]]])
def test_not_an_adjacency(bad: list) -> None:
    with pytest.raises(ValueError, match="adjacency|edge list"):
        clustering(bad)
