"""Every relational network: sizes, initial weights, gradients, twins."""

from __future__ import annotations

import math
from typing import Any

import networkx as nx
import pytest
import torch
from torch import nn

from graph2nn.relational import make_relational, match_width, message_graph
from graph2nn.relational.graphs.generators import complete, cycle, ws_flex
from graph2nn.relational.graphs.graph import RelationalGraph, as_graph
from graph2nn.relational.networks import MODELS, RelationalNetwork, build_model, relational_mlp
from graph2nn.relational.networks.architecture import FAMILIES
from graph2nn.relational.networks.counting import count
from graph2nn.relational.networks.layers import RelationalLayer

SMALL, LARGE = {"num_classes": 10, "image_size": 32}, {"num_classes": 1000, "image_size": 224}


def graph_of(name: str, share: float = 0.3) -> RelationalGraph:
    n = FAMILIES[name].num_nodes
    return ws_flex(n, n * share, 0.2, 1)


def shallow(name: str) -> dict[str, Any]:
    """Fewer blocks, for speed, where a family has depths to choose."""
    return {"depths": (1, 2, 1, 1)} if name.startswith("resnet") else {}


def relational_layers(model: nn.Module) -> list[RelationalLayer]:
    return [m for m in model.modules() if isinstance(m, RelationalLayer)]


@pytest.mark.parametrize("relational", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_small_images(name: str, relational: bool) -> None:
    """Forward and backward; gradients only inside the mask; cost as counted."""
    graph = graph_of(name) if relational else None
    model = build_model(name, graph, **SMALL, **shallow(name))
    assert model.counts() == count(name, graph, model.dims, **SMALL, **shallow(name))
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = model(images)
    assert logits.shape == (4, 10)
    loss = nn.functional.cross_entropy(logits, torch.arange(4))
    loss.backward()
    assert loss.isfinite()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
    assert bool(relational_layers(model)) == relational
    for layer in relational_layers(model):
        outside = ~layer.mask.expand_as(layer.weight)
        assert not layer.weight.grad[outside].any()
        assert not layer.weight[outside].any()


@pytest.mark.parametrize("relational", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_large_images(name: str, relational: bool) -> None:
    """On meta tensors: the shapes of ImageNet; the cost as counted."""
    graph = graph_of(name, 0.8) if relational else None
    sizes = LARGE | ({"image_size": 66} if name == "mlp" else {})
    model = build_model(name, graph, **sizes, **shallow(name))
    assert model.counts() == count(name, graph, model.dims, **sizes, **shallow(name))
    model.to("meta")
    images = torch.empty(2, 3, model.sizes.image_size, model.sizes.image_size, device="meta")
    logits = model(images)
    assert logits.shape == (2, 1000)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("channels", "image_size"), [(1, 8), (1, 28), (5, 33)])
def test_other_images(name: str, channels: int, image_size: int) -> None:
    sizes = {"num_classes": 3, "image_size": image_size, "in_channels": channels} | shallow(name)
    model = build_model(name, None, **sizes).eval()
    assert model(torch.zeros(1, channels, image_size, image_size)).shape == (1, 3)
    assert model.expected_input_sz == (channels, image_size, image_size)


@pytest.mark.parametrize("name", MODELS)
def test_weights_come_from_the_seed_alone(name: str) -> None:
    graph, state = graph_of(name), torch.get_rng_state()
    sizes = {**SMALL, **shallow(name), "dims": [dim + 8 for dim in FAMILIES[name].dims]}
    first = build_model(name, graph, seed=3, **sizes).state_dict()
    again = build_model(name, graph, seed=3, **sizes).state_dict()
    other = build_model(name, graph, seed=4, **sizes).state_dict()
    from_generator = build_model(
        name, graph, seed=torch.Generator().manual_seed(3), execution="mask-once", **sizes
    ).state_dict()
    assert torch.equal(state, torch.get_rng_state())
    for key, value in first.items():
        assert torch.equal(value, again[key]), key
        assert torch.equal(value, from_generator[key]), key
        if "weight" in key and "norm" not in key:
            assert not torch.equal(value, other[key]), key


def test_initial_weights() -> None:
    """N(0, 2 / fan_out) with fan_out times the density for masked convolutions; N(0, 0.01) for
    linear layers; normalisations that end a residual block are zero where published so."""
    model = build_model("resnet34", graph_of("resnet34"), **SMALL, depths=(1, 1, 1, 1))
    convs = {k: m for k, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    for name, conv in convs.items():
        fan_out = 9 * conv.out_channels if conv.kernel_size == (3, 3) else None
        if fan_out and conv.out_channels > 200:
            density = conv.density if isinstance(conv, RelationalLayer) else 1.0
            values = conv.weight[conv.mask.expand_as(conv.weight)]
            assert values.std().item() == pytest.approx(
                math.sqrt(2 / (fan_out * density)), rel=0.02
            ), name
    mlp = relational_mlp(graph_of("mlp"), dim=600)
    for layer in (mlp.stem.linear, mlp.layers[0].linear):
        values = layer.weight[layer.weight != 0]
        assert values.std().item() == pytest.approx(0.01, rel=0.02)
        assert abs(values.mean().item()) < 1e-4
    assert not mlp.head.bias.any()


@pytest.mark.parametrize(
    ("name", "zeros"), [("resnet34", 5), ("resnet50", 5), ("efficientnet_b0", 0), ("cnn6", 0)]
)
def test_last_normalisation_of_residual_blocks(name: str, zeros: int) -> None:
    model = build_model(name, None, **SMALL, **shallow(name))
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert sum(not m.weight.any() for m in norms) == zeros
    if zeros:
        plain = build_model(name, None, **SMALL, **shallow(name), zero_final=False)
        assert all(m.weight.all() for m in plain.modules() if isinstance(m, nn.BatchNorm2d))


@pytest.mark.parametrize("name", ["mlp", "cnn6", "resnet34", "resnet34_sep", "resnet50"])
def test_the_complete_graph_is_the_dense_network(name: str) -> None:
    sizes = {**SMALL, **shallow(name), "dims": FAMILIES[name].dims, "seed": 5}
    dense = build_model(name, None, **sizes)
    relational = build_model(name, complete(64), **sizes)
    assert dense.counts() == relational.counts()
    relational.load_state_dict(dense.state_dict())
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(relational(images), dense(images))


@pytest.mark.parametrize("execution", ["mask-once", "blocks", "auto"])
@pytest.mark.parametrize("name", MODELS)
def test_executions_agree(name: str, execution: str) -> None:
    graph = graph_of(name)
    sizes = {**shallow(name), "num_classes": 10, "image_size": 16}
    sizes["dims"] = [dim + 9 for dim in FAMILIES[name].dims]
    plain = build_model(name, graph, zero_final=False, **sizes).double()
    fast = build_model(name, graph, zero_final=False, execution=execution, **sizes).double()
    images = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(fast(images), plain(images))


def test_graph_is_used_in_every_layer() -> None:
    graph = graph_of("resnet34")
    model = build_model("resnet34", graph, **SMALL, depths=(1, 1, 1, 1))
    layers = relational_layers(model)
    assert len(layers) == 4 * 2 + 4  # and every projection
    assert all(layer.graph is graph for layer in layers)
    bottleneck = build_model("resnet50", graph, **SMALL, depths=(1, 1, 1, 1))
    assert len(relational_layers(bottleneck)) == 4 * 3
    assert type(bottleneck.stages.s2.b1.proj.conv) is nn.Conv2d


def test_efficientnet_takes_fewer_nodes_where_it_is_narrow() -> None:
    dims = (14, 24, 40, 80, 112, 192, 320)
    model = build_model("efficientnet_b0", graph_of("efficientnet_b0", 0.8), dims=dims, **SMALL)
    nodes = [layer.graph.num_nodes for layer in relational_layers(model)]
    assert nodes[:2] == [14, 14]  # 32 to 14 channels, then 14 to 144
    assert set(nodes[2:]) == {16}
    block = model.stages.s2.b1
    assert block.expand.conv.weight.shape[:2] == (24 * 6, 14)
    assert block.se.squeeze.weight.shape[:2] == (14 // 4, 24 * 6)
    dense = build_model("efficientnet_b0", None, **SMALL)
    assert dense.stages.s2.b1.expand.conv.weight.shape[:2] == (16 * 6, 16)


def test_relational_mlp() -> None:
    graph = ws_flex(64, 8, 0.1, seed=1)
    assert relational_mlp(graph).dims == (1539,)
    model = relational_mlp(graph, image_size=8, in_channels=1, dim_first=64, dim=70, num_layers=2)
    assert isinstance(model, RelationalNetwork)
    assert [layer.weight.shape for layer in relational_layers(model)] == [(70, 64), (70, 70)]
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert relational_mlp(None).counts().flops == 2_364_416


@pytest.mark.parametrize("given", [nx.cycle_graph(16), cycle(16).adjacency])
def test_graphs_in_any_form(given: Any) -> None:
    assert relational_mlp(given, dim=32, dim_first=32).graph.num_edges == 16
    assert match_width("mlp", given, **SMALL) == match_width("mlp", cycle(16), **SMALL)
    assert message_graph(given).num_nodes == 16
    net = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 2))
    changed = make_relational(net, given, torch.zeros(1, 16), match=None)
    assert changed[1].density == pytest.approx(3 / 16)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build_model("vgg", None, **SMALL), "unknown model 'vgg'; choose one of mlp"),
        (lambda: build_model("mlp", cycle(64), dims=(40,), **SMALL), "64 nodes cannot share 40"),
        (lambda: relational_mlp(cycle(64), dim_first=32), "64 nodes cannot share 32 channels"),
        (
            lambda: build_model("efficientnet_b0", as_graph(cycle(30).adjacency), **SMALL),
            "has 30 nodes and cannot be made with 16",
        ),
        (
            lambda: build_model("mlp", cycle(64), execution="fast", **SMALL),
            "unknown execution 'fast'",
        ),
        (lambda: build_model("cnn6", None, dims=(1, 2), **SMALL), "as many of each"),
        (lambda: relational_mlp("ws"), "expected a square adjacency"),  # type: ignore[arg-type]
        (lambda: match_width("mlp", [1, 2], **SMALL), "expected a square adjacency"),
    ],
)
def test_bad_requests(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
