"""Small multipartite graphs with everything a block may have, drawn from a seed."""

from __future__ import annotations

import numpy as np
import torch

from graph2nn.sparsity.graphs.multipartite import Block, Layer, MultipartiteGraph

__all__ = ["KINDS", "random_graph"]

KINDS: dict[str, dict] = {
    "plain": {},
    "stride": {"stride": (2, 1)},
    "dilation": {"dilation": (1, 2), "padding": (2, 2, 1, 1)},
    "groups": {"groups": 2},
    "depthwise": {"groups": 4, "width": 4},
    "asymmetric padding": {"padding": (0, 2, 1, 0)},
    "pooled": {"pooled": 3},
    "absent": {"absent": 0.2},
    "absent by position": {"absent": 0.2, "by_position": True},
    "pooled with holes": {"pooled": 2, "absent": 0.3, "stride": (2, 2)},
    "scattered targets": {"scatter": True},
    "overlapping layers": {"overlap": 7},
    "wide kernel": {"kernel": (5, 4), "padding": (3, 2, 2, 2)},
    "strided 1 x 1": {"kernel": (1, 1), "padding": (0, 0, 0, 0), "stride": (3, 2)},
    "empty": {"density": 0.0},
}
"""Options of `random_graph` by name."""


def random_graph(
    seed: int = 0,
    *,
    density: float = 0.4,
    width: int = 6,
    size: tuple[int, int] = (7, 6),
    kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (1, 1, 1, 1),
    groups: int = 1,
    pooled: int = 1,
    absent: float = 0.0,
    by_position: bool = False,
    scatter: bool = False,
    overlap: int = 0,
    compat: bool = False,
) -> MultipartiteGraph:
    """Input, a convolution with these options, a linear layer on all it writes, and a skip."""
    rng = np.random.default_rng(seed)
    num_inputs = 4 * size[0] * size[1] * pooled
    source = rng.permutation(num_inputs) if pooled > 1 else np.arange(num_inputs)
    source = source.reshape(4, *size, pooled)
    if absent:
        shape = (1, *size, 1) if by_position else source.shape
        source = np.where(rng.random(shape) < absent, -1, source)
    rows, columns = (
        (extent + before + after - (taps - 1) * step - 1) // by + 1
        for extent, before, after, taps, step, by in zip(
            size, padding[2::-2], padding[3::-2], kernel, dilation, stride
        )
    )
    number = width * rows * columns
    target = num_inputs - overlap + np.arange(number)
    if scatter:
        target = rng.permutation(target)
    target = target.reshape(width, rows, columns)
    shape = (width, 4 // groups, *kernel)
    first = {"stride": stride, "dilation": dilation, "padding": padding, "groups": groups}
    blocks = [_block("conv", rng, density, shape, source, target, **first)]
    last = num_inputs + number + np.arange(5).reshape(5, 1, 1)
    blocks.append(
        _block("linear", rng, density, (5, number, 1, 1), target.reshape(-1, 1, 1, 1), last)
    )
    skipped = np.arange(10).reshape(10, 1, 1, 1)
    blocks.append(_block("skip", rng, density, (5, 10, 1, 1), skipped, last))
    layers = (
        Layer(name="input", start=0, shape=(4 * pooled, *size)),
        Layer(name="conv", start=num_inputs, shape=target.shape),
        Layer(name="linear", start=num_inputs + number, shape=last.shape),
    )
    return MultipartiteGraph(layers=layers, blocks=tuple(blocks), outputs=(2,), compat=compat)


def _block(
    name: str,
    rng: np.random.Generator,
    density: float,
    shape: tuple[int, int, int, int],
    source: np.ndarray,
    target: np.ndarray,
    **options: object,
) -> Block:
    mask = torch.from_numpy(rng.random(shape) < density)
    weight = torch.from_numpy(rng.random(shape).astype(np.float32)) * mask
    return Block(name=name, source=source, target=target, weight=weight, mask=mask, **options)
