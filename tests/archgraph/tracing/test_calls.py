"""How operations were called: placeholders for tensors, outputs of several, modules."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graph2nn.archgraph import trace
from graph2nn.archgraph.calls import Call, Constant, Operand, Weight, operands


def calls_of(forward, *modules: nn.Module, shape=(1, 4, 6, 6), **options) -> list[Call]:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.m = nn.ModuleList(modules)
            self.register_buffer("shift", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            return forward(self, x)

    graph = trace(Net(), torch.zeros(shape), calls=True, **options)
    assert len(graph.calls) == graph.num_nodes
    for node, call in enumerate(graph.calls):
        if call is None:
            assert graph.params[node], "only a parameter's own node has no call"
            continue
        assert call.name == graph.op_names()[node]
        for operand in call.operands():
            assert operand.node < node and graph.calls[operand.node] is not None
    return [call for call in graph.calls if call is not None]


def test_not_recorded_unless_asked_for() -> None:
    assert trace(nn.Linear(2, 2), torch.zeros(1, 2)).calls == ()
    with pytest.raises(ValueError, match="full view only: expected 'full', got 'ghn2'"):
        trace(nn.Linear(2, 2), torch.zeros(1, 2), view="ghn2", calls=True)


def test_the_graph_is_the_same() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2))
    plain, called = (trace(model, torch.zeros(1, 3, 6, 6), calls=c) for c in (False, True))
    assert plain.op_names() == called.op_names() and plain.params == called.params
    assert (plain.edges == called.edges).all() and plain.outputs == called.outputs


def test_convolution() -> None:
    conv = nn.Conv2d(4, 6, (1, 3), stride=(2, 1), padding=(0, 1), groups=2)
    call = calls_of(lambda n, x: n.m[0](x), conv)[1]
    weights = Weight("m.0.weight"), Weight("m.0.bias")
    assert call.args == (Operand(0), *weights, (2, 1), (0, 1), (1, 1), 2)
    assert (call.name, call.module, call.shape) == ("conv2d", "m.0", (1, 6, 3, 6))


def test_arguments_that_are_no_tensors() -> None:
    slices = calls_of(lambda n, x: x[:, 1:, ..., None, ::2])[1]
    place = (slice(None), slice(1, None), ..., None, slice(None, None, 2))
    assert slices.args == (Operand(0), place)
    kind = calls_of(lambda n, x: x.to(torch.float64))[1]
    assert kind.args == (Operand(0), "torch.float64")
    pad = calls_of(lambda n, x: F.pad(x, [1, 1], value=2.0))[1]
    assert (pad.args, dict(pad.kwargs)) == (
        (Operand(0), [1, 1]),
        {"mode": "constant", "value": 2.0},
    )


def test_constants_and_buffers() -> None:
    call = calls_of(lambda n, x: (x + n.shift) * torch.ones(6))
    assert call[1].args == (Operand(0), Constant((1,)))
    assert call[2].args == (Operand(1), Constant((6,)))


def test_operands_are_the_operations_not_their_biases() -> None:
    """A layer's bias has a node of its own behind it, which nothing is called on."""
    calls = calls_of(lambda n, x: n.m[1](n.m[0](x)), nn.Linear(6, 6), nn.Linear(6, 6))
    assert [c.name for c in calls] == ["input", "linear", "linear"]
    assert calls[2].args[0] == Operand(1)


def several(n: nn.Module, x: Tensor) -> Tensor:
    first, second = x.chunk(2, 1)
    third = torch.split(x, [1, 3], dim=1)[1]
    return torch.cat([second, first, third], 1)


def test_which_output_is_read() -> None:
    calls = calls_of(several)
    assert calls[-1].args == ([Operand(1, 1), Operand(1, 0), Operand(2, 1)], 1)


def test_indices_of_pooling_are_the_second_output() -> None:
    def forward(n: nn.Module, x: Tensor) -> Tensor:
        values, places = F.max_pool2d(x, 2, return_indices=True)
        return F.max_unpool2d(values, places, 2)

    assert calls_of(forward)[-1].operands() == [Operand(1, 0), Operand(1, 1)]


def test_changes_in_place() -> None:
    def forward(n: nn.Module, x: Tensor) -> Tensor:
        x = n.m[0](x)
        F.relu(x, inplace=True)
        x += 1
        part = x[:, :1]
        part.mul_(2)
        return part + x

    calls = calls_of(forward, nn.Conv2d(4, 4, 1))
    names = [call.name for call in calls]
    assert names == ["input", "conv2d", "relu", "add", "getitem", "mul", "add"]
    assert [c.operands() for c in calls[2:4]] == [[Operand(1)], [Operand(3)]]
    part, whole = calls[-1].operands()
    assert part.output == 0 and whole == Operand(part.node, -1)


def test_keyword_operands_are_found_in_order() -> None:
    call = calls_of(lambda n, x: torch.add(input=x, other=x.relu(), alpha=2))[-1]
    assert call.operands() == [Operand(0), Operand(1)] and call.kwargs["alpha"] == 2
    nested = {"a": [Operand(1), (Operand(2, 1),)], "b": 3}
    assert list(operands(nested)) == [Operand(1), Operand(2, 1)]


def test_eval_mode_drops_what_training_adds() -> None:
    def forward(n: nn.Module, x: Tensor) -> Tensor:
        return x.relu() if n.training else x.tanh()

    assert calls_of(forward)[-1].name == "relu"
    assert calls_of(forward, training=False)[-1].name == "tanh"


def test_on_real_values() -> None:
    """A model that needs values is run on them; what is recorded is the same."""

    def forward(n: nn.Module, x: Tensor) -> Tensor:
        return n.m[0](x) if x.sum().item() == 0 else x

    call = calls_of(forward, nn.Conv2d(4, 2, 1))[-1]
    assert call.args[:3] == (Operand(0), Weight("m.0.weight"), Weight("m.0.bias"))
