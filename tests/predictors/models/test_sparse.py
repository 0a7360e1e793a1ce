"""Predictors of sparse networks: the graph is the same for all, the attributes tell them apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.model_selection import cross_val_predict

from graph2nn.sparsity.as_archgraph import sparse_archgraph
from graph2nn.sparsity.masks import Masks
from graph2nn.sparsity.networks.models import build
from graph2nn.training.probe import prunable
from predictors import FeaturePredictor
from predictors.metrics import kendall_tau

SHAPE = (3, 8, 8)


@pytest.fixture(scope="module")
def networks() -> tuple[list, np.ndarray]:
    """Graphs of random masks of two models, and a target that their densities determine."""
    graphs, densities = [], []
    generator = torch.Generator().manual_seed(0)
    for model in (build("Resnet-20", image_size=8), build("CONV-6", image_size=8)):
        for density in np.geomspace(0.01, 0.9, 12):
            masks = Masks(
                {
                    name: torch.rand(weight.shape, generator=generator) < density
                    for name, weight in prunable(model).items()
                }
            )
            metrics = {"edges": masks.num_kept, "cut-edges": 1 / (1 + masks.num_kept)}
            graphs.append(sparse_archgraph(model, masks, SHAPE, metrics=metrics))
            densities.append(density)
    return graphs, np.log(densities)


@pytest.mark.parametrize("patterns", [("density/*",), ("topo/*",), ("density/*", "topo/*")])
def test_attributes_predict(networks, patterns) -> None:
    graphs, targets = networks
    model = FeaturePredictor("rf", attributes=patterns)
    order = np.random.RandomState(0).permutation(len(graphs))
    shuffled = [graphs[k] for k in order]
    predicted = cross_val_predict(model, shuffled, targets[order], cv=4)
    assert kendall_tau(predicted, targets[order]) > 0.75


def test_without_attributes_pruned_networks_look_the_same(networks) -> None:
    graphs, targets = networks
    predicted = FeaturePredictor("rf").fit(graphs, targets).predict(graphs)
    assert len(np.unique(np.round(predicted, 9))) == 2  # one for each model


def test_an_attribute_that_no_graph_has(networks) -> None:
    graphs, targets = networks
    with pytest.raises(ValueError, match="no graph has an attribute like 'ramanujan/"):
        FeaturePredictor("rf", attributes=("ramanujan/*",)).fit(graphs, targets)
