"""The graph of a relational network in which its messages show beside its layers."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import PRIMITIVE_ID, ArchGraph, to_networkx, trace
from graph2nn.archgraph.views.inserting import insert_nodes
from graph2nn.relational import as_graph, build_model, ws_flex
from graph2nn.relational.message_rounds import trace_relational, with_message_rounds
from graph2nn.relational.networks.layers import RelationalLinear, set_execution

KIND = {"num_classes": 10, "image_size": 8}


def rounds(graph: ArchGraph) -> list[list[int]]:
    """Nodes without parameters of each layer's operation, by the layer's node."""
    found: dict[int, list[int]] = {}
    for source, target in graph.edges.T.tolist():
        if graph.params[target] and not graph.params[source] and graph.shape[source].any():
            found.setdefault(target, []).append(source)
    return [found[layer] for layer in sorted(found)]


def test_rounds_are_the_relational_graph() -> None:
    relational = ws_flex(16, 4, 0.3, seed=2)
    model = build_model("mlp", relational, **KIND)
    graph = trace_relational(model)
    edges = set(map(tuple, graph.edges.T.tolist()))
    first, second, third = rounds(graph)
    receives = relational.with_self_edges()
    for before, after in ((first, second), (second, third)):
        found = np.array([[(j, i) in edges for j in before] for i in after])
        assert (found == receives).all()
    degree = receives.sum(1)
    assert (graph.shape[second, 1] == degree * (model.dims[0] // 16)).sum() > 0
    assert graph.shape[second, 0].sum() == model.dims[0]
    assert [graph.op[node] for node in second] == [PRIMITIVE_ID["conv"]] * 16


def test_the_network_is_what_it_was() -> None:
    """Layers, parameters and the flow between them; the classifier stays where it is found."""
    model = build_model("resnet34", ws_flex(8, 4, 0.2), dims=(16, 16), depths=(1, 2), **KIND)
    plain, graph = trace(model, view="primitives"), trace_relational(model)
    kept = [n for n, names in enumerate(graph.params) if names]
    assert [graph.params[n] for n in kept] == [names for names in plain.params if names]
    assert graph.param_shapes == plain.param_shapes and graph.params[-1] == ("head.fc.bias",)
    of_layers = to_networkx(graph).subgraph(
        n for n in range(graph.num_nodes) if graph.params[n] or not is_added(graph, n)
    )
    assert nx.is_isomorphic(nx.DiGraph(of_layers), nx.DiGraph(to_networkx(plain)))


def is_added(graph: ArchGraph, node: int) -> bool:
    """Added nodes carry no parameters, and lead only to each other and to relational layers."""
    if graph.params[node]:
        return False
    targets = graph.edges[1][graph.edges[0] == node]
    return all(graph.op[t] == PRIMITIVE_ID["conv"] for t in targets) and (
        graph.op[node] in (PRIMITIVE_ID["conv"], PRIMITIVE_ID["sum"])
        and (graph.shape[node].any() or not graph.params[targets[0]])
    )


def test_residual_branches_are_heard() -> None:
    """A convolution behind a sum hears the last layers of both branches."""
    model = build_model("resnet34", ws_flex(8, 4, 0.2), dims=(16,), depths=(2,), **KIND)
    graph = trace_relational(model)
    node = {names[0]: n for n, names in enumerate(graph.params) if names}
    front = dict(zip(["proj", "a1", "b1", "a2", "b2"], rounds(graph)))
    assert node["stages.s1.b2.f.a.weight"] > front["a2"][0]
    sources = {s for s, t in graph.edges.T.tolist() if t in front["a2"]}
    assert sources == {*front["proj"], *front["b1"]}


def test_equal_widths_differ_by_their_graphs() -> None:
    one, other = (
        trace_relational(build_model("mlp", ws_flex(16, 4, p, seed=1), dims=(64,), **KIND))
        for p in (0.0, 0.9)
    )
    assert one.num_nodes == other.num_nodes and one.num_edges == other.num_edges
    assert (one.edges != other.edges).any()


def test_any_network_with_relational_layers() -> None:
    graph = as_graph([[0, 1], [1, 0]])
    net = nn.Sequential(RelationalLinear(graph, 4, 6), nn.ReLU(), RelationalLinear(graph, 6, 2))
    found = trace_relational(net, torch.zeros(2, 4))
    assert found.op_names() == ["input", "sum", "sum", *["conv"] * 6]
    plain = nn.Sequential(nn.Linear(4, 2))
    traced = trace(plain, torch.zeros(2, 4), view="primitives")
    assert with_message_rounds(traced, plain) is traced


def test_blocks_have_no_dense_weight() -> None:
    model = set_execution(build_model("mlp", ws_flex(16, 4, 0.3), **KIND), "blocks")
    with pytest.raises(ValueError, match=r"layers\.0\.linear\.weight.*set_execution"):
        trace_relational(model)


def test_inserted_edges_follow_the_order() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    graph = trace(net, torch.zeros(2, 1, 2, 2), view="primitives")
    kind = (np.array([1]), np.array([PRIMITIVE_ID["sum"]]), np.zeros((1, 4), dtype=np.int64))
    with pytest.raises(ValueError, match="follow the order of the nodes"):
        insert_nodes(graph, *kind, np.array([[2], [3]]))
