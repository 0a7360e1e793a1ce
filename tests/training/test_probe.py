"""`Probe` and saliencies: nothing of the caller's changes, and pruning and proxies agree."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from graph2nn.sparsity.networks.pruning.prune import scores
from graph2nn.training.probe import Probe
from graph2nn.training.saliency import first_order, positive, second_order, signal_flow
from predictors.proxies import compute_proxies


@pytest.fixture
def batch(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(12, 3, 4, 4, generator=generator), torch.arange(12) % 4


def network(norm: bool = True) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6) if norm else nn.Identity(),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(96, 4),
        )


def everything(probe: Probe, batch: tuple[Tensor, Tensor]) -> None:
    with probe.running():
        torch.rand(3)
        first_order(probe, batch)
        second_order(probe, [batch, batch])
        values = positive({**probe.parameters(), **probe.buffers()})
        leaves = [values[name].requires_grad_() for name in probe.weights]
        signal_flow(probe, values, leaves, (3, 4, 4), bypass=lambda m: isinstance(m, nn.ReLU))


@pytest.mark.parametrize("grad", [True, False])
def test_the_network_and_the_world_are_left_as_they_were(batch, grad: bool) -> None:
    net = network()
    net[1].eval()
    net[0].weight.requires_grad_(False)
    net[5].weight.grad = torch.full_like(net[5].weight, 2.0)
    before = copy.deepcopy(net.state_dict())
    modes, state = [m.training for m in net.modules()], torch.get_rng_state()
    with torch.set_grad_enabled(grad):
        everything(Probe(net, seed=3), batch)
        assert torch.is_grad_enabled() == grad
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert modes == [m.training for m in net.modules()]
    assert torch.equal(state, torch.get_rng_state())
    assert net[0].weight.grad is None and not net[0].weight.requires_grad
    assert (net[5].weight.grad == 2).all()
    assert all("forward" not in m.__dict__ and not m._forward_hooks for m in net.modules())


def test_modes_and_layers_are_put_back_after_an_error(batch) -> None:
    net = network().eval()
    probe = Probe(net)
    with pytest.raises(ValueError, match=r"does not take images of shape \(12, 3, 2, 2\)"):
        first_order(probe, (batch[0][..., :2, :2], batch[1]))
    with pytest.raises(ValueError, match="does not take images of shape"):
        values, leaves = probe.leaves()
        signal_flow(probe, values, leaves, (1, 4, 4), bypass=lambda m: isinstance(m, nn.ReLU))
    assert not any(m.training for m in net.modules())
    assert all("forward" not in m.__dict__ for m in net.modules())


def test_half_precision_is_widened(batch) -> None:
    net = network().half()
    found = Probe(net).named(g for _, g in first_order(Probe(net), batch))
    wide = Probe(net.float()).named(g for _, g in first_order(Probe(net), batch))
    assert all(g.dtype == torch.float32 and torch.equal(g, wide[name]) for name, g in found.items())


def test_weights_of_ones_own(batch) -> None:
    net = network()
    probe = Probe(net, weights={"1.weight": net[1].weight})
    ((weight, gradient),) = first_order(probe, batch)
    assert torch.equal(weight, net[1].weight.detach()) and gradient.shape == (6,)
    assert probe.named([gradient]).keys() == {"1.weight"}
    with pytest.raises(ValueError, match="Flatten has no convolution or linear layer"):
        first_order(Probe(nn.Flatten()), batch)


def test_pruning_and_proxies_are_one(batch) -> None:
    """The sums of SNIP and GraSP over weights, and the logarithm of that of SynFlow."""
    net = network()
    found = compute_proxies(net, *batch, names=["snip", "grasp"])
    snip = scores(net, "snip", batch)
    grasp = scores(net, "grasp", batch, samples_per_class=3, temperature=1.0, parts=1)
    assert found["snip"] == sum(float(s.double().sum()) for s in snip.values())
    # the proxy has the sign of the paper; the images come in another order
    total = -sum(float(s.double().sum()) for s in grasp.values())
    assert found["grasp"] == pytest.approx(total, rel=1e-5)
    plain = network(norm=False)
    flow = sum(float(s.sum()) for s in scores(plain, "synflow", batch).values())
    found = compute_proxies(plain, *batch, names=["synflow"])
    assert found["synflow"] == pytest.approx(math.log(flow), rel=1e-12)


def test_parts_of_a_batch_sum_to_the_whole(batch) -> None:
    probe = Probe(network(norm=False).double())
    images, labels = batch[0].double(), batch[1]
    halves = [(images[:5], labels[:5]), (images[5:], labels[5:])]
    whole = second_order(probe, [(images, labels)])
    parts = second_order(probe, halves, factors=[5 / 12, 7 / 12])
    for one, other in zip(whole, parts):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-14)
