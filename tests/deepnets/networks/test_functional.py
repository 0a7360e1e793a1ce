"""Does a network without modules compute what its module computes, gradients included?"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from graph2nn.deepnets import DARTS, NetConfig, Network, eval_nets, run_network, split_rules
from graph2nn.deepnets.networks.functional import _dilated


def results(run, parameters, images):
    """Logits and gradients, with the same dropout for everybody."""
    leaves = {n: p.detach().requires_grad_() for n, p in parameters.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        logits = run(leaves, images)
    weights = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
    found = torch.autograd.grad(logits, list(leaves.values()), weights, allow_unused=True)
    return logits.detach(), dict(zip(leaves, found, strict=True))


def assert_equal_runs(config, images, parameters, rtol):
    net = Network(config, device="meta").train()
    plain, gradients = results(lambda p, x: functional_call(net, p, (x,)), parameters, images)
    logits, found = results(lambda p, x: run_network(config, p, x), parameters, images)
    torch.testing.assert_close(logits, plain, rtol=rtol, atol=rtol)
    for name, gradient in gradients.items():
        if gradient is None:
            assert found[name] is None, name
            continue
        scale = max(1.0, gradient.abs().max().item())
        torch.testing.assert_close(
            found[name] / scale, gradient / scale, rtol=rtol, atol=rtol, msg=name
        )


@pytest.mark.parametrize("split", ["test", "wide", "deep", "dense", "bnfree", "search"])
@pytest.mark.parametrize(("size", "channels"), [(8, 1), (16, 3)])
def test_equals_the_module(split: str, size: int, channels: int) -> None:
    rules = split_rules(split, image_size=size, small=True)
    kind = {"image_size": size, "in_channels": channels, "num_classes": 10}
    for config in eval_nets(split, 4, 7, rules=rules, **kind):
        torch.manual_seed(0)
        net = Network(config).double()
        images = torch.rand(3, channels, size, size, dtype=torch.float64)
        parameters = dict(net.named_parameters())
        assert_equal_runs(config, images, parameters, 1e-9)


@pytest.mark.parametrize("stem", [0, 1])
@pytest.mark.parametrize("size", [32, 224])
def test_stems(stem: int, size: int) -> None:
    config = NetConfig(genotype=DARTS, n_cells=3, C=8, stem_type=stem, image_size=size)
    config = replace(config, stem_pool=stem == 0, fc_layers=2, fc_dim=16)
    torch.manual_seed(0)
    parameters = dict(Network(config).double().named_parameters())
    images = torch.rand(2, 3, size, size, dtype=torch.float64)
    assert_equal_runs(config, images, parameters, 1e-9)


def test_auxiliary_heads_are_refused() -> None:
    config = NetConfig(genotype=DARTS, n_cells=3, C=8, auxiliary=True)
    with pytest.raises(ValueError, match="auxiliary head must be run as modules"):
        run_network(config, {}, torch.rand(2, 3, 32, 32))


@pytest.mark.parametrize("side", [1, 2, 5, 8, 11])
def test_dilated_convolutions(side: int) -> None:
    for k, stride, last in product((3, 5), (1, 2), (False, True)):
        x = torch.rand(4, 6, side, side, dtype=torch.float64)
        if last:
            x = x.contiguous(memory_format=torch.channels_last)
        weight = torch.randn(6, 1, k, k, dtype=torch.float64)
        x.requires_grad_()
        weight.requires_grad_()
        plain = F.conv2d(x, weight, None, stride, k - 1, 2, 6)
        ours = _dilated(x, weight, stride)
        torch.testing.assert_close(ours, plain)
        grad = torch.randn_like(plain)
        for found, expected in zip(
            torch.autograd.grad(ours, (x, weight), grad),
            torch.autograd.grad(plain, (x, weight), grad),
            strict=True,
        ):
            torch.testing.assert_close(found, expected)
