"""What can be traced: functions, methods, hollow models; what cannot says why."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graph2nn.archgraph import TraceError, coverage, trace

X = torch.rand(2, 4)


class Codec(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(3, 4)

    def encode(self, x: Tensor) -> Tensor:
        return self.a(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.encode(x))


def test_functions_have_the_parameters_of_the_modules_they_use() -> None:
    codec, scale = Codec(), nn.Parameter(torch.ones(4))

    def score(x: Tensor) -> Tensor:
        return codec(x).softmax(-1) * scale

    graph = trace(score, X)
    assert graph.name == "score"
    assert [n for n, _ in codec.named_parameters("codec")] == list(graph.param_shapes)[:4]
    assert graph.op_names() == ["input", *["linear", "bias"] * 2, "softmax", "mul"]
    assert trace(score, X, view="primitives").params[-1] == ("scale",)
    assert not codec(X).is_meta


def test_functions_without_modules_and_of_torch() -> None:
    assert trace(lambda x: x + 1, X).op_names() == ["input", "add"]
    assert trace(torch.relu, X).name == "relu"


def test_partial_functions_and_objects_that_are_called() -> None:
    class Calls:
        def __init__(self) -> None:
            self.net = nn.Linear(4, 2)

        def __call__(self, x: Tensor) -> Tensor:
            return self.net(x)

    part = functools.partial(lambda net, x, power: net(x) ** power, nn.Linear(4, 2), power=2)
    assert list(trace(part, X).param_shapes) == ["argument0.weight", "argument0.bias"]
    assert list(trace(Calls(), X).param_shapes) == ["net.weight", "net.bias"]


def test_a_method_stands_for_forward() -> None:
    model = Codec()
    graph = trace(model.encode, X)
    assert (graph.name, list(graph.param_shapes)) == ("Codec", ["a.weight", "a.bias"])
    assert "forward" not in model.__dict__


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (nn.Linear, r"expected a network .* or a function, got Linear; call it first: Linear\("),
        (3, "expected a network .* or a function, got int"),
        ({"a": nn.Linear(2, 2)}, "got dict"),
    ],
)
def test_what_is_no_network(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trace(wrong, X)


class TakesBatch(nn.Module):
    def forward(self, batch: dict) -> Tensor:
        return batch["left"].relu() + batch["right"]["inner"][0].tanh()


def test_a_dict_that_is_the_only_argument() -> None:
    batch = {"left": X, "right": {"inner": [X]}}
    names = ["input", "input", "relu", "tanh", "add"]
    assert trace(TakesBatch(), batch).op_names() == names
    assert trace(TakesBatch(), (batch,)).op_names() == names
    assert trace(TakesBatch(), {"batch": batch}).op_names() == names
    keys = trace(lambda table: table[0] + table[1], {0: X, 1: X})
    assert keys.op_names() == ["input", "input", "add"]


def test_attributes_with_the_names_of_methods() -> None:
    class Shadows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
            self.modules, self.children, self.parameters = [self.fc], [1], {}  # type: ignore

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.fc(x)) if self.norm.training else x

    model = Shadows()
    graph = trace(model, X)
    assert list(graph.param_shapes) == ["fc.weight", "fc.bias", "norm.weight", "norm.bias"]
    assert trace(model, X, training=False).op_names() == ["input"]
    assert model.norm.training


class Masked(nn.Module):
    """Reads the values of its mask, as language models do."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.fc = nn.Embedding(9, 4), nn.Linear(4, 2)
        self.register_buffer("steps", torch.arange(16))
        self.drop = nn.Dropout()

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        h = self.drop(self.embed(ids))
        mask = mask.to(h.device).bool()
        if not mask.all():
            positions = torch.arange(ids.shape[1], device=h.device)
            h = h * (mask & (positions >= 0))[..., None] if positions.max() < 16 else h
        return self.fc(h)


IDS, MASK = torch.ones(2, 3, dtype=torch.long), torch.tensor([[1, 1, 0], [1, 1, 1]])


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_real_inputs_beside_weights_without_values(device: str) -> None:
    """The weights are not read, so a model on the meta device can be traced, in train mode."""
    model = Masked().to(device)
    graph = trace(model, (IDS, MASK))
    assert "real values of the input beside weights without values" in graph.note
    assert "dropout" in graph.op_names() and "mul" in graph.op_names()
    assert coverage(graph, model).complete
    assert all(p.device.type == device for p in model.parameters())
    assert "mul" not in trace(model, (IDS, torch.ones_like(MASK))).op_names()


def test_hollow_model_and_hollow_input_say_what_may_be_enough() -> None:
    model = Masked().to("meta")
    with pytest.raises(TraceError, match="an input on a real device may be enough"):
        trace(model, (IDS.to("meta"), MASK.to("meta")))


def test_hollow_model_whose_weights_are_read_says_so() -> None:
    model = nn.Sequential(nn.Linear(4, 4)).to("meta")
    with pytest.raises(TraceError, match="has no values, which this step reads; trace it on a re"):
        trace(lambda x: model(x) * float(model(x).sum()), X)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(3, 4, 3, bias=False), (2, 3, 8, 8)),
        (nn.Conv1d(3, 4, 3), (2, 3, 8)),
        (nn.Linear(4, 4, bias=False), (2, 4)),
        (nn.ConvTranspose2d(3, 4, 2), (2, 3, 8, 8)),
    ],
)
def test_hollow_weights_give_no_values(layer: nn.Module, shape: tuple[int, ...]) -> None:
    """torch itself would compute a real convolution with the memory that they have not."""
    layer = layer.to("meta")
    with pytest.raises(TraceError, match=r"Tensor.item\(\) cannot be called on meta tensors"):
        trace(lambda x: layer(x) * layer(x).sum().item(), torch.rand(shape))


def test_a_hollow_input_of_a_network_that_needs_values_is_filled() -> None:
    net = nn.Linear(4, 4)
    graph = trace(lambda x: net(x) if x.mean() < 9 else x, X.to("meta"))
    assert "real values in eval mode" in graph.note and len(graph.param_shapes) == 2


def attends(x: Tensor) -> Tensor:
    from torch.nn.attention.flex_attention import flex_attention

    return flex_attention(x, x, x)


UNSUPPORTED = {
    "cond": (
        lambda x: torch.cond(x.sum() > 0, torch.relu, torch.tanh, (x,)),
        X,
        "uses torch.cond and other control flow .* not supported here; write the branch",
    ),
    "flex_attention": (
        attends,
        torch.rand(1, 2, 16, 8),
        "uses flex_attention, .* not supported here; use scaled_dot_product_attention",
    ),
    "made": (
        lambda x: torch.nested.nested_tensor([x[0], x[1][:1]]).relu().sum(),
        torch.rand(2, 3, 4),
        r"uses nested tensors \(torch.nested\), not supported here; pad them",
    ),
    "given": (
        torch.relu,
        None,
        r"input holds nested tensors \(torch.nested\), not supported here; pad them",
    ),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_what_is_not_supported_is_named(name: str) -> None:
    function, input, message = UNSUPPORTED[name]
    if input is None:
        input = torch.nested.nested_tensor([torch.rand(2, 4), torch.rand(3, 4)])
    with pytest.raises(TraceError, match=message) as caught:
        trace(function, input)
    assert "pass `input=`" not in str(caught.value)


def test_an_error_holds_the_graph_until_then() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(5, 2))
    with pytest.raises(TraceError, match="in operation 'linear'") as caught:
        trace(model, X)
    error = caught.value
    assert error.graph is not None
    assert (error.module, error.operation) == ("2", "linear")
    assert error.graph.op_names() == ["input", "linear", "bias", "relu", "linear", "bias"]
    assert error.graph.scopes[error.graph.scope[-1]].path == "2"


def test_an_error_outside_of_operations_is_the_last_node() -> None:
    def fails(x: Tensor) -> Tensor:
        raise KeyError(x.relu().shape)

    with pytest.raises(TraceError, match="KeyError") as caught:
        trace(fails, X)
    assert caught.value.graph is not None
    assert caught.value.graph.op_names() == ["input", "relu", "KeyError"]
    assert caught.value.operation == ""
