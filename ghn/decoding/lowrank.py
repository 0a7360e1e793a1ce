"""Wide layers without copies: weights as products of low-rank factors (LoGAH)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ghn.decoding.decoders import PixelDecoder, affine, scale_last_layers

__all__ = ["FactorCores", "Factors", "LowRankDecoder"]

_BASE = 64
"""Channels are numbered with digits of this base; the decoder has a table for each digit."""

_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Factors:
    """A weight as a product that has not been taken yet.

    Shapes: left (out, r); right (r, in, kh, kw); their product (out, in, kh, kw).
    """

    left: Tensor
    right: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the product, (out, in, kh, kw)."""
        return (len(self.left), *self.right.shape[1:])

    def turned(self) -> Factors:
        """Transpose a matrix, (out, in, 1, 1) -> (in, out, 1, 1)."""
        return Factors(self.right.flatten(1).t(), self.left.t()[..., None, None])

    def pixel(self, y: int, x: int, shift: tuple[int, int] = (0, 0)) -> Factors:
        """Take one pixel of the kernel, channels rolled by `shift`, (out, in, 1, 1)."""
        right = self.right[:, :, y : y + 1, x : x + 1]
        return Factors(self.left.roll(shift[0], 0), right.roll(shift[1], 1))

    def product(self) -> Tensor:
        """Multiply, (out, in, kh, kw)."""
        return (self.left @ self.right.flatten(1)).view(self.shape)


@dataclass(frozen=True, slots=True)
class FactorCores:
    """Factors of several weights of one shape, made one weight at a time.

    Shapes: rows (out, r) and columns (in, r), vectors of the channels; left (N, r, r) and right
    (N, r, r, kh, kw), what the decoder predicts of each weight.
    """

    rows: Tensor
    columns: Tensor
    left: Tensor
    right: Tensor

    def __mul__(self, factor: Tensor) -> FactorCores:
        return replace(self, right=self.right * factor)

    def unbind(self, dim: int = 0) -> Iterator[Factors]:
        """Yield the factors of each weight; `dim` is that of the weights, 0."""
        assert dim == 0
        for left, right in zip(self.left, self.right, strict=True):
            spread = self.columns @ right.flatten(2)  # (in, r) @ (r, r, kh kw)
            yield Factors(self.rows @ left, spread.unflatten(2, right.shape[2:]))

    def products(self) -> Tensor:
        """Multiply without factors in between, (N, out, in, kh, kw).

        It takes less memory where the weights are no larger than their factors.
        """
        w = self.rows @ self.left @ self.right.flatten(2)  # (N, out, r kh kw)
        w = w.unflatten(2, (self.right.shape[2], -1))
        return (self.columns @ w).unflatten(3, self.right.shape[3:])


class LowRankDecoder(PixelDecoder):
    """Decoder of weights as low-rank products (LoGAH, arXiv:2405.16287, section 3.2).

    A weight is W[o, i, y, x] = sum over k of A[o, k] B[k, i, y, x]: the kernels of `rank` channels
    and a mixture of them. LoGAH takes the rows of its factors from one layer as long as the widest
    weight. Here a channel's number is written with three digits of base 64, and its vector is the
    elementwise product of those of its digits; A = R M(x) and B = N(x) C, with R and C the vectors
    of the output and input channels, and M and N matrices of rank x rank predicted from the node
    state. So each of 262 144 channels has a vector of its own, also where no network in training
    was as wide (the vectors of higher digits start near ±1), and the number of the decoder's
    weights does not depend on the widest layer. Features of pixels are those of `ConvDecoder`.

    Args:
        hid: Width h of node states.
        max_shape: Shape (O, I, S, S), of which only S matters.
        num_classes: Number of rows of the classification layer, each with a vector of its own.
        rank: Largest rank r of a predicted matrix.
        centre: Whether kernels are cropped as in GHN-3; see `PixelDecoder`.

    Shapes:
        (N, h) -> N blocks (out, in, kh, kw) of any number of channels.
    """

    def __init__(
        self, hid: int, max_shape: tuple[int, ...], num_classes: int, *, rank: int, centre: bool
    ) -> None:
        super().__init__(hid, max_shape, rank * rank, centre=centre)
        self.rank = rank
        self.left = nn.Linear(8 * hid, rank * rank)
        # A starts with unit variance, so that weights start with that of other decoders. Layers
        # start large and are divided again: so a step of Adam, whose coherent changes add up over
        # the rank, changes weights as much as with other decoders (measured: 3.5 times otherwise).
        nn.init.normal_(self.left.bias)
        scale_last_layers(self.conv[2], factor=rank**0.5)
        self.rows, self.columns = _channel_tables(rank), _channel_tables(rank)
        self.classes = nn.Parameter(torch.randn(num_classes, rank))

    def channels(self, out: int, in_: int) -> tuple[int, int]:
        """Count the channels to compute of a weight of `out` x `in_`: all of them."""
        return out, in_

    def weights(
        self,
        pixels: Tensor,
        out: int,
        in_: int,
        kernel: tuple[int, int],
        *,
        classes: bool = False,
    ) -> Tensor | FactorCores:
        """Compute weights of `out` x `in_` channels, or their factors where these are smaller.

        `classes`: the output channels are the classes.

        Shapes: (N, kh', kw', 8h) -> (N, out, in_, kh, kw).
        """
        n, kh, kw, _ = pixels.shape
        r = self.rank
        left = self.left(pixels.mean((1, 2))).view(n, r, r) / r**0.5
        right = F.linear(pixels, *affine(self.conv[2])) / r**1.5
        right = right.view(n, kh * kw, r * r).transpose(1, 2).reshape(n, r, r, kh, kw)
        if (kh, kw) != kernel:
            right = self.enlarge(right, kernel)
        rows = self.classes if classes else _vectors(self.rows, out)
        cores = FactorCores(rows, _vectors(self.columns, in_), left, right)
        width = in_ * kernel[0] * kernel[1]
        return cores.products() if out * width <= r * (out + width) else cores

    def vectors(self, codes: Tensor, size: int, *, classes: bool = False) -> Tensor:
        """Compute vectors over `size` output channels, (N, r) -> (N, size)."""
        rows = self.classes if classes else _vectors(self.rows, size)
        return codes @ rows.t() / self.rank**0.5


def _channel_tables(rank: int) -> nn.Parameter:
    """Vectors of digits, (3, 64, r): normal for the last digit, about ±1 for the higher ones.

    The higher digit 0, which narrow layers have alone, starts without effect.
    """
    tables = torch.randn(_DIGITS, _BASE, rank)
    tables[1:] = 0.8 * tables[1:].sign() + 0.2 * tables[1:]
    tables[1:, 0] = 1
    return nn.Parameter(tables)


def _vectors(tables: Tensor, n: int) -> Tensor:
    """Vectors of the first n channels, (n, r); after 64 ** 3 channels they start again."""
    found = tables[0]
    for table in tables[1:]:
        used = min(_BASE, -(-n // len(found)))
        found = (table[:used, None] * found).flatten(0, 1)
    return found[:n] if n <= len(found) else found.repeat(-(-n // len(found)), 1)[:n]
