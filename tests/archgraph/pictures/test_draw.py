"""Drawing: formats, layout, legend, command line."""

from __future__ import annotations

import runpy
import sys

import numpy as np
import pytest
import torch
from torch import nn

import graph2nn.archgraph
from graph2nn.archgraph import ArchGraph, draw, trace
from graph2nn.archgraph.pictures.layered import layered_layout
from graph2nn.deepnets import build_graph, eval_nets

SIGNATURES = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.fixture(scope="module")
def cells() -> ArchGraph:
    return build_graph(eval_nets("test", 4)[3], name="cells")


@pytest.fixture(scope="module")
def full() -> ArchGraph:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 4, 4), nn.GELU(), nn.Flatten(2), nn.Linear(64, 16), layer
    )
    return trace(model, torch.empty(1, 3, 32, 32))


def random_edges(n: int, extra: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    chain = np.stack([np.arange(n - 1), np.arange(1, n)])
    more = np.sort(rng.integers(0, n, (2, extra)), axis=0)
    return np.unique(
        np.concatenate([chain[:, rng.random(n - 1) < 0.7], more[:, more[0] < more[1]]], 1), axis=1
    )


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_writes_every_format(cells, tmp_path, kind):
    path = tmp_path / f"graph.{kind}"
    draw(cells, path)
    assert path.read_bytes().startswith(SIGNATURES[kind])


@pytest.mark.parametrize("name", ["graph.gif", "graph"])
def test_another_format_names_those_there_are(cells, tmp_path, name):
    with pytest.raises(ValueError, match=r"expected a file name that ends in \.png, \.pdf, \.svg"):
        draw(cells, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_unwritable_folder(cells):
    with pytest.raises(OSError, match="/proc"):
        draw(cells, "/proc/graph.png")


@pytest.mark.parametrize("node", [(1.0, 1.0), (5.0, 0.8)])
@pytest.mark.parametrize(("n", "extra"), [(1, 0), (2, 0), (30, 10), (120, 200), (500, 60)])
def test_nodes_do_not_overlap_and_edges_go_forward(n, extra, node):
    edges = random_edges(n, extra, n) if n > 1 else np.zeros((2, 0), dtype=int)
    layout = layered_layout(edges, n, node=node, passes=4)
    apart = np.abs(layout.position[:, None] - layout.position) - node
    free = (apart > -1e-6).any(-1)
    assert free[~np.eye(n, dtype=bool)].all()
    u, v = edges
    assert (layout.level[u] < layout.level[v]).all()
    assert (layout.column[u] <= layout.column[v]).all()
    same = layout.column[u] == layout.column[v]
    assert (layout.position[u, 1] > layout.position[v, 1])[same].all()
    assert (layout.position[u, 0] < layout.position[v, 0])[~same].all()
    assert (layout.position >= 0).all() and (layout.position <= layout.size).all()


def test_every_edge_is_drawn():
    edges = np.array([[0, 0, 0, 1, 2], [1, 2, 3, 2, 3]])
    layout = layered_layout(edges, 4)
    # one line leaves node 0 for the levels of 2 and 3: shared pieces are drawn once
    assert len(layout.curves) + len(layout.lanes) == 3 + 2 + 2
    assert len(layout.heads) == 3


def test_long_graphs_are_folded_into_columns():
    n = 500
    edges = np.stack([np.arange(n - 1), np.arange(1, n)])
    layout = layered_layout(edges, n)
    assert 0.5 < layout.size[0] / layout.size[1] < 3
    for column in range(layout.column.max() + 1):
        assert np.ptp(layout.position[layout.column == column, 0]) < 1e-6, "a chain is straight"
    figure = draw(build_graph(eval_nets("deep", 1)[0]))
    assert max(figure.get_size_inches()) <= 60


def legend_texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_legend_lists_exactly_the_primitives_present(cells):
    texts = legend_texts(draw(cells))
    assert sorted(texts) == sorted(set(cells.op_names()))


def test_legend_of_a_full_graph_lists_operations_by_family(full):
    listed = []
    for text in legend_texts(draw(full)):
        listed += [op.strip() for op in text.partition(":")[2].split(",")]
    assert sorted(listed) == sorted(set(full.op_names()))


def test_labels(cells, full):
    texts = [t.get_text() for t in draw(full).axes[0].texts]
    assert len(texts) == full.num_nodes and "conv2d 4×4 · 16" in texts
    assert not draw(cells).axes[0].texts and not draw(full, labels=False).axes[0].texts
    assert len(draw(cells, labels=True).axes[0].texts) == cells.num_nodes


class Wide(nn.Module):
    """Twenty layers side by side."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4, bias=False) for _ in range(20))

    def forward(self, x):
        return sum(layer(x) for layer in self.layers)


def test_wide_graphs_have_no_labels_of_themselves():
    graph = trace(Wide(), torch.zeros(2, 4))
    assert graph.num_nodes < 80
    plain, labelled = draw(graph), draw(graph, labels=True)
    assert not plain.axes[0].texts and plain.get_size_inches()[0] < 15
    assert len(labelled.axes[0].texts) == graph.num_nodes
    assert labelled.get_size_inches()[0] > 15


def test_the_first_node_is_inside_the_picture():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    graph = trace(net, torch.zeros(2, 4))
    layout = layered_layout(graph.edges, graph.num_nodes, node=(1.0, 0.2), gap=(0.1, 0.1))
    assert layout.position[:, 1].max() + 0.1 <= layout.size[1]


def test_into_given_axes_with_virtual_edges(cells, tmp_path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4))
    ax = figure.add_subplot()
    assert draw(cells, ax=ax, title="mine") is figure
    assert ax.get_title() == "mine"
    plain = len(ax.collections)
    other = draw(cells, virtual_edges=10)
    assert len(other.axes[0].collections) == plain + 1
    arcs = other.axes[0].collections[0]
    assert len(arcs.get_segments()) == (cells.distances(10) > 1).sum()


def test_empty_graph():
    nothing = ArchGraph(
        op=np.zeros(0, int),
        shape=np.zeros((0, 4), int),
        edges=np.zeros((2, 0), int),
        params=(),
        param_shapes={},
        cell=np.zeros(0, int),
    )
    with pytest.raises(ValueError, match="no nodes"):
        draw(nothing)


def run(*argv: str, module: str = "graph2nn.draw") -> None:
    old, sys.argv = sys.argv, ["draw", *argv]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sys.argv = old


@pytest.mark.parametrize(
    "flags",
    [
        ["deepnets:test:1", "-o", "{}/a.png", "--classes", "10"],
        ["deepnets:predefined:0", "-o", "{}/a.svg", "--view", "full"],
        ["resnet18", "-o", "{}/a.pdf", "--view", "ghn3", "--imsize", "64"],
        ["deepnets:test:1", "-o", "{}/a.html", "--view", "full"],
        ["deepnets:test:1", "-o", "{}/a.svg", "--view", "full", "--fold", "auto"],
    ],
)
def test_command_line(tmp_path, capsys, flags):
    if not flags[0].startswith("deepnets"):
        pytest.importorskip("torchvision", reason="needs the extra 'vision'")
    run(*[flag.format(tmp_path) for flag in flags])
    (made,) = tmp_path.iterdir()
    assert str(made) in capsys.readouterr().out
    assert callable(draw)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("deepnets:test", "expected deepnets:<split>:<number>"),
        ("deepnets:tset:1", "unknown split 'tset'"),
        ("deepnets:predefined:4", r"has 1 network\(s\), got number 4"),
        ("resnet19", "no network 'resnet19'"),
    ],
)
def test_command_line_with_unknown_networks(network, message):
    if not network.startswith("deepnets"):
        pytest.importorskip("torchvision", reason="needs the extra 'vision'")
    with pytest.raises(SystemExit, match=message):
        run(network)


def test_command_line_refuses_a_fold_that_is_none():
    with pytest.raises(SystemExit, match='--fold: expected a number of levels or "auto"'):
        run("deepnets:test:1", "--fold", "all")


def test_command_line_goes_by_its_old_name_too():
    with (
        pytest.warns(DeprecationWarning, match="graph2nn.archgraph.draw is now graph2nn.draw"),
        pytest.raises(SystemExit, match="draw: no network 'resnet51'"),
    ):
        run("resnet51", module="graph2nn.archgraph.draw")
    assert graph2nn.archgraph.draw is draw
