"""Features of relational graphs."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from graph2nn.archgraph.canonical import reordered
from graph2nn.cells import nb201_cell
from graph2nn.relational.as_archgraph import message_graph
from graph2nn.relational.graphs.generators import complete, cycle, regular, ws_flex
from graph2nn.relational.graphs.measures import measure
from predictors.features import GraphFeatures
from predictors.features.undirected import is_relational


def named(graphs) -> list[dict[str, float]]:
    features = GraphFeatures()
    table = features.fit_transform([message_graph(g) for g in graphs])
    return [dict(zip(features.get_feature_names_out(), row)) for row in table]


def test_measures_agree_with_those_of_single_graphs() -> None:
    graphs = [ws_flex(24, k, p, 3) for k, p in ((5.5, 0.3), (10, 0.9))]
    for graph, row in zip(graphs, named(graphs)):
        found = measure(graph)
        assert row["global: C"] == pytest.approx(found.C)
        assert row["global: log L"] == pytest.approx(np.log(found.L))
        assert row["global: density"] == pytest.approx(found.degree_mean / 24)
        assert row["degrees: degree deviation"] == pytest.approx(found.degree_std / 24)
        assert row["degrees: mixing"] == pytest.approx(found.assortativity)
        assert row["spectrum: gap"] == pytest.approx(found.spectral_gap)
        laplacian = nx.laplacian_spectrum(nx.Graph(graph.adjacency))
        assert row["spectrum: connectivity"] * found.degree_mean == pytest.approx(laplacian[1])


def test_known_graphs() -> None:
    full, ring = named([complete(6), cycle(6)])
    assert full["global: C"] == 1 and full["global: log L"] == 0
    assert ring["global: C"] == 0 and ring["degrees: degree deviation"] == 0
    assert ring["spectrum: bipartite"] == pytest.approx(2), "an even ring is bipartite"


def test_the_order_of_nodes_does_not_matter() -> None:
    graph = message_graph(ws_flex(16, 5, 0.5, 1))
    other = reordered(graph, np.random.default_rng(0).permutation(16).tolist())
    features = GraphFeatures().fit([graph])
    np.testing.assert_allclose(features.transform([other]), features.transform([graph]), atol=1e-9)


def test_graphs_of_several_sizes_share_a_table() -> None:
    rows = named([regular(8, 4), regular(12, 4), regular(8, 2)])
    assert [row["size: log nodes"] for row in rows] == pytest.approx(np.log([8, 12, 8]))


def test_relational_and_other_graphs_do_not_mix() -> None:
    cell, graph = nb201_cell([0] * 6), message_graph(cycle(5))
    assert is_relational(graph) and not is_relational(cell)
    with pytest.raises(ValueError, match="mixes relational graphs"):
        GraphFeatures().fit([cell, graph])
    with pytest.raises(ValueError, match="mixes relational graphs .* or with those of fit"):
        GraphFeatures().fit([cell]).transform([graph])
