"""RigL and SET: budgets stay, growth is as described, resuming changes nothing."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.rewiring import Rewiring, RewiringSchedule
from graph2nn.wirings.edges.slots import Rectangle, Slots

SLOTS = Slots((9, 8, 1, 1), [Rectangle(2, 9, 0, 4), Rectangle(5, 9, 4, 8)])


def network(kind: str) -> torch.nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    layers = [WiredConv(8, 9, keep=20, kind=kind, slots=SLOTS, generator=generator)]
    layers.append(WiredConv(9, 6, keep=0.5, kind=kind, generator=generator))
    for layer in layers:
        torch.nn.init.normal_(layer.weight, generator=generator)
    return torch.nn.Sequential(*layers)


def batch(step: int) -> torch.Tensor:
    return torch.randn(3, 8, 2, 2, generator=torch.Generator().manual_seed(step))


def train(model, rewiring, optimizer, steps) -> list[int]:
    changed = []
    for step in steps:
        rewiring.before_step(step)
        optimizer.zero_grad()
        model(batch(step)).square().mean().backward()
        optimizer.step()
        changed.append(rewiring.after_step(step, optimizer))
    return changed


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)


SCHEDULE = RewiringSchedule(total_steps=40, interval=4)


def test_schedule():
    assert [s for s in range(40) if SCHEDULE.due(s)] == [4, 8, 12, 16, 20, 24, 28]
    assert SCHEDULE.fraction_at(0) == 0.3 and math.isclose(SCHEDULE.fraction_at(15), 0.15)
    constant = RewiringSchedule(total_steps=40, decay=False)
    assert constant.fraction_at(29) == 0.3


@pytest.mark.parametrize("kind", ["rigl", "set"])
def test_budget_stays_and_edges_move(kind):
    model = network(kind)
    rewiring, before = Rewiring(model, SCHEDULE), [layer.edges().clone() for layer in model]
    changed = train(model, rewiring, sgd(model), range(40))
    assert {s for s, n in enumerate(changed) if n} <= {s for s in range(40) if SCHEDULE.due(s)}
    assert sum(changed) > 0
    for layer, old, keep in zip(model, before, (20, 27)):
        assert int(layer.edges().sum()) == layer.keep == keep
        assert not torch.equal(layer.edges(), old)
        assert not (layer.edges() & ~layer.slots.mask()).any()


def test_rigl_grows_by_gradient_from_zero():
    model = network("rigl")
    layer, optimizer = model[0], sgd(model)
    train(model, Rewiring(model, SCHEDULE), optimizer, range(4))
    old, rewiring = layer.edges().clone(), Rewiring(model, SCHEDULE)
    rewiring.before_step(4)
    optimizer.zero_grad()
    model(batch(4)).square().mean().backward()
    gradient = layer.wiring.gradient.clone()
    assert torch.equal(layer.weight.grad, gradient * old)
    optimizer.step()
    weight = layer.weight.detach().clone()
    rewiring.after_step(4, optimizer)
    new = layer.edges()
    number = int(SCHEDULE.fraction_at(4) * 20)
    threshold = weight[old].abs().sort().values[number]
    dropped = old & (weight.abs() < threshold)
    assert int(dropped.sum()) == number and (new | dropped)[old].all()
    candidates = layer.slots.mask() & ~(old & ~dropped)
    grown = new & ~(old & ~dropped)
    assert gradient[grown].abs().min() >= gradient[candidates & ~grown].abs().max()
    assert (layer.weight[new & ~old] == 0).all()
    momentum = optimizer.state[layer.weight]["momentum_buffer"]
    assert (momentum[new ^ old] == 0).all() and (momentum[new & old] != 0).any()
    assert layer.wiring.gradient is None and not layer.wiring.keeps_gradient


def test_set_draws_new_weights_within_the_initial_range():
    model = network("set")
    layer, old = model[0], model[0].edges().clone()
    assert Rewiring(model, SCHEDULE).after_step(4) > 0
    new = layer.edges() & ~old
    assert new.any() and (layer.weight[new].abs() <= 1 / math.sqrt(8)).all()
    assert (layer.weight[new] != 0).all()


@pytest.mark.parametrize("kind", ["rigl", "set"])
def test_resumed_equals_uninterrupted(kind):
    whole = network(kind)
    train(whole, Rewiring(whole, SCHEDULE, seed=3), sgd(whole), range(30))
    first = network(kind)
    optimizer = sgd(first)
    train(first, Rewiring(first, SCHEDULE, seed=3), optimizer, range(13))
    state, momentum = copy.deepcopy(first.state_dict()), copy.deepcopy(optimizer.state_dict())
    again = network(kind)
    again.load_state_dict(state)
    optimizer = sgd(again)
    optimizer.load_state_dict(momentum)
    train(again, Rewiring(again, SCHEDULE, seed=3), optimizer, range(13, 30))
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_other_kinds_are_left_alone():
    model = network("random")
    assert train(model, Rewiring(model, SCHEDULE), sgd(model), range(10)) == [0] * 10


def test_a_missing_gradient_is_an_error():
    model = network("rigl")
    with pytest.raises(ValueError, match="0: no gradient to grow edges by; call before_step"):
        Rewiring(model, SCHEDULE).after_step(4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"total_steps": 0}, "total_steps"),
        ({"total_steps": 5, "interval": 0}, "interval"),
        ({"total_steps": 5, "fraction": 1.0}, "fraction"),
        ({"total_steps": 5, "stop": 0.0}, "stop"),
    ],
)
def test_bad_schedule(settings, message):
    with pytest.raises(ValueError, match=message):
        RewiringSchedule(**settings)
