"""One training step: its gradient equals the joint one, with memory for one network at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ghn import GHN
from ghn.training import joint_step, meta_step
from ghn.training import step as step_module
from ghn.training.init import unit_gain
from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import Genotype, NetConfig, build_graph
from graph2nn.families import run_blueprint
from graph2nn.runs import seeded

Nets = list[tuple[NetConfig, ArchGraph]]
CELLS = [
    Genotype(
        (("sep_conv_3x3", 0), ("skip_connect", 1)),
        (2,),
        (("conv_3x3", 0), ("max_pool_3x3", 1)),
        (2,),
    ),
    Genotype((("conv_1x1", 1), ("none", 0)), (2,), (("avg_pool_3x3", 0), ("cse", 1)), (2,)),
]


def some_nets(count: int, **fields) -> Nets:
    defaults = {"n_cells": 3, "C": 8, "image_size": 8, "fc_layers": 2, "fc_dim": 8}
    configs = [
        NetConfig(genotype=CELLS[k % 2], **{**defaults, **fields, "C": 8 + 2 * (k % 3)})
        for k in range(count)
    ]
    return [(c, build_graph(c)) for c in configs]


@pytest.fixture
def images(generator) -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=generator)


LABELS = torch.tensor([1, 2, 3, 4, 5, 6])


def gradients(ghn: nn.Module) -> dict[str, Tensor]:
    found = {n: p.grad for n, p in ghn.named_parameters() if p.grad is not None}
    ghn.zero_grad(set_to_none=True)
    return found


@pytest.mark.parametrize("hypernet", ["gatedgnn", "mlp", "graphormer", "tokens"])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1, "norm_penalty": 3e-3}])
def test_equals_the_joint_gradient(tiny, images, hypernet, options) -> None:
    """To double precision, with dropout, several networks and a regulariser."""
    ghn, nets = tiny(hypernet=hypernet).double().train(), some_nets(3)
    images = images.double()
    result = meta_step(ghn, nets, images, LABELS, **options)
    ours = gradients(ghn)
    loss = joint_step(ghn, nets, images, LABELS, **options)
    assert result.finite and result.loss == pytest.approx(loss, rel=1e-12)
    assert 0 <= result.accuracy <= 1
    torch.testing.assert_close(ours, gradients(ghn), rtol=1e-9, atol=1e-12)
    assert set(ours) == {n for n, _ in ghn.named_parameters()}
    assert sum(g.abs().sum() for g in ours.values()) > 0


@pytest.mark.parametrize("options", [{}, {"diversity": 0.3, "norm_penalty": 3e-3}])
def test_equals_the_joint_gradient_under_noise(tiny, images, options) -> None:
    ghn, nets = tiny(noise=4).double().train(), some_nets(2)
    images = images.double()
    result = meta_step(ghn, nets, images, LABELS, **options)
    ours = gradients(ghn)
    assert result.loss == pytest.approx(joint_step(ghn, nets, images, LABELS, **options), rel=1e-12)
    torch.testing.assert_close(ours, gradients(ghn), rtol=1e-9, atol=1e-12)
    assert ours["noise.weight"].abs().sum() > 0
    with torch.no_grad():
        ghn.noise.weight.zero_()
    assert meta_step(ghn, nets, images, LABELS, **options).loss != result.loss


def test_diversity_pushes_samples_apart(tiny, images) -> None:
    """A small step against its gradient alone makes two samples less alike."""
    ghn, nets = tiny(noise=4).double().train(), some_nets(2)
    graphs, images = [graph for _, graph in nets], images.double()
    meta_step(ghn, nets, images, LABELS)
    without = gradients(ghn)
    meta_step(ghn, nets, images, LABELS, diversity=2.0)
    own = {n: g - without[n] for n, g in gradients(ghn).items()}
    before = step_module.predictions(ghn, graphs, range(2), diversity=1.0)[1]
    torch.testing.assert_close(
        torch.autograd.grad(before, ghn.noise.weight)[0], own["noise.weight"], rtol=1e-8, atol=1e-12
    )
    with torch.no_grad():
        for name, parameter in ghn.named_parameters():
            parameter -= 0.01 * own[name]
    after = step_module.predictions(ghn, graphs, range(2), diversity=1.0)[1]
    assert after < before < 2


def test_diversity_needs_noise(tiny, images) -> None:
    with pytest.raises(ValueError, match="diversity: a hypernetwork without noise has one"):
        meta_step(tiny(), some_nets(1), images, LABELS, diversity=0.1)


def test_equals_the_mean_of_its_networks(tiny, images) -> None:
    """Shares of a meta-batch in several processes add up to the whole."""
    ghn, nets, images = tiny(noise=2).double(), some_nets(3), images.double()
    meta_step(ghn, nets, images, LABELS, diversity=0.1)
    whole = gradients(ghn)
    for seeds, share in (([0, 2], [nets[0], nets[2]]), ([1], [nets[1]])):
        meta_step(ghn, share, images, LABELS, total=3, seeds=seeds, diversity=0.1)
    torch.testing.assert_close(whole, gradients(ghn), rtol=1e-9, atol=1e-12)
    measured = meta_step(ghn, nets, images, LABELS).accuracies
    alone = [meta_step(ghn, [net], images, LABELS, seeds=[k]) for k, net in enumerate(nets)]
    assert measured == tuple(one.accuracy for one in alone)
    ghn.zero_grad(set_to_none=True)
    result = meta_step(ghn, [], images, LABELS, total=3)
    assert result.finite and not gradients(ghn)


def test_no_network_outweighs_the_others(tiny, images) -> None:
    """Gradients in predicted parameters are shortened network by network."""
    ghn, nets, images = tiny().double(), some_nets(2), images.double()
    alone = []
    for k, net in enumerate(nets):
        meta_step(ghn, [net], images, LABELS, seeds=[k])
        alone.append(gradients(ghn))
        predicted = ghn.predict_graphs([net[1]])[0]
        leaves = {n: p.detach().requires_grad_() for n, p in predicted.items()}
        with seeded(k, images.device):
            loss = F.cross_entropy(run_blueprint(net[0], leaves, images), LABELS)
        found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        alone[k]["norm"] = torch.nn.utils.get_total_norm([g for g in found if g is not None])
    low, high = sorted(one["norm"].item() for one in alone)
    limit = (low + high) / 2
    meta_step(ghn, nets, images, LABELS, net_clip=limit, scale=8.0)
    clipped = gradients(ghn)
    for name, found in clipped.items():
        parts = [one.get(name, 0) * min(1, limit / one["norm"]) for one in alone]
        torch.testing.assert_close(found / 8, sum(parts) / 2, rtol=1e-9, atol=1e-12)
    assert low < limit < high


def test_scale(tiny, images) -> None:
    ghn, nets, images = tiny().double(), some_nets(2), images.double()
    a = meta_step(ghn, nets, images, LABELS)
    plain = gradients(ghn)
    b = meta_step(ghn, nets, images, LABELS, scale=1024.0)
    scaled = {n: g / 1024 for n, g in gradients(ghn).items()}
    torch.testing.assert_close(scaled, plain)
    assert a == b, "the reported loss is not scaled"


def test_dropout_depends_on_its_seed_only(tiny, images) -> None:
    ghn, nets = unit_gain(tiny()), some_nets(2)
    state = torch.get_rng_state()
    first = meta_step(ghn, nets, images, LABELS, seeds=[5, 6])
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert meta_step(ghn, nets, images, LABELS, seeds=[5, 6]) == first
    assert meta_step(ghn, nets, images, LABELS, seeds=[7, 8]).loss != first.loss


def test_a_loss_that_is_not_finite_leaves_gradients_alone(tiny, images) -> None:
    ghn, nets = tiny(), some_nets(2)
    meta_step(ghn, nets, images, LABELS)
    before = {n: p.grad.clone() for n, p in ghn.named_parameters() if p.grad is not None}
    broken = images.clone()
    broken[0, 0, 0, 0] = torch.nan
    result = meta_step(ghn, nets, broken, LABELS)
    assert not result.finite and not math.isfinite(result.loss)
    after = {n: p.grad for n, p in ghn.named_parameters() if p.grad is not None}
    torch.testing.assert_close(after, before, rtol=0, atol=0)


@pytest.mark.parametrize("norm", ["bnorm", None])
def test_mixed_precision(tiny, images, norm: str | None) -> None:
    """bfloat16 networks: gradients in float32, near those in full precision."""
    ghn, nets = unit_gain(tiny()), some_nets(2, fc_layers=1, norm=norm)
    full_result = meta_step(ghn, nets, images, LABELS)
    full = gradients(ghn)
    result = meta_step(ghn, nets, images, LABELS, amp=torch.bfloat16)
    half = gradients(ghn)
    assert result.finite and result.loss == pytest.approx(full_result.loss, rel=0.05)
    assert {g.dtype for g in half.values()} == {torch.float32}
    flat = [torch.cat([g.flatten() for g in d.values()]) for d in (full, half)]
    assert torch.nn.functional.cosine_similarity(*flat, dim=0) > 0.9


def peak_of_saved(ghn: GHN, nets: Nets, images: Tensor, monkeypatch, step) -> int:
    """Largest sum of bytes that the networks' forward passes keep for their gradients."""
    alive, peak = 0, 0

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal alive, peak
            self.tensor, self.size = tensor, tensor.numel() * tensor.element_size()
            alive += self.size
            peak = max(peak, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= self.size

    name = "functional_call" if step is joint_step else "run_blueprint"
    inner = getattr(step_module, name)

    def watched(*args):
        with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            return inner(*args)

    with monkeypatch.context() as m:
        m.setattr(step_module, name, watched)
        step(ghn, nets, images, LABELS)
    ghn.zero_grad(set_to_none=True)
    assert alive == 0
    return peak


def test_memory_does_not_grow_with_the_meta_batch(tiny, images, monkeypatch) -> None:
    ghn, (net, *_) = tiny(), some_nets(1)
    one, many = (peak_of_saved(ghn, [net] * m, images, monkeypatch, meta_step) for m in (1, 6))
    assert many == one > 0
    joint = peak_of_saved(ghn, [net] * 6, images, monkeypatch, joint_step)
    assert joint >= 5 * one, "the measurement sees the joint step's growth"


def test_unit_gain_starts_weights_at_a_known_scale(tiny) -> None:
    ghn = unit_gain(tiny(hid=32, max_shape=(64, 64, 3, 3)), gain=0.5)
    (config, graph), *_ = some_nets(1, C=32)
    with torch.no_grad():
        parameters = ghn.predict_graphs([graph])[0]
    ratios = [
        p.std() * (p[0].numel() / 2) ** 0.5
        for n, p in parameters.items()
        if p.dim() == 4 and p.shape[1] > 1
    ]
    assert 0.2 < sum(ratios) / len(ratios) < 1
    untouched = tiny(decoder="mlp")
    before = {k: v.clone() for k, v in untouched.state_dict().items()}
    unit_gain(untouched)
    assert all(torch.equal(v, before[k]) for k, v in untouched.state_dict().items())
