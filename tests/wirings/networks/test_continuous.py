"""Continuous time: solvers, evaluations, gradients, torchdiffeq missing."""

from __future__ import annotations

import sys

import pytest
import torch

from graph2nn.wirings.networks.continuous import ContinuousTimeWiring
from graph2nn.wirings.networks.ode import Solver

SMALL = {"nodes": 30, "inputs": 6, "outputs": 5, "keep": 0.2, "seed": 1}


def images() -> torch.Tensor:
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))


def gradient(model, x) -> torch.Tensor:
    model.zero_grad()
    model(x).logsumexp(1).sum().backward()
    return model.wires.weight.grad.flatten()


@pytest.mark.parametrize(("method", "order", "evaluations"), [("euler", 1, 1), ("rk4", 4, 4)])
def test_order_of_fixed_steps(method, order, evaluations):
    start, calls = torch.tensor([1.0, -2.0], dtype=torch.float64), []

    def flow(x):
        calls.append(1)
        return -x * x.abs()

    exact = start / (1 + start.abs())
    errors = []
    for steps in (8, 16):
        found = Solver(method=method, steps=steps)(flow, start)
        errors.append((found - exact).abs().max())
    assert len(calls) == 24 * evaluations
    assert abs(torch.log2(errors[0] / errors[1]) - order) < 0.35


def test_fixed_steps_need_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchdiffeq", None)
    model = ContinuousTimeWiring(solver=Solver(method="rk4", steps=3), **SMALL)
    assert model(images()).shape == (2, 10) and model.nfe == 12
    for solver in (Solver(), Solver(method="rk4", adjoint=True)):
        with pytest.raises(ImportError, match=r'pip install "netwright\[ode\]"'):
            ContinuousTimeWiring(solver=solver, **SMALL)
        with pytest.raises(ImportError, match="euler and rk4"):
            solver(lambda x: -x, torch.ones(1))


def test_adaptive_steps_agree_with_many_fixed_ones():
    pytest.importorskip("torchdiffeq")
    with_steps = ContinuousTimeWiring(solver=Solver(method="rk4", steps=60), **SMALL).eval()
    adaptive = ContinuousTimeWiring(solver=Solver(rtol=1e-5, atol=1e-5), **SMALL).eval()
    found = adaptive(images())
    assert adaptive.nfe > 10 and torch.allclose(found, with_steps(images()), atol=2e-3)


def test_published_setting_takes_32_evaluations():
    pytest.importorskip("torchdiffeq")
    model = ContinuousTimeWiring("dnw")
    model(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert abs(model.nfe - 32) <= 6 and model.solver == Solver(method="dopri5", rtol=1e-3)
    assert sum(p.numel() for p in model.parameters()) == 651_058 and model.wires.keep == 32_000


@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_adjoint_gradient(method):
    pytest.importorskip("torchdiffeq")
    tight = {"method": method, "rtol": 1e-6, "atol": 1e-6, "steps": 60}
    plain = ContinuousTimeWiring(solver=Solver(**tight), **SMALL)
    adjoint = ContinuousTimeWiring(solver=Solver(adjoint=True, **tight), **SMALL)
    expected = gradient(plain, images())
    forward = plain.nfe
    found = gradient(adjoint, images())
    assert adjoint.nfe > forward  # those of the backward pass are counted, too
    assert torch.cosine_similarity(found, expected, dim=0) > 0.99
    assert (found != 0).sum() > adjoint.wires.keep  # hallucinated edges hear of it


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "leapfrog"}, "choose one of dopri5"),
        ({"steps": 0}, "at least 1 step"),
        ({"rtol": 0.0}, "tolerances above 0"),
    ],
)
def test_bad_solver(settings, message):
    with pytest.raises(ValueError, match=message):
        Solver(**settings)
