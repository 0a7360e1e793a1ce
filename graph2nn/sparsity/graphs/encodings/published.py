"""The unrolled encoding exactly as published, deviations included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import prod

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.archgraph import trace
from graph2nn.sparsity.graphs.edges import edge_list
from graph2nn.sparsity.graphs.encodings.published_chain import Part, chain_of
from graph2nn.sparsity.graphs.encodings.published_steps import Step, list_steps, shortcut_reach
from graph2nn.sparsity.graphs.encodings.weights import KeptWeight, kept_weights
from graph2nn.sparsity.graphs.multipartite import Block, Layer, MultipartiteGraph

__all__ = ["published_unrolled"]

_WEIGHTED = ("conv", "linear")


def published_unrolled(
    model: nn.Module, masks: Mapping[str, Tensor] | None, input_shape: Sequence[int]
) -> MultipartiteGraph:
    """Make the multipartite graph that the published code makes of a network.

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
      that is not followed by its like;
    * dilation, ceiling and padding of pooling, and everything without weights but pooling, do not
      exist; a shortcut whose edges would end outside the graph is lost;
    * weights are rounded to half precision.

    Where the published code stops with an error but the rules say what is meant (pooling written
    `MaxPool2d(2)`, pooling after the first convolution, a stride after the last pooling), they are
    followed, and then no layer is left out.

    Args:
        model: The network; run on no data, and only where a linear layer does not take what
            pooling before it writes.
        masks: Masks by name of the weight, each of its shape; None keeps what is not exactly zero.
        input_shape: Shape of the images, (C, H, W), H = W.

    Raises:
        ValueError: What the published encoding has no rule for, or where it makes several edges
            between the same nodes: overlapping pooling, some shortcuts in a row (says to use
            `compat=False`); masks or an input shape that do not fit.

    Examples:
        >>> published_unrolled(build("Resnet-20"), None, (3, 32, 32))
        MultipartiteGraph('CifarResNet', unrolled, layers=21, nodes=191894, weights=270896)
    """
    kept = kept_weights(model, masks, compat=True)
    steps = list_steps(model, _side(input_shape))
    reach = shortcut_reach(model)
    _check_input(steps, tuple(input_shape))
    _check_pooled(model, steps, tuple(input_shape))
    parts, shortcuts, complete = chain_of(steps, reach)
    layers = _layers(parts)
    sizes = [layer.size for layer in layers]
    blocks = _chained(parts, sizes, kept, complete)
    for step, place in shortcuts:
        block = _shortcut(step, place, sizes, reach, kept)
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


def _side(input_shape: Sequence[int]) -> int:
    whole = all(isinstance(size, int) for size in input_shape)
    if not whole or len(input_shape) != 3 or min(input_shape) < 1 or len(set(input_shape[1:])) > 1:
        raise ValueError(
            "input_shape: the published encoding takes square images, (channels, size, size), got "
            f"{tuple(input_shape)}; use compat=False for others"
        )
    return input_shape[1]


def _check_input(steps: list[Step], input_shape: tuple[int, ...]) -> None:
    if not any(step.kind in _WEIGHTED for step in steps):
        raise ValueError("the network has no Conv2d or Linear layer, so there is nothing to encode")
    first = steps[0]
    if first.kind not in _WEIGHTED:
        raise ValueError(
            f"{first.name}: the published encoding fails on a network that starts with "
            f"{type(first.module).__name__}; use compat=False"
        )
    values = prod(input_shape) if first.kind == "linear" else input_shape[0]
    if first.channels != values:
        raise ValueError(
            f"input_shape: {first.name} reads {first.channels} "
            f"{'features' if first.kind == 'linear' else 'channels'}, but inputs of {input_shape} "
            f"have {values}"
        )


def _check_pooled(model: nn.Module, steps: list[Step], input_shape: tuple[int, ...]) -> None:
    """Where values are left over between pooling and a linear layer, the network has to take them.

    The published code drops them without a word.
    """
    for place, (step, after) in enumerate(zip(steps, steps[1:])):
        if step.kind != "pool" or after.kind != "linear":
            continue
        maps = next((s.shape[0] for s in steps[place::-1] if s.kind in _WEIGHTED), 0)
        if maps * step.writes**2 == after.channels:
            continue
        try:  # functional pooling may stand between
            trace(model, torch.zeros((1, *input_shape), device="meta"), training=False)
        except ValueError as error:
            raise ValueError(
                f"input_shape: {after.name} takes {after.channels} features, but for inputs of "
                f"{input_shape} {step.name} writes {maps} maps of {step.writes} x {step.writes}; "
                f"pass the shape that the network was built for. {error}"
            ) from error


def _layers(parts: list[Part]) -> list[Layer]:
    names = ["input", *(part.step.name for part in parts)]
    shapes = [parts[0].read, *(part.step.shape for part in parts)]
    layers, start = [], 0
    for name, shape in zip(names, shapes):
        layers.append(Layer(name=name, start=start, shape=shape))
        start += layers[-1].size
    return layers


def _chained(
    parts: list[Part], sizes: list[int], kept: Mapping[str, KeptWeight], complete: bool
) -> list[Block]:
    """The edges of the parts, each attached to the one before."""
    pooled = [place for place, part in enumerate(parts) if part.windows is not None]
    blocks: list[Block] = []
    for place, part in enumerate(parts):
        start, windows = sum(sizes[:place]), None
        if place and prod(part.read) != sizes[place]:
            # The published code counts pools as it uses them, and stays behind where it skips one.
            if complete or (pooled and pooled[0] == place):
                windows = part.windows
                pooled = pooled[1:]
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
        weight, mask = weight[: step.channels], mask[: step.channels]
        targets = targets[: step.channels]
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
        if len(np.intersect1d(_keys(blocks[one]), _keys(blocks[other]))):
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
