"""Ramanujan properties against the eigenvalues of the whole adjacency."""

from __future__ import annotations

import math
import sys

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.sparsity.campaign.layer_table import LAYER_TOPOMETRICS, layer_table
from graph2nn.sparsity.graphs.edges import edge_list
from graph2nn.sparsity.graphs.encodings.published import published_unrolled
from graph2nn.sparsity.graphs.encodings.rolled import rolled
from graph2nn.sparsity.graphs.metrics.ramanujan import ramanujan
from graph2nn.sparsity.networks.models import build

module = sys.modules[ramanujan.__module__]


def graph_of(weights: np.ndarray):
    """Of a linear layer with these weights, outputs by inputs."""
    model = nn.Linear(weights.shape[1], weights.shape[0])
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(weights))
    return rolled(model)["weight"]


def random_weights(outputs: int, inputs: int, density: float, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    kept = generator.random((outputs, inputs)) < density
    return generator.standard_normal((outputs, inputs)) * kept


def plain_properties(graph) -> dict[str, float]:
    """As the definition says it, on a networkx graph."""
    whole = nx.Graph()
    edges = edge_list(graph)
    whole.add_weighted_edges_from(zip(edges.source, edges.target, edges.weight.astype(float)))
    left = {node for node in whole if node < graph.dims[0]}

    def spectrum(part, weight):
        values = np.abs(np.linalg.eigvalsh(nx.to_numpy_array(part, weight=weight)))
        return np.pad(np.sort(values)[::-1], (0, 3))

    def difference(part):
        degrees = [np.mean([part.degree[n] for n in part if (n in left) == s]) for s in (1, 0)]
        bound = sum(math.sqrt(degree - 1) for degree in degrees)
        return (bound - spectrum(part, None)[2]) / bound

    found = {"delta_r": difference(whole), "imdb": [], "imsg": []}
    for degree in {whole.degree[node] for node in left}:
        inside = {node for node in left if whole.degree[node] == degree}
        inside |= {other for node in inside for other in whole[node]}
        part = whole.subgraph(inside)
        right = [part.degree[node] for node in part if node not in left]
        if degree >= 3 and np.mean(right) >= 3:
            found["imdb"].append(difference(part))
            values = spectrum(part, "weight")
            found["imsg"].append(values[0] - values[2])
    for key in ("imdb", "imsg"):
        found[key] = np.mean(found[key]) if found[key] else math.nan
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("outputs", "inputs", "density"),
    [(8, 30, 0.3), (30, 8, 0.5), (20, 20, 0.9), (12, 40, 0.1), (1, 9, 0.9), (9, 1, 0.9)],
)
def test_against_the_definition(outputs, inputs, density, seed):
    graph = graph_of(random_weights(outputs, inputs, density, seed))
    found, expected = ramanujan(graph), plain_properties(graph)
    assert set(found) == {"delta_r", "imdb", "imsg"}
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-6, abs=1e-6, nan_ok=True), key


def test_multiple_singular_values():
    """Two equal components: the third absolute eigenvalue is the first one."""
    part = np.ones((3, 4))
    graph = graph_of(np.block([[part, 0 * part], [0 * part, part]]))
    found = ramanujan(graph)
    bound = math.sqrt(2) + math.sqrt(3)
    assert found["delta_r"] == pytest.approx((bound - math.sqrt(12)) / bound)
    assert found["imdb"] == found["delta_r"]
    assert found["imsg"] == pytest.approx(0, abs=1e-9)


def test_ramanujan_graph():
    """A complete bipartite graph has no second singular value: nothing is missing to the bound."""
    found = ramanujan(graph_of(np.ones((5, 7))))
    assert found["delta_r"] == pytest.approx(1, abs=1e-6)
    assert found["imsg"] == pytest.approx(math.sqrt(35))


@pytest.mark.parametrize("large", [False, True])
def test_large_layers_take_lanczos(monkeypatch, large):
    graph = graph_of(random_weights(300, 260, 0.1, 5))
    expected = ramanujan(graph)
    monkeypatch.setattr(module, "DENSE_ENTRIES", 0)
    if large:
        monkeypatch.setattr(module, "DENSE_NODES", 8)
    assert ramanujan(graph) == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert ramanujan(graph, seed=1) == ramanujan(graph, seed=1)


@pytest.mark.parametrize(
    ("weights", "delta", "published"),
    [
        (np.zeros((3, 4)), math.nan, math.nan),
        (np.eye(4), -math.inf, -math.inf),  # no bound: every degree is 1
        (np.eye(1, 5), math.nan, math.nan),  # one edge
        (np.array([[1.0, 1.0, 0.0]]), 1, math.nan),  # three nodes
        (np.ones((1, 3)), 1, 1),
    ],
)
def test_where_properties_are_undefined(weights, delta, published):
    graph = graph_of(weights)
    for compat, expected in ((False, delta), (True, published)):
        found = ramanujan(graph, compat=compat)
        assert found["delta_r"] == pytest.approx(expected, nan_ok=True)
        assert math.isnan(found["imdb"]) and math.isnan(found["imsg"])


def test_only_graphs_of_one_layer():
    with pytest.raises(ValueError, match="the graph of one layer"):
        ramanujan(published_unrolled(build("Resnet-20", image_size=8), None, (3, 8, 8)))
    with pytest.raises(ValueError, match="got one for each layer; take the graphs"):
        ramanujan(rolled(build("Resnet-20")))


@pytest.mark.parametrize("encoding", ["rolled", "rolled-channel"])
def test_table_of_layers(encoding):
    torch_model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 6, 3), nn.Linear(6, 4)
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for index, density in ((0, 0.5), (3, 0.1), (4, 0.0)):
            weight = torch_model[index].weight
            kept = torch.rand(weight.shape, generator=generator) < density
            weight.copy_(torch.randn(weight.shape, generator=generator) * kept)
    rows = layer_table(torch_model, encoding=encoding)
    assert [row["layer_name"] for row in rows] == ["0", "3", "4"]
    assert [row["layer_id"] for row in rows] == [0, 2, 3]  # pooling counts
    assert [row["numel"] for row in rows] == [216, 432, 24]
    for row in rows:
        weight = torch_model.get_parameter(f"{row['layer_name']}.weight")
        assert row["nnz"] == int((weight != 0).sum())
        assert row["density"] == row["nnz"] / row["numel"]
        assert set(LAYER_TOPOMETRICS) < set(row)
        if encoding == "rolled":
            assert row["edges"] == row["nnz"]
    assert rows[2]["edges"] == 0 and rows[2]["no_connected_components"] == 10
    assert "edges" not in layer_table(torch_model, metrics=())[0]
    with pytest.raises(ValueError, match="not in 'unrolled'"):
        layer_table(torch_model, encoding="unrolled")
