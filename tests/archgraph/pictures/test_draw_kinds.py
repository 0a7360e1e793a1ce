"""What `draw` takes: modules, folded figures, differences, graphs of the spaces; and its errors."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection
from torch import nn

from graph2nn.archgraph import ArchGraph, diff, draw, trace
from graph2nn.archgraph.pictures.describing import describe
from graph2nn.relational import RelationalGraph, ws_flex
from graph2nn.sparsity import encode, prune
from graph2nn.wirings import StaticWiring, wiring_graph

NET = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
INPUT = torch.zeros(2, 4)


def payload(path: Path) -> dict:
    text = path.read_text(encoding="utf-8")
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
    assert found is not None
    return json.loads(found[1])


def test_a_module_is_traced_with_its_numbers(tmp_path):
    page = draw(NET, tmp_path / "net.html", input=INPUT)
    data = payload(tmp_path / "net.html")
    assert page.path == tmp_path / "net.html"
    assert {"flops", "parameters", "output_shape"} <= {c["name"] for c in data["columns"]}
    (parameters,) = (c["numbers"] for c in data["columns"] if c["name"] == "parameters")
    assert sum(parameters) == sum(p.numel() for p in NET.parameters())
    assert draw(NET, input=INPUT).axes[0].get_title().startswith("Sequential")


def test_a_page_is_one_file_that_names_no_other(tmp_path):
    draw(NET, tmp_path / "net.html", input=INPUT)
    text = (tmp_path / "net.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:)', text) and "@import" not in text
    assert "sourceMappingURL" not in text
    assert "Permission is hereby granted, free of charge" in text  # the layout library's licence
    assert "default-src 'none'" in text
    assert list(tmp_path.iterdir()) == [tmp_path / "net.html"]


def test_names_cannot_end_the_data(tmp_path):
    evil = "</script><script>alert(1)</script>{{scripts}}<!--"
    graph = trace(NET, INPUT).replace(name=evil)
    page = draw(graph, tmp_path / "net.html")
    assert evil not in page.html
    assert payload(tmp_path / "net.html")["title"] == evil
    assert page._repr_html_().startswith("<iframe srcdoc=")


def test_numbers_of_the_caller(tmp_path):
    graph = trace(NET, INPUT)
    values = np.linspace(-1, 1, graph.num_nodes)
    values[0] = np.nan
    draw(graph, tmp_path / "net.html", numbers={"gain": values}, colour="gain")
    data = payload(tmp_path / "net.html")
    (column,) = (c for c in data["columns"] if c["name"] == "gain")
    assert column["numbers"][0] is None and column["numbers"][-1] == 1
    assert data["colour"] == "gain"


def test_bad_arguments(tmp_path):
    graph = trace(NET, INPUT)
    bad = tmp_path / "net.html"
    with pytest.raises(ValueError, match=r"numbers\['time'\]: expected 6 values, one for each"):
        draw(graph, bad, numbers={"time": [1.0]})
    with pytest.raises(ValueError, match=r"colour: expected one of .*'parameters'.*, got 'work'"):
        draw(graph, bad, colour="work")
    with pytest.raises(ValueError, match=r"coloured by numbers; draw to a \.html file"):
        draw(graph, tmp_path / "net.pdf", colour="parameters")
    with pytest.raises(ValueError, match="expected a module, an ArchGraph.*got str"):
        draw("resnet50", bad)
    with pytest.raises(ValueError, match=r"expected two graphs of one kind, got \(ArchGraph\)"):
        draw((graph,), bad)
    with pytest.raises(ValueError, match="numbers belong to the nodes of one graph"):
        draw((graph, graph), bad, numbers={"time": np.zeros(graph.num_nodes)})
    with pytest.raises(ValueError, match=r"ends in \.png, \.pdf, \.svg, \.html"):
        draw(graph, tmp_path / "net.htm")
    assert not list(tmp_path.iterdir())


def test_folded_figures_of_thousands_of_nodes_take_a_moment(tmp_path):
    class Block(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, width), nn.Linear(width, 4))

        def forward(self, x):
            return x + torch.relu(self.body(x))

    widths = iter(range(4, 2000))
    stages = [nn.Sequential(*(Block(next(widths)) for _ in range(48))) for _ in range(15)]
    graph = trace(nn.Sequential(*stages), INPUT)
    assert graph.num_nodes > 4700
    draw(graph, tmp_path / "warm.svg", fold=1)
    for name in ("net.svg", "net.pdf"):
        start = time.process_time()
        figure = draw(graph, tmp_path / name, fold="auto")
        assert time.process_time() - start < 2
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len(texts) <= 130 and any("Sequential · " in text for text in texts)


def test_fold_levels_of_a_figure():
    from torchvision.models import resnet18

    with torch.device("meta"):
        graph = trace(resnet18())
    texts = [text.get_text() for text in draw(graph, fold=1).axes[0].texts]
    assert {"layer1", "layer2", "layer3", "layer4", "fc"} <= set(texts)
    texts = [text.get_text() for text in draw(graph, fold=2).axes[0].texts]
    assert "layer1.0 to 1 ×2" in texts
    legend = draw(graph, fold="auto").axes[0].get_legend()
    assert "module" in [text.get_text() for text in legend.get_texts()]
    with pytest.raises(ValueError, match="fold: expected a number of levels from 0 up"):
        draw(graph, fold=-1)


@pytest.mark.parametrize("kind", ["html", "svg"])
def test_differences(tmp_path, kind):
    other = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 5))
    before, after = trace(NET, INPUT), trace(other, INPUT)
    path = tmp_path / f"difference.{kind}"
    draw((before, after), path)
    assert path.stat().st_size > 1000
    picture = describe(diff(before, after))
    names = dict(zip(range(picture.num_nodes), picture.names))
    assert [names[k] for k, s in enumerate(picture.status) if s == "added"] == ["dropout"]
    assert "changed" in picture.status and "removed" not in picture.status
    marked = zip(picture.edges.T, picture.edge_status)
    added = [(names[u], names[v]) for (u, v), s in marked if s == "added"]
    assert sorted(added) == [("dropout", "linear"), ("relu", "dropout")]
    removed = picture.edge_status.count("removed")
    assert removed == 1
    assert picture.subtitle.startswith("1 added, 0 removed, 2 changed")


def test_differences_keep_classes_of_modules():
    from torchvision.models import resnet18, resnet34

    with torch.device("meta"):
        before, after = trace(resnet18()), trace(resnet34())
    tree = describe((before, after)).hierarchy
    assert {"BasicBlock", "Sequential"} <= {group.kind for group in tree.groups}
    assert describe((before, after)).subtitle.startswith("56 added, 0 removed, 0 changed of 127")


def test_differences_of_modules_and_of_equal_graphs(tmp_path):
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    draw((model, model), tmp_path / "same.html")
    data = payload(tmp_path / "same.html")
    assert data["note"] == "The two graphs are equal." and data["nodes"]["status"] is None


@pytest.mark.parametrize("kind", ["html", "svg"])
def test_relational_graphs(tmp_path, kind):
    graph = ws_flex(12, 4.0, 0.1, seed=0)
    draw(graph, tmp_path / f"graph.{kind}")
    picture = describe(graph)
    assert picture.edges.shape == (2, graph.num_edges)
    assert picture.columns[0].values.sum() == 2 * graph.num_edges
    radius = np.linalg.norm(picture.places.position, axis=1)
    assert np.allclose(radius, radius[0])
    directed = RelationalGraph(adjacency=[[0, 1], [0, 0]])
    assert describe(directed).edges.tolist() == [[1], [0]]  # node 0 receives from node 1


@pytest.mark.parametrize("kind", ["html", "svg"])
def test_wirings(tmp_path, kind):
    torch.manual_seed(0)
    graph = wiring_graph(StaticWiring("dnw"))
    figure = draw(graph, tmp_path / f"wiring.{kind}", title="mine")
    picture = describe(graph)
    assert picture.edges.shape == (2, 20_000) and "20,000 strongest" in picture.note
    assert picture.subtitle == "900 channels, 32,000 edges"
    assert picture.weight.max() == 1
    kept = np.sort(np.abs(graph.weight))[-20_000:] / np.abs(graph.weight).max()
    assert np.allclose(np.sort(picture.weight), kept)
    if kind == "svg":
        assert figure.axes[0].get_title() == "mine"
    else:
        assert payload(tmp_path / "wiring.html")["title"] == "mine"


@pytest.mark.parametrize("kind", ["html", "svg"])
def test_multipartite_graphs(tmp_path, kind):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 130))
    graph = encode(model, prune(model, "uniform", sparsity=0.5), "unrolled", (1, 4, 4))
    figure = draw(graph, tmp_path / f"graph.{kind}")
    picture = describe(graph)
    column = np.repeat([0, 1, 2], graph.dims)
    x = picture.places.position[:, 0]
    for k in (1, 2):  # layers from left to right, the wide one in two columns
        assert x[column == k].min() > x[column == k - 1].max()
    assert len(np.unique(x)) == 4
    spots = {tuple(spot) for spot in picture.places.position.tolist()}
    assert len(spots) == graph.num_nodes
    if kind == "svg":
        (lines,) = (c for c in figure.axes[0].collections if isinstance(c, LineCollection))
        assert np.allclose(np.argsort(lines.get_linewidths()), np.argsort(picture.weight))


def test_a_trace_that_fails_leaves_what_there_is_with_the_culprit_marked(tmp_path):
    broken = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(9, 3))
    with pytest.raises(ValueError, match="module '2' failed"):
        draw(broken, tmp_path / "net.html", input=INPUT)
    data = payload(tmp_path / "net.html")
    names = [data["nodes"]["name"]["texts"][k] for k in data["nodes"]["name"]["index"]]
    status = data["nodes"]["status"]
    assert list(zip(names, status))[-3:] == [("relu", ""), ("linear", "failed"), ("bias", "")]
    assert "module '2' failed" in data["note"]
    with pytest.raises(ValueError, match="module '2' failed"):
        draw(broken, tmp_path / "net.svg", input=INPUT)
    assert (tmp_path / "net.svg").stat().st_size > 1000


def test_functions_are_drawn_too(tmp_path):
    draw(lambda x: torch.relu(x) + 1, tmp_path / "net.html", input=INPUT)
    texts = payload(tmp_path / "net.html")["nodes"]["name"]["texts"]
    assert texts == ["input", "relu", "add"]


def test_an_empty_graph_cannot_be_drawn(tmp_path):
    nothing = np.zeros(0, dtype=np.int64)
    graph = ArchGraph(
        op=nothing, shape=np.zeros((0, 4), dtype=np.int64), edges=np.zeros((2, 0), dtype=np.int64),
        params=(), param_shapes={}, cell=nothing,
    )  # fmt: skip
    with pytest.raises(ValueError, match="no nodes"):
        draw(graph, tmp_path / "net.html")
