"""Relational layers: three executions, one function."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graph2nn.archgraph import trace
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.relational.networks.layers import (
    EXECUTIONS,
    RelationalConv2d,
    RelationalLayer,
    RelationalLinear,
    choose_execution,
    set_execution,
)
from graph2nn.relational.networks.partition import relational_mask


def random_graph(n: int, density: float, directed: bool = False) -> RelationalGraph:
    adjacency = np.random.default_rng(n).random((n, n)) < density
    np.fill_diagonal(adjacency, False)
    return RelationalGraph(adjacency=adjacency if directed else adjacency | adjacency.T)


GRAPHS = {
    "sparse": random_graph(16, 0.08),
    "middle": random_graph(9, 0.4),
    "directed": random_graph(13, 0.2, directed=True),
    "empty": random_graph(6, 0.0),
    "complete": random_graph(5, 1.1),
    "one node": random_graph(1, 0.0),
}
KINDS = ("linear", "conv1x1", "conv3x3")
graphs = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
kinds = pytest.mark.parametrize("kind", KINDS)
executions = pytest.mark.parametrize("execution", EXECUTIONS)


def layer_of(kind: str, graph: RelationalGraph, execution: str, seed: int = 0, **options):
    options = {"execution": execution, "generator": torch.Generator().manual_seed(seed), **options}
    if kind == "linear":
        return RelationalLinear(graph, 37, 29, **options)
    if kind == "conv1x1":
        return RelationalConv2d(graph, 37, 29, 1, **options)
    return RelationalConv2d(graph, 37, 29, 3, stride=2, padding=1, **options)


def input_of(kind: str, generator: torch.Generator) -> torch.Tensor:
    shape = (6, 37) if kind == "linear" else (2, 37, 5, 5)
    return torch.randn(shape, generator=generator)


def plain(layer: RelationalLayer, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The layer as it is defined."""
    mask = torch.from_numpy(relational_mask(layer.graph, 37, 29))
    masked = weight * mask.view(29, 37, *[1] * (weight.dim() - 2))
    if weight.dim() == 2:
        return F.linear(x, masked, layer.bias)
    return F.conv2d(x, masked, layer.bias, layer.stride, layer.padding)


def gradient_as_weight(layer: RelationalLayer, gradient: torch.Tensor) -> torch.Tensor:
    """Where the gradient of blocks belongs in the dense weight; checks that padding has none."""
    holder = copy.deepcopy(layer)
    holder.blocks.data.copy_(gradient)
    dense = holder.effective_weight().detach()
    assert gradient.count_nonzero() == dense.count_nonzero()
    return dense


@graphs
@kinds
@executions
def test_outputs_and_gradients(graph, kind, execution, generator):
    layer = layer_of(kind, graph, execution, bias=True)
    weight = layer.state_dict()["weight"].clone().requires_grad_()
    x = input_of(kind, generator).requires_grad_()
    expected = plain(layer, x, weight)
    direction = torch.randn(expected.shape, generator=generator)
    to_x, to_weight = torch.autograd.grad(expected, (x, weight), direction)

    found = layer(x)
    parameter = next(iter(layer.parameters()))
    mine = torch.autograd.grad(found, (x, parameter), direction)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(mine[0], to_x)
    if execution == "blocks":
        mine = (mine[0], gradient_as_weight(layer, mine[1]))
        to_weight = to_weight * layer.mask
    torch.testing.assert_close(mine[1], to_weight)


@kinds
@executions
def test_training(kind, execution, generator):
    """Momentum, weight decay and all: five steps give what they give the dense masked weight."""
    graph = GRAPHS["sparse"]
    layer, twin = layer_of(kind, graph, execution), layer_of(kind, graph, "masked")
    x = input_of(kind, generator)
    for net in (layer, twin):
        sgd = torch.optim.SGD(net.parameters(), 0.5, 0.9, weight_decay=0.1, nesterov=True)
        for _ in range(5):
            sgd.zero_grad()
            net(x).square().mean().backward()
            sgd.step()
    before = layer_of(kind, graph, "masked").weight
    assert not torch.allclose(twin.weight, before)
    torch.testing.assert_close(layer.state_dict()["weight"], twin.state_dict()["weight"])
    assert (layer.state_dict()["weight"] * ~layer.mask == 0).all()
    if execution == "blocks":
        trainable = twin.mask.expand_as(twin.weight).sum()
        assert layer.blocks.count_nonzero() == trainable
        assert trainable <= layer.blocks.numel() < (1.5 if kind == "linear" else 1.01) * trainable


@kinds
@pytest.mark.parametrize("start", EXECUTIONS)
@pytest.mark.parametrize("end", [*EXECUTIONS, "auto"])
def test_set_execution_keeps_everything(kind, start, end, generator):
    model = nn.Sequential(layer_of(kind, GRAPHS["directed"], start, bias=True))
    x, state, names = input_of(kind, generator), model.state_dict(), list(model.state_dict())
    expected = model(x)
    assert set_execution(model, end) is model
    assert model[0].execution == (choose_execution(model[0]) if end == "auto" else end)
    torch.testing.assert_close(model(x), expected)
    assert list(model.state_dict()) == names == ["0.weight", "0.bias"]
    torch.testing.assert_close(model.state_dict(), state, rtol=0, atol=0)
    set_execution(model, start)
    torch.testing.assert_close(model.state_dict(), state, rtol=0, atol=0)
    assert [name for name, _ in model.named_parameters()][-1] == "0.bias"


@kinds
@pytest.mark.parametrize("source", EXECUTIONS)
@executions
def test_state_dicts_interchange(kind, source, execution):
    graph = GRAPHS["middle"]
    state = layer_of(kind, graph, source, seed=1).state_dict()
    layer = layer_of(kind, graph, execution)
    layer.load_state_dict(state)
    torch.testing.assert_close(layer.state_dict(), state, rtol=0, atol=0)
    layer.load_state_dict(layer_of(kind, graph, source, seed=2).state_dict(), assign=True)
    expected = layer_of(kind, graph, "masked", seed=2).weight
    torch.testing.assert_close(layer.state_dict()["weight"], expected.detach())


@kinds
@executions
def test_unmasked_weights_are_masked_when_loaded(kind, execution, generator):
    layer = layer_of(kind, GRAPHS["middle"], execution)
    dense = torch.randn(layer.state_dict()["weight"].shape, generator=generator)
    layer.load_state_dict({"weight": dense})
    x = input_of(kind, generator)
    torch.testing.assert_close(layer(x), plain(layer, x, dense))
    layer(x).sum().backward()
    torch.optim.SGD(layer.parameters(), 0.1, weight_decay=0.1).step()
    assert (layer.effective_weight() * ~layer.mask == 0).all()


@executions
def test_loading_what_does_not_fit(execution):
    layer = layer_of("linear", GRAPHS["middle"], execution)
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        layer.load_state_dict({"weight": torch.zeros(3, 37)})
    with pytest.raises(RuntimeError, match='Missing key.*"weight"'):
        layer.load_state_dict({})
    with pytest.raises(RuntimeError, match='Unexpected key.*"other"'):
        layer.load_state_dict({"weight": torch.zeros(29, 37), "other": torch.zeros(1)})
    missing = layer.load_state_dict({}, strict=False)
    assert missing.missing_keys == ["weight"] and not missing.unexpected_keys


def test_masked_stays_right_when_weights_are_written_in_place(generator):
    layer = layer_of("linear", GRAPHS["sparse"], "masked")
    x = input_of("linear", generator)
    layer.weight.data.normal_(generator=generator)
    torch.testing.assert_close(layer(x), plain(layer, x, layer.weight))
    set_execution(layer, "mask-once")
    torch.testing.assert_close(layer(x), plain(layer, x, layer.weight))


@executions
def test_initial_weights(execution):
    graph = random_graph(16, 0.3)
    linear = RelationalLinear(
        graph, 512, 512, execution=execution, generator=torch.Generator().manual_seed(0)
    )
    conv = RelationalConv2d(
        graph, 64, 128, 3, execution=execution, generator=torch.Generator().manual_seed(0)
    )
    for layer, std in (
        (linear, 0.01),
        (conv, (2 / (9 * 128 * conv.density)) ** 0.5),
    ):
        weight = layer.state_dict()["weight"]
        kept = weight[layer.mask.expand_as(weight)]
        assert kept.std().item() == pytest.approx(std, rel=0.02)
        assert abs(kept.mean().item()) < 0.02 * std
        assert (weight * ~layer.mask == 0).all() and (kept != 0).all()
        mask = relational_mask(graph, weight.shape[1], weight.shape[0])
        assert layer.density == pytest.approx(mask.mean())
    assert linear.bias is None and conv.bias is None


def test_the_generator_decides_and_the_global_one_is_left_alone():
    state = torch.random.get_rng_state()
    weights = [layer_of(k, GRAPHS["sparse"], e, seed=3) for e in EXECUTIONS for k in KINDS]
    assert torch.equal(torch.random.get_rng_state(), state)
    for a, b in zip(weights[:3], weights[6:]):
        torch.testing.assert_close(a.state_dict(), b.state_dict(), rtol=0, atol=0)
    other = layer_of("linear", GRAPHS["sparse"], "masked", seed=4)
    assert not torch.equal(weights[0].weight, other.weight)


@kinds
@executions
def test_copies(kind, execution, generator):
    layer = layer_of(kind, GRAPHS["directed"], execution)
    x = input_of(kind, generator)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    assert list(torch.load(file, weights_only=True)) == ["weight"]
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(other(x), layer(x), rtol=0, atol=0)
        with torch.no_grad():
            next(other.parameters()).zero_()
        assert other(x).abs().max() == 0 < layer(x).abs().max()
        assert (other(x) == 0).all()


@kinds
@executions
def test_types_and_functional_calls(kind, execution, generator):
    layer = layer_of(kind, GRAPHS["directed"], execution)
    x = input_of(kind, generator)
    expected = layer(x)
    tripled = {name: 3 * p for name, p in layer.named_parameters()}
    found = torch.func.functional_call(layer, tripled, (x,))
    torch.testing.assert_close(found, 3 * expected)
    layer.double()
    assert layer.mask.dtype == torch.bool
    torch.testing.assert_close(layer(x.double()).float(), expected)
    layer.bfloat16()
    assert layer(x.bfloat16()).dtype == torch.bfloat16


@kinds
@executions
def test_autocast(kind, execution, generator):
    layer = layer_of(kind, GRAPHS["sparse"], execution, bias=True)
    x = input_of(kind, generator).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(x)
    assert found.dtype == torch.bfloat16
    expected = layer(x)
    scale = expected.std().item()
    torch.testing.assert_close(found.float(), expected, atol=0.01 * scale, rtol=0.02)
    found.float().square().sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in layer.parameters())
    assert x.grad.dtype == torch.float32


@kinds
@executions
def test_meta_device(kind, execution, generator):
    graph = GRAPHS["directed"]
    with torch.device("meta"):
        layer = layer_of(kind, graph, execution, generator=None)
    assert all(t.is_meta for t in (*layer.parameters(), *layer.buffers()))
    x = input_of(kind, generator)
    shape = layer(x.to("meta")).shape
    layer.to_empty(device="cpu").reset_parameters(torch.Generator().manual_seed(0))
    twin = layer_of(kind, graph, execution)
    assert layer(x).shape == shape
    torch.testing.assert_close(layer(x), twin(x), rtol=0, atol=0)
    assert torch.equal(layer.mask, twin.mask)


@kinds
@executions
def test_tracing(kind, execution, generator):
    model = nn.Sequential(layer_of(kind, GRAPHS["directed"], execution, bias=True), nn.ReLU())
    x = input_of(kind, generator)
    expected = model(x)
    for view in ("full", "primitives"):
        found = {name for names in trace(model, x, view=view).params for name in names}
        assert found == {name for name, _ in model.named_parameters()}
    torch.testing.assert_close(model(x), expected, rtol=0, atol=0)


@executions
def test_leading_axes_and_no_gradient(execution, generator):
    layer = layer_of("linear", GRAPHS["sparse"], execution)
    x = torch.randn(2, 3, 37, generator=generator)
    assert layer(x).shape == (2, 3, 29)
    torch.testing.assert_close(layer(x)[1, 2], layer(x[1, 2]))
    assert layer(x[:0]).shape == (0, 3, 29)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), layer(x).detach())
    for parameter in layer.parameters():
        parameter.requires_grad_(False)
    x.requires_grad_()
    layer(x).sum().backward()
    assert x.grad.shape == x.shape
    set_execution(layer, "masked")
    assert not layer.weight.requires_grad


def test_blocks_are_differentiated_once_only(generator):
    layer = layer_of("linear", GRAPHS["sparse"], "blocks")
    x = input_of("linear", generator).requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_bad_input():
    graph = GRAPHS["sparse"]
    expected = "choose one of masked, mask-once, blocks, auto"
    with pytest.raises(ValueError, match=f"unknown execution 'sparse'; {expected}"):
        RelationalLinear(graph, 32, 32, execution="sparse")
    with pytest.raises(ValueError, match=expected):
        set_execution(nn.Sequential(), "dense")
    with pytest.raises(ValueError, match="16 nodes cannot share 15 channels"):
        RelationalLinear(graph, 32, 15)
    with pytest.raises(ValueError, match="16 nodes cannot share 3 channels"):
        RelationalConv2d(graph, 3, 32, 3)


def test_auto_is_by_density_and_size():
    dense = RelationalLinear(random_graph(64, 1.1), 512, 512, execution="auto")
    sparse = RelationalLinear(random_graph(64, 0.06), 512, 512, execution="auto")
    small = RelationalLinear(random_graph(64, 0.06), 128, 128, execution="auto")
    found = [layer.execution for layer in (dense, sparse, small)]
    assert found == ["mask-once", "blocks", "mask-once"]


def test_representation():
    text = repr(layer_of("linear", GRAPHS["one node"], "mask-once"))
    assert "nodes=1, density=1.000, execution='mask-once'" in text
