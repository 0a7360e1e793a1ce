"""Selection: exactly k, and the gradients of real and hallucinated edges."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.selection import edge_budget, select_weight
from graph2nn.wirings.edges.slots import Rectangle, Slots


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


def test_the_gradient_hook_sees_all_slots(generator):
    seen = []
    weight = torch.randn(3, 3, 1, 1, generator=generator, requires_grad=True)
    mask = torch.eye(3, dtype=torch.bool)[:, :, None, None]
    (whole,) = select_weight(
        weight, mask, [Rectangle(0, 3, 0, 3)], straight_through=False, gradient_hook=seen.append
    )
    whole.sum().backward()
    assert seen[0].eq(1).all() and torch.equal(weight.grad != 0, mask)


def test_the_former_name_of_the_hook_is_still_taken(generator):
    seen = []
    weight = torch.randn(2, 2, 1, 1, generator=generator, requires_grad=True)
    with pytest.warns(DeprecationWarning, match="observer is now gradient_hook"):
        (whole,) = select_weight(weight, None, [Rectangle(0, 2, 0, 2)], observer=seen.append)
    whole.sum().backward()
    assert seen[0].eq(1).all()


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_exactly_k_in_any_memory_format(memory, generator):
    layer = WiredConv(16, 24, 3, padding=1, keep=345, generator=generator)
    plain = layer.edges().clone()
    layer = layer.to(memory_format=memory)
    assert int((layer.effective_weight() != 0).sum()) == 345
    assert torch.equal(layer.edges(), plain)
    images = torch.randn(2, 16, 5, 5, generator=generator).contiguous(memory_format=memory)
    expected = F.conv2d(images, layer.weight * layer.edges(), padding=1)
    assert torch.allclose(layer(images), expected, atol=1e-6)


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
