"""Noise and orthogonal matrices, against the rules written out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ghn.finetuning import post_process


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 1), nn.Flatten(), nn.Linear(6, 5)
    )


def test_weights_become_orthogonal_and_keep_their_span() -> None:
    net = network()
    before = [p.detach().clone() for p in net.parameters()]
    assert post_process(net) == 2
    wide, narrow = net[0].weight.flatten(1), net[2].weight.flatten(1)
    torch.testing.assert_close(wide @ wide.T, torch.eye(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(narrow @ narrow.T, torch.eye(6), atol=1e-5, rtol=0)
    rows = before[0].flatten(1)
    torch.testing.assert_close(rows @ wide.T @ wide, rows, atol=1e-5, rtol=0)
    assert (rows * wide).sum(1)[0] > 0, "the sign of the first row stays"
    again = wide.clone()
    post_process(net)
    torch.testing.assert_close(net[0].weight.flatten(1), again, atol=1e-5, rtol=0)
    unchanged = zip(
        list(net.parameters())[1:4] + list(net.parameters())[5:], before[1:4] + before[5:]
    )
    assert all(torch.equal(a, b) for a, b in unchanged), "biases, norms and the classifier"


def test_noise_is_relative_to_the_correlations_and_seeded() -> None:
    net, other = network(), network()
    before = net[0].weight.detach().clone()
    for one in (net, other):
        draws = torch.Generator().manual_seed(3)
        assert post_process(one, orthogonal=False, noise=0.1, generator=draws) == 2
    assert torch.equal(net[0].weight, other[0].weight)
    tall = before.flatten(1).T
    expected = 0.1 * torch.corrcoef(tall).std().item()
    found = (net[0].weight - before).std().item()
    assert found == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize(("settings", "changed"), [
    ({"first_layer": 2}, [False, True]),
    ({"first_layer": 1}, [True, True]),
    ({"larger_than": 7}, [True, True]),
    ({"larger_than": 8}, [False, False]),
    ({"orthogonal": False}, [False, False]),
])  # fmt: skip
def test_which_layers_change(settings: dict, changed: list[bool]) -> None:
    net = network()
    before = [net[0].weight.detach().clone(), net[2].weight.detach().clone()]
    assert post_process(net, **settings) == sum(changed)
    after = [net[0].weight, net[2].weight]
    assert [not torch.equal(a, b) for a, b in zip(before, after, strict=True)] == changed


def test_equal_rows_and_bad_settings() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    nn.init.ones_(net[0].weight)
    post_process(net, orthogonal=False, noise=1.0)
    assert net[0].weight.isfinite().all(), "constant rows have no correlation"
    with pytest.raises(ValueError, match="the network has 2 layers .* none from 3 on"):
        post_process(network(), first_layer=3)
    with pytest.raises(ValueError, match="noise must not be negative"):
        post_process(network(), noise=-1.0)
    assert post_process(nn.Sequential(nn.Linear(2, 2))) == 0, "the classifier alone"
