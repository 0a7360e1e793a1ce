"""Proxies of after 2021 against plain computations on tiny networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from predictors.proxies import AZ_NAS, az_nas, compute_proxies

Batch = tuple[Tensor, Tensor]


@pytest.fixture
def batch() -> Batch:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(8, 3, 4, 4, generator=rng), torch.arange(8) % 3


def layers(*modules: nn.Module, seed: int = 0) -> nn.Sequential:
    net = nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(3))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net(torch.zeros(2, 3, 4, 4))
        for parameter in net.parameters():
            nn.init.normal_(parameter, std=0.3)
    return net


def value(name: str, net: nn.Module, batch: Batch) -> float:
    found = compute_proxies(net, *batch, names=[name])
    assert not found.reasons, found.reasons
    return found[name]


def test_zico_is_the_ratio_of_the_gradients_of_two_halves(batch: Batch) -> None:
    net = layers(nn.Conv2d(3, 4, 3), nn.ReLU())
    grads = []
    for half in (slice(0, 4), slice(4, 8)):
        net.zero_grad()
        F.cross_entropy(net(batch[0][half]), batch[1][half]).backward()
        grads.append([p.grad.double().numpy() for p in net.parameters() if p.dim() > 1])
    expected = 0.0
    for pair in zip(*grads):
        deviation, mean = np.std(pair, axis=0), np.abs(pair).mean(0)
        expected += math.log((mean[deviation > 0] / deviation[deviation > 0]).sum())
    assert value("zico", net, batch) == pytest.approx(expected, rel=1e-4)


def test_swap_counts_patterns(batch: Batch) -> None:
    net = layers(nn.Conv2d(3, 4, 3), nn.ReLU())
    on = (net[0](batch[0]) > 0).flatten(1).T
    assert value("swap", net, batch) == len({tuple(row) for row in on.tolist()})
    many = batch[0].repeat(5, 1, 1, 1), batch[1].repeat(5)
    assert value("swap", net, many) == value(
        "swap", net, (batch[0].repeat(2, 1, 1, 1), many[1][:16])
    )


def test_meco_is_the_least_eigenvalue_of_the_correlations(batch: Batch) -> None:
    net = layers(nn.Conv2d(3, 5, 1))
    noise = torch.empty(8, 3, 4, 4).normal_(generator=torch.Generator().manual_seed(0))
    rows = net[0](noise[:1])[0].flatten(1).detach().numpy()
    conv = np.linalg.eigvalsh(np.corrcoef(rows))[0]
    # the pooled map of one position counts nothing, and five channels of three are singular
    assert value("meco", net, batch) == pytest.approx(conv, abs=1e-5)
    assert value("meco", layers(nn.Conv2d(3, 3, 1)), batch) > 0.001
    assert value("meco", layers(nn.Conv2d(3, 17, 1)), batch) == 0


def identity(width: int, scale: float) -> nn.Conv2d:
    layer = nn.Conv2d(width, width, 1, bias=False)
    nn.init.dirac_(layer.weight)
    layer.weight.data *= scale
    return layer


def test_expressivity_of_even_directions(batch: Batch) -> None:
    """Noise in three channels spreads evenly: the entropy is log 3, and stays."""
    net = layers(nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 1, bias=False))
    net[0], net[1] = identity(3, 1.0), identity(3, 2.0)
    images = torch.zeros(64, 3, 8, 8), torch.arange(64) % 3
    assert value("az_expressivity", net, images) == pytest.approx(2 * math.log(3), abs=0.01)
    assert value("az_progressivity", net, images) == pytest.approx(0, abs=1e-6)
    net[1].weight.data[1:] = 0  # one direction is left
    assert value("az_progressivity", net, images) == pytest.approx(-math.log(3), abs=0.01)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_trainability_is_best_where_signals_keep_their_size(scale: float, batch: Batch) -> None:
    net = layers(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    net[0], net[1] = identity(3, 1.0), identity(3, scale)
    images = torch.zeros(64, 3, 8, 8), torch.arange(64) % 3
    expected = 2 - scale - 1 / scale  # the Jacobian is `scale` times one
    assert value("az_trainability", net, images) == pytest.approx(expected, abs=0.1)


def test_trainability_across_a_stride(batch: Batch) -> None:
    net = layers(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 6, 2, 2))
    assert value("az_trainability", net, batch) <= 0
    assert value("az_trainability", layers(nn.Conv2d(3, 4, 1)), batch) <= 0  # a map, then a vector
    found = compute_proxies(
        nn.Sequential(nn.Flatten(), nn.Linear(48, 3)), *batch, names=["az_trainability"]
    )
    assert "fewer than two blocks" in found.reasons["az_trainability"]


def test_blocks_are_the_parts_that_have_layers_inside(batch: Batch) -> None:
    def part(width: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(width, 5, 3, padding=1), nn.ReLU(inplace=True))

    net = layers(nn.Sequential(part(3), part(5), part(5)), nn.ReLU())
    with_pool = compute_proxies(net, *batch, names=["az_expressivity", "az_progressivity"])
    assert not with_pool.reasons
    assert with_pool["az_expressivity"] < 3 * math.log(5)


def test_az_nas_adds_up_ranks() -> None:
    good = dict.fromkeys(AZ_NAS, 3.0)
    mixed = {**good, "flops": 1.0}
    bad = {**dict.fromkeys(AZ_NAS, 0.0), "flops": 2.0, "az_trainability": math.nan}
    found = az_nas([good, mixed, bad])
    assert found[0] > found[1] > found[2] and found[0] < 0
    with pytest.raises(ValueError, match="expected the proxies az_expressivity.* none of flops"):
        az_nas([{**good, "other": 1}, dict.fromkeys(AZ_NAS[:3], 1.0)])
    with pytest.raises(ValueError, match="got no networks"):
        az_nas([])
