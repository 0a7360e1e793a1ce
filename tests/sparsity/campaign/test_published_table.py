"""The published table against the graphs that we make of the same networks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from graph2nn.sparsity.campaign.layer_table import layer_positions
from graph2nn.sparsity.campaign.results import PUBLISHED_PRUNERS, published_table
from graph2nn.sparsity.graphs.encodings.published import published_unrolled
from graph2nn.sparsity.graphs.metrics.counting import count_edges
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph
from graph2nn.sparsity.networks.models import MODELS, build

CLASSES = {"CIFAR-10": 10, "CIFAR-100": 100, "tinyimagenet": 200}


@pytest.fixture(scope="module")
def table():
    return published_table().select(model=tuple(MODELS), pruning=PUBLISHED_PRUNERS)


def edges_of_a_weight(graph: MultipartiteGraph) -> Mapping[str, float]:
    """Mean over the weights of a layer, by its name, none of them pruned."""
    found = {}
    for block in graph.blocks:
        only = MultipartiteGraph(layers=graph.layers, blocks=(block,), outputs=graph.outputs)
        found[block.name.removesuffix(".weight")] = count_edges(only) / block.num_weights
    return found


@pytest.mark.parametrize("name", MODELS)
def test_edges_follow_from_the_weights_kept(table, name):
    """Edges of 1251 networks are their weights by layer times a constant of the layer."""
    factors = edges_of_a_weight(published_unrolled(build(name), None, (3, 32, 32)))
    rows = table.select(model=name)
    layers = rows.layers
    weights = np.array([factors[layer] for layer in layers["layer_name"]]) * layers["nnz"]
    ratio = rows["edges"] / np.bincount(layers["row"], weights, minlength=rows.num_rows)
    assert abs(ratio.mean() - 1) < 5e-4
    # taps at the border of a kernel make fewer edges than the mean one, so networks scatter
    assert abs(ratio - 1).max() < 2e-3


@pytest.mark.parametrize("name", MODELS)
def test_places_of_layers(table, name):
    layers = table.select(model=name).layers
    places = dict(zip(layers["layer_name"].tolist(), layers["layer_id"].tolist()))
    assert layer_positions(build(name)) == places
