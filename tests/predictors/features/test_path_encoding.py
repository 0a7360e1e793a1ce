"""Path and adjacency encodings on small graphs, against enumeration, and bad input."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from graph2nn.archgraph.canonical import reordered
from graph2nn.cells import cell_graph, nb201_cell
from predictors.features.path_encoding import AdjacencyEncoding, PathEncoding, labelled_paths


def _random_cell(rng, n=7):
    ops = ["input", *rng.choice(["conv_1x1", "conv_3x3", "max_pool_3x3"], n - 2), "output"]
    return cell_graph(
        ops, [(u, v) for u in range(n) for v in range(u + 1, n) if rng.random() < 0.5]
    )


def test_paths_equal_enumeration():
    rng = np.random.default_rng(0)
    for _ in range(20):
        graph = _random_cell(rng)
        names = graph.op_names()
        digraph = nx.DiGraph(graph.edges.T.tolist())
        digraph.add_nodes_from(range(7))
        walks = nx.all_simple_paths(digraph, 0, 6)
        assert labelled_paths(graph) == {tuple(names[k] for k in walk[1:-1]) for walk in walks}


def test_nb201_paths():
    # edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3
    paths = labelled_paths(nb201_cell([2, 3, 0, 4, 1, 2]))
    assert paths == {
        ("skip",),
        ("conv_3x3", "none"),
        ("conv_1x1", "conv_3x3"),
        ("conv_3x3", "avg_pool_3x3", "conv_3x3"),
    }


def test_graphs_without_named_ends():
    graph = cell_graph(["conv_1x1", "skip", "conv_3x3"], [(0, 1), (0, 2)])
    assert labelled_paths(graph) == {("conv_1x1", "conv_3x3")}
    assert labelled_paths(cell_graph(["input", "skip", "output"], [(0, 1)])) == frozenset()


def test_columns_are_paths_by_frequency():
    graphs = [nb201_cell([2, 3, k, 4, 1, 2]) for k in (0, 0, 2, 3)]
    encoding = PathEncoding(max_paths=5).fit(graphs)
    table = encoding.transform(graphs)
    assert table.shape == (4, 5) and set(np.unique(table)) == {0, 1}
    assert table.sum(0).tolist() == sorted(table.sum(0), reverse=True)
    assert table[:, encoding.paths_.index(("skip",))].tolist() == [1, 1, 0, 0]
    assert encoding.transform([nb201_cell([1] * 6)]).sum() == 0  # paths never seen


def test_order_of_nodes_does_not_matter():
    graph = nb201_cell([2, 3, 0, 4, 1, 2])
    other = reordered(graph, [0, 3, 1, 2, 4, 5, 6, 7])
    a, b = PathEncoding().fit([graph]).transform([graph, other])
    assert np.array_equal(a, b)
    a, b = AdjacencyEncoding().fit([graph]).transform([graph, other])
    assert not np.array_equal(a, b)


def test_adjacency_can_be_read_back():
    rng = np.random.default_rng(1)
    graphs = [_random_cell(rng, n) for n in (3, 6, 7)]
    encoding = AdjacencyEncoding().fit(graphs)
    table = encoding.transform(graphs)
    count = len(encoding.ops_)
    assert table.shape == (3, 21 + 7 * count)
    for row, graph in zip(table, graphs):
        links = np.zeros((7, 7))
        links[np.triu_indices(7, 1)] = row[:21]
        assert {tuple(e) for e in np.argwhere(links)} == {tuple(e) for e in graph.edges.T}
        codes = row[21:].reshape(7, count)[: graph.num_nodes].argmax(1)
        assert [encoding.ops_[c] for c in codes] == graph.op_names()


def test_in_a_pipeline():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 5, (80, 6))
    X, y = [nb201_cell(code) for code in codes], (codes[:, 2] == 2) * 1.0
    model = make_pipeline(PathEncoding(), Ridge()).fit(X[:60], y[:60])
    assert np.corrcoef(model.predict(X[60:]), y[60:])[0, 1] > 0.8


def test_bad_input():
    small, large = nb201_cell([0] * 6), cell_graph(["input"] + ["skip"] * 8 + ["output"], [(0, 9)])
    with pytest.raises(ValueError, match=r"X\[0\] has 10 nodes, .* fitted on graphs of at most 8"):
        AdjacencyEncoding().fit([small]).transform([large])
    with pytest.raises(ValueError, match="no known operation that 'skip' could be read as"):
        AdjacencyEncoding(ops=("input", "output")).fit([small]).transform([small])
    n = 30
    dense = cell_graph(
        ["input", *(["conv_1x1", "conv_3x3"] * 14), "output"],
        [(u, v) for u in range(n) for v in range(u + 1, n)],
    )
    with pytest.raises(ValueError, match="more than 10000 different paths lead to node"):
        labelled_paths(dense)
    with pytest.raises(ValueError, match="one ArchGraph"):
        PathEncoding().fit(small)
