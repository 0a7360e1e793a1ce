"""The language of relational graphs: published graphs, connectomes, WS-flex by its arguments."""

from __future__ import annotations

import pickle
from typing import Any

import networkx as nx
import numpy as np
import pytest

from archtokens.grammar import ArchGrammar
from graph2nn.relational import RelationalGraph, as_graph, complete, graph_set, ws_flex
from graph2nn.relational.graphs import generators, many_graphs


@pytest.mark.parametrize("name, step", [("n64_52", 1), ("n64_449", 5), ("n16_326", 2)])
def test_published_graphs_round_trip(name: str, step: int) -> None:
    macro, plain = ArchGrammar("relational"), ArchGrammar("relational", macro=False)
    for entry in graph_set(name)[::step]:
        x = entry.graph()
        tokens = macro.encode(x)
        assert len(tokens) <= 15
        again = macro.decode(tokens)
        assert macro.equal(again, x)
        assert again.name == x.name
        assert plain.equal(plain.decode(plain.encode(x)), x)


def test_families_survive() -> None:
    grammar = ArchGrammar("relational")
    x = ws_flex(64, 8, 0.1, seed=3)
    again = grammar.decode(grammar.encode(x))
    assert np.array_equal(again.resized(16).adjacency, x.resized(16).adjacency)
    assert pickle.loads(pickle.dumps(again)).resized(16).num_nodes == 16


def test_a_name_that_does_not_fit_is_not_believed() -> None:
    grammar = ArchGrammar("relational")
    table = complete(16).adjacency
    x = RelationalGraph(adjacency=table, name="n16_s0.25_p0.1_g1")
    assert grammar.encode(x)[0] == "[GRAPH]"
    assert grammar.equal(grammar.decode(grammar.encode(x)), x)


@pytest.mark.parametrize(
    "source",
    [
        nx.cycle_graph(70),
        nx.star_graph(40),
        nx.complete_graph(33),
        nx.barbell_graph(12, 3),
        nx.random_labeled_tree(50, seed=1),
        nx.convert_node_labels_to_integers(nx.grid_2d_graph(8, 9)),
        nx.relabel_nodes(nx.path_graph(9), {k: (4 * k) % 9 for k in range(9)}),
        nx.path_graph(2),
    ],
)
def test_any_connected_graph_round_trips(source: nx.Graph) -> None:
    grammar, x = ArchGrammar("relational"), as_graph(source)
    assert grammar.equal(grammar.decode(grammar.encode(x)), x)


def test_any_numbering_round_trips() -> None:
    """Nodes that no earlier node is joined to: parts that the last node has to join."""
    grammar, rng = ArchGrammar("relational", macro=False), np.random.default_rng(0)
    apart = 0
    for _ in range(200):
        x = as_graph(nx.random_labeled_tree(12, seed=int(rng.integers(1 << 30))))
        lower = np.tril(x.adjacency)
        apart += int((lower[1:].sum(1) == 0).any())
        assert grammar.equal(grammar.decode(grammar.encode(x)), x)
    assert apart > 150


def test_decoded_graphs_are_connected_and_undirected() -> None:
    grammar = ArchGrammar("relational", macro=False, nodes=(2, 20))
    for tokens in grammar.random_strings(500, 0, length=(0, 120)):
        x = grammar.decode(tokens)
        assert x.is_connected() and not x.directed and 2 <= x.num_nodes <= 20


def test_isomorphic_graphs_have_one_string() -> None:
    grammar, rng = ArchGrammar("relational", canonical=True), np.random.default_rng(0)
    for x in (ws_flex(24, 4, 0.3, seed=1), as_graph(nx.petersen_graph()), complete(6)):
        table = x.adjacency
        orders = [rng.permutation(len(table)) for _ in range(4)]
        strings = {grammar.to_string(as_graph(table[order][:, order])) for order in orders}
        assert strings == {grammar.to_string(x)}
        code = grammar.encode(x)
        assert grammar.canonicalise(code) == code
        assert nx.is_isomorphic(grammar.decode(code).to_networkx(), x.to_networkx())


def test_arguments_without_a_connected_graph_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring of degree 2 that is rewired everywhere rarely is connected: the next degree is."""
    for module in (generators, many_graphs):
        monkeypatch.setattr(module, "TRIES", 1)  # 100 tries fail on thousands of nodes only
    with pytest.raises(ValueError, match="no connected graph in 1 tries"):
        ws_flex(64, 2, 1.0, seed=1)
    grammar = ArchGrammar("relational", nodes=(64, 64))
    x = grammar.decode("[WS][0][0][0][0][0][F][4][2][4][0][1]")
    assert x.is_connected() and x.num_edges > 64
    code = grammar.encode(x)
    assert code[0] == "[WS]" and grammar.equal(grammar.decode(code), x)


def test_text_of_a_graph() -> None:
    grammar = ArchGrammar("relational", macro=False, nodes=(2, 16))
    x = as_graph([(0, 1), (1, 2), (0, 3), (2, 3)], num_nodes=4)
    # 4 nodes; node 1 has its one possible neighbour (forced), wanted 1 of {1, 0}; node 2 has one,
    # 1 back; node 3 has two, 1 and 3 back.
    assert grammar.to_string(x) == "[2][0][0][0][1][0][1]"
    assert grammar.equal(grammar.decode("[2][0][0][0][1][0][1]"), x)


def test_graph_of_a_graph() -> None:
    x = as_graph([(0, 1), (1, 2)], num_nodes=3)
    graph = ArchGrammar("relational").graph(x)
    assert graph.op_names() == ["node"] * 3
    assert graph.edges.tolist() == [[0, 1], [1, 2]]


@pytest.mark.parametrize(
    "graph, message",
    [
        (as_graph([[0, 1], [0, 0]]), "expected an undirected graph"),
        (as_graph([(0, 1), (2, 3)], num_nodes=4), "expected a connected graph, got 2 parts"),
        (as_graph([[0]]), "nodes: the grammar admits 2, 3.* got 1"),
        (complete(200), "nodes: the grammar admits 2, 3.* got 200"),
        ("graph", "expected a RelationalGraph, got str"),
    ],
)
def test_graphs_outside_the_language(graph: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArchGrammar("relational").encode(graph)


@pytest.mark.parametrize(
    "rules, message",
    [
        ({"nodes": (1, 5)}, "nodes: expected 2 <= smallest"),
        ({"nodes": (9, 5)}, "nodes: expected 2 <= smallest"),
        ({"seeds": 0}, "seeds: expected at least 1"),
    ],
)
def test_bad_rules(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArchGrammar("relational", **rules)
