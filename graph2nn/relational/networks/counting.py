"""Multiply-adds and parameters of relational networks, with and without building them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from torch import nn

from graph2nn.deprecated import renamed_keywords
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.relational.networks.architecture import Layer, architecture, layers
from graph2nn.relational.networks.layers import RelationalLayer
from graph2nn.relational.networks.partition import fitting_graph, node_sizes

__all__ = [
    "Counts",
    "EntryTable",
    "count",
    "count_flops",
    "count_layers",
    "count_module",
    "count_params",
]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a network costs.

    Args:
        flops: Multiply-adds of one image in convolutions and linear layers, one each, as everywhere
            (`graph2nn.training.multiply_adds`); weights outside a mask count nothing. The rules and
            truncations are those of the published numbers: normalisation, activation and biases
            count nothing, except in squeeze-and-excitation, where each bias counts one.
        params: Trainable parameters; of a relational layer those inside its mask.
    """

    flops: int
    params: int


class EntryTable:
    """Trainable weights between layers of any width, in constant time.

    A node owns q or q + 1 channels, and which nodes own one more is a prefix of a fixed order. So
    the number of ones in a mask follows from prefix sums over the adjacency in that order: for
    sizes a + [rank < r] and b + [rank < s] of the receiving and sending nodes, a b |E| + a E(n, s)
    + b E(r, n) + E(r, s) with E(r, s) the edges from the first s to the first r nodes.

    Args:
        graph: The relational graph; self-edges are added.
        shrinks: Whether a narrower layer takes the graph of the family on fewer nodes.
    """

    def __init__(self, graph: RelationalGraph, *, shrinks: bool = False) -> None:
        self.graph, self.shrinks = graph, shrinks
        self.smaller: dict[int, EntryTable] = {}
        n = graph.num_nodes
        order = _growth_order(n)
        prefix = np.zeros((n + 1, n + 1), dtype=np.int64)
        prefix[1:, 1:] = graph.with_self_edges()[order][:, order].cumsum(0).cumsum(1)
        self._prefix = prefix
        self._counts: dict[tuple[int, int], int] = {}

    def count(self, fan_in: int, fan_out: int) -> int:
        """Count the ones in the mask of a layer.

        Raises:
            ValueError: More nodes than channels, and `shrinks` not set or no family to shrink in.
        """
        found = self._counts.get((fan_in, fan_out))
        if found is None:
            found = self._counts[fan_in, fan_out] = self._count(fan_in, fan_out)
        return found

    def _count(self, fan_in: int, fan_out: int) -> int:
        n = self.graph.num_nodes
        if n > min(fan_in, fan_out):
            if not self.shrinks:
                node_sizes(min(fan_in, fan_out), n)  # raises
            return self._shrunk(fan_in, fan_out).count(fan_in, fan_out)
        (small_in, larger_in), (small_out, larger_out) = divmod(fan_in, n), divmod(fan_out, n)
        table = self._prefix
        return int(
            small_in * small_out * table[n, n]
            + small_out * table[n, larger_in]
            + small_in * table[larger_out, n]
            + table[larger_out, larger_in]
        )

    def _shrunk(self, fan_in: int, fan_out: int) -> EntryTable:
        nodes = min(fan_in, fan_out)
        if nodes not in self.smaller:
            self.smaller[nodes] = EntryTable(fitting_graph(self.graph, fan_in, fan_out))
        return self.smaller[nodes]


@cache
def _growth_order(n: int) -> np.ndarray:
    """Nodes in the order in which they own one more channel as a layer gets wider."""
    return np.argsort(-sum(node_sizes(n + extra, n) for extra in range(n)), kind="stable")


def count_layers(found: Iterable[Layer], entries: EntryTable | None) -> Counts:
    """Sum the costs over layers.

    As in the original, a relational layer's share of trainable weights is a float, its
    multiply-adds are truncated layer by layer and its parameters at the end; rounding can lose one.
    """
    flops, params = 0, 0.0
    for kind, fan_in, fan_out, kernel, size, relational, bias in found:
        if kind == "norm":
            params += 2 * fan_out
            continue
        weights = fan_out * kernel**2 * (1 if kind == "depthwise" else fan_in)
        if relational:
            assert entries is not None
            kept = weights * (entries.count(fan_in, fan_out) / (fan_in * fan_out))
            flops, params = flops + int(kept * size * size), params + kept
        else:
            flops += weights * size**2 + (fan_out if kind == "gate" else 0)
            params += weights + (fan_out if bias else 0)
    return Counts(flops=flops, params=int(params))


@renamed_keywords(imsize="image_size")
def count(
    name: str,
    graph: RelationalGraph | None,
    dims: Sequence[int] | None = None,
    *,
    num_classes: int,
    image_size: int,
    in_channels: int = 3,
    dim_first: int | None = None,
    depths: Sequence[int] | None = None,
) -> Counts:
    """Count the multiply-adds and parameters of a network that need not exist.

    Arguments are those of `build_model`; dims None means those of the dense baseline.

    Raises:
        ValueError: Unknown family, sizes that do not fit, or more nodes than channels.

    Examples:
        >>> count("mlp", None, num_classes=10, image_size=32).flops
        2364416
    """
    sizes = architecture(
        name,
        dims=dims,
        dim_first=dim_first,
        depths=depths,
        num_classes=num_classes,
        image_size=image_size,
        in_channels=in_channels,
        relational=graph is not None,
    )
    entries = None if graph is None else EntryTable(graph, shrinks=sizes.family.shrinks)
    return count_layers(layers(sizes), entries)


def count_flops(
    name: str, graph: RelationalGraph | None, dims: Sequence[int] | None = None, **sizes: Any
) -> int:
    """Count the multiply-adds, as `count(...).flops`."""
    return count(name, graph, dims, **sizes).flops


def count_params(
    name: str, graph: RelationalGraph | None, dims: Sequence[int] | None = None, **sizes: Any
) -> int:
    """Count the trainable parameters, as `count(...).params`."""
    return count(name, graph, dims, **sizes).params


@renamed_keywords(imsize="image_size")
def count_module(model: nn.Module, image_size: int) -> Counts:
    """Count a built network by the rules of the original.

    Modules are visited in the order of registration, with the height and width of the image as
    they stand; a projection ("proj" in its name) leaves these alone, and the two convolutions of
    squeeze-and-excitation (".se.") are applied once.

    Args:
        model: A network of this package, or any that registers its layers in the order of use.
        image_size: Height and width of its images.
    """
    size, flops, params = image_size, 0, 0.0
    for name, module in model.named_modules():
        density = module.density if isinstance(module, RelationalLayer) else 1.0
        if isinstance(module, nn.Conv2d):
            weights = module.out_channels * module.in_channels // module.groups
            weights *= module.kernel_size[0] * module.kernel_size[1]
            if ".se." in name:
                flops += weights + module.out_channels
            else:
                after = _height(size, module)
                flops += int(weights * density * after * after)
                size = size if "proj" in name else after
        elif isinstance(module, nn.Linear):
            weights = module.in_features * module.out_features
            flops += int(weights * density)
        elif isinstance(module, nn.MaxPool2d):
            size = _height(size, module)
        if isinstance(module, RelationalLayer):
            params += weights * density
            params += 0 if module.bias is None else module.bias.numel()
        else:
            params += sum(p.numel() for p in module.parameters(recurse=False))
    return Counts(flops=flops, params=int(params))


def _height(size: int, module: nn.Conv2d | nn.MaxPool2d) -> int:
    kernel, stride, padding = (
        value[0] if isinstance(value, tuple) else value
        for value in (module.kernel_size, module.stride, module.padding)
    )
    assert isinstance(kernel, int) and isinstance(stride, int) and isinstance(padding, int)
    return (size + 2 * padding - kernel) // stride + 1
