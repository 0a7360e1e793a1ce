"""Noise of each network from its own seed, and how alike two predictions are."""

from __future__ import annotations

import pytest
import torch

from ghn.decoding.noise import draw_noise, likeness


def test_a_seed_decides_whatever_stands_beside_it() -> None:
    state = torch.get_rng_state()
    drawn = draw_noise([5, 6, 7], 4, count=2)
    assert drawn.shape == (2, 3, 4)
    assert torch.equal(draw_noise([6], 4, count=2)[:, 0], drawn[:, 1])
    assert torch.equal(draw_noise([7, 5], 4)[0], drawn[0, [2, 0]]), "of any count"
    assert len({tuple(row.tolist()) for row in drawn.flatten(0, 1)}) == 6
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_is_gaussian() -> None:
    drawn = draw_noise(range(400), 16)
    assert abs(drawn.mean()) < 0.05 and abs(drawn.std() - 1) < 0.05


def test_likeness() -> None:
    one = {"w": torch.tensor([[1.0, 0.0]]), "v": torch.tensor([[0.0, 2.0]]), "b": torch.ones(3)}
    assert likeness(one, one) == 1
    assert likeness(one, {n: 3 * t for n, t in one.items()}) == 1, "scale does not count"
    turned = {**one, "w": torch.tensor([[0.0, 1.0]]), "b": -one["b"]}
    assert likeness(one, turned) == 0.5, "the mean over weights, without vectors"
    assert likeness({"b": torch.ones(3)}, {"b": -torch.ones(3)}) == pytest.approx(-1)
