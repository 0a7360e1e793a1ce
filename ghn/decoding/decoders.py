"""Decoders: node states to blocks of parameters (arXiv:2110.13100, arXiv:2303.04143)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "ConvDecoder",
    "MLPDecoder",
    "PixelDecoder",
    "VectorDecoder",
    "affine",
    "crop",
    "scale_last_layers",
]


def crop(kernel: int, size: int, *, centre: bool) -> slice:
    """Find the rows of a `size`-long axis that serve a kernel.

    They are the first ones (GHN-2) or the central ones (GHN-3). A kernel longer than `size` gets
    the whole axis.
    """
    if not centre:
        return slice(0, min(kernel, size))
    middle = size // 2
    return slice(max(0, middle - kernel // 2), min(size, middle + (kernel + 1) // 2))


def affine(layer: Any) -> tuple[Tensor, Tensor]:
    """Return weight (out, in) and bias (out,) of a linear layer or 1x1 convolution."""
    return layer.weight.flatten(1), layer.bias


class PixelDecoder(nn.Module):
    """What decoders of kernels share: a per-pixel MLP on a map of S x S pixels.

    Only the pixels that the kernel needs are computed. Kernels larger than S are tiled (GHN-2) or
    interpolated (GHN-3).

    Args:
        hid: Width h of node states.
        max_shape: Shape of the largest block, (O, I, S, S).
        outputs: Number of outputs of a pixel.
        centre: Whether to crop kernels from the centre and use linear layers (GHN-3) instead of 1x1
            convolutions from the top left (GHN-2). Only the shapes of the stored weights differ.
    """

    def __init__(self, hid: int, max_shape: tuple[int, ...], outputs: int, *, centre: bool) -> None:
        super().__init__()
        self.max_shape, self.centre = tuple(max_shape), centre
        s = self.max_shape[2]
        self.fc = nn.Sequential(nn.Linear(hid, 4 * hid * s * s), nn.ReLU())
        first, last = self._pointwise(4 * hid, 8 * hid), self._pointwise(8 * hid, outputs)
        self.conv = nn.Sequential(first, nn.ReLU(), last)

    def _pointwise(self, n_in: int, n_out: int) -> nn.Module:
        return nn.Linear(n_in, n_out) if self.centre else nn.Conv2d(n_in, n_out, 1)

    def pixels(self, x: Tensor, kernel: tuple[int, int]) -> Tensor:
        """Compute hidden features of the pixels of one kernel size, (N, h) -> (N, kh', kw', 8h)."""
        s, h = self.max_shape[2], x.shape[1]
        rows, cols = (crop(k, s, centre=self.centre) for k in kernel)
        weight, bias = affine(self.fc[0])
        weight = weight.view(-1, s, s, h)[:, rows, cols].permute(1, 2, 0, 3)
        bias = bias.view(-1, s, s)[:, rows, cols].permute(1, 2, 0)
        kh, kw, c, _ = weight.shape
        y = F.linear(x, weight.reshape(-1, h), bias.reshape(-1)).relu()
        y = y.view(len(x), kh, kw, c)
        return F.linear(y, *affine(self.conv[0])).relu()

    def enlarge(self, w: Tensor, kernel: tuple[int, int]) -> Tensor:
        """Resize maps to a kernel larger than S.

        Shapes: (N, out, in, kh', kw') -> (N, out, in, kh, kw).
        """
        if self.centre:
            y = F.interpolate(w.flatten(0, 1), kernel, mode="bilinear")
            return y.view(*w.shape[:3], *kernel)
        repeats = [-(-k // s) for k, s in zip(kernel, w.shape[3:], strict=True)]
        return w.repeat(1, 1, 1, *repeats)[..., : kernel[0], : kernel[1]]


class ConvDecoder(PixelDecoder):
    """Decoder of convolutional and linear weights: the pixels of a block of O x I channels.

    Only the output channels that the weight needs are computed; the original computes all of them
    and crops.

    Args:
        hid: Width h of node states.
        max_shape: Shape of the largest block, (O, I, S, S).
        num_classes: Number of rows of the classification layer.
        centre: Whether kernels are cropped as in GHN-3; see `PixelDecoder`.

    Shapes:
        (N, h) -> (N, out, in, kh, kw); classifier: (N, h) -> (N, num_classes, in).
    """

    def __init__(
        self, hid: int, max_shape: tuple[int, ...], num_classes: int, *, centre: bool
    ) -> None:
        o, i = max_shape[:2]
        super().__init__(hid, max_shape, o * i, centre=centre)
        self.class_layer_predictor = nn.Sequential(nn.ReLU(), self._pointwise(o, num_classes))

    def channels(self, out: int, in_: int) -> tuple[int, int]:
        """Count the channels to compute of a weight of `out` x `in_`; the rest are copies."""
        return min(out, self.max_shape[0]), min(in_, self.max_shape[1])

    def weights(self, pixels: Tensor, out: int, in_: int, kernel: tuple[int, int]) -> Tensor:
        """Compute weights of `out` x `in_` channels.

        Shapes: (N, kh', kw', 8h) -> (N, out, in_, kh, kw).
        """
        o, i = self.max_shape[:2]
        weight, bias = affine(self.conv[2])
        if (out, in_) != (o, i):
            weight = weight.view(o, i, -1)[:out, :in_].flatten(0, 1)
            bias = bias.view(o, i)[:out, :in_].flatten()
        n, kh, kw, _ = pixels.shape
        w = F.linear(pixels.flatten(0, 2), weight, bias).view(n, kh * kw, out * in_)
        w = w.transpose(1, 2).reshape(n, out, in_, kh, kw)
        return self.enlarge(w, kernel) if (kh, kw) != kernel else w

    def classifier(self, x: Tensor, in_: int) -> Tensor:
        """Compute weights of the classification layer, (N, h) -> (N, num_classes, in_)."""
        w = self.weights(self.pixels(x, (1, 1)), self.max_shape[0], in_, (1, 1))[..., 0, 0]
        y = F.linear(w.relu().transpose(1, 2), *affine(self.class_layer_predictor[1]))
        return y.transpose(1, 2)


class MLPDecoder(nn.Module):
    """Decoder of weights without the per-pixel structure: one MLP to the whole block.

    It is GHN-2's ablation. Same interface and shapes as `ConvDecoder`; kernels are cropped from the
    top left.
    """

    def __init__(self, hid: int, max_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        self.max_shape, self.num_classes = tuple(max_shape), num_classes
        o, i, s, _ = self.max_shape
        self.mlp: Any = nn.Module()
        self.mlp.fc = nn.Sequential(
            nn.Linear(hid, 2 * hid), nn.ReLU(), nn.Linear(2 * hid, o * i * s * s)
        )
        self.class_layer_predictor = nn.Sequential(nn.ReLU(), nn.Linear(2 * hid, num_classes * o))

    def channels(self, out: int, in_: int) -> tuple[int, int]:
        """Count the channels to compute of a weight of `out` x `in_`; the rest are copies."""
        return min(out, self.max_shape[0]), min(in_, self.max_shape[1])

    def pixels(self, x: Tensor, kernel: tuple[int, int]) -> Tensor:  # noqa: ARG002
        """Compute hidden features, (N, h) -> (N, 2h); the kernel plays no part yet."""
        return self.mlp.fc[0](x).relu()

    def weights(self, pixels: Tensor, out: int, in_: int, kernel: tuple[int, int]) -> Tensor:
        """Compute weights of `out` x `in_` channels, (N, 2h) -> (N, out, in_, kh, kw)."""
        o, i, s, _ = self.max_shape
        rows, cols = (crop(k, s, centre=False) for k in kernel)
        weight, bias = affine(self.mlp.fc[2])
        weight = weight.view(o, i, s, s, -1)[:out, :in_, rows, cols]
        bias = bias.view(o, i, s, s)[:out, :in_, rows, cols]
        w = F.linear(pixels, weight.reshape(-1, weight.shape[-1]), bias.reshape(-1))
        w = w.view(len(pixels), *bias.shape)
        repeats = [-(-k // n) for k, n in zip(kernel, w.shape[3:], strict=True)]
        return w.repeat(1, 1, 1, *repeats)[..., : kernel[0], : kernel[1]]

    def classifier(self, x: Tensor, in_: int) -> Tensor:
        """Compute weights of the classification layer, (N, h) -> (N, num_classes, in_)."""
        w = self.class_layer_predictor(self.mlp.fc[0](x))
        return w.view(len(x), self.num_classes, -1)[..., :in_]


class VectorDecoder(nn.Module):
    """Decoder of vectors: row 0 a normalisation's weight, row 1 a bias.

    Shapes: (N, h) -> (N, 2, M).
    """

    def __init__(self, hid: int, length: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(hid, 2 * hid), nn.ReLU(), nn.Linear(2 * hid, 2 * length))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x).view(len(x), 2, -1)


def scale_last_layers(*layers: Any, factor: float = 0.2) -> None:
    """Shrink last decoder layers and zero their bias: GHN-3's start (arXiv:2303.04143, code)."""
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(factor)
            layer.bias.zero_()
