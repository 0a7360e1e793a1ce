"""Incremental C and L equal recomputation, and the search comes near what is asked for."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from graph2nn.relational.graphs.generators import complete, cycle, tree, ws_flex
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.relational.graphs.measures import clustering, path_length
from graph2nn.relational.graphs.rewiring import RewiredGraph, search_graph
from graph2nn.runs.engines import has_numba

ENGINES = [
    pytest.param(
        "numba", marks=pytest.mark.skipif(not has_numba(), reason="numba is not installed")
    ),
    "plain",
]
STARTS = [
    ws_flex(64, 8, 0.05, 1),
    ws_flex(64, 40.5, 0.3, 2),
    ws_flex(70, 4, 0.1, 3),
    ws_flex(9, 3, 0.5, 4),
    cycle(30),  # falls apart and grows together again
    tree(12),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("start", STARTS, ids=lambda graph: graph.name)
def test_equals_recomputation(start: RelationalGraph, engine: str) -> None:
    walk, rng = RewiredGraph(start, engine=engine), random.Random(0)
    assert (walk.C, walk.L) == (clustering(start), path_length(start))
    moved = 0
    while moved < 60:
        table = walk.adjacency
        u, v = (int(node) for node in rng.choice(np.argwhere(table).tolist()))
        w = rng.randrange(len(table))
        if w == u or table[u, w]:
            continue
        found = walk.rewire(u, v, w)
        table[u, v] = table[v, u] = False
        table[u, w] = table[w, u] = True
        assert np.array_equal(walk.adjacency, table)
        assert found == (clustering(table), path_length(table))
        moved += 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_move_can_be_taken_back(engine: str) -> None:
    start = ws_flex(20, 4.4, 0.1, 1)
    walk = RewiredGraph(start, engine=engine)
    before = walk.C, walk.L
    v = int(np.flatnonzero(start.adjacency[3])[0])
    w = int(np.flatnonzero(~start.with_self_edges()[3])[0])
    walk.rewire(3, v, w)
    assert walk.rewire(3, w, v) == before
    assert np.array_equal(walk.graph("back").adjacency, start.adjacency)


def test_apart() -> None:
    walk = RewiredGraph([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]])
    assert math.isinf(walk.rewire(2, 3, 0)[1])
    assert walk.C > 0


@pytest.mark.parametrize(
    ("move", "message"),
    [
        ((0, 2, 3), r"no edge \(0, 2\) to move"),
        ((0, 1, 5), r"\(0, 5\) exists already"),
        ((0, 1, 0), "would be a self-edge"),
        ((0, 1, 6), "nodes from 0 to 5, got 6"),
        ((-1, 1, 3), "nodes from 0 to 5, got -1"),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_impossible_moves(move: tuple[int, int, int], message: str, engine: str) -> None:
    walk = RewiredGraph(cycle(6), engine=engine)
    with pytest.raises(ValueError, match=message):
        walk.rewire(*move)
    assert np.array_equal(walk.adjacency, cycle(6).adjacency)


@pytest.mark.parametrize("graph", [[[0, 1], [0, 0]], [[0]]])
def test_unsuitable_graphs(graph: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="undirected graph of two nodes or more"):
        RewiredGraph(graph)


@pytest.mark.parametrize(("c", "length"), [(0.3, 2.1), (0.55, 2.8), (0.63, 3.9), (0.8, 1.2)])
def test_search(c: float, length: float) -> None:
    found = search_graph(c, length, tolerance=0.005)
    assert found.close
    assert (found.C, found.L) == (clustering(found.graph), path_length(found.graph))
    assert max(abs(found.C - c), abs(found.L - length)) <= 0.005
    again = search_graph(c, length, tolerance=0.005)
    assert np.array_equal(again.graph.adjacency, found.graph.adjacency)


def test_search_keeps_the_degree() -> None:
    found = search_graph(0.4, 2.2, k=9, tolerance=0.01, seed=3)
    assert found.close
    assert found.graph.num_edges == 64 * 9 // 2


def test_search_out_of_reach() -> None:
    found = search_graph(0.9, 1.9, nodes=16, steps=200)
    assert (found.close, found.steps) == (False, 200)
    assert search_graph(1.0, 1.0, nodes=8).graph.num_edges == complete(8).num_edges


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"C": 1.2, "L": 2.0}, "C from 0 to 1"),
        ({"C": 0.2, "L": 0.5}, "L of at least 1"),
        ({"C": 0.2, "L": 2.0, "k": 1.0}, "degree k from 2 to n = 64"),
        ({"C": 0.2, "L": 2.0, "tolerance": -1.0}, "tolerance and steps >= 0"),
        ({"C": 0.2, "L": 2.0, "engine": "c"}, "unknown engine"),
    ],
)
def test_search_bad_input(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search_graph(**arguments)
