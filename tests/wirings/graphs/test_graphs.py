"""Wirings as graphs: nodes, edges, measures, conversions."""

from __future__ import annotations

import dataclasses

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import to_networkx
from graph2nn.sparsity.graphs.edges import edge_list
from graph2nn.wirings.as_archgraph import wiring_archgraph
from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.masks import swap_rate, wiring_masks
from graph2nn.wirings.graphs.graph import CARRY, INPUT, OUTPUT
from graph2nn.wirings.graphs.measures import alive_nodes, measure_wiring
from graph2nn.wirings.graphs.multipartite import wiring_multipartite
from graph2nn.wirings.networks.as_graph import wiring_graph
from graph2nn.wirings.networks.continuous import ContinuousTimeWiring
from graph2nn.wirings.networks.mobilenet import WiredMobileNetV1
from graph2nn.wirings.networks.ode import Solver
from graph2nn.wirings.networks.tiny import DiscreteTimeWiring, StaticWiring

SMALL = {"nodes": 40, "inputs": 6, "outputs": 5, "layers": 4, "keep": 90}


@pytest.fixture(params=["static", "split", "discrete", "mobilenet", "layer"])
def graph(request):
    if request.param == "mobilenet":
        return wiring_graph(WiredMobileNetV1(width=0.05, small_head=True, image_size=8))
    if request.param == "layer":
        return wiring_graph(WiredConv(5, 7, 3, keep=30))
    cls = DiscreteTimeWiring if request.param == "discrete" else StaticWiring
    return wiring_graph(cls("random", **SMALL), split_outputs=request.param == "split")


def test_raw_static_graph_is_the_matrix():
    model = StaticWiring("dnw", **SMALL)
    graph = wiring_graph(model, split_outputs=False)
    weight = (model.wires.weight * model.wires.edges()).detach()[:, :, 0, 0].numpy()
    assert graph.num_edges == 90 and graph.num_nodes == 40
    assert (graph.weight == weight[graph.target, graph.source]).all()
    assert len(set(zip(graph.source, graph.target))) == 90


def test_split_outputs_make_a_dag():
    model = StaticWiring("complete", **SMALL)
    raw, split = wiring_graph(model, split_outputs=False), wiring_graph(model)
    assert not raw.is_ordered and split.is_ordered
    assert not nx.is_directed_acyclic_graph(raw.to_networkx())
    assert nx.is_directed_acyclic_graph(split.to_networkx())
    assert (split.num_nodes, raw.num_nodes) == (45, 40) and split.num_edges == raw.num_edges
    carried = split.kind == CARRY
    assert split.source[carried].tolist() == [35, 36, 37, 38, 39]
    assert split.target[carried].tolist() == [40, 41, 42, 43, 44]
    last = split.source >= 40 - model.blocks[-1]
    assert (split.target[last] >= 40).all() and (split.target[~last] < 40).all()
    assert (split.role == OUTPUT).nonzero()[0].tolist() == [40, 41, 42, 43, 44]


def test_output_follows_the_graph(monkeypatch):
    """A network whose nodes do nothing computes what the graph's edges say."""
    model = StaticWiring("random", **SMALL).double().eval()
    graph = wiring_graph(model)
    model.depthwise.weight.data.zero_()[:, :, 1, 1] = 1
    model.wires.weight.data.abs_()  # so that ReLU does nothing
    graph = wiring_graph(model)
    monkeypatch.setattr("graph2nn.wirings.networks.tiny.node_norm", lambda state, *_: state)
    sent = torch.arange(1.0, 7.0, dtype=torch.float64)
    monkeypatch.setattr(model, "start", lambda images: sent.view(1, 6, 1, 1).repeat(1, 1, 8, 8))
    model.fc = nn.Identity()
    state = np.zeros(graph.num_nodes)
    state[:6] = sent
    for node in range(graph.num_nodes):
        chosen = graph.target == node
        state[node] += (graph.weight[chosen] * state[graph.source[chosen]]).sum()
    with torch.no_grad():
        found = model(torch.zeros(1, 3, 32, 32))[0].numpy()
    assert found.max() > 0.1 and np.allclose(state[graph.role == OUTPUT], found)


def test_mobilenet_blocks_are_chained():
    model = WiredMobileNetV1("random", width=0.1)
    graph = wiring_graph(model)
    assert graph.num_nodes == 32 + 64 + 256 + 512 + 3072 + 2048 and graph.is_ordered
    assert graph.num_edges == sum(block.wires.keep for block in model.wired_blocks)
    edges = set(zip(graph.source.tolist(), graph.target.tolist()))
    start = 0
    for block in model.wired_blocks:
        rows, columns = block.wires.edges()[:, :, 0, 0].nonzero().T.tolist()
        for row, column in zip(rows[:50], columns[:50]):
            assert (start + column, start + block.inputs + row) in edges
        start += sum(block.sizes)
    assert (graph.role == INPUT).sum() == 32 and (graph.role == OUTPUT).sum() == 1024
    small = wiring_graph(WiredMobileNetV1("random", width=0.1, small_head=True))
    assert small.num_nodes == graph.num_nodes + 10 and (small.role == OUTPUT).sum() == 10


def test_illegal_edges_are_left_out():
    model = StaticWiring("dnw", legacy_budget=True)
    graph = wiring_graph(model, split_outputs=False)
    assert graph.num_edges == int(model.wires.edges(legal=True).sum()) < 14_000


def test_published_start():
    """At the start 13 040 legal edges, 6 self-edges, C .040, L 2.218, 776 of 800 nodes alive."""
    graph = wiring_graph(StaticWiring("dnw", legacy_budget=True), split_outputs=False)
    found = measure_wiring(graph)
    assert abs(found.edges - 13_248) < 400 and found.self_edges < 16
    assert abs(found.C - 0.040) < 0.002 and abs(found.L - 2.218) < 0.03
    assert abs(found.alive - 776) < 25


def test_measures_equal_networkx(graph):
    found = measure_wiring(graph)
    plain = nx.DiGraph()
    plain.add_nodes_from(range(graph.num_nodes))
    real = graph.kind != CARRY
    plain.add_edges_from(zip(graph.source[real].tolist(), graph.target[real].tolist()))
    loops = list(nx.selfloop_edges(plain))
    assert found.self_edges == len(loops)
    plain.remove_edges_from(loops)
    undirected = plain.to_undirected()
    assert found.C == pytest.approx(nx.average_clustering(undirected))
    if graph.num_nodes < 200:
        lengths = dict(nx.all_pairs_shortest_path_length(undirected))
        distances = [d for row in lengths.values() for d in row.values() if d]
        assert found.L == pytest.approx(np.mean(distances))
    full = graph.to_networkx()
    starts = set().union(*({v} | nx.descendants(full, v) for v in np.flatnonzero(graph.role == 0)))
    ends = set().union(*({v} | nx.ancestors(full, v) for v in np.flatnonzero(graph.role == 2)))
    assert set(np.flatnonzero(alive_nodes(graph)).tolist()) == starts & ends
    assert found.alive == len(starts & ends)


def test_sampled_path_length_is_close():
    graph = wiring_graph(StaticWiring("random"), split_outputs=False)
    whole, part = measure_wiring(graph), measure_wiring(graph, sources=100, seed=1)
    assert part.L != whole.L and abs(part.L - whole.L) < 0.01


def test_networkx_has_roles_and_weights(graph):
    found = graph.to_networkx()
    assert found.number_of_nodes() == graph.num_nodes
    real = graph.kind != CARRY
    assert found.number_of_edges() == len(set(zip(graph.source, graph.target)))
    for u, v, weight in zip(
        *(c[real].tolist() for c in (graph.source, graph.target, graph.weight))
    ):
        assert found.edges[u, v]["weight"] == weight
    assert sum(found.edges[e]["carry"] for e in found.edges) == int((~real).sum())
    assert found.nodes[0] == {"role": "input", "block": 0}


def test_block_density(graph):
    density, sizes = graph.block_density(), np.bincount(graph.block)
    edges = (density * np.outer(sizes, sizes)).sum()
    assert edges == pytest.approx(graph.num_edges) and density.max() <= 1
    complete = wiring_graph(StaticWiring("complete", **SMALL), split_outputs=False).block_density()
    assert (complete[np.triu_indices(4, 1)] == 1).all()


def test_archgraph_of_the_static_network():
    graph = wiring_graph(StaticWiring("dnw", **SMALL))
    found = wiring_archgraph(graph)
    assert found.num_nodes == 47 and found.num_params() == 40 * 9
    names = found.op_names()
    assert names[0] == "input" and names[-1] == "glob_avg"
    assert names[1:41] == ["sep_conv"] * 40 and names[41:46] == ["sum"] * 5
    inner = {(u - 1, v - 1) for u, v in found.edges.T.tolist() if u > 0 and v < 46}
    assert inner == set(zip(graph.source.tolist(), graph.target.tolist()))
    living = wiring_archgraph(graph, alive_only=True)
    assert living.num_nodes == int(alive_nodes(graph).sum()) + 2
    assert all(b for _, b in to_networkx(living).in_degree() if _ > 0)


def test_archgraph_of_rounds():
    model = DiscreteTimeWiring("random", **SMALL)
    graph = wiring_graph(model)
    found = wiring_archgraph(graph)
    assert found.num_nodes == 40 * 5 + 2 and found.num_edges == 4 * 90 + 6 + 5
    assert wiring_archgraph(graph, rounds=2).num_nodes == 40 * 3 + 2
    flow = ContinuousTimeWiring("random", solver=Solver(method="euler"), **SMALL)
    with pytest.raises(ValueError, match="pass rounds=..."):
        wiring_archgraph(wiring_graph(flow))
    assert wiring_archgraph(wiring_graph(flow), rounds=1).num_nodes == 82
    with pytest.raises(ValueError, match="split_outputs=True"):
        static = StaticWiring("complete", **SMALL)
        wiring_archgraph(wiring_graph(static, split_outputs=False))


def test_one_round_and_any_number_of_rounds():
    single = wiring_graph(DiscreteTimeWiring("random", **{**SMALL, "layers": 1}))
    assert wiring_archgraph(single).num_nodes == 2 * 40 + 2
    assert len(edge_list(wiring_multipartite(single, rounds=3))) == 3 * 90
    raw = wiring_graph(StaticWiring("random", **SMALL), split_outputs=False)
    with pytest.raises(ValueError, match="nothing says how often it is applied"):
        wiring_archgraph(raw)
    assert len(edge_list(wiring_multipartite(raw, rounds=3))) == 3 * 90


def test_multipartite_has_the_same_edges(graph):
    if not graph.is_ordered or graph.rounds != 1:
        with pytest.raises(ValueError, match="pass rounds"):
            wiring_multipartite(dataclasses.replace(graph, rounds=0))
        return
    found = wiring_multipartite(graph)
    edges = edge_list(found)
    expected = {}
    for carry in (True, False):
        chosen = (graph.kind == CARRY) == carry
        columns = (c[chosen].tolist() for c in (graph.source, graph.target, graph.weight))
        expected.update({(u, v): abs(w) for u, v, w in zip(*columns)})
    pairs = zip(edges.source.tolist(), edges.target.tolist())
    assert dict(zip(pairs, edges.weight.tolist())) == expected and len(edges) == len(expected)
    assert found.num_nodes == graph.num_nodes
    last = found.layers[found.outputs[0]]
    assert set(range(last.start, last.start + last.size)) == set(np.flatnonzero(graph.role == 2))


def test_multipartite_of_rounds():
    found = wiring_multipartite(wiring_graph(DiscreteTimeWiring("random", **SMALL)))
    assert found.dims == (40,) * 5 and len(edge_list(found)) == 4 * 90


def test_swap_rate():
    model = WiredConv(6, 6, keep=10)
    before = wiring_masks(model)
    assert swap_rate(before, before) == 0
    with torch.no_grad():
        edges = model.edges().clone()
        model.weight[edges] = 1.0
        model.weight[~edges] = torch.linspace(0.1, 0.5, 26)
        first, second = edges.nonzero()[:2].tolist()
        model.weight[tuple(first)] = model.weight[tuple(second)] = 0.0
    assert swap_rate(before, wiring_masks(model)) == pytest.approx(0.2)
    with pytest.raises(ValueError, match="same network"):
        swap_rate(before, {})


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="expected one of TinyWiring, WiredMobileNetV1, WiredConv"):
        wiring_graph(nn.Linear(2, 2))
