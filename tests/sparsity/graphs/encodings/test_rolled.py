"""Rolled and rolled-channel graphs against loops over the weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden_networks import fill_by_formula
from torch import nn

from graph2nn.sparsity.graphs.edges import edge_list
from graph2nn.sparsity.graphs.encodings.rolled import rolled
from graph2nn.sparsity.masks import Masks
from graph2nn.sparsity.networks.models import build


class Layers(nn.Module):
    """One layer of each kind; they are never run."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 6, 3)
        self.flat = nn.Conv2d(6, 4, (1, 2))
        self.depthwise = nn.Conv2d(4, 8, 3, groups=4)
        self.grouped = nn.Conv2d(6, 4, 3, groups=2)
        self.line = nn.Conv1d(2, 3, 5)
        self.solid = nn.Conv3d(2, 3, (1, 2, 3))
        self.pool = nn.MaxPool2d(2)
        self.linear = nn.Linear(7, 5)


@pytest.fixture
def model():
    model = Layers()
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        kept = torch.rand(parameter.shape, generator=generator) < 0.3
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * kept)
    return model


def expected_edges(module: nn.Module, channel: bool) -> list[tuple[int, int, float]]:
    """The definition, weight by weight."""
    weight = module.weight.detach()
    groups = getattr(module, "groups", 1)
    taps = 1 if channel else weight[0, 0].numel()
    left = weight.shape[1] * groups * taps
    edges = []
    for out, kernels in enumerate(weight):
        first = out // (len(weight) // groups) * weight.shape[1]
        for read, kernel in enumerate(kernels):
            values = kernel.flatten()
            if channel:
                values = values.double().pow(2).sum().sqrt().reshape(1)
            for tap, value in enumerate(values.tolist()):
                if value:
                    edges.append(((first + read) * taps + tap, left + out, abs(value)))
    return sorted(edges)


@pytest.mark.parametrize("channel", [False, True])
def test_edges_are_weights(model, channel):
    graphs = rolled(model, channel=channel)
    names = ("conv", "flat", "depthwise", "grouped", "line", "solid", "linear")
    assert list(graphs) == [f"{name}.weight" for name in names]
    for name, graph in graphs.items():
        module = model.get_submodule(name.removesuffix(".weight"))
        edges = edge_list(graph)
        found = sorted(zip(edges.source.tolist(), edges.target.tolist(), edges.weight.tolist()))
        expected = expected_edges(module, channel)
        assert [edge[:2] for edge in found] == [edge[:2] for edge in expected], name
        assert [edge[2] for edge in found] == pytest.approx([edge[2] for edge in expected]), name
        assert graph.encoding == ("rolled-channel" if channel else "rolled")
        assert graph.num_nodes == sum(graph.dims) and not graph.compat
        assert graph.dims[1] == len(module.weight)


def test_sizes_do_not_depend_on_the_image():
    for channel, nodes in ((False, [91, 640]), (True, [67, 128])):
        for size in (8, 32):
            graphs = rolled(build("CONV-6", image_size=size), channel=channel)
            assert [graph.num_nodes for graph in graphs.values()][:2] == nodes


def test_masks_decide_and_zeros_are_kept(model):
    masks = Masks.of(model)
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name)[~mask] = 5
        model.conv.weight[masks["conv.weight"]] = 0
    edges = edge_list(rolled(model, masks)["conv.weight"])
    assert len(edges) == masks["conv.weight"].sum() and not edges.weight.any()
    pairs = masks["conv.weight"].flatten(2).any(2).sum()
    assert len(edge_list(rolled(model, masks, channel=True)["conv.weight"])) == pairs
    model.grouped, masks = nn.Identity(), {n: masks[n] for n in masks if n != "grouped.weight"}
    for channel in (False, True):  # as published, a weight of zero is no edge
        graphs = rolled(model, masks, channel=channel, compat=True)
        assert len(edge_list(graphs["conv.weight"])) == 0
        assert len(edge_list(graphs["linear.weight"])) == masks["linear.weight"].sum()


def test_as_published(model):
    graphs = rolled(model, compat=True)
    assert "line.weight" not in graphs and "solid.weight" not in graphs
    for name, graph in graphs.items():
        weight = model.get_parameter(name).detach()
        assert graph.compat and graph.dims[0] == weight[0].numel()  # groups read the same nodes
        edges = edge_list(graph)
        dense = np.zeros(graph.dims, np.float32)
        dense[edges.source, edges.target - graph.dims[0]] = edges.weight
        half = weight.abs().half().float()
        np.testing.assert_array_equal(dense.T, half.reshape(len(weight), -1))
    with pytest.raises(ValueError, match=r"grouped: .* groups=2; use compat=False"):
        rolled(model, channel=True, compat=True)
    del model.grouped
    depthwise = rolled(model, channel=True, compat=True)["depthwise.weight"]
    edges = edge_list(depthwise)
    norms = model.depthwise.weight.detach().flatten(1).norm(dim=1)[:4]  # one output a channel
    assert depthwise.dims == (4, 8)
    assert edges.source.tolist() == (edges.target - 4).tolist() == norms.nonzero().ravel().tolist()
    assert edges.weight == pytest.approx(norms[norms > 0].numpy(), rel=1e-3)


def test_half_precision_keeps_edges():
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Linear(3, 2))
    fill_by_formula(model, 1, 1)
    with torch.no_grad():
        model[0].weight *= 1e-9
    for channel, count in ((False, 36), (True, 4)):
        edges = edge_list(rolled(model, channel=channel, compat=True)["0.weight"])
        assert len(edges) == count and not edges.weight.any()
