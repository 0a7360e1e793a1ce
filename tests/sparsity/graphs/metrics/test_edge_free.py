"""Products by convolution equal products over the edges."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from random_graphs import KINDS, random_graph

from graph2nn.sparsity.graphs.edges import edge_list, edge_list_reference
from graph2nn.sparsity.graphs.metrics.counting import strengths
from graph2nn.sparsity.graphs.metrics.edge_free import adjacency_operator
from graph2nn.sparsity.graphs.metrics.spectra import laplacian, largest_eigenvalue, spectral_gap


def dense(graph) -> np.ndarray:
    matrix = np.zeros((graph.num_nodes, graph.num_nodes))
    for source, target, weight in edge_list_reference(graph):
        matrix[source, target] += weight
        matrix[target, source] += weight
    return matrix


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_products_are_those_of_the_dense_matrix(kind, seed):
    graph = random_graph(seed, **KINDS[kind])
    matrix = dense(graph)
    for precision, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        operator = adjacency_operator(graph, precision=precision)
        assert operator.shape == matrix.shape
        np.testing.assert_allclose(
            operator @ np.eye(graph.num_nodes), matrix, rtol=tolerance, atol=tolerance
        )
    exact = adjacency_operator(graph, precision=torch.float64)
    np.testing.assert_allclose(
        laplacian(exact, np.add(*strengths(graph))) @ np.eye(graph.num_nodes),
        np.diag(matrix.sum(1)) - matrix,
        atol=1e-12,
    )


def test_spectra_are_those_of_the_listed_edges():
    graph = random_graph(5, width=20, size=(12, 11))
    edges = edge_list(graph)
    shape = (graph.num_nodes, graph.num_nodes)
    assert graph.num_nodes > 1000
    matrix = sp.coo_matrix((edges.weight.astype(float), (edges.source, edges.target)), shape)
    matrix = (matrix + matrix.T).tocsr()
    radius = largest_eigenvalue(sp.diags(matrix.sum(1).A1) - matrix)
    assert spectral_gap(adjacency_operator(graph)) == pytest.approx(spectral_gap(matrix), rel=1e-6)
    by_convolution = laplacian(adjacency_operator(graph), np.add(*strengths(graph)))
    assert largest_eigenvalue(by_convolution) == pytest.approx(radius, rel=1e-6)


def test_memory_does_not_grow_with_the_edges():
    thin, thick = random_graph(0, density=0.05), random_graph(0, density=0.9)
    sizes = []
    for graph in (thin, thick):
        operator = adjacency_operator(graph)
        tensors = [
            tensor
            for block in operator._blocks
            for tensor in (block.kernel, *vars(block.source).values(), *vars(block.target).values())
            if isinstance(tensor, torch.Tensor)
        ]
        sizes.append(sum(tensor.nbytes for tensor in tensors))
    assert sizes[0] == sizes[1] > 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in KiB on Linux only")
def test_a_wide_network_at_60_percent_takes_less_than_a_gigabyte():
    code = """
import json, resource
from graph2nn.sparsity.graphs.encodings.encode import encode
from graph2nn.sparsity.networks.models import build, init_weights
from graph2nn.sparsity.networks.pruning.prune import prune
from graph2nn.sparsity.graphs.metrics.topometrics import topometrics

model = build("Wide-Resnet-28-2")
init_weights(model, 0)
masks = prune(model, "uniform", sparsity=0.6)
graph = encode(model, masks, "unrolled", (3, 32, 32), compat=True)
found = topometrics(graph, engine="edge-free")
found["bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["nodes"] == 478_614
    assert found["edges"] == pytest.approx(0.4 * 194_435_072, rel=0.002)
    assert (found["source_nodes"], found["sink_nodes"]) == (4000, 3008)
    assert found["bytes"] < 1e9
