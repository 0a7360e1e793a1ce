"""Sparse networks as `ArchGraph`s: attributes, their order, empty layers, wrong masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import trace
from graph2nn.sparsity.as_archgraph import sparse_archgraph
from graph2nn.sparsity.campaign.densities import DENSITY_NAMES, density_summary, layer_means
from graph2nn.sparsity.masks import Masks
from graph2nn.sparsity.networks.models import build
from graph2nn.training.probe import prunable


def test_density_summary_by_hand() -> None:
    found = density_summary(np.array([10, 5, 0]), np.array([10, 20, 8]))
    assert tuple(found) == DENSITY_NAMES
    logs = [math.log(1.0), math.log(0.25), math.log(1e-5)]
    middle = sum(logs) / 3
    assert found["mean"] == pytest.approx(1.25 / 3)
    assert found["geo_mean"] == pytest.approx(math.exp(middle))
    assert found["harmonic_mean"] == pytest.approx(3 / (1 + 4 + 1e5))
    assert found["std_log"] == pytest.approx(math.sqrt(sum((x - middle) ** 2 for x in logs) / 3))
    assert (found["min"], found["first"], found["last"]) == (0.0, 1.0, 0.0)
    assert found["log_nnz"] == pytest.approx(math.log(15))


def test_layer_means_leave_out_what_is_not_finite() -> None:
    layers = {
        "a": {"delta_r": 0.5, "imdb": math.nan},
        "b": {"delta_r": -math.inf, "imdb": math.nan},
        "c": {"delta_r": 0.1},
    }
    found = layer_means(layers)
    assert found["delta_r"] == pytest.approx(0.3) and math.isnan(found["imdb"])


@pytest.mark.parametrize("view", ["primitives", "full"])
def test_the_graph_is_that_of_the_dense_network_with_attributes(view) -> None:
    model = build("Resnet-20", image_size=8)
    generator = torch.Generator().manual_seed(0)
    masks = Masks(
        {n: torch.rand(w.shape, generator=generator) < 0.1 for n, w in prunable(model).items()}
    )
    ramanujan = {"conv1": {"delta_r": 0.25}, "linear": {"delta_r": 0.75}}
    graph = sparse_archgraph(
        model, masks, (3, 8, 8), metrics={"cut-edges": 7}, ramanujan=ramanujan, view=view, name="r"
    )
    dense = trace(model, torch.zeros(2, 3, 8, 8), view=view)
    assert (graph.op == dense.op).all() and (graph.edges == dense.edges).all()
    assert graph.name == "r" and graph.num_params() == sum(p.numel() for p in model.parameters())
    assert graph.attributes["density/total"] == masks.density
    assert graph.attributes["topo/cut-edges"] == 7.0
    assert graph.attributes["ramanujan/delta_r"] == 0.5
    kept = [int(mask.sum()) for mask in masks.values()]
    assert graph.attributes["density/log_nnz"] == pytest.approx(math.log(sum(kept)))
    assert graph.attributes["density/first"] == kept[0] / 432
    assert len(graph.attributes) == 1 + 8 + 1 + 1
    masks.apply_(model)
    zeros = sparse_archgraph(model, None, (3, 8, 8), view=view)  # masks from the zeros
    assert zeros.attributes.items() <= graph.attributes.items()


def test_bad_input() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    with pytest.raises(ValueError, match="masks do not fit"):
        sparse_archgraph(model, {"0.weight": torch.ones(4, 3, 3, 3)}, (3, 4, 4))
    with pytest.raises(ValueError, match="expected channels, height and width, got"):
        sparse_archgraph(model, None, (3, 4))
    with pytest.raises(ValueError, match="cannot trace Sequential on the given input"):
        sparse_archgraph(model, None, (3, 9, 9))
    with pytest.raises(ValueError, match="as many layers kept as weights, got 1 and 2"):
        density_summary(np.array([1]), np.array([1, 2]))
