"""The shape encoder's vocabulary and its nearest entries, case by case."""

from __future__ import annotations

import pytest
import torch

from ghn.trunks.shape_encoder import ShapeEncoder

LAST_CHANNEL, LAST_SPATIAL = 391, 8


def encoder(num_classes: int = 10, size: int = 11, hid: int = 8) -> ShapeEncoder:
    return ShapeEncoder(hid, num_classes, (64, 64, size, size))


def channels(num_classes: int) -> list[int]:
    values = {1, 3, num_classes, *range(8, 57, 8), *range(64, 4081, 16), *range(4096, 8193, 32)}
    return sorted(values)


def test_sizes_of_the_published_tables() -> None:
    for classes in (10, 1000):
        assert encoder(classes).embed_channel.weight.shape == (392, 2)
    assert encoder(64).embed_channel.weight.shape == (391, 2), "64 is in the vocabulary already"
    assert encoder(size=11).embed_spatial.weight.shape == (9, 2)
    assert encoder(size=16).embed_spatial.weight.shape == (11, 2)


@pytest.mark.parametrize(
    "size, stands_for, classes",
    [
        (1, 1, 10),
        (2, 1, 10),
        (3, 3, 10),
        *((n, 8, 10) for n in (4, 5, 6, 7, 8)),
        (9, 8, 10),  # tie with 10 goes to the smaller
        (9, 8, 1000),
        (10, 10, 10),
        (12, 10, 10),
        (12, 8, 1000),
        (11, 8, 1000),
        (20, 16, 10),
        (21, 24, 10),
        (60, 56, 10),
        (72, 64, 10),
        (73, 80, 10),
        (200, 192, 10),
        (1000, 1000, 1000),
        (1000, 992, 10),
        (4088, 4080, 10),
        (8191, 8192, 10),
        (8192, 8192, 10),
        (8193, 8192, 10),
        (10**6, 8192, 10),
    ],
)
def test_channels(size: int, stands_for: int, classes: int) -> None:
    e = encoder(classes)
    found = e(torch.tensor([[size, 0, 0, 0], [0, size, 0, 0]]))
    row = e.embed_channel.weight[channels(classes).index(stands_for)]
    torch.testing.assert_close(found[0, :2], row, rtol=0, atol=0)
    torch.testing.assert_close(found[1, 2:4], row, rtol=0, atol=0)


S11 = [1, 3, 5, 7, 9, 11, 14, 16]
S16 = [1, 3, 5, 7, 9, 11, 13, 14, 15, 16]


@pytest.mark.parametrize(
    "size, stands_for, vocabulary",
    [
        *((n, n, S11) for n in S11),
        *((n, n, S16) for n in S16),
        *((a, b, S11) for a, b in [(2, 3), (4, 3), (6, 5), (8, 7), (10, 9), (12, 11), (13, 14)]),
        *((a, b, S11) for a, b in [(15, 14), (17, 16), (224, 16)]),
        *((a, b, S16) for a, b in [(2, 3), (12, 11), (13, 13), (1000, 16)]),
    ],
)
def test_kernels(size: int, stands_for: int, vocabulary: list[int]) -> None:
    e = encoder(size=vocabulary is S16 and 16 or 11)
    found = e(torch.tensor([[0, 0, size, 0], [0, 0, 0, size]]))
    row = e.embed_spatial.weight[vocabulary.index(stands_for)]
    torch.testing.assert_close(found[0, 4:6], row, rtol=0, atol=0)
    torch.testing.assert_close(found[1, 6:], row, rtol=0, atol=0)


def test_no_shape_is_the_last_row() -> None:
    e = encoder()
    (found,) = e(torch.zeros(1, 4, dtype=torch.int64))
    channel, spatial = e.embed_channel.weight[-1], e.embed_spatial.weight[-1]
    assert len(e.embed_channel.weight) - 1 == LAST_CHANNEL
    assert len(e.embed_spatial.weight) - 1 == LAST_SPATIAL
    torch.testing.assert_close(found, torch.cat((channel, channel, spatial, spatial)))


def test_order_of_the_parts() -> None:
    """out channels, in channels, height, width."""
    e = encoder()
    (found,) = e(torch.tensor([[64, 3, 7, 1]]))
    c, s = e.embed_channel.weight, e.embed_spatial.weight
    order = channels(10)
    parts = (c[order.index(64)], c[order.index(3)], s[S11.index(7)], s[S11.index(1)])
    torch.testing.assert_close(found, torch.cat(parts), rtol=0, atol=0)


def test_tables_are_not_part_of_a_checkpoint() -> None:
    assert set(encoder().state_dict()) == {"embed_spatial.weight", "embed_channel.weight"}
