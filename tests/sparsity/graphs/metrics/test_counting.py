"""Counting without edges equals counting edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_graphs import KINDS, random_graph

from graph2nn.sparsity.graphs.edges import edge_list_reference
from graph2nn.sparsity.graphs.metrics.counting import (
    count_edges,
    degrees,
    local_metrics,
    strengths,
)
from graph2nn.sparsity.graphs.multipartite import Block, Layer, MultipartiteGraph


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_degrees_and_strengths_are_those_of_the_edges(kind, seed):
    graph = random_graph(seed, **KINDS[kind])
    edges = edge_list_reference(graph)
    incoming, outgoing = np.zeros((2, graph.num_nodes), int)
    strength_in, strength_out = np.zeros((2, graph.num_nodes))
    for source, target, weight in edges:
        incoming[target] += 1
        outgoing[source] += 1
        strength_in[target] += weight
        strength_out[source] += weight
    assert count_edges(graph) == len(edges)
    assert degrees(graph).incoming.dtype == np.int64
    np.testing.assert_array_equal(degrees(graph).incoming, incoming)
    np.testing.assert_array_equal(degrees(graph).outgoing, outgoing)
    np.testing.assert_allclose(strengths(graph).incoming, strength_in, atol=1e-12)
    np.testing.assert_allclose(strengths(graph).outgoing, strength_out, atol=1e-12)


def test_the_number_of_edges_is_exact_above_what_float32_holds():
    side = 4200  # side squared is above 2^24
    mask = torch.ones(side, side, 1, 1, dtype=torch.bool)
    mask[5, 7] = False
    block = Block(
        name="linear",
        source=np.arange(side).reshape(side, 1, 1, 1),
        target=side + np.arange(side).reshape(side, 1, 1),
        weight=mask.float(),
        mask=mask,
    )
    layers = (
        Layer(name="input", start=0, shape=(side, 1, 1)),
        Layer(name="linear", start=side, shape=(side, 1, 1)),
    )
    graph = MultipartiteGraph(layers=layers, blocks=(block,), outputs=(1,))
    assert count_edges(graph) == side * side - 1


@pytest.mark.parametrize("compat", [False, True])
def test_local_metrics_follow_their_definition(compat):
    graph = random_graph(3, density=0.08, compat=compat)
    incoming, outgoing = degrees(graph)
    found = local_metrics(graph, degrees(graph))
    inputs, outputs, total = graph.layers[0].size, graph.layers[-1].size, graph.num_nodes
    ends = [n for n in range(total) if incoming[n] and not outgoing[n]]
    begins = [n for n in range(total) if outgoing[n] and not incoming[n]]
    if compat:
        assert found["sink_nodes"] == len(ends) - outputs
        assert found["source_nodes"] == len(begins) - inputs
        lost_out = [n for n in ends if n < total - 1 - outputs]
        lost_in = [n for n in begins if n > inputs]
    else:
        lost_out = [n for n in ends if n < total - outputs]
        lost_in = [n for n in begins if n >= inputs]
        assert (found["sink_nodes"], found["source_nodes"]) == (len(lost_out), len(lost_in))
    assert found["r-out"] == sum(incoming[n] for n in lost_out) > 0
    assert found["r-in"] == sum(outgoing[n] for n in lost_in) > 0
    assert found["disc_nodes"] == sum(not incoming[n] and not outgoing[n] for n in range(total)) > 0


def test_a_graph_without_edges_has_only_disconnected_nodes():
    graph = random_graph(0, density=0.0)
    assert count_edges(graph) == 0
    assert local_metrics(graph, degrees(graph)) == {
        "sink_nodes": 0,
        "source_nodes": 0,
        "disc_nodes": graph.num_nodes,
        "r-out": 0,
        "r-in": 0,
    }
