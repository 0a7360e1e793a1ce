"""Relational networks as graphs, and through the hypernetworks."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from ghn import GHN
from graph2nn.archgraph import GraphStack, draw, structural_hash, to_networkx, to_pyg, trace
from graph2nn.relational.as_archgraph import relational_archgraph
from graph2nn.relational.graphs.generators import complete, cycle, ws_flex
from graph2nn.relational.graphs.graph import RelationalGraph, as_graph
from graph2nn.relational.networks import MODELS, build_model
from graph2nn.relational.networks.architecture import FAMILIES, layers

CIFAR: dict[str, Any] = {"num_classes": 10, "image_size": 32}
DIGITS: dict[str, Any] = {"num_classes": 10, "image_size": 8}


def graph_of(name: str) -> RelationalGraph:
    n = FAMILIES[name].num_nodes
    return ws_flex(n, n * 0.2, 0.2, 1)


def sizes_of(name: str) -> dict[str, Any]:
    shallow = {"depths": (1, 2, 1, 1)} if name.startswith("resnet") else {}
    return {**CIFAR, **shallow, "dims": [dim + 9 for dim in FAMILIES[name].dims]}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("view", ["full", "primitives", "ghn2", "ghn3"])
@pytest.mark.parametrize("execution", ["masked", "mask-once", "blocks"])
def test_networks_can_be_traced(name: str, view: Any, execution: str) -> None:
    model = build_model(name, graph_of(name), execution=execution, **sizes_of(name))
    graph = trace(model, view=view)
    named = {key for names in graph.params for key in names}
    own = {key for key, _ in model.named_parameters()}
    assert named <= own
    if view in ("full", "primitives"):
        assert named == own


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_those_inside_the_mask(name: str) -> None:
    """Weights by node add up to the trainable ones; names are those of the module."""
    graph = graph_of(name)
    model = build_model(name, graph, **sizes_of(name))
    found = relational_archgraph(model)
    norms = sum(2 * layer.fan_out for layer in layers(model.sizes) if layer.kind == "norm")
    assert abs(found.num_params() - (model.counts().params - norms)) <= 1
    own = {key for key, _ in model.named_parameters() if "norm" not in key}
    assert {key.split("[")[0] for key in found.param_shapes} == own
    assert found.num_classes == 10


@pytest.mark.parametrize("name", MODELS)
def test_every_node_is_between_input_and_output(name: str) -> None:
    found = relational_archgraph(name, graph_of(name), **sizes_of(name))
    plain = nx.DiGraph(list(found.edges.T.tolist()))
    last = found.num_nodes - 1
    assert nx.ancestors(plain, last) == set(range(last))
    assert nx.descendants(plain, 0) == set(range(1, last + 1))
    assert found.op_names()[0] == "input"
    assert found.op_names()[-2:] == ["conv", "bias"]


@pytest.mark.parametrize("name", MODELS)
def test_from_sizes_as_from_the_network(name: str) -> None:
    graph = graph_of(name)
    model = build_model(name, graph, **sizes_of(name))
    first, second = relational_archgraph(model), relational_archgraph(name, graph, **sizes_of(name))
    assert first.params == second.params
    assert first.param_shapes == second.param_shapes
    for field in ("op", "shape", "edges"):
        assert np.array_equal(getattr(first, field), getattr(second, field))


def edges_into(found, prefix: str) -> np.ndarray:
    """Edges into the nodes that carry parts of a weight."""
    nodes = [k for k, names in enumerate(found.params) if names and names[0].startswith(prefix)]
    return found.edges[:, np.isin(found.edges[1], nodes)]


def test_a_round_has_the_edges_of_the_graph() -> None:
    graph = as_graph(np.triu(np.ones((5, 5)), 1), name="directed")
    found = relational_archgraph("mlp", graph, dims=(13,), dim_first=11, **DIGITS)
    assert found.num_nodes == 1 + 5 + 3 * 5 + 2
    for index in range(3):
        senders, receivers = edges_into(found, f"layers.{index}.linear.weight")
        first = 1 + 5 * index
        table = np.zeros((5, 5), dtype=bool)
        table[receivers - first - 5, senders - first] = True
        assert np.array_equal(table, graph.with_self_edges())
        assert len(senders) == 15
    assert found.num_edges == 5 + 3 * 15 + 5 + 1


@pytest.mark.parametrize("name", ["cnn6", "resnet34", "resnet34_sep", "resnet50"])
def test_every_masked_layer_is_a_round(name: str) -> None:
    graph = graph_of(name)
    model = build_model(name, graph, **sizes_of(name))
    found = relational_archgraph(model)
    rounds = 0
    for key, module in model.named_modules():
        if hasattr(module, "mask"):
            assert edges_into(found, f"{key}.weight").shape[1] == graph.with_self_edges().sum()
            rounds += 1
    assert rounds > 5


def test_residual_blocks() -> None:
    graph = cycle(64)
    found = relational_archgraph("resnet50", graph, **sizes_of("resnet50"))
    names = found.op_names()
    assert names.count("sum") == 5 * 64
    assert names.count("glob_avg") == 1
    assert edges_into(found, "stages.s1.b1.proj.conv.weight").shape[1] == 64 * 64  # dense
    into_sums = np.isin(found.edges[1], [k for k, op in enumerate(names) if op == "sum"])
    assert into_sums.sum() == 2 * 5 * 64


def test_efficientnet_joins_nodes_by_their_channels() -> None:
    dims = (14, 24, 40, 80, 112, 192, 320)
    found = relational_archgraph("efficientnet_b0", graph_of("efficientnet_b0"), dims=dims, **CIFAR)
    names = found.op_names()
    narrow = [key for key in found.param_shapes if key.startswith("stages.s1.b1.project")]
    assert len(narrow) == 14
    assert names.count("glob_avg") == 16 + 1  # one gate a block, and the classifier
    # 14 channels into the second stage: 14 nodes there, 16 in the other 15 blocks
    assert names.count("sep_conv") == names.count("cse") == 14 + 15 * 16


def test_relational_graphs_show() -> None:
    """Tracing cannot tell graphs of equal widths apart; the message exchange can."""
    options = {**DIGITS, "dims": (80,), "dim_first": 64}
    graphs = [ws_flex(16, 4, 0, 1), ws_flex(16, 4, 0.5, 1), complete(16)]
    traced = {structural_hash(trace(build_model("mlp", g, **options))) for g in graphs}
    unrolled = {structural_hash(relational_archgraph("mlp", g, **options)) for g in graphs}
    assert (len(traced), len(unrolled)) == (1, 3)


def test_other_forms_take_it(tmp_path) -> None:
    graph = relational_archgraph(
        "cnn6", ws_flex(8, 3, 0.2, 1), dims=(8, 9, 10), dim_first=8, **DIGITS
    )
    assert to_networkx(graph).number_of_edges() == graph.num_edges
    assert to_pyg(graph).num_nodes == graph.num_nodes
    assert GraphStack.of([graph, graph]).total == 2 * graph.num_nodes
    draw(graph, tmp_path / "graph.png")
    assert (tmp_path / "graph.png").stat().st_size > 1000


@pytest.fixture(scope="module")
def hypernetwork() -> GHN:
    return GHN.from_pretrained("ghn2-digits").eval()


@pytest.mark.parametrize("name", ["mlp", "cnn6"])
def test_hypernetworks_predict_all_parameters(name: str, hypernetwork: GHN) -> None:
    model = build_model(name, graph_of(name), **DIGITS).eval()
    before = {key: value.clone() for key, value in model.named_parameters()}
    assert set(hypernetwork.predict(model)) == set(before)
    hypernetwork(model)
    for key, value in model.named_parameters():
        assert not torch.equal(value, before[key]), key
    images = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    logits = model(images)
    assert logits.isfinite().all()
    assert logits.std() > 0


def test_hypernetworks_read_the_message_exchange(hypernetwork: GHN) -> None:
    graph = relational_archgraph("mlp", ws_flex(16, 4, 0.5, 1), dims=(80,), dim_first=64, **DIGITS)
    with torch.no_grad():
        embedding = hypernetwork.embed_network(graph)
    assert embedding.isfinite().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: relational_archgraph(build_model("mlp", None, **DIGITS)),
            "a dense mlp has no relational graph; pass the complete graph",
        ),
        (lambda: relational_archgraph("cnn6", None, **DIGITS), "a dense cnn6"),
        (lambda: relational_archgraph("vgg", cycle(8), **DIGITS), "unknown model 'vgg'"),
        (
            lambda: relational_archgraph("mlp", cycle(64), dims=(9,), **DIGITS),
            "64 nodes cannot share 9 channels",
        ),
    ],
)
def test_bad_requests(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
