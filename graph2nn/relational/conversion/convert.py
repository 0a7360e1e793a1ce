"""Which layers of any network can follow a relational graph, and how wide must they then be?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.names import check_choice
from graph2nn.relational.conversion.forward import (
    CalledLayers,
    called_layers,
    count_with,
    meta_copy,
)
from graph2nn.relational.conversion.widening import widen, widened_skeleton
from graph2nn.relational.graphs.graph import RelationalGraph, as_graph
from graph2nn.relational.networks.counting import EntryTable
from graph2nn.relational.networks.layers import RelationalConv2d, RelationalLinear

__all__ = ["make_relational"]

Build = Callable[[float], nn.Module]
WIDEST = 64.0
"""Largest factor of widths that is tried."""
CLOSE = 1.001
"""Cost, relative to the dense network's, that is close enough."""


def make_relational(
    model: nn.Module | Build,
    graph: RelationalGraph | np.ndarray | Any,
    input: Tensor | tuple | None = None,
    *,
    layers: Sequence[str] | None = None,
    match: str | None = "flops",
    seed: int = 0,
    execution: str = "masked",
) -> nn.Module:
    """Copy a network with its linear layers and convolutions on a relational graph.

    "Graph Structure of Neural Networks", arXiv:2007.06559, section 4.1, for any architecture: the
    layers between the first and the last become relational, and all widths are scaled by one factor
    until the network costs what the dense one costs: at least, and at most a thousandth more where
    channels are fine enough for that. Grouped and depthwise convolutions, layers with fewer
    channels than the graph has nodes, and layers that the network does not call (inside
    `nn.MultiheadAttention`) stay dense. `build_model` differs: its widths and initial weights are
    those of the published code.

    The weights are those of the widened network inside the mask, divided by sqrt(density), so
    activations start at the scale that the network was built for.

    Args:
        model: A network, which is not changed and is widened by `widen`; or, where that is not
            possible, a function that builds the network from a factor of its widths. 1 is the
            dense network.
        graph: The relational graph, the same in every layer, or what `as_graph` makes one of.
        input: Example batch: a tensor or a tuple of positional arguments, of two examples where
            batch normalisation needs as many; by default images of `model.expected_input_sz`, else
            224 pixels a side.
        layers: Names of the layers that become relational, as in `model.named_modules()`, or
            patterns such as "blocks.*"; None means all that can.
        match: What stays as it was, "flops" (multiply-adds) or "params" (trainable parameters);
            None keeps the widths.
        seed: Seed of the weights that are new because of the widths.
        execution: Execution of the relational layers, see `RelationalLayer`.

    Raises:
        ValueError: Names of no such layer, no layer that can be relational, or widths that are
            fixed in the network's code (see `widen`) or cannot match.

    Examples:
        >>> net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
        ...                     nn.Linear(64, 10))
        >>> make_relational(net, ws_flex(16, 4, 0.2, seed=1), torch.zeros(1, 64))[2].density
        0.3...
    """
    check_choice("match", match, ("flops", "params", None))
    if not callable(model):
        raise ValueError(
            "expected a network (torch.nn.Module) or a function that builds one, got "
            f"{type(model).__name__}"
        )
    graph = as_graph(graph)
    dense = model if isinstance(model, nn.Module) else model(1.0)
    skeleton = meta_copy(dense)
    called = called_layers(skeleton, input)
    names = _chosen(called, graph, layers)

    def build(factor: float) -> nn.Module:
        if isinstance(model, nn.Module):
            return widened_skeleton(skeleton, factor, called.heads, input)
        return meta_copy(model(factor))

    factor = 1.0
    if match is not None:
        factor = _matching_factor(build, graph, input, names, match)
    wide = widen(model, factor, input, seed=seed) if isinstance(model, nn.Module) else model(factor)
    for name in names:
        parent, _, child = name.rpartition(".")
        layer = _relational(wide.get_submodule(name), graph, execution)
        setattr(wide.get_submodule(parent), child, layer)
    return wide


def _chosen(
    called: CalledLayers, graph: RelationalGraph, layers: Sequence[str] | None
) -> list[str]:
    """Names of the layers that become relational, in the order of their calls."""
    able = [name for name, module in called.layers.items() if _fits(module, graph)]
    if layers is None:
        ends = {*list(called.layers)[:1], *called.heads}
        names = [name for name in able if name not in ends]
        if not names:
            raise ValueError(
                f"no layer can be relational on {graph}: expected a linear layer or an ungrouped "
                "convolution, neither the first nor the last that is called, with at least "
                f"{graph.num_nodes} channels in and out; take a wider network or a graph of fewer "
                "nodes"
            )
        return names
    for pattern in layers:
        if not any(fnmatchcase(name, pattern) for name in able):
            raise ValueError(
                f"layers: {pattern!r} is none of the layers that can be relational on {graph}: "
                f"{', '.join(able) or 'there are none'}"
            )
    return [name for name in able if any(fnmatchcase(name, pattern) for pattern in layers)]


def _fits(module: nn.Module, graph: RelationalGraph) -> bool:
    if type(module) is nn.Linear:
        return graph.num_nodes <= min(module.in_features, module.out_features)
    if type(module) is nn.Conv2d and module.groups == 1:
        return graph.num_nodes <= min(module.in_channels, module.out_channels)
    return False


def _matching_factor(
    build: Build, graph: RelationalGraph, input: Any, names: Sequence[str], match: str
) -> float:
    """The factor at which the cost reaches the dense one's; `build` gives networks on "meta"."""
    entries, chosen = EntryTable(graph), frozenset(names)

    def density(name: str, module: Any) -> float:
        if name not in chosen:
            return 1.0
        rows, columns = module.weight.shape[:2]
        return entries.count(columns, rows) / (rows * columns)

    def cost(factor: float) -> int:
        return getattr(count_with(build(factor), input, density), match)

    dense = build(1.0)
    goal = getattr(count_with(dense, input, lambda *_: 1.0), match)
    low = high = 1.0
    costs = [cost(low)] * 2
    while costs[1] < goal:
        if high == WIDEST:
            raise ValueError(
                f"{type(dense).__name__} on {graph} stays below the {match} of the dense network, "
                f"{goal}, up to {WIDEST} times its widths; does the function use its factor?"
            )
        low, costs[0] = high, costs[1]
        high = min(high * max(1.05, 1.02 * (goal / costs[1]) ** 0.5), WIDEST)
        costs[1] = cost(high)
    widths = (dense.get_submodule(name).weight.shape[:2] for name in names)  # type: ignore
    step = 0.5 / max(max(pair) for pair in widths)
    while high - low > step and costs[1] > CLOSE * goal:
        # a cost is nearly a square of the width
        part = (goal**0.5 - costs[0] ** 0.5) / (costs[1] ** 0.5 - costs[0] ** 0.5)
        middle = low + min(max(part, 0.1), 0.9) * (high - low)
        now = cost(middle)
        if now < goal:
            low, costs[0] = middle, now
        else:
            high, costs[1] = middle, now
    return high


@torch.no_grad()
def _relational(layer: Any, graph: RelationalGraph, execution: str) -> nn.Module:
    """The layer on a graph, with its weights at their scale and its bias."""
    device = layer.weight.device
    how: dict[str, Any] = {"bias": layer.bias is not None, "dtype": layer.weight.dtype}
    how |= {"device": device, "generator": torch.Generator(device)}  # its draws are not kept
    new: Any
    if isinstance(layer, nn.Linear):
        new = RelationalLinear(graph, layer.in_features, layer.out_features, **how)
    else:
        new = RelationalConv2d(
            graph,
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            padding_mode=layer.padding_mode,
            **how,
        )
    new.weight.copy_(layer.weight).mul_(new.mask).div_(new.density**0.5)
    if layer.bias is not None:
        new.bias.copy_(layer.bias)
    new.train(layer.training).requires_grad_(layer.weight.requires_grad)
    new.set_execution(execution)
    return new
