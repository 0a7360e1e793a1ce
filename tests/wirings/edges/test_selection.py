"""Selection: exactly k, and the gradients of real and hallucinated edges."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from graph2nn.wirings.edges.kinds import Magnitude
from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.selection import (
    edge_budget,
    kth_largest,
    select_weight,
    top_k,
    top_k_reference,
)
from graph2nn.wirings.edges.slots import Rectangle, Slots


@pytest.mark.parametrize("size", [1, 2, 17, 1000])
@pytest.mark.parametrize("levels", [0, 1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_top_k_equals_sort(size, levels, dtype, generator):
    scores = torch.rand(size, generator=generator)
    scores = (scores * levels).round().to(dtype) if levels else scores.to(dtype)
    for k in {1, 2, size // 3, size - 1, size} & set(range(1, size + 1)):
        chosen = top_k(scores, k)
        assert int(chosen.sum()) == k
        assert torch.equal(chosen, top_k_reference(scores, k))
        assert kth_largest(scores, k) == scores.sort(descending=True).values[k - 1]


def test_topk_with_nan_takes_them_first():
    scores = torch.tensor([0.5, float("nan"), 2.0, float("nan"), 1.0])
    assert top_k(scores, 1).tolist() == [False, True, False, False, False]
    assert top_k(scores, 3).tolist() == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("keep", "slots", "edges"),
    [
        (0.05, 640_000, 32_000),
        (1 - 0.95, 640_000, 32_000),
        (0.225, 1_024_000, 230_400),
        (1.0, 7, 7),
        (1, 7, 1),
    ],
)
def test_budget(keep, slots, edges):
    assert edge_budget(keep, slots) == edges


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (0, "expected from 1 to 60 edges"),
        (-3, "expected from 1 to 60"),
        (61, "got 61"),
        (0.0, "above 0 and at most 1"),
        (1.5, "write a number of edges as an int"),
        (0.7, "expected from 1 to 60 edges, as many as there are legal slots among 100, got 70"),
        (float("nan"), "got nan"),
        (True, "got True"),
        ("5", "got '5'"),
    ],
)
def test_bad_budget(keep, message):
    with pytest.raises(ValueError, match=message):
        edge_budget(keep, 100, most=60, where="layer")


def test_weight_gradient_is_that_of_all_pairs(generator):
    layer = WiredConv(6, 5, keep=7, generator=generator)
    images = torch.randn(4, 6, 3, 3, generator=generator, requires_grad=True)
    heard = layer(images)
    upstream = torch.randn(heard.shape, generator=generator)
    heard.backward(upstream)
    pairs = torch.einsum("bvhw,buhw->vu", upstream, images.detach())
    assert torch.allclose(layer.weight.grad[:, :, 0, 0], pairs, atol=1e-5)
    assert (layer.weight.grad != 0).all()  # hallucinated edges, too
    real = (layer.weight * layer.edges())[:, :, 0, 0].detach()
    through = torch.einsum("bvhw,vu->buhw", upstream, real)
    assert torch.allclose(images.grad, through, atol=1e-5)


def test_pieces_have_the_gradient_of_slices(generator):
    rectangles = [Rectangle(1, 4, 0, 2), Rectangle(3, 6, 2, 5)]
    weight = torch.randn(6, 5, 1, 1, generator=generator, requires_grad=True)
    mask = torch.rand(6, 5, 1, 1, generator=generator) > 0.5
    for straight in (True, False):
        pieces = select_weight(weight, mask, rectangles, straight_through=straight)
        for piece, found in zip(pieces, rectangles):
            assert piece.is_contiguous()
            assert torch.equal(piece, (weight * mask)[found.part])
        factors = [torch.randn(piece.shape, generator=generator) for piece in pieces]
        loss = sum((piece * factor).sum() for piece, factor in zip(pieces, factors))
        (found_gradient,) = torch.autograd.grad(loss, weight)
        expected = torch.zeros_like(weight)
        for found, factor in zip(rectangles, factors):
            expected[found.part] = factor
        assert torch.equal(found_gradient, expected if straight else expected * mask)


def test_unused_piece_gets_no_gradient(generator):
    weight = torch.randn(4, 4, 1, 1, generator=generator, requires_grad=True)
    first, _ = select_weight(weight, None, [Rectangle(0, 2, 0, 4), Rectangle(2, 4, 0, 4)])
    first.sum().backward()
    assert weight.grad[:2].eq(1).all() and weight.grad[2:].eq(0).all()


def test_observer_sees_all_slots(generator):
    seen = []
    weight = torch.randn(3, 3, 1, 1, generator=generator, requires_grad=True)
    mask = torch.eye(3, dtype=torch.bool)[:, :, None, None]
    (whole,) = select_weight(
        weight, mask, [Rectangle(0, 3, 0, 3)], straight_through=False, observer=seen.append
    )
    whole.sum().backward()
    assert seen[0].eq(1).all() and torch.equal(weight.grad != 0, mask)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_exactly_k_in_any_memory_format(memory, generator):
    layer = WiredConv(16, 24, 3, padding=1, keep=345, generator=generator)
    plain = layer.edges().clone()
    layer = layer.to(memory_format=memory)
    layer.wiring.refresh()
    assert int((layer.effective_weight() != 0).sum()) == 345
    assert torch.equal(layer.edges(), plain)
    images = torch.randn(2, 16, 5, 5, generator=generator).contiguous(memory_format=memory)
    expected = F.conv2d(images, layer.weight * layer.edges(), padding=1)
    assert torch.allclose(layer(images), expected, atol=1e-6)


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
    layer = WiredConv(8, 8, keep=10, generator=generator)
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
    layer = WiredConv(8, 8, keep=10, generator=generator)
    other = WiredConv(8, 8, keep=10, generator=generator)
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


def test_legal_and_legacy_budget(generator):
    slots = Slots((6, 6, 1, 1), [Rectangle(3, 6, 0, 3)])
    weight = torch.arange(36.0).flip(0).view(6, 6, 1, 1)
    legal = WiredConv(6, 6, keep=5, slots=slots, generator=generator)
    legacy = WiredConv(6, 6, keep=5, slots=slots, legacy_budget=True, generator=generator)
    for layer in (legal, legacy):
        with torch.no_grad():
            layer.weight.copy_(weight)
    assert legal.edges(legal=True).sum() == legal.edges().sum() == 5
    assert legacy.edges().sum() == 5 and legacy.edges(legal=True).sum() == 0
    with pytest.raises(ValueError, match="expected from 1 to 9 edges"):
        WiredConv(6, 6, keep=10, slots=slots)
    assert WiredConv(6, 6, keep=10, slots=slots, legacy_budget=True).keep == 10
