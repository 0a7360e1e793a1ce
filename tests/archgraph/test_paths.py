"""Levels, shortest ways and live nodes of DAGs, beside networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from graph2nn.archgraph.paths import breadth_first, live_nodes, reached, topological_levels


def drawn_edges(seed: int, n: int = 12, share: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array(np.nonzero(np.triu(rng.random((n, n)) < share, 1)))


def as_networkx(edges: np.ndarray, n: int = 12) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(edges.T.tolist())
    return graph


def test_topological_levels() -> None:
    edges = np.array([[0, 0, 1, 2, 1], [1, 2, 3, 3, 2]])
    assert topological_levels(edges, 5).tolist() == [0, 1, 2, 3, 0]
    assert topological_levels(edges, 5, backward=True).tolist() == [3, 2, 1, 0, 0]
    assert topological_levels(np.zeros((2, 0), int), 2).tolist() == [0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_levels_are_longest_paths_and_do_not_depend_on_the_order_of_edges(seed):
    edges = drawn_edges(seed)
    graph = as_networkx(edges)
    wanted = np.zeros(12, dtype=int)
    for level, nodes in enumerate(nx.topological_generations(graph)):
        wanted[nodes] = level
    mixed = edges[:, np.random.default_rng(seed).permutation(edges.shape[1])]
    for given in (edges, mixed):
        np.testing.assert_array_equal(topological_levels(given, 12), wanted)
    # Against the edges: the same on the mirrored graph.
    mirrored = topological_levels(11 - edges[::-1], 12)[::-1]
    np.testing.assert_array_equal(topological_levels(mixed, 12, backward=True), mirrored)


@pytest.mark.parametrize("seed", range(5))
def test_breadth_first_is_the_shortest_way_from_any_start(seed):
    edges = drawn_edges(seed)
    graph = as_networkx(edges)
    starts = {node for node in graph if graph.in_degree(node) == 0}
    wanted = nx.multi_source_dijkstra_path_length(graph, starts)
    assert breadth_first(edges, 12).tolist() == [wanted[node] for node in range(12)]


@pytest.mark.parametrize("seed", range(5))
def test_live_nodes_are_on_a_path_over_allowed_nodes(seed):
    edges = drawn_edges(seed)
    allowed = np.random.default_rng(seed).random(12) < 0.8
    starts, ends = np.arange(12) < 2, np.arange(12) >= 10
    graph = as_networkx(edges).subgraph(np.flatnonzero(allowed).tolist())
    ways = {
        node
        for a in range(2)
        for b in (10, 11)
        if a in graph and b in graph
        for path in nx.all_simple_paths(graph, a, b)
        for node in path
    }
    assert set(np.flatnonzero(live_nodes(edges, starts, ends, allowed)).tolist()) == ways
    forward = reached(edges, starts, allowed)
    assert set(np.flatnonzero(forward).tolist()) == {
        node
        for a in range(2)
        if a in graph
        for node in nx.single_source_shortest_path_length(graph, a)
    }
