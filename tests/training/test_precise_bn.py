"""Precise batch normalisation against its formula, in one, two and three dimensions."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from graph2nn.training import PreciseStatistics, precise_bn

LAYERS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def model(dims: int) -> nn.Module:
    return nn.Sequential(LAYERS[dims](3), nn.Dropout(0.0), nn.ReLU(), LAYERS[dims](3)).double()


def batches(dims: int, generator: torch.Generator) -> list[torch.Tensor]:
    shape = (8, 3) if dims == 1 else (8, 3) + (4,) * dims
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64) * (1 + k) + k for k in range(3)
    ]


@pytest.mark.parametrize("dims", LAYERS)
def test_formula(dims: int, generator: torch.Generator) -> None:
    net, data = model(dims), batches(dims, generator)
    expected = copy.deepcopy(net).train()
    over = [axis for axis in range(data[0].dim()) if axis != 1]
    precise_bn(net, data)
    inputs = [data, [expected[2](expected[0](x)) for x in data]]
    for layer, values in ((net[0], inputs[0]), (net[3], inputs[1])):
        mean = torch.stack([x.mean(over) for x in values])
        var = torch.stack([x.var(over) for x in values])
        square = (var + mean**2).mean(0)
        torch.testing.assert_close(layer.running_mean, mean.mean(0))
        torch.testing.assert_close(layer.running_var, square - mean.mean(0) ** 2)


def test_nothing_else_changes(generator: torch.Generator) -> None:
    net, data = model(2), batches(2, generator)
    net.train()(data[0])
    net.eval()
    net[0].train()
    net[3].momentum = None
    before = copy.deepcopy(net)
    state = torch.get_rng_state()
    assert precise_bn(net, data) is net
    assert torch.equal(state, torch.get_rng_state())
    assert [m.training for m in net.modules()] == [m.training for m in before.modules()]
    assert net[0].momentum == 0.1 and net[3].momentum is None
    for name, value in net.state_dict().items():
        if "running" in name:
            assert not torch.equal(value, before.state_dict()[name]), name
        else:
            assert torch.equal(value, before.state_dict()[name]), name
    assert all(p.grad is None for p in net.parameters())


def test_no_batch_or_an_error_leaves_the_statistics(generator: torch.Generator) -> None:
    net, data = model(2), batches(2, generator)
    before = copy.deepcopy(net.state_dict())
    precise_bn(net, [])
    with pytest.raises(RuntimeError, match="stop"), PreciseStatistics(net) as statistics:
        statistics.observe(lambda: net(data[0]))
        raise RuntimeError("stop")
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_layers_without_statistics_are_left_alone() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False), nn.LayerNorm(2))
    precise_bn(net, [torch.ones(4, 2)])
    assert "0.running_mean" not in net.state_dict()
