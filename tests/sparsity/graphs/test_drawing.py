"""The picture of a multipartite graph shows every edge, and the dead ends that are counted."""

from __future__ import annotations

import re

import pytest
import torch
from matplotlib.collections import LineCollection
from torch import nn

from graph2nn.runs.figures import canvas
from graph2nn.sparsity import (
    count_edges,
    degrees,
    draw_multipartite,
    edge_list,
    encode,
    prune,
    strengths,
    topometrics,
)


def pruned_graph():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5), nn.Linear(5, 3)
    )
    return encode(model, prune(model, "uniform", sparsity=0.9), "unrolled", (1, 4, 4))


def test_the_picture_has_every_edge_and_counts_dead_ends_as_the_topometrics_do(tmp_path):
    graph = pruned_graph()
    figure = draw_multipartite(graph, tmp_path / "graph.png")
    (axes,) = figure.axes
    (lines,) = (c for c in axes.collections if isinstance(c, LineCollection))
    assert len(lines.get_segments()) == count_edges(graph)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    found = {text.split(":")[0].split(" (")[0]: int(re.findall(r"\d+", text)[0]) for text in texts}
    metrics = topometrics(graph)
    assert found["sink"] == metrics["sink_nodes"] > 0
    assert found["source"] == metrics["source_nodes"] > 0
    assert found["no edges"] == metrics["disc_nodes"] > 0
    assert sum(found.values()) == graph.num_nodes
    assert (tmp_path / "graph.png").stat().st_size > 1000


def test_it_draws_into_given_axes_and_one_layer_alone():
    model = nn.Conv2d(2, 3, 3)
    figure, (axes,) = canvas(4, 3)
    layer = encode(model, None, "rolled-channel")["weight"]
    assert draw_multipartite(layer, ax=axes, title="one layer") is figure
    assert axes.get_title() == "one layer"


def test_too_many_edges_are_an_error_that_says_what_to_draw_instead():
    graph = encode(nn.Conv2d(3, 64, 3), None, "unrolled", (3, 16, 16))
    with pytest.raises(ValueError, match=r"338688 edges.*rolled-channel"):
        draw_multipartite(graph)


def test_only_formats_of_figures_are_written(tmp_path):
    with pytest.raises(ValueError, match=r"\.png"):
        draw_multipartite(pruned_graph(), tmp_path / "graph.jpg")


@pytest.mark.parametrize(
    "function", [draw_multipartite, topometrics, edge_list, degrees, strengths, count_edges]
)
def test_what_is_not_one_graph(function):
    model = nn.Linear(3, 2)
    layers = encode(model, prune(model, "uniform", sparsity=0.5), "rolled")
    with pytest.raises(ValueError, match="expected one graph, got one for each layer"):
        function(layers)
    with pytest.raises(ValueError, match="expected a MultipartiteGraph, got Linear; make one"):
        function(model)
