"""Generators: the graphs they promise, their degrees, and requests that they refuse."""

from __future__ import annotations

import pickle
import random

import networkx as nx
import numpy as np
import pytest
from published import published_rows

from graph2nn.relational.graphs import generators
from graph2nn.relational.graphs.generators import (
    GENERATORS,
    barabasi_albert,
    complete,
    cycle,
    erdos_renyi,
    grid,
    hypercube,
    make_graph,
    regular,
    tree,
    ws_flex,
)

EVERY = [
    ("ws", 64, 7.3, 0.2),
    ("er", 64, 9.0, 0.0),
    ("ba", 64, 8, 0.0),
    ("regular", 64, 5, 0.0),
    ("hypercube", 64, None, 0.0),
    ("grid", 60, None, 0.0),
    ("cycle", 64, None, 0.0),
    ("tree", 64, None, 0.0),
    ("star", 64, None, 0.0),
    ("complete", 64, None, 0.0),
]


def test_every_family_is_covered() -> None:
    assert [kind for kind, *_ in EVERY] == list(GENERATORS)


@pytest.mark.parametrize(("kind", "n", "k", "p"), EVERY)
def test_simple_connected_undirected_and_repeatable(kind: str, n: int, k, p: float) -> None:
    graph = make_graph(kind, n, k, p, seed=4)
    assert (graph.num_nodes, graph.directed, graph.is_connected()) == (n, False, True)
    assert not graph.adjacency.diagonal().any()
    assert np.array_equal(graph.adjacency, make_graph(kind, n, k, p, seed=4).adjacency)
    other = make_graph(kind, n, k, p, seed=5).adjacency
    assert (kind in ("ws", "er", "ba", "tree")) != np.array_equal(graph.adjacency, other)


@pytest.mark.parametrize(("kind", "n", "k", "p"), EVERY)
def test_resized_is_of_the_same_family(kind: str, n: int, k, p: float) -> None:
    graph = make_graph(kind, n, k, p, seed=4)
    if kind == "regular":
        graph, k = regular(n, 6), 6
    size = 32
    expected = make_graph(kind, size, None if k is None else k / n * size, p, seed=4)
    assert np.array_equal(graph.resized(size).adjacency, expected.adjacency)


def test_resized_regular() -> None:
    graph = regular(64, 8)
    assert np.array_equal(graph.resized(32).adjacency, regular(32, 4).adjacency)
    with pytest.raises(ValueError, match="integer degree k"):
        graph.resized(31)


def test_families_equal_networkx() -> None:
    def equal(graph, found: nx.Graph) -> bool:
        return nx.utils.graphs_equal(nx.Graph(graph.to_networkx().edges), nx.Graph(found.edges))

    assert equal(cycle(7), nx.cycle_graph(7))
    assert equal(complete(7), nx.complete_graph(7))
    assert equal(regular(11, 4), nx.watts_strogatz_graph(11, 4, 0))
    assert equal(erdos_renyi(30, 8.3, 3), nx.gnm_random_graph(30, 124, seed=3))
    assert equal(barabasi_albert(30, 6, 3), nx.barabasi_albert_graph(30, 3, seed=3))
    assert nx.is_isomorphic(hypercube(16).to_networkx(), nx.hypercube_graph(4))
    assert nx.is_isomorphic(grid(12).to_networkx(), nx.grid_2d_graph(3, 4))
    assert nx.is_tree(tree(40, seed=9).to_networkx())


@pytest.mark.parametrize(("n", "k"), [(2, 2), (3, 3), (16, 2), (16, 7.6), (64, 33.3), (9, 9)])
def test_ws_flex_has_the_edges_of_its_degree(n: int, k: float) -> None:
    for p in (0.0, 0.4, 1.0):
        graph = ws_flex(n, k, p, seed=2)
        assert graph.num_edges == min(round(k * n / 2), n * (n - 1) // 2)
    degree = ws_flex(n, k, 0.0).adjacency.sum(1)
    assert degree.max() - degree.min() <= 2


def test_numbers_out_of_a_table() -> None:
    row = np.array([16.0, 4.5, 0.2, 7.0])
    graph = ws_flex(*row)
    assert graph.name == ws_flex(16, 4.5, 0.2, 7).name == "n16_s0.28125_p0.2_g7"
    assert np.array_equal(graph.adjacency, ws_flex(16, 4.5, 0.2, 7).adjacency)


def test_ws_flex_equals_the_specified_procedure() -> None:
    """On networkx, step by step: count edges, ring, rewire in node order, one stream of draws."""
    for n, k, p, seed in [(16, 4.7, 0.5, 1), (33, 20.2, 0.9, 7), (64, 62, 0.3, 29), (5, 5, 1, 0)]:
        rng, found = random.Random(seed), nx.Graph()
        found.add_nodes_from(range(n))
        base, extra = divmod(round(k * n / 2), n)
        out = [[(u + d) % n for d in range(1, base + (u < extra) + 1)] for u in range(n)]
        found.add_edges_from((u, v) for u in range(n) for v in out[u])
        for u in range(n):
            for v in out[u]:
                if rng.random() < p:
                    w, free = rng.choice(range(n)), True
                    while free and (w == u or found.has_edge(u, w)):
                        w = rng.choice(range(n))
                        free = found.degree(u) < n - 1
                    if free:
                        found.remove_edge(u, v)
                        found.add_edge(u, w)
        expected = nx.to_numpy_array(found, nodelist=range(n)) > 0
        assert np.array_equal(ws_flex(n, k, p, seed).adjacency, expected)


def test_ws_flex_names_are_the_published_ids() -> None:
    rows = {row["graph_id"]: row for row in published_rows("relational") if not row["is_baseline"]}
    for name, row in random.Random(0).sample(sorted(rows.items()), 50):
        n = row["n_nodes"]
        graph = ws_flex(n, n * row["sparsity"], row["p"], row["graph_seed"])
        assert graph.name == name


@pytest.mark.parametrize("call", [
    lambda: ws_flex(200, 2, 1.0, 1),
    lambda: erdos_renyi(64, 2.1, 1),
])  # fmt: skip
def test_disconnected(call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generators, "TRIES", 1)
    with pytest.raises(ValueError, match="no connected graph in 1 tries; raise k"):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ws_flex(16, 1.9, 0.1), "degree k from 2 to n = 16, got 1.9"),
        (lambda: ws_flex(16, 16.1, 0.1), "degree k from 2 to n = 16, got 16.1"),
        (lambda: ws_flex(16, float("nan"), 0.1), "got nan"),
        (lambda: ws_flex(16, 4, -0.1), "p from 0 to 1, got -0.1"),
        (lambda: ws_flex(16, 4, 1.01), "p from 0 to 1, got 1.01"),
        (lambda: ws_flex(1, 2, 0.1), "at least 2, got 1"),
        (lambda: ws_flex(16.5, 4, 0.1), "whole number of nodes"),
        (lambda: ws_flex(float("nan"), 4, 0.1), "whole number of nodes"),
        (lambda: ws_flex(16, 4, 0.1, 1.5), "whole number as seed, got 1.5"),
        (lambda: tree(8, seed=0.5), "whole number as seed, got 0.5"),
        (lambda: erdos_renyi(16, 1.5), "fewer edges cannot connect 16 nodes"),
        (lambda: erdos_renyi(16, 15.5), "to n - 1 = 15, got 15.5"),
        (lambda: barabasi_albert(16, 5), "even degree k from 2 to 30, got 5"),
        (lambda: barabasi_albert(16, 32), "got 32"),
        (lambda: regular(15, 5), "even because n is odd, got 5"),
        (lambda: regular(16, 4.5), "integer degree k from 2 to n - 1 = 15, got 4.5"),
        (lambda: hypercube(48), "power of two nodes, got 48; try 32 or 64"),
        (lambda: hypercube(64, 5), "always 6, got k = 5; leave k out"),
        (lambda: grid(13), "13 is prime, expected rows x columns nodes; try 12"),
        (lambda: grid(16, 4), "always 3, got k = 4"),
        (lambda: cycle(2), "at least 3, got 2"),
        (lambda: cycle(8, 3), "always 2, got k = 3"),
        (lambda: tree(8, 2), "always 1.75, got k = 2"),
        (lambda: complete(0), "at least 1, got 0"),
        (lambda: complete(8, 4), "always 7, got k = 4"),
        (lambda: make_graph("wsf", 8), "unknown kind of graph 'wsf'; choose one of ws, er, ba"),
        (lambda: make_graph("er", 8), "pass k, their mean degree"),
        (lambda: make_graph("cycle", 8, p=0.5), "leave p at 0, or use kind 'ws'"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("kind", GENERATORS)
def test_graphs_are_pickled_with_their_family(kind: str) -> None:
    how = {"k": 4.0} if kind in ("ws", "er", "ba", "regular") else {}
    how |= {"p": 0.2} if kind == "ws" else {}
    graph = make_graph(kind, 16, **how)
    again = pickle.loads(pickle.dumps(graph))
    assert np.array_equal(again.adjacency, graph.adjacency)
    assert np.array_equal(again.resized(64).adjacency, graph.resized(64).adjacency)
