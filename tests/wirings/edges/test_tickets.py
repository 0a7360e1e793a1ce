"""Edges from trained networks and from graphs."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch

from graph2nn.archgraph import from_networkx
from graph2nn.relational import relational_mask, ws_flex
from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.slots import Rectangle, Slots
from graph2nn.wirings.edges.tickets import fine_tune_from, inherit_edges, lottery_from
from graph2nn.wirings.edges.user_edges import given_mask
from graph2nn.wirings.networks.tiny import DiscreteTimeWiring, StaticWiring

SMALL = {"nodes": 40, "inputs": 6, "outputs": 5, "layers": 4, "keep": 60}


@pytest.fixture
def initial():
    return StaticWiring("complete", **SMALL, seed=1)


@pytest.fixture
def trained():
    return StaticWiring("complete", **SMALL, seed=2)


def strongest(model: StaticWiring) -> torch.Tensor:
    return StaticWiring("dnw", **SMALL).wires.wiring.choose(model.wires.weight.detach())


def test_fine_tune(trained):
    model = StaticWiring("fine_tune", **SMALL)
    fine_tune_from(model, trained)
    assert torch.equal(model.wires.edges(), strongest(trained)) and model.wires.keep == 60
    for name, value in trained.named_parameters():
        assert torch.equal(model.get_parameter(name), value)
    with torch.no_grad():
        model.wires.weight.neg_().add_(1)
    assert torch.equal(model.wires.edges(), strongest(trained))  # stays while weights change


def test_lottery(initial, trained):
    model = StaticWiring("lottery", **SMALL)
    lottery_from(model, trained.state_dict(), initial.state_dict())
    assert torch.equal(model.wires.edges(), strongest(trained))
    for name, value in initial.named_parameters():
        assert torch.equal(model.get_parameter(name), value)


def test_inherited_edges_leave_weights(trained):
    model = StaticWiring("fine_tune", **SMALL)
    before = model.wires.weight.detach().clone()
    inherit_edges(model, trained)
    assert torch.equal(model.wires.weight, before)
    assert torch.equal(model.wires.edges(), strongest(trained))


def test_networks_that_do_not_fit(trained):
    model = StaticWiring("fine_tune", **{**SMALL, "nodes": 41})
    with pytest.raises(ValueError, match=r"wires.weight: expected a trained weight of shape \(41"):
        fine_tune_from(model, trained)
    model = StaticWiring("fine_tune", **SMALL, num_classes=3)
    with pytest.raises(ValueError, match="fc.bias|fc.weight"):
        fine_tune_from(model, trained)
    with pytest.raises(ValueError, match="got none"):
        inherit_edges(model, {})


def test_relational_graph():
    graph = ws_flex(10, 4, 0.3, seed=1)
    slots = DiscreteTimeWiring(**SMALL).wires.slots
    mask = given_mask(graph, slots)
    assert np.array_equal(mask[:, :, 0, 0].numpy(), relational_mask(graph, 40, 40))
    model = DiscreteTimeWiring("given", **SMALL, mask=mask)
    assert model.wires.keep == int(mask.sum())
    static = StaticWiring(**SMALL).wires.slots
    with pytest.raises(ValueError, match=r"leave such edges out \(drop_illegal\)"):
        given_mask(graph, static)
    legal = given_mask(graph, static, drop_illegal=True)
    assert torch.equal(legal, mask & static.mask())
    assert StaticWiring("given", **SMALL, mask=legal).wires.keep == int(legal.sum())


def test_archgraph_and_networkx():
    graph = nx.DiGraph([(0, 1), (0, 2), (2, 3)])
    nx.set_node_attributes(graph, "sum", "op")
    slots = Slots((8, 4, 1, 1))
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[1, 0] = expected[2, 0] = expected[3, 2] = True
    for source in (graph, from_networkx(graph)):
        assert torch.equal(given_mask(source, slots)[:, :, 0, 0], expected.repeat_interleave(2, 0))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (torch.ones(3, 3), "expected shape"),
        (nx.path_graph(5), "5 nodes, more than the 4 channels"),
        (torch.zeros(4, 4), "no edge"),
    ],
)
def test_bad_graphs(source, message):
    with pytest.raises(ValueError, match=message):
        given_mask(source, Slots((4, 4, 1, 1), [Rectangle(1, 4, 0, 2)]))


def test_nodes_with_numbers_are_taken_in_their_order(tmp_path):
    graph = nx.DiGraph([(3, 1), (0, 2)])
    nx.write_graphml(graph, tmp_path / "graph.graphml")
    for source in (graph, nx.read_graphml(tmp_path / "graph.graphml")):
        mask = given_mask(source, Slots((4, 4, 1, 1)))[:, :, 0, 0]
        assert mask.nonzero().tolist() == [[1, 3], [2, 0]]
    named = given_mask(nx.DiGraph([("in", "mid"), ("mid", "out")]), Slots((3, 3, 1, 1)))
    assert named[:, :, 0, 0].nonzero().tolist() == [[1, 0], [2, 1]]


def test_single_layers():
    trained, initial = (WiredConv(8, 8, kind="complete") for _ in range(2))
    for kind, start in (("fine_tune", trained), ("lottery", initial)):
        layer = WiredConv(8, 8, keep=5, kind=kind)
        if kind == "lottery":
            lottery_from(layer, trained, initial)
        else:
            fine_tune_from(layer, trained)
        assert torch.equal(layer.weight, start.weight)
        chosen = trained.weight.abs()[layer.edges()]
        assert chosen.min() >= trained.weight.abs()[~layer.edges()].max() and len(chosen) == 5
