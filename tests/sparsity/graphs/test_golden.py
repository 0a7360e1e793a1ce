"""Every figure that the published code computed on eight networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from golden_networks import NAMES, WITH_LAYERS, golden_figures, golden_network

from graph2nn.sparsity.campaign.layer_table import layer_table
from graph2nn.sparsity.graphs.edges import edge_list
from graph2nn.sparsity.graphs.encodings.published import published_unrolled
from graph2nn.sparsity.graphs.encodings.rolled import rolled
from graph2nn.sparsity.graphs.metrics.counting import count_edges
from graph2nn.sparsity.graphs.metrics.edge_free import adjacency_operator
from graph2nn.sparsity.graphs.metrics.spectra import largest_magnitudes
from graph2nn.sparsity.graphs.metrics.topometrics import topometrics
from graph2nn.training.probe import prunable

COUNTS = {
    "nodes": "nodes",
    "edges": "edges",
    "sink_nodes": "sink",
    "source_nodes": "source",
    "disc_nodes": "disc",
    "r-out": "r_out",
    "r-in": "r_in",
    "cut-edges": "cut_edges",
    "cut-nodes": "cut_nodes",
    "no_connected_components": "ncc",
}
MEANS = {
    "1-hop_nei": "hop1",
    "2-hop_nei": "hop2",
    "avg_node_strength": "strength",
    "k-core": "kcore",
    "mean_connected_components": "mcc",
}
SPECTRA = ("spectral_gap", "spectral_radius")


@pytest.fixture(scope="module")
def figures(reference):
    return golden_figures(reference)


@pytest.fixture(scope="module", params=NAMES)
def case(request, figures):
    """Name of the network, the network, its graph as published, its figures."""
    model, shape = golden_network(request.param)
    return request.param, model, published_unrolled(model, None, shape), figures[request.param]


def test_all_entries_are_tested(figures):
    assert set(NAMES) == {name for name in figures if not name.startswith("_")}
    assert {name for name in NAMES if "layers" in figures[name]} == set(WITH_LAYERS)


def test_graph(case):
    _, model, graph, expected = case
    assert graph.num_nodes == expected["nodes"]
    assert list(graph.dims) == expected["dim"]
    assert [int((w != 0).sum()) for w in prunable(model).values()] == expected["nnz"]
    kept = {block.name: block.num_weights for block in graph.blocks}
    assert [kept[weight] for weight in prunable(model)] == expected["nnz"]
    edges = edge_list(graph)
    assert len(edges) == count_edges(graph) == expected["edges"]
    # no edge twice, in either direction
    assert expected["und_edges"] == expected["edges"]
    low, high = np.minimum(edges.source, edges.target), np.maximum(edges.source, edges.target)
    pairs = low.astype(np.int64) * graph.num_nodes + high
    assert len(np.unique(pairs)) == len(edges)
    total = edges.weight.sum(dtype=np.float64)
    assert 2 * total / graph.num_nodes == pytest.approx(expected["strength"], rel=1e-9)


@pytest.mark.parametrize("engine", ["explicit", "edge-free"])
def test_topometrics(case, engine):
    _, _, graph, expected = case
    metrics = None
    if expected["motifs4_exact"] is None and engine == "explicit":
        metrics = [*COUNTS, *MEANS, *SPECTRA]  # motifs of large graphs have no figure
    found = topometrics(graph, engine=engine, metrics=metrics)
    assert len(found) == (11 if engine == "edge-free" else 18 - (metrics is not None))
    for metric, value in found.items():
        if metric in COUNTS:
            assert value == expected[COUNTS[metric]], metric
            assert isinstance(value, int), metric
        elif metric in MEANS:
            assert value == pytest.approx(expected[MEANS[metric]], rel=1e-9), metric
        elif metric in SPECTRA:
            assert value == pytest.approx(expected[metric], rel=1e-4), metric
        else:
            assert metric == "motif"
            assert value == expected["motifs4_exact"]


def test_eigenvalues(case):
    _, _, graph, expected = case
    if graph.num_nodes > 20_000:
        pytest.skip("the spectral gap of this network is tested above")
    found = largest_magnitudes(adjacency_operator(graph), 3)
    assert found == pytest.approx(expected["adj_top3_abs"], rel=1e-5)


@pytest.mark.parametrize("encoding", ["rolled", "rolled-channel"])
@pytest.mark.parametrize("name", WITH_LAYERS)
def test_layers(figures, name, encoding):
    model, _ = golden_network(name)
    records = [record for record in figures[name]["layers"] if record["kind"] == encoding]
    graphs = list(rolled(model, channel=encoding == "rolled-channel", compat=True).values())
    metrics = ["nodes", "edges", "cut-edges", "cut-nodes", "k-core", "no_connected_components"]
    rows = layer_table(model, encoding=encoding, metrics=metrics, compat=True)
    assert len(rows) == len(records) == len(graphs) == len(figures[name]["nnz"])
    for row, graph, record, nnz in zip(rows, graphs, records, figures[name]["nnz"]):
        assert row["layer_name"] == record["layer"]
        weight = edge_list(graph).weight.sum(dtype=np.float64)
        assert weight == pytest.approx(record["wsum"], rel=1e-6)
        assert row["k-core"] == pytest.approx(record["kcore"], rel=1e-12)
        counts = [row[metric] for metric in metrics if metric != "k-core"]
        assert counts == [record[key] for key in ("nodes", "edges", "bridges", "ap", "ncc")]
        assert row["nnz"] == nnz
        for key in ("delta_r", "imdb", "imsg"):
            if record.get(key) is None:  # undefined, or more eigenvalues wanted than there are
                assert math.isnan(row[key]), (record["layer"], key)
            else:
                assert row[key] == pytest.approx(record[key], rel=1e-4), (record["layer"], key)
