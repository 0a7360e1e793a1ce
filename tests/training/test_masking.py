"""Masked gradients: the three ways to them agree, also where gradients are not finite."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from graph2nn.training.masking import hold_at_zero, mask_gradient, zero_outside


def test_both_ways_give_the_same_gradient(generator: torch.Generator) -> None:
    start = torch.randn(4, 3, 2, 2, generator=generator)
    mask = torch.rand(4, 3, 1, 1, generator=generator) < 0.5
    factors = torch.randn(4, 3, 2, 2, generator=generator)
    factors[0] = math.inf
    plain, held, given = (nn.Parameter(start.clone()) for _ in range(3))
    (plain * factors).sum().backward()
    with hold_at_zero([(held, mask)]):
        (held * factors).sum().backward()
    (mask_gradient(given, mask) * factors).sum().backward()
    assert torch.equal(held.grad, given.grad)
    assert torch.equal(held.grad, zero_outside(plain.grad, mask))
    assert not held.grad[~mask.expand_as(held)].any()


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64]
)
def test_fast_is_as_where(dtype: torch.dtype, generator: torch.Generator) -> None:
    values = torch.randn(6, 5, 3, generator=generator).to(dtype)
    values[0, 0], values[1, 1], values[2, 2] = math.nan, math.inf, -0.0
    for mask in (torch.rand(6, 5, 1, generator=generator) < 0.5, torch.zeros(6, 5, 3).bool()):
        for given in (values, values.mT.contiguous().mT):  # also where memory has another order
            expected = torch.where(mask, given, torch.zeros((), dtype=dtype))
            found = zero_outside(given, mask)
            assert torch.equal(found.nan_to_num(7), expected.nan_to_num(7))
            assert torch.equal(found.isnan(), expected.isnan())


def test_second_derivatives_pass(generator: torch.Generator) -> None:
    weight = nn.Parameter(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    mask = torch.eye(3).bool()
    loss = (mask_gradient(weight, mask) ** 3).sum()
    (first,) = torch.autograd.grad(loss, weight, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), weight)
    assert torch.equal(first, 3 * weight**2 * mask)
    torch.testing.assert_close(second, 6 * weight.detach() * mask)


def test_nothing_is_made_without_gradients() -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    with torch.no_grad():
        assert mask_gradient(weight, torch.eye(2).bool()) is weight


def test_other_optimisers_and_parameters_are_left_alone() -> None:
    weight, other = (nn.Parameter(torch.ones(2)) for _ in range(2))
    with hold_at_zero([(weight, torch.tensor([True, False]))]):
        other.grad = torch.ones(2)
        torch.optim.SGD([other], 0.5).step()
        assert other.tolist() == [0.5, 0.5] and weight.tolist() == [1, 1]
        weight.grad = torch.ones(2)
        torch.optim.SGD([weight], 0.5).step()
        assert weight.tolist() == [0.5, 0]
