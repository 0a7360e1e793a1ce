"""Losses against plain loops over pairs and positions."""

from __future__ import annotations

import math

import pytest
import torch

from predictors.neural.losses import LOSSES, SCALE_FREE, find_loss


def _mse(f, y):
    return sum((a - b) ** 2 for a, b in zip(f, y)) / len(f)


def _l1(f, y):
    return sum(abs(a - b) for a, b in zip(f, y)) / len(f)


def _huber(f, y, delta=0.5):
    total = 0.0
    for a, b in zip(f, y):
        d = abs(a - b)
        total += d * d / 2 if d < delta else delta * (d - delta / 2)
    return total / len(f)


def _mape(f, y, bound=1.25):
    return sum(abs((a - bound) / (b - bound) - 1) for a, b in zip(f, y)) / len(f)


def _pairs(f, y):
    return [f[i] - f[j] for i in range(len(f)) for j in range(len(f)) if y[i] > y[j]]


def _hinge(f, y):
    pairs = _pairs(f, y)
    return sum(max(0.0, 0.1 - d) for d in pairs) / len(pairs)


def _bpr(f, y):
    pairs = _pairs(f, y)
    return sum(math.log(1 + math.exp(-d)) for d in pairs) / len(pairs)


def _list_mle(f, y):
    order = sorted(range(len(f)), key=lambda k: -y[k])
    total = 0.0
    for place, k in enumerate(order):
        total += math.log(sum(math.exp(f[j]) for j in order[place:])) - f[k]
    return total / len(f)


def _diff_kendall(f, y):
    total = pairs = 0.0
    for i in range(len(f)):
        for j in range(len(f)):
            if i != j and y[i] != y[j]:
                total += math.tanh(f[i] - f[j]) * (1 if y[i] > y[j] else -1)
                pairs += 1
    return 1 - total / pairs


TWINS = {
    "mse": _mse,
    "l1": _l1,
    "huber": _huber,
    "mape": _mape,
    "hinge": _hinge,
    "bpr": _bpr,
    "list_mle": _list_mle,
    "diff_kendall": _diff_kendall,
}


def _example(generator, ties):
    outputs = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    targets = torch.rand(12, 3, generator=generator, dtype=torch.float64) * 2 - 1
    if ties:
        targets[4] = targets[9]
    return outputs, targets


def test_every_loss_has_a_twin():
    assert set(TWINS) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_equals_loops(name, generator):
    outputs, targets = _example(generator, ties=name != "list_mle")
    columns = [TWINS[name](f.tolist(), y.tolist()) for f, y in zip(outputs.T, targets.T)]
    assert float(find_loss(name)(outputs, targets)) == pytest.approx(sum(columns) / 3, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_improves_order(name, generator):
    outputs, targets = _example(generator, ties=False)
    outputs.requires_grad_()
    loss = find_loss(name)(outputs, targets)
    (gradient,) = torch.autograd.grad(loss, outputs)
    after = find_loss(name)(outputs.detach() - 0.01 * gradient, targets)
    assert after.item() < loss.item()


@pytest.mark.parametrize("name", sorted(SCALE_FREE))
def test_scale_free_losses_see_only_the_order(name, generator):
    outputs, targets = _example(generator, ties=False)
    loss = find_loss(name)
    assert torch.allclose(loss(outputs, targets), loss(outputs, targets.exp() * 7))
    assert torch.allclose(loss(outputs, targets), loss(outputs + 5, targets))


@pytest.mark.parametrize("name", sorted({"hinge", "bpr"}))
def test_batch_without_pairs_is_harmless(name):
    outputs = torch.zeros(4, 1, requires_grad=True)
    loss = find_loss(name)(outputs, torch.ones(4, 1))
    loss.backward()
    assert loss.item() == 0 and not outputs.grad.any()


def test_unknown_loss():
    with pytest.raises(ValueError, match="loss: expected one of mse, .* got 'cube'"):
        find_loss("cube")
