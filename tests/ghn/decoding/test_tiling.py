"""Tiling, cutting and normalisation of decoded blocks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ghn.decoding.parameter_targets import ParameterTarget, _kind, targets_of
from ghn.decoding.tiling import gain, repeat_into, squash, tile_into, tile_to
from graph2nn.archgraph import ArchGraph


def target(shape: tuple[int, ...], op: str = "conv") -> ParameterTarget:
    kind, view, table = _kind(op, shape, is_bias=op == "bias")
    return ParameterTarget(0, 0, "p", shape, kind, view, table)


def repeated(block: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Whole blocks side by side, entry by entry."""
    out = torch.empty(shape, dtype=block.dtype)
    so, si = block.shape[:2]
    for o in range(shape[0]):
        for i in range(shape[1]):
            out[o, i] = block[o % so, i % si]
    return out


@pytest.mark.parametrize("block", [(4, 3), (1, 1), (2, 5)])
@pytest.mark.parametrize("out, in_", [(4, 5), (9, 7), (8, 6), (5, 5), (16, 30), (4, 15)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 2)])
def test_tiling(generator, block, out: int, in_: int, kernel: tuple[int, int]) -> None:
    """tile_to == tile_into == repeat_into == plain repetition, for convolutions and matrices."""
    block = torch.randn(*block, *kernel, generator=generator)
    shape = (out, in_, *kernel)
    expected = repeated(block, shape)
    t = target(shape)
    assert torch.equal(tile_to(block, t), expected)
    for function in (lambda into: tile_into(into, block, t), lambda into: repeat_into(into, block)):
        into = torch.full(shape, torch.nan)
        function(into)
        assert torch.equal(into, expected)
    if kernel == (1, 1):
        linear, into = target((out, in_)), torch.full((out, in_), torch.nan)
        tile_into(into, block, linear)
        assert torch.equal(tile_to(block, linear), expected[..., 0, 0])
        assert torch.equal(into, expected[..., 0, 0])


def test_tile_into_a_transposed_tensor(generator) -> None:
    block = torch.randn(2, 3, 1, 1, generator=generator)
    into = torch.empty(7, 5).t()
    tile_into(into, block, target((5, 7)))
    assert torch.equal(into, repeated(block, (5, 7, 1, 1))[..., 0, 0])


@pytest.mark.parametrize("size", [1, 4, 5, 8, 11])
@pytest.mark.parametrize("shape", ["vector", "column", "map"])
def test_vectors(generator, size: int, shape: str) -> None:
    block = torch.randn(4, generator=generator)
    full = {"vector": (size,), "column": (size, 1, 1), "map": (1, size, 1, 1)}[shape]
    t = target(full, "bias")
    assert t.view is None
    expected = torch.stack([block[i % 4] for i in range(size)]).view(full)
    into = torch.empty(full)
    tile_into(into, block, t)
    assert torch.equal(tile_to(block, t), expected) and torch.equal(into, expected)


def test_a_scalar_parameter(generator) -> None:
    t, block = target((), "bias"), torch.randn(4, generator=generator)
    assert tile_to(block, t).shape == () and tile_to(block, t) == block[0]


def test_conv1d_and_conv3d(generator) -> None:
    one, three = target((5, 4, 3)), target((5, 4, 2, 3, 3))
    assert one.view == (5, 4, 1, 3) and three.view == (5, 4, 3, 3)
    block = torch.randn(5, 4, 1, 3, generator=generator)
    assert torch.equal(tile_to(block, one), block[:, :, 0])
    block = torch.randn(5, 4, 3, 3, generator=generator)
    for depth in range(2):
        assert torch.equal(tile_to(block, three)[:, :, depth], block)
    into = torch.empty(5, 4, 2, 3, 3)
    tile_into(into, block, three)
    assert torch.equal(into, tile_to(block, three))


def test_a_position_table_with_a_class_token(generator) -> None:
    t = target((1, 10, 6), "pos_enc")
    assert t.view == (1, 6, 3, 3) and t.table
    block = torch.randn(1, 4, 3, 3, generator=generator)
    found = tile_to(block, t)
    pixels = block.repeat(1, 2, 1, 1)[:, :6].flatten(2).transpose(1, 2)
    assert torch.equal(found[:, 1:], pixels)
    torch.testing.assert_close(found[:, 0], pixels.mean(1))
    square = target((1, 9, 6), "pos_enc")
    assert torch.equal(tile_to(block, square), pixels)


def test_fit_is_differentiable(generator) -> None:
    block = torch.randn(2, 3, 1, 1, generator=generator, requires_grad=True)
    tile_to(block, target((4, 7))).sum().backward()
    # every row occurs twice; of 7 columns the first block column occurs three times
    expected = torch.tensor([[3.0, 2.0, 2.0]] * 2) * 2
    assert torch.equal(block.grad[..., 0, 0], expected)


@pytest.mark.parametrize(
    "shape, fan_in, beta",
    [
        ((64, 32, 3, 3), 32 * 9, 2),
        ((10, 64), 64, 2),
        ((64, 32, 1, 1), 32, 2),
        ((32, 1, 3, 3), 9, 1),  # depthwise
        ((32, 32, 1, 7), 32 * 7, 1),
        ((32, 32, 7, 1), 32 * 7, 2),
        ((1, 8, 3, 3), 8 * 9, 2),
        ((1, 32, 10, 10), 3200, 2),
        ((1, 1, 3, 3), 9, 1),
        ((5, 1), 1, 2),  # a matrix of one column is no depthwise kernel
    ],
)
def test_gain_of_matrices(shape: tuple[int, ...], fan_in: int, beta: int) -> None:
    t = target(shape)
    assert t.view is not None
    assert gain(shape, t.view, table=t.table) == pytest.approx(math.sqrt(beta / fan_in))


@pytest.mark.parametrize("shape", [(1, 128, 11, 11), (1, 128, 14, 14)])
def test_positional_encodings_keep_their_scale(shape: tuple[int, ...]) -> None:
    for op in ("conv", "pos_enc"):
        t = target(shape, op)
        assert t.view is not None
        assert gain(shape, t.view, table=t.table) == 1


def test_range_of_vectors() -> None:
    v = torch.tensor([-100.0, -1.0, 0.0, 0.5, 100.0])
    expected = [2 / (1 + math.exp(-p / 2)) for p in v.tolist()]
    torch.testing.assert_close(squash(v, "weight"), torch.tensor(expected))
    torch.testing.assert_close(
        squash(v, "bias"), torch.tensor([math.tanh(p / 5) for p in v.tolist()])
    )
    assert squash(v[2:3], "weight") == 1 and squash(v[2:3], "bias") == 0


def test_targets_of_a_classifier(convnet) -> None:
    import numpy as np

    def graph(ops: list[str], shapes: list[tuple[int, ...]]) -> ArchGraph:
        from graph2nn.archgraph import PRIMITIVE_ID, shape4d

        n = len(ops)
        return ArchGraph(
            op=np.array([PRIMITIVE_ID[o] for o in ops]),
            shape=np.array([shape4d(s) for s in shapes]),
            edges=np.stack([np.arange(n - 1), np.arange(1, n)]),
            params=tuple((f"p{i}",) for i in range(n)),
            param_shapes={f"p{i}": s for i, s in enumerate(shapes)},
            cell=np.zeros(n, int),
        )

    def kinds(*nodes: tuple[str, tuple[int, ...]]) -> list[str]:
        return [t.kind for t in targets_of(graph(*zip(*nodes, strict=True)), num_classes=10)]

    conv, head = ("conv", (8, 3, 3, 3)), ("conv", (10, 8))
    assert kinds(conv, head, ("bias", (10,))) == ["matrix", "class_weight", "class_bias"]
    assert kinds(conv, head) == ["matrix", "class_weight"], "a last layer without bias"
    assert kinds(("conv", (10, 8)), ("conv", (7, 8))) == ["class_weight", "matrix"]
    assert kinds(conv, ("bn", (8,)), ("bias", (8,))) == ["matrix", "weight", "class_bias"]
