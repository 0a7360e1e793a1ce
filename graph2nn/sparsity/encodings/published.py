"""The unrolled encoding exactly as published, deviations included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isqrt, prod

import numpy as np
from torch import Tensor, nn

from graph2nn.sparsity.encodings.published_steps import (
    Step,
    list_steps,
    pool_windows,
    shortcut_reach,
)
from graph2nn.sparsity.encodings.weights import KeptWeight, kept_weights
from graph2nn.sparsity.multipartite import Block, Layer, MultipartiteGraph
from graph2nn.sparsity.topometrics.edges import edge_list

__all__ = ["published_unrolled"]

_WEIGHTED = ("conv", "linear")


def published_unrolled(
    model: nn.Module, masks: Mapping[str, Tensor] | None, input_shape: Sequence[int]
) -> MultipartiteGraph:
    """The multipartite graph that the published code makes of a network.

    Sparse networks as multipartite graphs, arXiv:2305.16886, section 3, as its code has it. That
    code reads the layers off `named_modules()`, takes each to follow the one before, and deviates
    from the network in several ways:

    * the padding of the first layer is kept as nodes; that of the others is not;
    * where a stride leaves a row over, the map that is read is laid row by row over a larger one,
      and the nodes that are written start too early, on top of those before them;
    * identity skips are left out; convolutions called `shortcut` lead from what a block reads
      to what its last convolution writes, wherever counting layers finds these;
    * a linear layer after more values than it takes reads square windows of them (functional
      pooling); one that takes all values of a convolution is left out, and so is a first layer
      that is neither followed by its like nor by pooling and a convolution;
    * dilation, ceiling and padding of pooling, and everything without weights but pooling, do not
      exist; a shortcut whose edges would end outside the graph is lost;
    * weights are rounded to half precision.

    Where the published code stops with an error but these rules say what is meant (pooling written
    `MaxPool2d(2)`, a strided convolution after the last pooling, global pooling as a module), the
    rules are followed.

    Args:
        model: the network; not run.
        masks: by name of the weight; None keeps what is not exactly zero.
        input_shape: (C, H, W) of the images, H = W.

    Raises:
        ValueError: what the published encoding has no rule for (says to use `compat=False`),
            masks or an input shape that do not fit.

    Example:
        >>> published_unrolled(build("Resnet-20"), None, (3, 32, 32))
        MultipartiteGraph('CifarResNet', unrolled, layers=21, nodes=191894, weights=270896)
    """
    kept = kept_weights(model, masks, compat=True)
    steps = list_steps(model, _side(input_shape))
    parts, shortcuts = _chain(steps, shortcut_reach(model))
    _check_input(steps[0], tuple(input_shape))
    layers = _layers(parts)
    sizes = [layer.size for layer in layers]
    blocks = _chained(parts, sizes, kept)
    for step, place in shortcuts:
        block = _shortcut(step, place, sizes, shortcut_reach(model), kept)
        blocks += [] if block is None else [block]
    _check_parallel(blocks)
    return MultipartiteGraph(
        layers=tuple(layers),
        blocks=tuple(blocks),
        outputs=(len(layers) - 1,),
        encoding="unrolled",
        compat=True,
        name=type(model).__name__,
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """A layer with weights, its padding taken off, and the pooling before it if there is any."""

    step: Step
    first: bool = False
    windows: np.ndarray | None = None

    @property
    def read(self) -> tuple[int, int, int]:
        side = self.step.reads - (0 if self.first else 2 * self.step.padding)
        return self.step.channels, side, side

    @property
    def padding(self) -> int:
        return 0 if self.first else self.step.padding


def _side(input_shape: Sequence[int]) -> int:
    if len(input_shape) != 3 or min(input_shape) < 1 or input_shape[1] != input_shape[2]:
        raise ValueError(
            "input_shape: the published encoding takes square images, (channels, size, size), got "
            f"{tuple(input_shape)}; use compat=False for others"
        )
    return input_shape[1]


def _check_input(first: Step, input_shape: tuple[int, ...]) -> None:
    values = prod(input_shape) if first.kind == "linear" else input_shape[0]
    if first.channels != values:
        raise ValueError(
            f"input_shape: {first.name} reads {first.channels} "
            f"{'features' if first.kind == 'linear' else 'channels'}, but inputs of {input_shape} "
            f"have {values}"
        )


def _chain(steps: list[Step], reach: int) -> tuple[list[_Part], list[tuple[Step, int]]]:
    """The layers that become parts of the graph, and its shortcuts with their places."""
    parts: list[_Part] = []
    shortcuts: list[tuple[Step, int]] = []
    windows: np.ndarray | None = None
    counted = 0
    for at, (step, after) in enumerate(zip(steps, steps[1:])):
        pair = step.kind, after.kind
        if pair in {(kind, kind) for kind in _WEIGHTED} or (
            step.kind == "shortcut" and after.kind in _WEIGHTED
        ):
            parts += [_Part(step, first=True)] if at == 0 else []
            parts.append(_Part(after))
            counted += 1
            end = at + 1 + reach
            if end < len(steps) and steps[end].kind == "shortcut":
                shortcuts.append((steps[end], counted + 1))
        elif pair == ("conv", "pool"):
            windows = pool_windows(step.shape, after.kernel, after.stride, after.name)
        elif step.kind == "pool" and after.kind in _WEIGHTED:
            parts += _pooled(after, windows, steps[0] if not parts else None)
        elif pair == ("conv", "linear") and prod(step.shape) != after.channels:
            windows = _functional(step.shape, after)
            parts.append(_Part(after, windows=windows))
    if len(parts) == 1 and steps[0].kind == "conv":
        parts.insert(0, _Part(steps[0], first=True))
    if len(parts) < 2:
        raise ValueError(
            "the published encoding needs two layers with weights that follow each other, got "
            f"{[step.name for step in steps]}; use compat=False"
        )
    return parts, shortcuts


def _pooled(step: Step, windows: np.ndarray | None, opening: Step | None) -> list[_Part]:
    """A layer after pooling; with the first convolution, which is else still missing."""
    part = _Part(step, windows=windows)
    if windows is None:
        raise ValueError(
            f"{step.name}: the published encoding fails on pooling without a "
            "convolution right before it; use compat=False"
        )
    if step.kind == "conv" and prod(part.read) != len(windows):
        raise ValueError(
            f"{step.name} reads {part.read} values, but the pooling before it writes "
            f"{len(windows)}; the published encoding fails here, use compat=False"
        )
    if opening is not None and opening.kind == "conv" and step.kind == "conv":
        return [_Part(opening, first=True), part]
    return [part]


def _functional(shape: tuple[int, int, int], step: Step) -> np.ndarray:
    """Windows of the pooling that must stand between a map and a linear layer."""
    side = isqrt(prod(shape) // step.channels)
    if side < 1:
        raise ValueError(
            f"{step.name} takes {step.channels} features, but the layer before writes "
            f"{prod(shape)} values; does the input_shape fit?"
        )
    return pool_windows(shape, side, side, step.name)


def _layers(parts: list[_Part]) -> list[Layer]:
    names = ["input", *(part.step.name for part in parts)]
    shapes = [parts[0].read, *(part.step.shape for part in parts)]
    layers, start = [], 0
    for name, shape in zip(names, shapes):
        layers.append(Layer(name=name, start=start, shape=shape))
        start += layers[-1].size
    return layers


def _chained(parts: list[_Part], sizes: list[int], kept: Mapping[str, KeptWeight]) -> list[Block]:
    """The edges of the parts, each attached to the one before."""
    pooled = [place for place, part in enumerate(parts) if part.windows is not None]
    blocks: list[Block] = []
    for place, part in enumerate(parts):
        start, windows = sum(sizes[:place]), None
        if place and prod(part.read) != sizes[place]:
            if pooled and pooled[0] == place:
                windows = part.windows
                pooled.pop(0)
            elif not pooled and part.step.kind == "linear":
                windows = _functional(parts[place - 1].step.shape, part.step)
        if windows is None:
            windows = np.arange(prod(part.read))[:, None]
        if windows.size and windows.max() >= sizes[place] or len(windows) < prod(part.read):
            raise ValueError(
                f"{part.step.name} reads {prod(part.read)} values, but there are {sizes[place]} "
                "before it; the published encoding takes layers to follow one another in the "
                "order of their modules and loses edges here, use compat=False"
            )
        after = start + (windows[-1].max() + 1 if len(windows) else 0)
        windows = np.where(windows < 0, -1, windows + start)[: prod(part.read)]
        if windows.size:
            blocks.append(_block(part.step, windows, after, part.read, part.padding, kept))
    return blocks


def _shortcut(
    step: Step, place: int, sizes: list[int], reach: int, kept: Mapping[str, KeptWeight]
) -> Block | None:
    """The edges of a shortcut; None where the published code loses them."""
    if reach > 1 and place + reach - 2 >= len(sizes):
        return None
    read = (step.channels, step.reads, step.reads)
    start = sum(sizes[: place - 1])
    after = start + sum(sizes[place : place + reach - 1]) + prod(read)
    nodes = np.arange(start, start + prod(read))[:, None]
    block = _block(step, nodes, after, read, 0, kept)
    if after + block.target.size <= sum(sizes):
        return block
    keys = _keys(block)
    if len(keys) and max((keys >> 32).max(), (keys & 0xFFFFFFFF).max()) >= sum(sizes):
        return None
    raise ValueError(f"{step.name}: the published encoding finds no place for it; use compat=False")


def _block(
    step: Step,
    nodes: np.ndarray,
    after: int,
    read: tuple[int, int, int],
    padding: int,
    kept: Mapping[str, KeptWeight],
) -> Block:
    """The edges from nodes (values read, K) to those that start at `after`."""
    weight, mask, shape = kept[step.name].value, kept[step.name].mask, step.shape
    depthwise = isinstance(step.module, nn.Conv2d) and step.module.groups > 1
    targets = np.arange(after, after + prod(shape)).reshape(shape)
    if depthwise:  # one output a channel, even where the layer has several
        weight, mask, targets = (some[: step.channels] for some in (weight, mask, targets))
    if weight.dim() == 2:
        weight, mask = weight[:, :, None, None], mask[:, :, None, None]
    return Block(
        name=kept[step.name].name,
        source=nodes.reshape(*read, -1),
        target=targets,
        weight=weight,
        mask=mask,
        stride=(step.stride, step.stride),
        padding=(padding,) * 4,
        groups=step.channels if depthwise else 1,
    )


def _check_parallel(blocks: list[Block]) -> None:
    """Edges of different blocks join different nodes."""
    ranges = [[(ids.min(), ids.max()) for ids in (b.source, b.target)] for b in blocks]
    for one, other in combinations(range(len(blocks)), 2):
        if any(a[1] < b[0] or b[1] < a[0] for a, b in zip(ranges[one], ranges[other])):
            continue
        pairs = [_keys(blocks[place]) for place in (one, other)]
        if len(np.intersect1d(*pairs)):
            raise ValueError(
                f"{blocks[one].name} and {blocks[other].name}: the published encoding makes edges "
                "between the same nodes of both; use compat=False"
            )


def _keys(block: Block) -> np.ndarray:
    """A number for each edge of a block."""
    size = max(int(block.source.max()), int(block.target.max())) + 1
    everything = Layer(name=block.name, start=0, shape=(size, 1, 1))
    edges = edge_list(MultipartiteGraph(layers=(everything,), blocks=(block,), outputs=(0,)))
    return edges.source.astype(np.int64) << 32 | edges.target
