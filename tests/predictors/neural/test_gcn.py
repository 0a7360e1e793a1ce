"""The bidirectional GCN: against loops, its size, its invariances, and published figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import reordered
from graph2nn.cells import cell_graph, macro_network, nb101_cell, nb201_cell
from predictors.metrics import kendall_tau
from predictors.neural.gcn import BidirectionalGCN, BidirectionalLayer, GCNPredictor
from predictors.neural.graph_tensors import DenseGraphs, SparseGraphs, edge_weights, stack_graphs
from predictors.neural.node_features import NODE_FEATURES, NodeFeatures, useful_features


def _random_graph(rng, n, ops=("input", "conv_1x1", "conv_3x3", "output")):
    names = rng.choice(ops, n).tolist()
    edges = [(u, v) for u in range(n) for v in range(u + 1, n) if rng.random() < 0.4]
    return cell_graph(names, edges)


@pytest.fixture
def graphs():
    rng = np.random.default_rng(0)
    return [_random_graph(rng, n) for n in (2, 7, 5, 9)]


def layer_reference(x, weight, graph, undirected=False):
    """One node after another, for one graph."""
    n, half = graph.num_nodes, weight.shape[1] // 2
    succeeds = {(int(u), int(v)) for u, v in graph.edges.T} | {(k, k) for k in range(n)}
    if undirected:
        succeeds |= {(v, u) for u, v in succeeds}
    out = torch.zeros(n, half, dtype=x.dtype)
    for node in range(n):
        ahead = [v for u, v in succeeds if u == node]
        behind = [u for u, v in succeeds if v == node]
        along = sum(x[v] @ weight[:, :half] for v in ahead) / len(ahead)
        against = sum(x[u] @ weight[:, half:] for u in behind) / len(behind)
        out[node] = (along.clamp(min=0) + against.clamp(min=0)) / 2
    return out


@pytest.mark.parametrize("undirected", [False, True])
@pytest.mark.parametrize("dense", [False, True])
def test_layer_equals_loops(graphs, dense, undirected):
    features = NodeFeatures(graphs[0].ops)
    data = stack_graphs(graphs, features, dense=dense, undirected=undirected)
    layer = BidirectionalLayer(features.width, 6, dropout=0.0)
    batch = data.select(torch.tensor([3, 1]))
    out = layer(batch.x, batch)
    for place, k in enumerate((3, 1)):
        n = graphs[k].num_nodes
        mine = out[place, :n] if dense else out[: graphs[3].num_nodes] if k == 3 else out[-n:]
        x = torch.from_numpy(features(graphs[k]))
        expected = layer_reference(x, layer.weight, graphs[k], undirected)
        assert torch.allclose(mine, expected, atol=1e-6)


def test_dense_equals_sparse_with_gradients(graphs):
    features = NodeFeatures(graphs[0].ops, tuple(NODE_FEATURES))
    net = BidirectionalGCN(features.width, width=8, layers=3, outputs=2, dropout=0.0)
    results = []
    for dense, kind in ((True, DenseGraphs), (False, SparseGraphs)):
        data = stack_graphs(graphs, features, dense=dense, virtual=3)
        assert isinstance(data, kind) and len(data) == 4
        out = net(data.select(torch.tensor([2, 0, 3, 1])))
        gradients = torch.autograd.grad(out.square().sum(), list(net.parameters()))
        results.append([out, *gradients])
    for a, b in zip(*results):
        assert torch.allclose(a, b, atol=1e-5)


def test_batching_and_padding_do_not_matter(graphs):
    features = NodeFeatures(graphs[0].ops)
    net = BidirectionalGCN(features.width, dropout=0.0).eval()
    together = net(stack_graphs(graphs, features))
    alone = torch.cat([net(stack_graphs([graph], features)) for graph in graphs])
    assert torch.allclose(together, alone, atol=1e-6)


def test_order_of_nodes_does_not_matter():
    graph = nb201_cell([2, 3, 0, 4, 1, 2])
    other = reordered(graph, [0, 3, 1, 2, 4, 5, 6, 7])
    features = NodeFeatures(graph.ops, ("depth", "degree", "walks"))
    net = BidirectionalGCN(features.width, dropout=0.0).eval()
    a, b = net(stack_graphs([graph, other], features))
    assert torch.allclose(a, b, atol=1e-6)


def test_edges_weights_of_virtual_edges():
    chain = cell_graph(["input", "conv_1x1", "conv_3x3", "output"], [(0, 1), (1, 2), (2, 3)])
    edges, weights = edge_weights(chain, virtual=2)
    table = {(u, v): w for u, v, w in zip(*edges.tolist(), weights[0].tolist())}
    assert set(table) == {(0, 1), (1, 2), (2, 3), (0, 2), (1, 3)} | {(k, k) for k in range(4)}
    assert table[0, 2] == pytest.approx(0.5 / 2.5) and table[0, 1] == pytest.approx(1 / 2.5)


def test_node_features():
    graph = macro_network("01201201")
    features = NodeFeatures(graph.ops, ("stage", "depth"))
    rows = features(graph)
    assert rows.shape == (10, features.width) and rows[:, :-3].sum() == 10
    assert np.allclose(rows[:, -3], graph.cell / graph.cell.max())
    assert rows[0, -2:].tolist() == [0, 1] and rows[-1, -2:].tolist() == [1, 0]
    assert useful_features([graph]) == ("stage",)
    ring = cell_graph(["node"] * 4, [(0, 1), (1, 2), (2, 3), (0, 3)], vocabulary=("node",))
    assert useful_features([ring]) == ("degree", "walks")
    walks = NodeFeatures(("node",), ("walks",))(ring)
    assert np.allclose(walks[:, 1:], np.tile([0, 0.5] * 4, (4, 1)))
    scaled = NodeFeatures(graph.ops, ("stage", "depth")).fit([graph])(graph)
    assert np.allclose(scaled[:, -3:].mean(0), 0, atol=1e-6)
    assert np.allclose(scaled[:, -3:].std(0), 1, atol=1e-6)
    with pytest.raises(ValueError, match="node_features: expected one of shape, .* got 'colour'"):
        NodeFeatures(("node",), ("colour",))


def test_published_size():
    ops = ("input", "output", "none", "skip", "conv_1x1", "conv_3x3", "avg_pool_3x3")
    X = [nb201_cell([k % 5, 1, 2, 3, 4, 0]) for k in range(12)]
    model = GCNPredictor(preset="published", epochs=1, ops=ops).fit(X, np.arange(12.0))
    assert sum(p.numel() for p in model.modules_[0].parameters()) == 103_521
    settings = GCNPredictor(preset="published").fit_settings()
    assert (settings.lr, settings.batch_size, settings.epochs) == (1e-4, 10, 300)
    assert settings.optimizer == "adam" and settings.target == "standard" and settings.drop_last


def test_virtual_edges_and_large_graphs():
    rng = np.random.default_rng(1)
    X = [_random_graph(rng, n) for n in rng.integers(3, 9, 20)]
    y = np.array([graph.num_edges for graph in X], dtype=float)
    for settings in ({"virtual_edges": 5}, {"canonical": True}, {"node_features": ("depth",)}):
        model = GCNPredictor(epochs=3, hidden=8, **settings).fit(X, y)
        assert np.isfinite(model.predict(X)).all(), settings
    big: list[ArchGraph] = [_random_graph(rng, 70), *X]
    assert GCNPredictor(epochs=2, hidden=8).fit(big, np.r_[9.0, y]).predict(X).shape == (20,)


def test_raw_cells_of_several_sizes():
    matrix = np.triu(np.ones((5, 5), dtype=int), k=1)
    X = [nb101_cell(matrix, [0, 2, 3, 4, 1]), nb101_cell(matrix[:3, :3], [0, 4, 1])] * 3
    assert GCNPredictor(epochs=2).fit(X, np.arange(6.0)).predict(X).shape == (6,)


def test_learns_nb201():
    from predictors.tables.registry import load_table

    X, y = load_table("nb201", target="c10_val")
    order = np.random.RandomState(0).permutation(len(X))
    train, test = order[:100], order[100:600]
    model = GCNPredictor(preset="hinge", canonical=True, hidden=32, epochs=60)
    model.fit([X[k] for k in train], y[train])
    assert kendall_tau(y[test], model.predict([X[k] for k in test])) > 0.68


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "count", "tau"),
    [
        ("published", 100, 0.531),
        ("published", 400, 0.602),
        ("modern", 100, 0.668),
        ("modern", 400, 0.768),
        ("hinge", 100, 0.676),
        ("hinge", 400, 0.775),
    ],
)
def test_figures_of_recipes(preset, count, tau):
    """Mean over three seeds, measured independently on the same splits."""
    from predictors.tables.registry import load_table

    X, y = load_table("nb201", target="c10_val")
    found = []
    for seed in range(3):
        order = np.random.RandomState(seed).permutation(len(X))
        train, test = order[:count], order[count : count + 4000]
        model = GCNPredictor(preset=preset, seed=seed).fit([X[k] for k in train], y[train])
        found.append(kendall_tau(y[test], model.predict([X[k] for k in test])))
    assert np.mean(found) == pytest.approx(tau, abs=0.025)
