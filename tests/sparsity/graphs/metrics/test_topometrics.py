"""`topometrics`: both engines agree, published figures, normalisation, and what is refused."""

from __future__ import annotations

import math
import sys
import tracemalloc
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from random_graphs import KINDS, random_graph

from graph2nn.sparsity.graphs.edges import edge_list_reference
from graph2nn.sparsity.graphs.encodings.encode import encode
from graph2nn.sparsity.graphs.metrics.measures import Measures
from graph2nn.sparsity.graphs.metrics.topometrics import TOPOMETRICS, topometrics
from graph2nn.sparsity.networks.models import build
from graph2nn.sparsity.networks.pruning.prune import prune

module = sys.modules[topometrics.__module__]

NAMES = (
    "nodes edges sink_nodes source_nodes disc_nodes r-out r-in 1-hop_nei 2-hop_nei motif "
    "avg_node_strength k-core cut-edges cut-nodes no_connected_components "
    "mean_connected_components spectral_gap spectral_radius"
).split()


@pytest.mark.parametrize("kind", KINDS)
def test_the_engines_agree(kind):
    graph = random_graph(1, **{"density": 0.2, **KINDS[kind]})
    explicit, automatic = topometrics(graph, engine="explicit"), topometrics(graph)
    edge_free = topometrics(graph, engine="edge-free")
    assert list(explicit) == list(automatic) == list(TOPOMETRICS) == NAMES
    assert list(edge_free) == [name for name in NAMES if TOPOMETRICS[name].edge_free]
    assert all(math.isfinite(value) for value in explicit.values())
    for name, value in explicit.items():
        assert type(automatic[name]) is type(value)
        for found in (automatic, edge_free):
            same = pytest.approx(value, rel=1e-6, abs=1e-6)
            assert name not in found or found[name] == (value if isinstance(value, int) else same)


def test_every_metric_is_what_its_definition_says():
    graph = random_graph(4, density=0.1)
    found = topometrics(graph)
    directed = nx.DiGraph()
    directed.add_nodes_from(range(graph.num_nodes))
    directed.add_weighted_edges_from(edge_list_reference(graph))
    plain = directed.to_undirected()
    nodes, parts = graph.num_nodes, nx.number_connected_components(plain)
    near = nx.ego_graph
    assert found["nodes"] == nodes
    assert found["edges"] == directed.number_of_edges() == plain.number_of_edges() > 100
    for radius, name in ((1, "1-hop_nei"), (2, "2-hop_nei")):
        reached = sum(len(near(directed, node, radius)) for node in directed)
        assert found[name] == pytest.approx(reached / nodes)
    strength = sum(dict(plain.degree(weight="weight")).values()) / nodes
    assert found["avg_node_strength"] == pytest.approx(strength)
    assert found["k-core"] == pytest.approx(sum(nx.core_number(plain).values()) / nodes)
    assert found["cut-edges"] == len(list(nx.bridges(plain))) > 0
    assert found["cut-nodes"] == len(list(nx.articulation_points(plain))) > 0
    assert found["no_connected_components"] == parts > 1
    assert found["mean_connected_components"] == pytest.approx(nodes / parts)
    values = np.sort(abs(np.linalg.eigvalsh(nx.to_numpy_array(plain))))
    assert found["spectral_gap"] == pytest.approx(values[-1] - values[-3], rel=1e-5)
    laplacian = nx.laplacian_matrix(plain).toarray()
    assert found["spectral_radius"] == pytest.approx(np.linalg.eigvalsh(laplacian)[-1], rel=1e-6)


@pytest.mark.parametrize("kind", ["plain", "pooled with holes", "overlapping layers", "empty"])
def test_motifs_by_degrees_need_no_edges(kind):
    graph = random_graph(3, **KINDS[kind])
    with_edges = topometrics(graph, engine="explicit", metrics="motif", motif="degrees")
    assert topometrics(graph, engine="edge-free", motif="degrees")["motif"] == with_edges["motif"]
    assert topometrics(graph, metrics="motif", motif="degrees", max_memory=1) == with_edges
    assert with_edges["motif"] >= topometrics(graph, metrics="motif")["motif"]


@pytest.mark.parametrize("engine", ["explicit", "edge-free"])
def test_the_published_normalisation(engine):
    graph = random_graph(2)
    raw, published = (topometrics(graph, engine=engine, normalise=yes) for yes in (False, True))
    nodes, edges = raw["nodes"], raw["edges"]
    of_nodes = {"sink_nodes", "source_nodes", "disc_nodes", "mean_connected_components"}
    kept = {"nodes", "edges", "no_connected_components", "spectral_gap", "spectral_radius"}
    for name, value in raw.items():
        size = nodes if name in of_nodes else 1 if name in kept else edges
        assert published[name] == value / size
    assert published["1-hop_nei"] == pytest.approx(1 / edges + 1 / nodes)


def test_the_same_to_the_bit_on_every_run_without_touching_global_generators():
    graph = random_graph(6, width=12)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = topometrics(graph, motif="sampled", seed=2)
    assert topometrics(graph.replace(), motif="sampled", seed=2) == first
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])


def test_only_what_is_asked_for_is_computed(monkeypatch):
    def refuse(*_):
        raise AssertionError("edges were listed")

    monkeypatch.setattr(sys.modules[Measures.__module__], "edge_list", refuse)
    graph = random_graph(0)
    found = topometrics(graph, metrics={"spectral_gap", "edges", "r-in"})
    assert list(found) == ["edges", "r-in", "spectral_gap"]
    assert topometrics(graph, metrics="edges") == {"edges": found["edges"]}
    assert topometrics(graph, metrics=[]) == {}
    topometrics(graph, engine="edge-free")


def test_edges_that_do_not_fit_are_refused_before_they_are_listed(monkeypatch):
    graph = random_graph(0)
    edges = topometrics(graph, metrics=["edges"])["edges"]
    monkeypatch.setattr(module, "Measures", None)
    for options in ({}, {"engine": "explicit"}, {"metrics": ["motif"]}):
        with pytest.raises(ValueError, match=f"{edges:,} edges.*GB.*edge-free"):
            topometrics(graph, max_memory=1000, **options)
    monkeypatch.undo()
    assert "motif" not in topometrics(graph, engine="edge-free", max_memory=1000)
    topometrics(graph, metrics=["spectral_gap"], max_memory=1000)


@pytest.mark.parametrize("metric", ["2-hop_nei", "motif", "cut-edges", "spectral_radius"])
def test_no_more_memory_is_taken_than_predicted(metric, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(sys.modules[Measures.__module__], "PIECE", 2**14)
    model = build("Resnet-20", image_size=8)
    masks = prune(model, "uniform", sparsity=0.7)
    graph = encode(model, masks, "unrolled", (3, 8, 8))
    wanted = ["avg_node_strength", metric]
    topometrics(graph, engine="explicit", metrics=wanted)  # compiled, and sums over the graph kept
    tracemalloc.start()
    topometrics(graph, engine="explicit", metrics=wanted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    edges = topometrics(graph, metrics=["edges"])["edges"]
    assert edges > 500_000
    assert 12 * edges < peak
    with pytest.raises(ValueError, match="GB are available"):
        topometrics(graph, engine="explicit", metrics=wanted, max_memory=int(0.93 * peak))


def test_a_graph_without_edges():
    graph = random_graph(0, density=0.0)
    for engine in ("explicit", "edge-free", "auto"):
        found = topometrics(graph, engine=engine)
        assert found["edges"] == found["spectral_gap"] == found["spectral_radius"] == 0
        assert found["disc_nodes"] == graph.num_nodes
        with pytest.raises(ValueError, match="no edges to divide by"):
            topometrics(graph, engine=engine, normalise=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "fast"}, "unknown engine 'fast'; choose one of auto, explicit, edge-free"),
        ({"metrics": ["edges", "girth"]}, "unknown metric 'girth'; choose one of nodes, edges"),
        ({"motif": "guess"}, "unknown motif count 'guess'; choose one of exact"),
        ({"engine": "edge-free", "metrics": ["motif", "edges"]}, "cannot measure motif, which"),
        ({"max_memory": 0}, "max_memory: expected bytes above 0, got 0"),
        ({"max_memory": "1GB"}, "max_memory: expected bytes above 0, got '1GB'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        topometrics(random_graph(0), **options)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(bad):
    graph = random_graph(0)
    weight = graph.blocks[1].weight.clone()
    weight[0, 3] = bad
    blocks = (graph.blocks[0], replace(graph.blocks[1], weight=weight))
    with pytest.raises(ValueError, match="linear: expected finite weights, got 1 that"):
        topometrics(replace(graph, blocks=blocks))


def test_several_graphs_at_once_are_refused():
    with pytest.raises(ValueError, match="rolled encoding is measured layer by layer"):
        topometrics({"conv": random_graph(0)})


def test_networks_are_no_graphs():
    with pytest.raises(ValueError, match=r"got Linear; make one of a network with encode\("):
        topometrics(torch.nn.Linear(3, 2))


def test_the_same_on_any_number_of_threads_which_are_left_as_they_were() -> None:
    graph = random_graph(5)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(topometrics(graph, engine="edge-free"))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]
