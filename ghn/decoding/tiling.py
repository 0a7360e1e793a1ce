"""From decoded blocks to parameters: normalisation, slicing and tiling."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ghn.decoding.lowrank import Factors
from ghn.decoding.parameter_targets import ParameterTarget

__all__ = ["check_fit", "gain", "multiply_into", "repeat_into", "squash", "tile_into", "tile_to"]

_PIECE = 2**20
"""Numbers written at a time where a product cannot be taken in place."""


def gain(shape: tuple[int, ...], view: tuple[int, ...], *, table: bool) -> float:
    """Compute the fan-in factor sqrt(beta / fan_in) of a matrix.

    See GHN-2, arXiv:2110.13100, section 3.3. beta is 2, and 1 for layers that no ReLU follows:
    depthwise and 1 x k convolutions. Positional tables keep their scale, as do, by the published
    rule, maps with one output channel of at least 11 rows.
    """
    if table or (len(shape) > 2 and shape[0] == 1 and view[2] >= 11):
        return 1.0
    fan_in = math.prod(shape[1:])
    plain = len(shape) > 2 and (view[1] == 1 or view[2] < view[3])
    return math.sqrt((1.0 if plain else 2.0) / fan_in)


def squash(vector: Tensor, kind: str) -> Tensor:
    """Squash a vector (n,) to its range.

    Weights become 2 sigmoid(p / 2), in [0, 2], biases tanh(p / 5), in [-1, 1].
    """
    if kind == "weight":
        return 2 * torch.sigmoid(0.5 * vector)
    return torch.tanh(0.2 * vector)


def tile_to(block: Tensor | Factors, target: ParameterTarget) -> Tensor:
    """Repeat a block as a whole along out and in, then cut it to the target's shape.

    Shapes: block (n,) for vectors, (out, in, kh, kw) for matrices -> `target.shape`.
    Differentiable.
    """
    if target.stack:
        return _stacked(block, target)
    if isinstance(block, Factors):
        block = block.product()
    if target.view is None:
        size = math.prod(target.shape)
        if len(block) < size:
            block = block.repeat(-(-size // len(block)))
        return block[:size].reshape(target.shape)
    o, i = target.view[:2]
    block = _repeat(block, o, i)
    if target.table and len(target.shape) == 3 and target.shape[0] == 1:
        return _table(block, target.shape)
    if target.channels_last:
        return block.permute(0, 2, 3, 1)
    if len(target.shape) > 4 and target.view[:2] == target.shape[:2]:
        depth = target.shape[2:-2]
        block = block.view(o, i, *[1] * len(depth), *block.shape[2:]).expand(target.shape)
    return block.reshape(target.shape)


def check_fit(block: Tensor | Factors, target: ParameterTarget) -> None:
    """Check that a block gives a tensor of the target's shape, before anything is written.

    Shapes: block as in `tile_to`.

    Raises:
        ValueError: It does not.
    """
    if target.view is None:
        return  # a vector is repeated and cut
    (o, i, *kernel), shape = target.view, target.shape
    size, fits = math.prod(shape), list(block.shape[2:]) == kernel
    if target.stack:
        fits = size == target.stack * o * i
    elif target.table and len(shape) == 3 and shape[0] == 1:
        fits &= shape[2] == i
    elif len(shape) > 4 and shape[:2] == (o, i):
        fits &= list(shape[-2:]) == kernel
    else:
        fits &= size == math.prod(target.view)
    if not fits:
        raise ValueError(
            f"{target.name} of the shape {shape} cannot be decoded from a block of the shape "
            f"{tuple(block.shape)}, so nothing was written: please report this network"
        )


def _repeat(block: Tensor, o: int, i: int) -> Tensor:
    so, si = block.shape[:2]
    if so < o or si < i:
        block = block.repeat(-(-o // so), -(-i // si), 1, 1)
    return block if block.shape[:2] == (o, i) else block[:o, :i]


def _stacked(block: Tensor | Factors, target: ParameterTarget) -> Tensor:
    """All matrices of a stack, in the target's shape."""
    assert target.view is not None
    o, i = target.view[1::-1] if target.turned else target.view[:2]
    found = []
    for one in _matrices(block, target):
        matrix = one.product() if isinstance(one, Factors) else one
        found.append(_repeat(matrix, o, i)[..., 0, 0])
    return torch.stack(found).reshape(target.shape)


def _matrices(block: Tensor | Factors, target: ParameterTarget) -> Iterator[Tensor | Factors]:
    """The block of each matrix of a stack, (out, in, 1, 1), or (in, out, 1, 1) if it is turned.

    Each is a pixel of the block of its own; where there are more matrices than pixels, those of the
    next round are rolled by one channel more.
    """
    so, si, kh, kw = block.shape
    for k in range(target.stack):
        turn, pixel = divmod(k, kh * kw)
        y, x = divmod(pixel, kw)
        shift = (turn % so, turn // so)
        if isinstance(block, Factors):
            factors = block.pixel(y, x, shift)
            yield factors.turned() if target.turned else factors
        else:
            one = block[:, :, y : y + 1, x : x + 1]
            one = one.roll(shift, (0, 1)) if turn else one
            yield one.transpose(0, 1) if target.turned else one


def _table(block: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(1, D, s, s) -> (1, L, D): pixels row by row; class tokens, first, get the mean of the map.

    The original draws the class token's row at random; the mean keeps predictions deterministic.
    """
    _, length, _ = shape
    rows = block.flatten(2).transpose(1, 2)
    missing = length - rows.shape[1]
    if missing > 0:
        rows = torch.cat((rows.mean(1, keepdim=True).expand(-1, missing, -1), rows), dim=1)
    return rows[:, :length]


@torch.no_grad()
def tile_into(out: Tensor, block: Tensor | Factors, target: ParameterTarget) -> None:
    """Write `tile_to` straight into an existing tensor, without a copy of full size.

    Shapes: out `target.shape`; block as in `tile_to`.
    """
    direct = len(target.shape) == 2 or target.view == target.shape
    if target.view is not None and target.stack and out.is_contiguous():
        sizes = target.view[1::-1] if target.turned else target.view[:2]
        for matrix, one in zip(out.view(-1, *sizes, 1, 1), _matrices(block, target), strict=True):
            _write(matrix, one)
    elif target.view is not None and direct and out.is_contiguous():
        _write(out.view(target.view), block)
    else:
        out.copy_(tile_to(block, target))


def _write(out: Tensor, block: Tensor | Factors) -> None:
    if isinstance(block, Factors) and block.shape == out.shape:
        multiply_into(out.flatten(1), block)
    else:
        repeat_into(out, block.product() if isinstance(block, Factors) else block)


@torch.no_grad()
def multiply_into(out: Tensor, factors: Factors) -> None:
    """Write a product of factors into `out`; through small pieces in another type or device.

    Shapes: out (o, i kh kw), contiguous; factors with the product (o, i, kh, kw).
    """
    left, right = factors.left, factors.right.flatten(1)
    if out.dtype == left.dtype and out.device == left.device:
        torch.mm(left, right, out=out)
        return
    rows = max(1, _PIECE // right.shape[1])
    for some, where in zip(left.split(rows), out.split(rows), strict=True):
        where.copy_(some @ right)


@torch.no_grad()
def repeat_into(out: Tensor, block: Tensor) -> None:
    """Fill `out` with whole repetitions of `block` along the first two axes, cut at the end.

    Shapes: out (o, i, kh, kw), contiguous; block (so, si, kh, kw), cut where it is larger.
    """
    (o, i), block = out.shape[:2], block[: out.shape[0], : out.shape[1]]
    so, si = block.shape[:2]
    if (so, si) == (o, i):
        out.copy_(block)
        return
    fo, fi = o // so, i // si
    whole = out[: fo * so, : fi * si].unflatten(0, (fo, so)).unflatten(2, (fi, si))
    whole.copy_(block[None, :, None])
    if fi * si < i:
        out[: fo * so, fi * si :].copy_(out[: fo * so, : i - fi * si])
    if fo * so < o:
        out[fo * so :].copy_(out[: o - fo * so])
