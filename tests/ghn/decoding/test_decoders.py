"""Decoders compute only what is asked for: equal to decoding everything and cutting."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ghn.decoding.decoders import ConvDecoder, MLPDecoder, VectorDecoder, crop

O, I, S, HID, CLASSES = 6, 4, 5, 8, 3  # noqa: E741


def conv_decoder(centre: bool) -> ConvDecoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ConvDecoder(HID, (O, I, S, S), CLASSES, centre=centre).double()


def mlp_decoder() -> MLPDecoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MLPDecoder(HID, (O, I, S, S), CLASSES).double()


def full_map(d: ConvDecoder, x: Tensor) -> Tensor:
    """The whole block, layer by layer. Shapes: (N, h) -> (N, O, I, S, S)."""
    y = d.fc(x).view(len(x), -1, S, S)
    if d.centre:
        return d.conv(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).reshape(len(x), O, I, S, S)
    return d.conv(y).view(len(x), O, I, S, S)


@pytest.fixture
def x(generator) -> Tensor:
    return torch.randn(3, HID, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    "kernel, size, centre, expected",
    [
        (1, 11, False, (0, 1)),
        (3, 11, False, (0, 3)),
        (11, 11, False, (0, 11)),
        (16, 11, False, (0, 11)),
        (1, 11, True, (5, 6)),
        (2, 11, True, (4, 6)),
        (3, 11, True, (4, 7)),
        (7, 11, True, (2, 9)),
        (11, 11, True, (0, 11)),
        (16, 11, True, (0, 11)),
        (1, 16, True, (8, 9)),
        (3, 16, True, (7, 10)),
        (16, 16, True, (0, 16)),
    ],
)
def test_crop(kernel: int, size: int, centre: bool, expected: tuple[int, int]) -> None:
    found = crop(kernel, size, centre=centre)
    assert (found.start, found.stop) == expected


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 2), (1, 5), (5, 1), (4, 3), (5, 5)])
@pytest.mark.parametrize("out, in_", [(O, I), (1, 1), (5, 3), (O, 1), (2, I)])
def test_conv_decoder_equals_full_decode_then_crop(x, centre, kernel, out: int, in_: int) -> None:
    d = conv_decoder(centre)
    rows, cols = (crop(k, S, centre=centre) for k in kernel)
    expected = full_map(d, x)[:, :out, :in_, rows, cols]
    found = d.weights(d.pixels(x, kernel), out, in_, kernel)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("centre", [False, True])
def test_gradients_of_a_crop(x, centre: bool) -> None:
    d = conv_decoder(centre)
    rows = crop(3, S, centre=centre)
    plain = full_map(d, x)[:, :4, :3, rows, rows].square().sum()
    fast = d.weights(d.pixels(x, (3, 3)), 4, 3, (3, 3)).square().sum()
    weights = [*d.fc.parameters(), *d.conv.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(fast, weights),
        torch.autograd.grad(plain, weights),
        rtol=1e-9,
        atol=1e-11,
    )


@pytest.mark.parametrize("in_", [I, 2])
@pytest.mark.parametrize("centre", [False, True])
def test_classifier(x, centre: bool, in_: int) -> None:
    """ReLU and a linear map over the out axis of the pixel of a 1x1 kernel."""
    d = conv_decoder(centre)
    p = crop(1, S, centre=centre).start
    w = full_map(d, x)[:, :, :in_, p, p].relu()
    last = d.class_layer_predictor[1]
    weight = last.weight.flatten(1)
    expected = torch.einsum("ko,noi->nki", weight, w) + last.bias.view(1, -1, 1)
    found = d.classifier(x, in_)
    assert found.shape == (3, CLASSES, in_)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kernel", [(7, 7), (11, 11), (7, 3), (6, 13)])
def test_larger_kernels_are_tiled_from_the_corner(x, kernel: tuple[int, int]) -> None:
    d = conv_decoder(centre=False)
    found = d.weights(d.pixels(x, kernel), O, I, kernel)
    whole = full_map(d, x)
    assert found.shape == (3, O, I, *kernel)
    for r in range(kernel[0]):
        for c in range(kernel[1]):
            torch.testing.assert_close(found[..., r, c], whole[..., r % S, c % S])


@pytest.mark.parametrize("kernel", [(7, 7), (16, 16)])
def test_larger_kernels_are_interpolated_in_ghn3(x, kernel: tuple[int, int]) -> None:
    d = conv_decoder(centre=True)
    found = d.weights(d.pixels(x, kernel), O, I, kernel)
    expected = F.interpolate(full_map(d, x).flatten(0, 1), kernel, mode="bilinear")
    torch.testing.assert_close(found, expected.view(3, O, I, *kernel))


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5), (7, 7)])
@pytest.mark.parametrize("out, in_", [(O, I), (2, 3)])
def test_mlp_decoder(x, kernel: tuple[int, int], out: int, in_: int) -> None:
    d = mlp_decoder()
    whole = d.mlp.fc(x).view(3, O, I, S, S)
    found = d.weights(d.pixels(x, kernel), out, in_, kernel)
    assert found.shape == (3, out, in_, *kernel)
    for r in range(kernel[0]):
        for c in range(kernel[1]):
            expected = whole[:, :out, :in_, r % S, c % S]
            torch.testing.assert_close(found[..., r, c], expected)


def test_mlp_decoder_classifier(x) -> None:
    """The first linear layer without its ReLU, then ReLU and the class layer, viewed (K, O)."""
    d = mlp_decoder()
    last = d.class_layer_predictor[1]
    hidden = (x @ d.mlp.fc[0].weight.t() + d.mlp.fc[0].bias).relu()
    expected = (hidden @ last.weight.t() + last.bias).view(3, CLASSES, O)[..., :4]
    torch.testing.assert_close(d.classifier(x, 4), expected)


def test_vector_decoder(x) -> None:
    d = VectorDecoder(HID, 7).double()
    flat = d.fc(x)
    found = d(x)
    assert found.shape == (3, 2, 7)
    torch.testing.assert_close(found[:, 0], flat[:, :7])
    torch.testing.assert_close(found[:, 1], flat[:, 7:])


@pytest.mark.parametrize(
    "make", [lambda: conv_decoder(False), lambda: conv_decoder(True), mlp_decoder]
)
def test_a_batch_equals_its_rows(x, make) -> None:
    d = make()
    together = d.weights(d.pixels(x, (3, 3)), 5, 2, (3, 3))
    for row, expected in zip(x, together, strict=True):
        one = d.weights(d.pixels(row[None], (3, 3)), 5, 2, (3, 3))
        torch.testing.assert_close(one[0], expected)
