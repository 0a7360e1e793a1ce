"""A choice of edges follows its weight, whatever changes that, and is not made twice."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from graph2nn.training.top_k import top_k, top_k_reference
from graph2nn.wirings import StaticWiring
from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.wiring import Magnitude

KEEP = 10


@pytest.fixture
def counted(monkeypatch):
    calls = []
    choose = Magnitude.choose

    def count(self, weight):
        calls.append(1)
        return choose(self, weight)

    monkeypatch.setattr(Magnitude, "choose", count)
    return calls


@pytest.mark.parametrize("how", [{}, {"foreach": True}, {"fused": True}])
def test_one_selection_an_optimiser_step(how, counted, generator):
    layer = WiredConv(8, 8, keep=KEEP, generator=generator)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0, momentum=0.9, **how)
    images = torch.randn(2, 8, 4, 4, generator=generator)
    for step in range(3):
        loss = layer(images).square().mean() + layer(images).mean()
        layer.edges()
        optimizer.zero_grad()
        loss.backward()
        layer.edges()  # between backward pass and step
        assert len(counted) == step + 1
        before = layer.edges().clone()
        optimizer.step()
        expected = top_k(layer.weight.detach().abs().flatten(), 10).view(8, 8, 1, 1)
        assert not torch.equal(before, expected)
        assert torch.equal(layer.edges(), expected)


def test_selection_follows_the_weight(counted, generator):
    layer = WiredConv(8, 8, keep=KEEP, generator=generator)
    other = WiredConv(8, 8, keep=KEEP, generator=generator)
    before, expected = layer.edges().clone(), other.edges().clone()
    assert not torch.equal(before, expected)
    layer.load_state_dict(other.state_dict())
    assert torch.equal(layer.edges(), expected)
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.weight.mul_(-1).add_(torch.linspace(0, 1, 64).view(8, 8, 1, 1))
    assert torch.equal(layer.edges(), expected) and not torch.equal(twin.edges(), expected)
    assert torch.equal(pickle.loads(pickle.dumps(layer)).edges(), expected)
    weight = torch.arange(64.0).view(8, 8, 1, 1)
    found = functional_call(layer, {"weight": weight}, (torch.eye(8)[:, :, None, None],))
    assert int((found != 0).sum()) == 10 and found[:, :, 0, 0].T.flatten()[-10:].ne(0).all()
    assert torch.equal(layer.edges(), expected)
    layer.weight.data.copy_(weight)  # leaves no trace
    layer.wiring.refresh()
    assert layer.edges().flatten()[-10:].all()


def test_weights_made_in_inference_mode():
    with torch.inference_mode():
        layer = WiredConv(4, 4, keep=3)
        assert int((layer(torch.eye(4)[:, :, None, None]) != 0).sum()) == 3


def make(generator: torch.Generator, kind: str = "dnw") -> WiredConv:
    return WiredConv(8, 8, keep=KEEP, kind=kind, generator=generator)


def strongest(layer: WiredConv) -> Tensor:
    return top_k_reference(layer.weight.detach().abs().flatten(), KEEP).view(8, 8, 1, 1)


OPTIMIZERS = [
    (torch.optim.SGD, {"lr": 1.0, "fused": True}),
    (torch.optim.SGD, {"lr": 1.0, "foreach": True}),
    (torch.optim.SGD, {"lr": 1.0, "momentum": 0.9, "nesterov": True, "fused": True}),
    (torch.optim.Adam, {"lr": 0.3, "fused": True}),
    (torch.optim.AdamW, {"lr": 0.3, "fused": True}),
    (torch.optim.AdamW, {"lr": 0.3, "foreach": True}),
    (torch.optim.Adagrad, {"lr": 0.3, "fused": True}),
    (torch.optim.RMSprop, {"lr": 0.3}),
    (torch.optim.LBFGS, {"lr": 0.3, "max_iter": 3}),
]


@pytest.mark.parametrize(("optimizer", "how"), OPTIMIZERS)
@pytest.mark.parametrize("training", [True, False])
def test_any_optimiser(optimizer, how, training, generator):
    layer = make(generator).train(training)
    steps, moved = optimizer(layer.parameters(), **how), 0
    images = torch.randn(2, 8, 4, 4, generator=generator)

    def closure() -> Tensor:
        steps.zero_grad()
        loss = (layer(images) - images).square().mean()
        loss.backward()
        return loss

    for _ in range(4):
        before = layer.edges().clone()
        steps.step(closure)
        steps.zero_grad()
        assert torch.equal(layer.edges(), strongest(layer))
        moved += not torch.equal(layer.edges(), before)
    assert moved


def test_gradients_that_no_backward_pass_left(generator):
    layer = make(generator)
    optimizer = torch.optim.SGD(layer.parameters(), lr=3.0, fused=True)
    (gradient,) = torch.autograd.grad(layer(torch.ones(1, 8, 2, 2)).square().sum(), layer.weight)
    with torch.no_grad():
        before = layer.edges().clone()
    layer.weight.grad = gradient
    optimizer.step()
    optimizer.zero_grad()
    assert torch.equal(layer.edges(), strongest(layer)) and not torch.equal(layer.edges(), before)


def test_a_step_between_two_evaluations(generator):
    layer = make(generator)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.5, fused=True)
    layer(torch.ones(1, 8, 2, 2)).square().sum().backward()
    layer.eval()
    with torch.inference_mode():
        before = layer.edges().clone()
        optimizer.step()
        assert torch.equal(layer.edges(), strongest(layer))
        assert not torch.equal(layer.edges(), before)


def _by_data(weight: torch.nn.Parameter) -> None:
    weight.data.copy_(weight.flip(0))


def _by_numpy(weight: torch.nn.Parameter) -> None:
    weight.detach().numpy()[:] = weight.detach().numpy()[::-1].copy()


@torch.no_grad()
def _in_place(weight: torch.nn.Parameter) -> None:
    weight.copy_(weight.flip(0).clone())


def _one_entry(weight: torch.nn.Parameter) -> None:
    weight.data.view(-1)[weight.detach().abs().argmin()] = 100.0


@pytest.mark.parametrize("change", [_by_data, _by_numpy, _in_place, _one_entry])
def test_a_weight_that_is_written_to(change, generator):
    layer = make(generator).eval()
    before = layer.edges().clone()
    change(layer.weight)
    assert torch.equal(layer.edges(), strongest(layer)) and not torch.equal(layer.edges(), before)


def test_a_weight_that_is_exchanged(generator):
    layer, other = make(generator).eval(), make(generator).eval()
    layer.edges()
    layer.load_state_dict(other.state_dict(), assign=True)
    assert torch.equal(layer.edges(), strongest(other))
    layer.weight = torch.nn.Parameter(other.weight.detach().flip(1))
    assert torch.equal(layer.edges(), strongest(layer))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_weight_of_another_type(dtype, counted, generator):
    layer = make(generator).eval()
    layer.edges()
    layer = layer.to(dtype)
    assert layer.edges().sum() == layer.edges().sum() == KEEP and len(counted) == 2


def test_evaluation_chooses_once(counted, generator):
    layer = make(generator)
    layer(torch.ones(1, 8, 2, 2)).square().sum().backward()  # the gradient stays
    layer.eval()
    for _ in range(3):
        layer(torch.ones(1, 8, 2, 2))
        with torch.inference_mode():
            layer(torch.ones(1, 8, 2, 2))
    assert len(counted) == 1


def test_nan_is_chosen_once(counted, generator):
    layer = make(generator)
    layer.weight.data.fill_(float("nan"))
    assert torch.equal(layer.edges(), layer.edges()) and len(counted) == 1


def test_copies_do_not_carry_the_choice(generator):
    layer = make(generator)
    layer.edges()
    stored = io.BytesIO()
    torch.save(layer, stored)
    stored.seek(0)
    copies = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    for twin in [*copies, torch.load(stored, weights_only=False)]:
        assert twin.wiring._choice is None
        twin.weight.data.copy_(layer.weight.flip(0))
        assert torch.equal(twin.edges(), strongest(twin))
    assert torch.equal(layer.edges(), strongest(layer))
    assert list(layer.state_dict()) == ["weight"]


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_compiled(generator):
    model = StaticWiring("dnw", nodes=40, inputs=8, outputs=10, layers=3, keep=0.1)
    compiled = torch.compile(model, backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, fused=True)
    images = torch.randn(2, 3, 32, 32, generator=generator)
    try:
        for _ in range(3):
            before = model.wires.edges().clone()
            logits = compiled(images)
            assert torch.equal(logits, model(images))
            optimizer.zero_grad()
            logits.square().sum().backward()
            optimizer.step()
            assert not torch.equal(model.wires.edges(), before)
    finally:
        torch.compiler.reset()


HOOKS = """
import torch, graph2nn.wirings
from torch.nn.modules import module
from torch.optim import optimizer
kinds = [vars(place)[name] for place in (module, optimizer) for name in vars(place)
         if name.startswith("_global_") and isinstance(vars(place)[name], dict)]
assert len(kinds) > 5 and not any(kinds), kinds
"""


def test_importing_leaves_no_hook_behind():
    done = subprocess.run([sys.executable, "-c", HOOKS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
