"""A recorded graph computes what the network computes, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from libraries.untouched import untouched
from torch import Tensor, nn
from zoo import build_torchvision, image_size

from graph2nn.archgraph import ArchGraph, replay, trace
from graph2nn.archgraph.calls import Call, Constant, Operand
from graph2nn.archgraph.storage import pack_graphs, unpack_graphs
from graph2nn.archgraph.tracing.caller.finding import tensors_in
from graph2nn.archgraph.tracing.functions import function_at, path_of

SAMPLE = ["squeezenet1_1", "mobilenet_v3_small"]
MORE = (
    "resnet18 vit_b_16 swin_t swin_v2_t maxvit_t googlenet densenet121 convnext_tiny "
    "shufflenet_v2_x0_5 efficientnet_b0"
).split()


def same(found: Any, wanted: Any) -> bool:
    pairs = list(zip(tensors_in(found), tensors_in(wanted), strict=True))
    return all(torch.equal(a, b) for a, b in pairs) and bool(pairs)


def run(model: Callable, x: Tensor) -> Any:
    torch.manual_seed(1)
    with torch.no_grad():
        return model(x.clone())


@pytest.mark.parametrize(
    "name", [*SAMPLE, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
)
def test_networks_of_torchvision(name: str, one_thread: None, no_fused_attention: None) -> None:
    model = build_torchvision(name)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.05, generator=generator)
    _, height, width = image_size(model)
    side = min(height, width) if name.startswith(("vit", "swin_v2", "maxvit")) else 64
    x = torch.rand(1 if side > 64 else 2, 3, side, side, generator=generator)
    for training in (False, True) if side == 64 else (False,):
        graph = trace(model.train(training), x, calls=True, training=training)
        wanted = run(model, x)
        torch.manual_seed(1)
        assert same(replay(graph, model, x), wanted)


class Everything(nn.Module):
    """Constants of every origin, reversed operators, changes in place, nested outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.table = nn.Linear(4, 4), torch.arange(4.0)
        self.register_buffer("scale", torch.rand(4))
        self.weight, self.drop = nn.Parameter(torch.rand(2, 4)), nn.Dropout()

    def forward(self, x: Tensor) -> Any:
        y = 2 - self.fc(self.drop(x))
        y = 5 % (2 / y + 3) + (2**y) + (3 // (y * y + 1)) + torch.rsub(y, 1.5)
        mask = torch.triu(torch.ones(4, 4, device=x.device))
        mask[0] = 3
        row = mask[1]
        row.add_(self.table)
        self.table[0] = 7
        out = torch.zeros(2, 4)
        out[:, :2] = y[:, :2]
        part = y[:, 2:]
        y += mask[:2] * self.table
        self.weight.data.mul_(2)
        y = y * np.float32(1.5) + torch.from_numpy(np.arange(4, dtype=np.float32))
        y = y + self.weight + y.new_full((1,), 2.0) + torch.rand(2, 4)
        return {"y": (y, mask), "part": [part, out * self.scale], "x": x, "k": 3, "o": Answer(y)}


class Answer:
    def __init__(self, first: Tensor) -> None:
        self.first, self.weight = first.double().to(torch.float16), None


def stored(graph: ArchGraph) -> ArchGraph:
    return unpack_graphs(pack_graphs([graph]))[0]


def test_constants_reversed_operators_and_outputs(tmp_path: Any) -> None:
    model, x = Everything().train(), torch.rand(2, 4)
    graph = trace(model, x, calls=True)
    assert graph.note == ""
    graph.save(tmp_path / "graph.json")
    graphs = [graph, stored(graph), ArchGraph.load(tmp_path / "graph.json")]
    with untouched(model), torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        found = [replay(g, model, x) if torch.manual_seed(1) else None for g in graphs]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(1)
    found.append(replay(graph, state, x))
    wanted = run(model, x)
    for values in found:
        assert same(values, wanted)
        assert values["k"] == 3 and values["o"].keys() == {"first", "weight"}


def test_reversed_operators_are_written_as_they_are() -> None:
    def forward(x: Tensor) -> Tensor:
        return 2 - x + 2 / x + 2**x + 2 // x + 2 % x + 2 * (2 + x)

    calls = [c for c in trace(forward, torch.rand(2), calls=True).calls if c is not None]
    reversed_ = [c for c in calls if c.function.startswith("operator.")]
    assert [c.name for c in reversed_] == ["sub", "div", "pow", "floordiv", "mod"]
    assert all(c.args[0] == 2 and isinstance(c.args[1], Operand) for c in reversed_)


def test_an_and_with_a_number_is_no_random_constant() -> None:
    graph = trace(lambda x: 5 & x, torch.ones(2, dtype=torch.long), calls=True)
    assert graph.op_names() == ["input", "bitwise_and"]


def test_constants_keep_their_values() -> None:
    kept = torch.tensor([1.0, float("nan"), -0.0])
    graph = trace(lambda x: x * kept, torch.rand(2, 3), calls=True)
    call = graph.calls[1]
    assert isinstance(call, Call) and call.args[1] == Constant((3,))
    kept.zero_()
    found = replay(graph, {}, torch.ones(2, 3))[0]
    assert found.isnan().tolist() == [False, True, False] and found[2].signbit()


def test_another_batch_another_model_and_nothing_recorded() -> None:
    model, x = nn.Linear(4, 2), torch.rand(2, 4)
    graph = trace(model, x, calls=True)
    other = nn.Linear(4, 2)
    assert same(replay(graph, other, x + 1), run(other, x + 1))
    with pytest.raises(ValueError, match=r"an input of shape \(2, 4\), as was recorded, got \(3,"):
        replay(graph, model, torch.rand(3, 4))
    with pytest.raises(ValueError, match=r"expected an input of shape \(2, 4\).*got none"):
        replay(graph, model)
    with pytest.raises(ValueError, match="the model has no parameter 'weight'"):
        replay(graph, nn.ReLU(), x)
    with pytest.raises(ValueError, match="no recorded calls to replay.*calls=True"):
        replay(trace(model, x), model, x)


def test_what_cannot_be_replayed_is_named() -> None:
    net = nn.Linear(4, 2)
    graph = trace(lambda x: torch.vmap(net)(x), torch.rand(2, 4), calls=True)
    with pytest.raises(ValueError, match=r"node 1 \('linear'.*cannot be replayed: it ran inside"):
        replay(graph, {"net.weight": net.weight, "net.bias": net.bias}, torch.rand(2, 4))


@pytest.mark.parametrize(
    "path",
    "torch.load torch.from_file torch.hub.load torch.ops.load_library os.system operator.call "
    "torch.Tensor.__class__.mro builtins.eval torch.serialization.load".split(),
)
def test_files_name_no_functions_but_those_that_compute(path: str) -> None:
    with pytest.raises(ValueError, match="expected the name of a function of torch that computes"):
        function_at(path)


@pytest.mark.parametrize(
    "function",
    [
        *(torch.Tensor.add_, torch.nn.functional.conv2d, torch.arange, torch.linalg.norm),
        *(torch.Tensor.__pow__, torch.Tensor.mT.__get__, torch.fft.fft, torch.special.erf),
        *(torch.ops.aten.relu.default, torch.einsum, torch.nn.functional.max_pool2d),
    ],
)
def test_functions_are_found_again(function: Callable) -> None:
    assert function_at(path_of(function)) == function
