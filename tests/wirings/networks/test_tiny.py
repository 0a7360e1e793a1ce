"""The tiny classifiers: counts, fast forms against plain ones, images of any size."""

from __future__ import annotations

import pytest
import torch

from graph2nn.archgraph import trace
from graph2nn.wirings.campaign.config import build_network
from graph2nn.wirings.campaign.published import find_config
from graph2nn.wirings.edges.kinds import KINDS, random_mask
from graph2nn.wirings.networks.counts import count_wiring
from graph2nn.wirings.networks.tiny import (
    DiscreteTimeWiring,
    StaticWiring,
    head_window,
    legacy_random_slots,
    static_blocks,
)

SMALL = {"nodes": 40, "inputs": 6, "outputs": 5, "layers": 4, "keep": 0.1}


def small(cls=StaticWiring, kind: str = "dnw", **how):
    if kind == "given":
        mask = random_mask(cls(**SMALL).wires.slots, 30, torch.Generator().manual_seed(1))
        how.setdefault("mask", mask)
    return cls(kind, **{**SMALL, **how})


def images(size: int = 32, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, channels, size, size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("cls", [StaticWiring, DiscreteTimeWiring])
def test_published_counts(cls):
    model = cls("dnw")
    assert model.wires.slots.count == (264_960 if cls is StaticWiring else 640_000)
    counts = count_wiring(model)
    assert counts.stored == 651_058 and counts.edges == counts.used_edges == 32_000
    assert counts.effective == 43_058
    assert counts.effective - 2 * 800 == 41_458  # the paper's "41k" leaves out the node norms
    parts = {
        "stem.conv.weight": 432,
        "stem.conv.bias": 16,
        "stem.depthwise.weight": 144,
        "stem.depthwise.bias": 16,
        "stem.pointwise.weight": 512,
        "stem.pointwise.bias": 32,
        "wires.weight": 640_000,
        "depthwise.weight": 7_200,
        "norm_weight": 800,
        "norm_bias": 800,
        "fc.weight": 1_000,
        "fc.bias": 10,
    }
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    assert parts.items() <= sizes.items()
    assert model.wires.weight.abs().max() <= 800**-0.5


def test_published_budget_is_partly_dead():
    """About 13 040 and 27 095 of 32 000 edges, by chance."""
    dnw = StaticWiring("dnw", legacy_budget=True).wires
    assert dnw.keep == 32_000 and abs(int(dnw.edges(legal=True).sum()) - 13_248) < 400
    random = StaticWiring("random", legacy_budget=True).wires
    assert random.keep == 32_000 and abs(int(random.edges(legal=True).sum()) - 27_033) < 300
    assert int(StaticWiring("random").wires.edges(legal=True).sum()) == 32_000


def test_published_random_graph_misses_the_blocks():
    published = legacy_random_slots(800, 32, 100).mask()
    legal = StaticWiring("random").wires.slots.mask()
    assert int((published & ~legal).sum()) == 47_440
    assert int((legal & ~published).sum()) == 6_800


@pytest.mark.parametrize("kind", KINDS)
def test_fast_equals_reference(kind):
    model = small(kind=kind).double().eval()
    found, plain = model(images()), model.forward_reference(images())
    assert torch.allclose(found, plain, atol=1e-12)


@pytest.mark.parametrize("size", [2, 3, 8, 13, 28, 32])
@pytest.mark.parametrize("cls", [StaticWiring, DiscreteTimeWiring])
def test_fast_gradients_equal_reference(cls, size):
    twins = [small(cls, image_size=size).double().train() for _ in range(2)]
    factor = torch.randn(3, 10, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for model, form in zip(twins, ("forward", "forward_reference")):
        (getattr(model, form)(images(size)) * factor).sum().backward()
    for (name, first), second in zip(twins[0].named_parameters(), twins[1].parameters()):
        gradient = second.grad * model.wires.slots.mask() if name == "wires.weight" else second.grad
        assert torch.allclose(first.grad, gradient, atol=1e-10, rtol=1e-8), name


@pytest.mark.parametrize(
    ("size", "first"), [(8, 2), (2, 0), (3, 0), (4, 0), (7, 1), (6, 1), (56, 26)]
)
def test_head_reads_two_by_two(size, first):
    rows, columns = head_window(torch.zeros(1, 1, size, size))
    assert (rows.start, rows.stop, columns.start, columns.stop) == (first, first + 2) * 2


def test_head_ignores_the_last_row(generator):
    """Only positions 2 and 3 of 8 are averaged, as published."""
    model = StaticWiring().eval()
    state = torch.randn(1, 800, 8, 8, generator=generator)
    expected = model.fc(state[:, 700:, 2:4, 2:4].mean((2, 3)))
    assert torch.allclose(model.classify(state), expected)


@pytest.mark.parametrize("setting", ["static", "discrete_time"])
def test_digits(setting):
    config = find_config(f"small/{setting}_dnw", dataset="digits", dim=60, outputs=8, inputs=8)
    model = build_network(config, in_channels=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        logits = model(images(8, 1).float())
        logits.logsumexp(1).sum().backward()
        optimizer.step()
    assert logits.shape == (3, 10) and logits.isfinite().all()


@pytest.mark.parametrize("cls", [StaticWiring, DiscreteTimeWiring])
def test_seeds(cls):
    weights = [small(cls, "random", seed=s).state_dict() for s in (0, 0, 1)]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name
    assert not torch.equal(weights[0]["wires.wiring.mask"], weights[2]["wires.wiring.mask"])
    assert not torch.equal(weights[0]["wires.weight"], weights[2]["wires.weight"])


def test_nothing_global_is_drawn():
    before = torch.get_rng_state()
    small(kind="random")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("cls", [StaticWiring, DiscreteTimeWiring])
def test_traced_graph_has_every_parameter(cls):
    model = small(cls)
    assert set(trace(model).param_shapes) == {name for name, _ in model.named_parameters()}


def test_blocks():
    assert static_blocks(800, 32, 100, 5) == (32, 192, 192, 192, 192)
    assert static_blocks(40, 6, 5, 4) == (6, 12, 11, 11)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"image_size": 1}, "image_size: expected at least 2"),
        ({"keep": 0}, "expected from 1 to 644 edges"),
        ({"keep": 645}, "expected from 1 to 644 edges, as many as there are legal"),
        ({"keep": 0.0}, "above 0"),
        ({"layers": 1}, "layers: expected from 2 up"),
        ({"layers": 0}, "layers: expected at least 1"),
        ({"outputs": 20}, "cannot hold 20 output nodes"),
        ({"nodes": 10}, "nodes: expected at least 6 inputs and 5 outputs"),
        ({"num_classes": 0}, "num_classes"),
        ({"seed": -1}, "seed"),
        ({"kind": "magic"}, "choose one of dnw"),
    ],
)
def test_bad_input(how, message):
    with pytest.raises(ValueError, match=message):
        small(**how)


@pytest.mark.parametrize("shape", [(1, 3, 4, 32), (3, 32, 32)])
def test_bad_images(shape):
    with pytest.raises(ValueError, match="H and W above 4, by which the stem divides them, got"):
        small()(torch.zeros(shape))
