"""Schedules against their formulas and against torch; optimisers; clipping."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.training import (
    Schedule,
    clip_gradients,
    exponential_factor,
    make_optimizer,
    make_schedule,
    set_learning_rate,
)


def published_warmup(e: int, lr: float, warmup: int, epochs: int, init_lr: float) -> float:
    """Specification 4.3, term by term."""
    if e < warmup - 1:
        return float(np.linspace(init_lr / lr, 1, warmup)[e])
    return max(0.0, 0.5 * (1 + math.cos(math.pi * (e - warmup) / (epochs - warmup))))


@pytest.mark.parametrize(
    "text, warmup, init_lr",
    [
        ("cosine-warmup", 5, 1e-5),
        ("cosine-warmup-steps5-init_lr1e-5", 5, 1e-5),
        ("cosine-warmup-steps10", 10, 1e-5),
        ("cosine-warmup-init_lr1e-6-steps2", 2, 1e-6),
        ("cosine-warmup-steps1", 1, 1e-5),
    ],
)
@pytest.mark.parametrize("lr, epochs", [(4e-4, 75), (1e-3, 300)])
def test_cosine_warmup(text: str, warmup: int, init_lr: float, lr: float, epochs: int) -> None:
    schedule = make_schedule(text, lr=lr, epochs=epochs)
    ours = [schedule(e) for e in range(epochs)]
    theirs = [published_warmup(e, lr, warmup, epochs, init_lr) for e in range(epochs)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert schedule(10 * epochs) >= 0


def torch_factors(optimizer: torch.optim.Optimizer, scheduler: object, epochs: int) -> list[float]:
    factors = []
    for _ in range(epochs):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return factors


@pytest.mark.parametrize("name", ["step", "cosine", "exponential"])
def test_equal_to_torch(name: str) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedulers = {
        "step": lambda: torch.optim.lr_scheduler.MultiStepLR(optimizer, [20, 25], 0.1),
        "cosine": lambda: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30),
        "exponential": lambda: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97),
    }
    theirs = torch_factors(optimizer, schedulers[name](), 30)
    schedule = make_schedule(name, lr=1.0, epochs=30, milestones=(20, 25))
    np.testing.assert_allclose([schedule(e) for e in range(30)], theirs, rtol=1e-6, atol=1e-9)


def test_published_defaults_of_ghn2() -> None:
    schedule = make_schedule(None, lr=1e-3, epochs=300)
    factors = [schedule(e) for e in (0, 199, 200, 249, 250, 299)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert exponential_factor(2) == pytest.approx(0.97**2)


@pytest.mark.parametrize("name", ["none", "step", "cosine", "cosine-warmup", "exponential"])
def test_per_epoch_is_constant_within_and_per_step_agrees_at_the_start(name: str) -> None:
    how = {"lr": 0.1, "epochs": 12, "steps_per_epoch": 4, "milestones": (3, 6)}
    by_epoch = make_schedule(name, **how)
    by_step = make_schedule(name, per_step=True, **how)
    assert all(by_epoch(s) == by_epoch(s - s % 4) for s in range(48))
    if name != "cosine-warmup":  # whose warm-up ends one unit early, so the unit matters
        assert [by_step(s) for s in range(0, 48, 4)] == pytest.approx(
            [by_epoch(s) for s in range(0, 48, 4)]
        )
    assert all(0 <= by_step(s) <= 1 for s in range(60))


@pytest.mark.parametrize(
    "how, message",
    [
        ({"text": "linear"}, "unknown schedule 'linear'; choose one of none, step"),
        ({"text": "cosine-warmup-stepsfive"}, "cannot read the schedule .* expected e.g."),
        ({"text": "cosine-warmup-init_lr"}, "cannot read the schedule"),
        ({"text": "cosine-warmup-steps0"}, "warm-up takes at least 1"),
        ({"text": "cosine", "epochs": 0}, "epochs and steps_per_epoch of at least 1"),
    ],
)
def test_bad_schedules(how: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_schedule(**{"lr": 0.1, "epochs": 10, **how})


@pytest.mark.parametrize(
    "name, kind, key",
    [
        ("adam", "Adam", "betas"),
        ("adamw", "AdamW", "betas"),
        ("sgd", "SGD", "momentum"),
        ("soap", "SOAP", "shampoo_beta"),
    ],
)
def test_optimizers(name: str, kind: str, key: str) -> None:
    net = nn.Linear(2, 2)
    optimizer = make_optimizer(net.parameters(), name, lr=0.5, weight_decay=1e-5)
    assert type(optimizer).__name__ == kind and key in optimizer.param_groups[0]
    assert set_learning_rate(optimizer, 0.1) == pytest.approx(0.05)
    state = optimizer.state_dict()
    other = make_optimizer(nn.Linear(2, 2).parameters(), name, lr=1.0)
    other.load_state_dict(state)
    assert set_learning_rate(other, 1.0) == 0.5, "the base rate travels with the state"


@pytest.mark.parametrize(
    "how, message",
    [
        ({"name": "lion", "lr": 1.0}, "unknown optimiser 'lion'; choose one of adam, adamw, sgd"),
        ({"name": "sgd", "lr": -1.0}, "lr must be a number from 0 up, got -1.0"),
        ({"name": "sgd", "lr": float("nan")}, "lr must be a number"),
        ({"name": "sgd", "lr": 1.0, "weight_decay": -1}, "weight_decay must be"),
    ],
)
def test_bad_optimizers(how: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_optimizer(nn.Linear(1, 1).parameters(), **how)


def test_soap_does_not_care_for_the_basis() -> None:
    """Adam in the eigenbases of the gradients: turning a matrix's axes turns its steps, too."""
    random = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=random).double())[0]
    gradients = torch.randn(12, 4, 3, generator=random).double()

    def trained(name: str, turn: torch.Tensor) -> torch.Tensor:
        weight = nn.Parameter(torch.zeros(4, 3, dtype=torch.float64))
        optimizer = make_optimizer([weight], name, lr=0.1)
        for gradient in gradients:
            weight.grad = turn @ gradient
            optimizer.step()
        return turn.T @ weight.detach()

    torch.testing.assert_close(trained("soap", turn), trained("soap", torch.eye(4).double()))
    assert not torch.allclose(
        trained("adam", turn), trained("adam", torch.eye(4).double()), atol=0.05
    )


def test_clipping_equals_torch() -> None:
    ours, theirs = (nn.Linear(5, 4) for _ in range(2))
    for net in (ours, theirs):
        for i, p in enumerate(net.parameters()):
            p.grad = torch.full_like(p, 3.0 + i)
    norm = clip_gradients(ours.parameters(), 5.0)
    assert norm == torch.nn.utils.clip_grad_norm_(theirs.parameters(), 5.0)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=0)
    before = ours.weight.grad.clone()
    assert clip_gradients(ours.parameters(), None) <= 5.001
    assert torch.equal(ours.weight.grad, before)
    assert clip_gradients(iter([nn.Parameter(torch.zeros(1))]), 5.0) == 0
    ours.weight.grad[0, 0] = math.nan
    assert not clip_gradients(ours.parameters(), None).isfinite()


def test_linear_warmup_multiplies_any_schedule() -> None:
    """Published: the factor of epoch e < W is that of the schedule times 0.1 (1 - e/W) + e/W."""
    for name in ("cosine", "step", "exponential", "none"):
        how = {"name": name, "epochs": 12, "milestones": (3, 6), "gamma": 0.5}
        plain, ramped = Schedule(**how), Schedule(ramp=4, **how)
        for e in range(12):
            factor = 0.1 * (1 - e / 4) + e / 4 if e < 4 else 1.0
            assert ramped(e) == pytest.approx(plain(e) * factor)
    with pytest.raises(ValueError, match="ramp must be 0 epochs or more"):
        Schedule(ramp=-1)


def test_fused_and_nesterov_equal_the_formula() -> None:
    """v = 0.9 v + g + wd p, p -= lr (g + wd p + 0.9 v) (Sutskever et al. 2013, as in torch)."""
    start = torch.linspace(-1, 1, 5, dtype=torch.float64)
    fused = nn.Parameter(start.clone())
    optimizer = make_optimizer(
        [fused], "sgd", lr=0.1, weight_decay=0.01, momentum=0.9, nesterov=True, fused=True
    )
    value, velocity = start.clone(), torch.zeros_like(start)
    for k in range(4):
        fused.grad = (k + fused.detach()).sin()
        gradient = (k + value).sin() + 0.01 * value
        velocity = 0.9 * velocity + gradient
        value = value - 0.1 * (gradient + 0.9 * velocity)
        optimizer.step()
    torch.testing.assert_close(fused.detach(), value, rtol=1e-12, atol=1e-14)
