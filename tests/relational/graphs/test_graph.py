"""`RelationalGraph` and `as_graph`: every source, one graph; what is refused."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from graph2nn.relational import as_graph, complete, ws_flex

RING = np.roll(np.eye(4), 1, axis=1) + np.roll(np.eye(4), -1, axis=1)
ARROW = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])  # 0 receives from 1, 1 from 2, 2 from 0


@pytest.mark.parametrize(
    "source",
    [
        RING,
        RING.astype(bool),
        RING.tolist(),
        nx.cycle_graph(4),
        [(0, 1), (1, 2), (2, 3), (3, 0)],
        np.array([(1, 0), (2, 1), (3, 2), (0, 3), (0, 1)]),
        nx.relabel_nodes(nx.cycle_graph(4), {0: "a", 1: "b", 2: "c", 3: "d"}),
    ],
    ids=["floats", "bool", "lists", "networkx", "edges", "repeated edges", "named nodes"],
)
def test_one_graph_from_every_source(source) -> None:
    graph = as_graph(source)
    assert np.array_equal(graph.adjacency, RING)
    assert (graph.num_nodes, graph.num_edges, graph.directed) == (4, 4, False)
    assert graph.sparsity == 0.5 and graph.is_connected()
    assert np.array_equal(graph.with_self_edges(), RING + np.eye(4))


def test_directed_edges_run_from_sender_to_receiver() -> None:
    graph = as_graph(ARROW)
    assert graph.directed and graph.num_edges == 3 and graph.is_connected()
    assert set(graph.to_networkx().edges) == {(1, 0), (2, 1), (0, 2)}
    assert np.array_equal(as_graph(graph.to_networkx()).adjacency, ARROW)
    assert np.array_equal(graph.undirected().adjacency, 1 - np.eye(3))


def test_self_edges_of_networkx_and_of_lists_are_left_out() -> None:
    source = nx.cycle_graph(4)
    source.add_edge(2, 2)
    assert np.array_equal(as_graph(source).adjacency, RING)
    assert as_graph([(0, 1), (1, 1)], num_nodes=3).num_edges == 1


def test_a_graph_is_returned_as_it_is_and_cannot_be_changed() -> None:
    graph = complete(5)
    assert as_graph(graph) is graph
    with pytest.raises(ValueError, match="read-only"):
        graph.adjacency[0, 1] = False


def test_connectedness_respects_directions() -> None:
    assert not as_graph([[0, 1], [0, 0]]).is_connected()
    assert not as_graph([(0, 1)], num_nodes=3).is_connected()
    assert as_graph([[0]]).is_connected()


def test_resizing() -> None:
    graph = ws_flex(32, 8, 0.3, seed=5)
    assert graph.resized(32) is graph
    assert np.array_equal(graph.resized(16).adjacency, ws_flex(16, 4, 0.3, seed=5).adjacency)
    with pytest.raises(ValueError, match="has 4 nodes and cannot be made with 3"):
        as_graph(RING).resized(3)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((2, 3)), r"square adjacency, got shape \(2, 3\)"),
        (np.full((3, 3), 0.5), "zeros and ones"),
        (np.full((3, 3), np.nan), "zeros and ones"),
        (np.eye(3), "node 0 has a self-edge"),
        (np.zeros((0, 0)), "at least one node"),
        ([(0.5, 1.0), (1.0, 2.0), (0.0, 1.0)], "pairs of node numbers"),
        ([(0, -1), (1, 2), (0, 1)], "got -1 to 2"),
        (np.zeros((0, 2), dtype=int), "pass num_nodes"),
        ([["a", "b", "c"]] * 3, "zeros and ones"),
    ],
)
def test_bad_input(source, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_graph(source)


def test_bad_edge_list_for_the_stated_size() -> None:
    with pytest.raises(ValueError, match="expected nodes 0 to 2, got 0 to 3"):
        as_graph([(0, 3)], num_nodes=3)
