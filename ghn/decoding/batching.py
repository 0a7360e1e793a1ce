"""Which node states go through which decoder, in as few batches as possible."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Protocol, TypeAlias

import torch
from torch import Tensor, nn

from ghn.config import GHNConfig
from ghn.decoding.decoders import ConvDecoder, MLPDecoder, VectorDecoder
from ghn.decoding.lowrank import FactorCores, Factors, LowRankDecoder
from ghn.decoding.parameter_targets import ParameterTarget
from ghn.decoding.tiling import gain, squash

__all__ = ["Decoded", "Decoding", "decode"]


Decoded: TypeAlias = tuple[ParameterTarget, Tensor | Factors]
"""A parameter to predict, with its decoded block."""


class Decoding(Protocol):
    """What decoding needs of a hypernetwork: its settings and its decoders."""

    config: GHNConfig
    decoder: ConvDecoder | MLPDecoder | LowRankDecoder
    decoder_1d: VectorDecoder
    bias_class: nn.Sequential | None


def decode(ghn: Decoding, x: Tensor, targets: list[ParameterTarget]) -> Iterator[Decoded]:
    """Decode every target to its block, normalised but not yet tiled (see `ghn.decoding.tiling`).

    The order is by decoder, not that of `targets`.

    Shapes:
        x (N, h), the node states; blocks (n,) for vectors, (out, in, kh, kw) for matrices, never
        larger than the target. Those of the low-rank decoder are of the target's size, as factors
        where these are smaller.
    """
    by_kind: dict[str, list[ParameterTarget]] = defaultdict(list)
    for target in targets:
        by_kind[target.kind].append(target)
    yield from _matrices(ghn, x, by_kind["matrix"])
    yield from _class_weights(ghn, x, by_kind["class_weight"])
    if isinstance(ghn.decoder, LowRankDecoder):
        for kind in ("weight", "bias", "class_bias"):
            yield from _long_vectors(ghn, ghn.decoder, x, by_kind[kind])
    else:
        yield from _vectors(ghn, x, by_kind["weight"] + by_kind["bias"])
        yield from _class_biases(ghn, x, by_kind["class_bias"])


def _states(x: Tensor, targets: list[ParameterTarget]) -> Tensor:
    return x[torch.tensor([t.row for t in targets], device=x.device)]


def _matrices(ghn: Decoding, x: Tensor, targets: list[ParameterTarget]) -> Iterator[Decoded]:
    """Grouped by kernel (shared pixels), then by channels."""
    kernels: dict[tuple[int, int], dict[tuple[int, int], list[ParameterTarget]]] = {}
    for t in targets:
        assert t.view is not None
        out, in_, *kernel = t.view
        if t.stack:  # a pixel for each matrix, as far as there are pixels
            kernel = [min(side, ghn.decoder.max_shape[2]) for side in kernel]
        by_channels = kernels.setdefault((kernel[0], kernel[1]), {})
        by_channels.setdefault(ghn.decoder.channels(out, in_), []).append(t)
    for size, groups in kernels.items():
        members = [t for group in groups.values() for t in group]
        pixels = ghn.decoder.pixels(_states(x, members), size)
        for (out, in_), group, part in zip(
            groups, groups.values(), pixels.split([len(g) for g in groups.values()]), strict=False
        ):
            yield from _scaled(ghn, group, ghn.decoder.weights(part, out, in_, size))


def _scaled(
    ghn: Decoding, group: list[ParameterTarget], blocks: Tensor | FactorCores
) -> Iterator[Decoded]:
    if ghn.config.weight_norm:
        gains = [gain(t.matrix, t.view or t.shape, table=t.table) for t in group]
        device = next(ghn.decoder_1d.parameters()).device
        blocks = blocks * torch.tensor(gains, device=device).view(-1, 1, 1, 1, 1)
    yield from zip(group, blocks.unbind(0), strict=True)


def _class_weights(ghn: Decoding, x: Tensor, targets: list[ParameterTarget]) -> Iterator[Decoded]:
    for t in targets:
        assert t.view is not None
        out, in_, *kernel = t.view
        if isinstance(ghn.decoder, LowRankDecoder):
            size = (kernel[0], kernel[1])
            pixels = ghn.decoder.pixels(_states(x, [t]), size)
            yield from _scaled(ghn, [t], ghn.decoder.weights(pixels, out, in_, size, classes=True))
        else:
            _, in_ = ghn.decoder.channels(out, in_)
            block = ghn.decoder.classifier(_states(x, [t]), in_)[..., None, None]
            yield from _scaled(ghn, [t], block.expand(-1, -1, -1, *kernel))


def _vectors(ghn: Decoding, x: Tensor, targets: list[ParameterTarget]) -> Iterator[Decoded]:
    if not targets:
        return
    rows = {row: k for k, row in enumerate(dict.fromkeys(t.row for t in targets))}
    both = ghn.decoder_1d(x[torch.tensor(list(rows), device=x.device)])
    parts = {}
    for position, kind in enumerate(("weight", "bias")):
        vector = both[:, position]
        parts[kind] = (squash(vector, kind) if ghn.config.weight_norm else vector).unbind(0)
    for t in targets:
        yield t, parts[t.kind][rows[t.row]]


def _long_vectors(
    ghn: Decoding, decoder: LowRankDecoder, x: Tensor, targets: list[ParameterTarget]
) -> Iterator[Decoded]:
    """Vectors of one kind at their full length, those of one length together."""
    by_size: dict[int, list[ParameterTarget]] = defaultdict(list)
    for t in targets:
        by_size[math.prod(t.shape)].append(t)
    for size, group in by_size.items():
        classes, kind = group[0].kind == "class_bias", group[0].kind.removeprefix("class_")
        codes = ghn.decoder_1d(_states(x, group))[:, 0 if kind == "weight" else 1]
        vectors = decoder.vectors(codes, size, classes=classes)
        if ghn.config.weight_norm:
            vectors = squash(vectors, kind)
        yield from zip(group, vectors.unbind(0), strict=True)


def _class_biases(ghn: Decoding, x: Tensor, targets: list[ParameterTarget]) -> Iterator[Decoded]:
    for t in targets:
        assert ghn.bias_class is not None
        vector = ghn.bias_class(ghn.decoder_1d(_states(x, [t])))[0, 1]
        yield t, squash(vector, "bias") if ghn.config.weight_norm else vector
