"""Indices of nodes: sets are carried along by what moves positions."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from graph2nn.sparsity.graphs.encodings.values import (
    adaptive_windows,
    distinct,
    expanded,
    interpolation,
    overlap,
    padded,
    pool_windows,
    repeats,
    replay,
    windows,
)


def sets(index: torch.Tensor) -> list[set[int]]:
    return [set(row) - {-1} for row in index.reshape(-1, index.shape[-1]).tolist()]


ONE = torch.arange(6).reshape(2, 3, 1)
TWO = torch.tensor([[[0, 6], [1, 7], [2, -1]], [[3, 9], [4, -1], [5, 11]]])


@pytest.mark.parametrize("index", [ONE, TWO])
def test_replay_moves_whole_sets(index: torch.Tensor) -> None:
    (turned,) = replay(lambda x: x.T[::2], index)
    assert sets(turned) == [sets(index)[k] for k in (0, 3, 2, 5)]
    parts = replay(lambda x: x.split([1, 2], 1), index)
    assert sets(parts[1]) == [sets(index)[k] for k in (1, 2, 4, 5)]


def test_replay_of_several_widths() -> None:
    (both,) = replay(lambda x, y: torch.cat([x, y], 1), ONE, TWO)
    assert both.shape == (2, 6, 2)
    assert sets(both) == sets(ONE)[:3] + sets(TWO)[:3] + sets(ONE)[3:] + sets(TWO)[3:]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_as_torch_pads(mode: str) -> None:
    index = torch.arange(1, 17).reshape(1, 1, 4, 4, 1)
    expected = F.pad(index[..., 0].double(), (1, 2, 0, 1), mode=mode).long()
    expected = expected.where(expected > 0, -1)  # padded zeros are no nodes
    assert torch.equal(padded(index, (1, 2, 0, 1), mode)[..., 0], expected)


def test_padding_can_crop() -> None:
    assert sets(padded(TWO, (-1, 1))) == [{1, 7}, {2}, set(), {4}, {5, 11}, set()]


@pytest.mark.parametrize("size, out", [(5, 1), (5, 5), (5, 2), (6, 3), (2, 7)])
def test_adaptive_windows_as_torch_pools(size: int, out: int) -> None:
    reads = adaptive_windows(size, out)
    for place in range(size):
        image = torch.zeros(1, 1, size)
        image[..., place] = 1
        used = F.adaptive_avg_pool1d(image, out)[0, 0] > 0
        assert torch.equal((reads == place).any(1), used)


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("size, out", [(4, 8), (3, 5), (5, 3), (4, 1), (1, 4), (6, 6)])
def test_interpolation_as_torch_resizes(size: int, out: int, align: bool) -> None:
    reads = interpolation(size, out, align_corners=align)
    for place in range(size):
        image = torch.zeros(1, 1, size, dtype=torch.float64)
        image[..., place] = 1
        used = F.interpolate(image, out, mode="linear", align_corners=align)[0, 0] > 1e-9
        assert torch.equal((reads == place).any(1), used)


def test_windows_are_unions() -> None:
    index = torch.arange(9).reshape(3, 3, 1)
    reads = pool_windows(3, 2, kernel=2, stride=2, padding=0, dilation=1)
    assert reads.tolist() == [[0, 1], [2, -1]]
    assert sets(windows(index, reads, reads)) == [{0, 1, 3, 4}, {2, 5}, {6, 7}, {8}]
    assert pool_windows(5, 2, 2, 2, 1, 3).tolist() == [[-1, 2], [1, 4]]


def test_repeated_nodes() -> None:
    assert not repeats(TWO) and not repeats(torch.full((3, 1), -1))
    assert repeats(expanded(ONE[:1], (4, 3)))
    twice = torch.tensor([[5, 3, 5, -1], [3, 3, 3, 3]])
    assert repeats(twice) and sets(distinct(twice)) == [{3, 5}, {3}]
    assert distinct(twice).shape == (2, 2)
    assert torch.equal(distinct(ONE), ONE)


def test_overlap() -> None:
    assert overlap([ONE, TWO], torch.tensor([[11], [-1]]))
    assert not overlap([ONE], torch.tensor([[-1], [6]]))
    assert not overlap([ONE], torch.full((2, 1), -1)) and not overlap([], ONE)
