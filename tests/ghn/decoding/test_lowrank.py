"""Low-rank weights: one product whatever the path, no copies, written in place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ghn import GHN, GHNConfig, save_ghn
from ghn.decoding.decoders import affine
from ghn.decoding.lowrank import FactorCores, Factors, LowRankDecoder, _vectors
from ghn.decoding.parameter_targets import ParameterTarget, _kind
from ghn.decoding.tiling import multiply_into, tile_into, tile_to

HID, S, CLASSES, RANK = 8, 5, 3, 4
IMAGES = torch.linspace(-1, 1, 2 * 3 * 8 * 8).view(2, 3, 8, 8)


def decoder(centre: bool = False) -> LowRankDecoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LowRankDecoder(HID, (6, 6, S, S), CLASSES, rank=RANK, centre=centre).double()


def target(shape: tuple[int, ...], op: str = "conv") -> ParameterTarget:
    kind, view, table = _kind(op, shape, is_bias=False)
    return ParameterTarget(0, 0, "p", shape, kind, view, table)


def factors(shape: tuple[int, ...], generator: torch.Generator) -> Factors:
    left = torch.randn(shape[0], RANK, generator=generator)
    return Factors(left, torch.randn(RANK, *shape[1:], generator=generator))


def expected_weights(d: LowRankDecoder, x: Tensor, out: int, in_: int, kernel: Any) -> Tensor:
    """The formula of the class, sum by sum. Shapes: (N, h) -> (N, out, in, kh, kw)."""
    pixels = d.pixels(x, kernel)
    m = d.left(pixels.mean((1, 2))).view(-1, RANK, RANK) / RANK**0.5
    n = F.linear(pixels, *affine(d.conv[2])).unflatten(3, (RANK, RANK)) / RANK**1.5
    n = n.permute(0, 3, 4, 1, 2)
    if n.shape[3:] != kernel:
        n = d.enlarge(n, kernel)
    rows, columns = _vectors(d.rows, out), _vectors(d.columns, in_)
    return torch.einsum("oq,nqk,nkpyx,ip->noiyx", rows, m, n, columns)


@pytest.fixture
def x(generator) -> Tensor:
    return torch.randn(3, HID, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (1, 4), (7, 7), (6, 3)])
@pytest.mark.parametrize("out, in_", [(1, 1), (7, 1), (1, 90), (2, 3), (70, 30)])
def test_weights(x, centre: bool, kernel: tuple[int, int], out: int, in_: int) -> None:
    d = decoder(centre)
    found = d.weights(d.pixels(x, kernel), out, in_, kernel)
    expected = expected_weights(d, x, out, in_, kernel)
    if isinstance(found, FactorCores):
        products = [f.product() for f in found.unbind()]
        torch.testing.assert_close(found.products(), expected)
        assert all(f.shape == (out, in_, *kernel) for f in found.unbind())
        found = torch.stack(products)
    torch.testing.assert_close(found, expected)


def test_factors_only_where_they_are_smaller(x) -> None:
    d = decoder()
    pixels = d.pixels(x, (1, 1))
    assert isinstance(d.weights(pixels, 8, 8, (1, 1)), Tensor)
    assert isinstance(d.weights(pixels, 9, 9, (1, 1)), FactorCores)


def test_no_row_of_a_wide_weight_is_a_copy(x) -> None:
    """Also where no layer in training was as wide; a narrow weight is the corner of a wide one."""
    d = decoder()
    pixels = d.pixels(x[:1], (1, 1))
    wide = d.weights(pixels, 5000, 300, (1, 1))
    assert isinstance(wide, FactorCores)
    (weight,) = (f.product()[..., 0, 0] for f in wide.unbind())
    assert len(weight.unique(dim=0)) == 5000 and len(weight.unique(dim=1).t()) == 300
    assert torch.linalg.matrix_rank(weight[:300]) == RANK
    narrow = d.weights(pixels, 8, 8, (1, 1))
    torch.testing.assert_close(narrow[0, ..., 0, 0], weight[:8, :8])


def test_vectors_of_channels(generator) -> None:
    """Products of the vectors of three digits, here of base 64, from the lowest on."""
    tables = torch.randn(3, 64, 2, generator=generator)
    found = _vectors(tables, 64 * 64 + 130)
    for k in (0, 5, 64, 700, 4095, 4096, 4096 + 129):
        expected = tables[0, k % 64] * tables[1, k // 64 % 64] * tables[2, k // 4096]
        torch.testing.assert_close(found[k], expected)
    assert torch.equal(_vectors(tables, 10), found[:10])
    assert len(_vectors(tables, 64**3 + 5)) == 64**3 + 5


def test_classes_have_vectors_of_their_own(x) -> None:
    d = decoder()
    pixels = d.pixels(x, (1, 1))
    with torch.no_grad():
        weight = d.weights(pixels, CLASSES, 5, (1, 1), classes=True)
        d.classes[1] = 0
        changed = d.weights(pixels, CLASSES, 5, (1, 1), classes=True)
        codes = x[:, :RANK]
        bias = d.vectors(codes, CLASSES, classes=True)
    assert isinstance(weight, Tensor) and weight.shape == (3, CLASSES, 5, 1, 1)
    assert not changed[:, 1].any() and torch.equal(changed[:, [0, 2]], weight[:, [0, 2]])
    assert not bias[:, 1].any() and bias[:, 0].all()


@pytest.mark.parametrize("shape", [(6, 5, 3, 3), (9, 7, 1, 1), (40, 3, 2, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_written_in_place(generator, monkeypatch, shape: tuple[int, ...], dtype) -> None:
    """multiply_into == tile_into == tile_to == the product."""
    monkeypatch.setattr("ghn.decoding.tiling._PIECE", 20)  # several pieces in other types
    block = factors(shape, generator)
    expected = torch.einsum("or,riyx->oiyx", block.left, block.right)
    close = {"rtol": 1e-3, "atol": 1e-2} if dtype == torch.float16 else {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(tile_to(block, target(shape)), expected)
    into = torch.full(shape, torch.nan, dtype=dtype)
    tile_into(into, block, target(shape))
    torch.testing.assert_close(into.float(), expected, **close)
    into = torch.full(shape, torch.nan, dtype=dtype)
    multiply_into(into.view(shape[0], -1), block)
    torch.testing.assert_close(into.float(), expected, **close)
    if shape[2:] == (1, 1):
        turned = torch.empty(shape[1], shape[0], dtype=dtype).t()
        tile_into(turned, block, target(shape[:2]))
        torch.testing.assert_close(turned.float(), expected[..., 0, 0], **close)


@pytest.mark.parametrize("hypernet", ["gatedgnn", "graphormer"])
def test_a_network_wider_than_its_rank(tiny, convnet, hypernet: str) -> None:
    """Written == predicted, with gradients for every weight of the hypernetwork."""
    ghn, model = tiny(decoder="lowrank", rank=3, hypernet=hypernet), convnet(width=100)
    predicted = ghn.predict(model, IMAGES)
    written = dict(ghn(model, IMAGES).named_parameters())
    assert list(predicted) == list(written)
    torch.testing.assert_close(predicted, written, rtol=1e-4, atol=1e-6)
    assert len(predicted["0.weight"].unique(dim=0)) == 100
    assert len(predicted["1.weight"].unique()) == 100
    torch.func.functional_call(model, predicted, (IMAGES,)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in ghn.parameters())


def test_weights_start_as_large_as_those_of_the_other_decoder(convnet) -> None:
    """Fan-in scaling, and the variance of an untrained last layer."""
    stds = {}
    for name in ("conv", "lowrank"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            ghn = GHN(decoder=name, max_shape=(32, 32, 5, 5))
        model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 200, 3), *convnet(width=200)[3:])
        predicted = ghn.predict(model, IMAGES)
        stds[name] = torch.stack([predicted[f"{k}.weight"].std() for k in (0, 1)])
    assert (stds["lowrank"] / stds["conv"]).log().abs().max() < 0.5


def test_files_keep_the_rank(tiny, tmp_path) -> None:
    ghn = tiny(decoder="lowrank", rank=5, num_classes=7)
    loaded = GHN.load(save_ghn(tmp_path / "ghn.pt", ghn))
    assert loaded.config == ghn.config and loaded.config.rank == 5
    assert all(torch.equal(v, ghn.state_dict()[k]) for k, v in loaded.state_dict().items())


def test_a_rank_of_zero() -> None:
    with pytest.raises(ValueError, match="rank must be at least 1, got 0"):
        GHNConfig(decoder="lowrank", rank=0)
