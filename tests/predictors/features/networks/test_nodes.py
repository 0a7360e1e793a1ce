"""Sizes of operations: those of the counter, of both views, and of what has no weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from graph2nn.archgraph import trace
from graph2nn.cells import nb201_cell
from graph2nn.deepnets import DARTS, NetConfig, build_graph
from predictors.features import GraphFeatures
from predictors.features.networks.nodes import (
    KINDS,
    UnknownSizesWarning,
    node_sizes,
    warn_of_unknown_sizes,
)

IMAGES = torch.zeros(1, 3, 64, 64, device="meta")
NAMES = ("resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "densenet121", "squeezenet1_0")


@pytest.mark.parametrize("name", NAMES)
def test_work_without_measures_is_that_of_the_counter(name: str) -> None:
    """Of convolutional networks, in both views; pools, gates and sums have none."""
    with torch.device("meta"):
        model = getattr(models, name)()
    counted = trace(model, IMAGES, measures=True, training=False).numbers("multiply_adds").sum()
    for view in ("full", "primitives"):
        sizes = node_sizes(trace(model, IMAGES, view=view, training=False))
        assert sizes.work.sum() == pytest.approx(counted, rel=1e-9), view
        params = sum(p.numel() for p in model.parameters())
        assert sizes.params.sum() == params


class Mixed(nn.Module):
    """A layer of each kind of product, a join of two widths, a table."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 8)
        self.wide = nn.Conv1d(8, 12, 3, padding=1)
        self.groups = nn.Conv1d(12, 12, 3, padding=1, groups=3)
        self.each = nn.Conv1d(12, 12, 3, padding=1, groups=12)
        self.dense = nn.Linear(12, 5)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.wide(self.table(tokens).transpose(1, 2))
        y = torch.cat([self.groups(x), self.each(x)], 1)
        return self.dense((y[:, :12] + y[:, 12:]).transpose(1, 2))


def test_kinds_widths_and_positions() -> None:
    graph = trace(Mixed(), torch.zeros(2, 7, dtype=torch.long))
    sizes = node_sizes(graph)
    names = graph.op_names()
    found = {
        graph.params[k][0].split(".")[0]: (KINDS[sizes.kind[k]], sizes.width[k], sizes.positions[k])
        for k in range(graph.num_nodes)
        if graph.params[k] and names[k] != "bias"
    }
    assert found == {
        "table": ("other", 8, 14),
        "wide": ("wide", 12, 14),
        "groups": ("grouped", 12, 14),
        "each": ("depthwise", 12, 14),
        "dense": ("dense", 5, 14),
    }
    join = names.index("cat")
    assert (sizes.width[join], sizes.positions[join]) == (24, 14)
    assert sizes.traffic[join] == 2 * 2 * 24 * 7  # read and written
    layer = [k for k, names in enumerate(graph.params) if "each.weight" in names][0]
    assert sizes.traffic[layer] == 2 * 2 * 12 * 7 + 12 * 3


def test_graphs_without_values_have_no_sizes_and_stay_readable() -> None:
    cell, network = (
        nb201_cell([1, 2, 3, 4, 0, 1]),
        build_graph(NetConfig(genotype=DARTS, n_cells=2, C=8)),
    )
    for graph in (cell, network):
        sizes = node_sizes(graph)
        assert not sizes.values.any() and not sizes.work.any() and not sizes.positions.any()
    assert node_sizes(network).params.sum() == network.num_params()


def test_missing_sizes_are_warned_of() -> None:
    traced = [trace(nn.Sequential(nn.Conv2d(3, w, 3)), IMAGES) for w in (4, 8, 16)]
    bare = [graph.replace(columns={}) for graph in traced]
    warn_of_unknown_sizes(traced)
    with pytest.warns(UnknownSizesWarning, match=r"3 of 3 networks, first X\[0\] \(Sequential\)"):
        GraphFeatures().fit(bare)
    features = GraphFeatures().fit(traced)
    with pytest.warns(UnknownSizesWarning, match="1 of 1 networks.*trace them again"):
        table = features.transform(bare[:1])
    assert np.isfinite(table).all()
