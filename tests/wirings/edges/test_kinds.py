"""Every kind of wiring: budget, gradient, state."""

from __future__ import annotations

import pytest
import torch

from graph2nn.wirings.edges.kinds import ALIASES, KINDS, find_kind, random_mask
from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.slots import Rectangle, Slots

SLOTS = Slots((12, 10, 1, 1), [Rectangle(2, 12, 0, 4), Rectangle(6, 12, 4, 10)])
KEEP = 17


def make(kind: str, **how) -> WiredConv:
    how.setdefault("slots", SLOTS)
    how.setdefault("generator", torch.Generator().manual_seed(1))
    if kind == "given":
        how.setdefault("mask", random_mask(SLOTS, KEEP, torch.Generator().manual_seed(2)))
    return WiredConv(10, 12, keep=KEEP, kind=kind, **how)


def gradient(layer: WiredConv) -> torch.Tensor:
    images = torch.rand(2, 10, 3, 3, generator=torch.Generator().manual_seed(3)) + 0.1
    layer.zero_grad()
    layer(images).sum().backward()
    assert layer.weight.grad is not None
    return layer.weight.grad


@pytest.mark.parametrize("kind", KINDS)
def test_edges_are_legal_and_as_many_as_asked(kind):
    layer = make(kind).eval()
    edges = layer.edges()
    assert edges.dtype == torch.bool and edges.shape == layer.weight.shape
    assert int(edges.sum()) == layer.keep == (SLOTS.count if kind == "complete" else KEEP)
    assert not (edges & ~SLOTS.mask()).any()
    assert torch.equal(layer.effective_weight() != 0, edges)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_what_is_no_edge(kind):
    layer = make(kind)
    reached = gradient(layer) != 0
    if kind == "dnw":
        assert reached.all()
    elif kind in ("td", "reg_td"):
        assert (reached | ~layer.edges()).all()
    else:
        assert torch.equal(reached, layer.edges())


@pytest.mark.parametrize("kind", KINDS)
def test_state_dict_holds_fixed_edges(kind):
    layer = make(kind)
    assert set(layer.state_dict()) == {"weight", *(["wiring.mask"] * layer.is_fixed)}
    other = make(kind, generator=torch.Generator().manual_seed(9))
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.edges(), layer.edges())


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_global_is_drawn_but_weights(kind):
    torch.manual_seed(5)
    WiredConv(10, 12, kind="complete")
    expected = torch.get_rng_state()
    torch.manual_seed(5)
    make(kind)
    assert torch.equal(torch.get_rng_state(), expected)


def test_random_edges_differ_by_generator():
    masks = [make("random", generator=torch.Generator().manual_seed(s)).edges() for s in (1, 1, 2)]
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_random_edges_are_uniform_over_slots(generator):
    count = sum(random_mask(SLOTS, KEEP, generator).float() for _ in range(800)) / 800
    assert not count[~SLOTS.mask()].any()
    assert (count[SLOTS.mask()] - KEEP / SLOTS.count).abs().max() < 0.08


@pytest.mark.parametrize("kind", ["td", "reg_td"])
def test_targeted_dropout(kind, generator):
    layer = make(kind, rho=0.75)
    strong = layer.edges()
    kept = torch.zeros(strong.shape)
    with torch.no_grad():
        for _ in range(400):
            weight = layer.effective_weight()
            assert (weight[strong] == layer.weight[strong]).all()  # signs and all
            kept += weight != 0
    assert (layer.weight[strong] < 0).any()
    weak = SLOTS.mask() & ~strong
    assert abs(float(kept[weak].mean()) / 400 - 0.25) < 0.02
    layer.eval()
    assert torch.equal(layer.effective_weight() != 0, strong)


def test_regional_dropout_ranks_within_rows():
    layer = make("reg_td")
    rows = layer.edges().flatten(1).sum(1)
    legal = SLOTS.rows()
    assert rows.sum() == KEEP and (rows[legal == 0] == 0).all()
    assert ((rows - legal * KEEP / SLOTS.count).abs() < 1).all()
    for row in range(12):
        edges = layer.edges()[row].flatten()
        weak = SLOTS.mask()[row].flatten() & ~edges
        magnitude = layer.weight[row].flatten().abs()
        if edges.any() and weak.any():
            assert magnitude[edges].min() >= magnitude[weak].max()


def test_given_edges():
    mask = torch.zeros(12, 10)
    mask[11, 3] = mask[7, 9] = 1
    layer = make("given", mask=mask)
    assert layer.keep == 2 and torch.equal(layer.edges()[:, :, 0, 0], mask > 0)
    layer.wiring.set_mask(layer.edges() & (torch.arange(10) < 5).view(1, 10, 1, 1))
    assert layer.keep == 1


@pytest.mark.parametrize(
    ("make_layer", "message"),
    [
        (lambda: make("given", mask=torch.zeros(12, 10)), "at least one edge"),
        (lambda: make("given", mask=torch.ones(12, 10)), "40 edges lie in slots|lie in slots"),
        (lambda: make("given", mask=torch.ones(10, 12)), "expected shape"),
        (lambda: WiredConv(3, 3, kind="given"), "needs the edges"),
        (lambda: make("magic"), "choose one of dnw, dnw_no_update, random"),
        (lambda: make("td", rho=1.5), "rho"),
        (lambda: WiredConv(3, 3, slots=SLOTS), "slots: expected those of a weight"),
    ],
)
def test_bad_input(make_layer, message):
    with pytest.raises(ValueError, match=message):
        make_layer()


def test_a_refused_mask_changes_nothing():
    layer = make("given")
    before = layer.edges().clone()
    with pytest.raises(ValueError, match="cannot use"):
        layer.wiring.set_mask(torch.ones(12, 10, 1, 1))
    assert torch.equal(layer.edges(), before)


def test_aliases():
    assert find_kind("lottery_one_shot") == "lottery"
    assert all(find_kind(name) in KINDS for name in ALIASES)


@pytest.mark.parametrize("slots", [SLOTS, Slots((12, 10, 1, 1), legal=torch.ones(12, 10).tril())])
@pytest.mark.parametrize("kind", ["td", "reg_td"])
def test_dropout_leaves_illegal_slots_alone(kind, slots):
    layer = make(kind, slots=slots, rho=0.3).train()
    used = layer.effective_weight() != 0
    assert int(used.sum()) > KEEP and not (used & ~slots.mask()).any()


@pytest.mark.parametrize("slots", [SLOTS, Slots((12, 10, 1, 1), legal=torch.ones(12, 10).tril())])
@pytest.mark.parametrize("kind", ["dnw", "td", "random", "complete"])
def test_illegal_edges_of_the_legacy_budget_are_not_used(kind, slots):
    layer = make(kind, slots=slots, legacy_budget=True).eval()
    legal = layer.edges(legal=True)
    assert torch.equal(layer.effective_weight() != 0, legal)
    parts = sum(int((part != 0).sum()) for part in layer.pieces())
    assert parts == int(legal.sum()) < int(layer.edges().sum())


def test_masks_are_for_given_edges_only():
    with pytest.raises(ValueError, match="mask: only the kind given takes one, not dnw"):
        make("dnw", mask=SLOTS.mask())
