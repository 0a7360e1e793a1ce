"""Networks on relational graphs: perceptrons, convolutional and residual ones of matched widths."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from graph2nn.archgraph import ArchGraph
from graph2nn.families.blueprint import without_values
from graph2nn.families.source import FamilyNets
from graph2nn.relational import RelationalGraph, ws_flex
from graph2nn.relational.graphs.sweep import SweepGrid
from graph2nn.relational.message_rounds import trace_relational
from graph2nn.relational.networks.architecture import Architecture, architecture, layers
from graph2nn.relational.networks.counting import count_layers
from graph2nn.relational.networks.matching import match_width
from graph2nn.relational.networks.registry import build_sizes

__all__ = ["RelationalNet", "RelationalNets", "relational_net"]

_CELLS = 10  # of the degree, and of the rewiring probability
_SHARES = (0.24, 0.34, 0.42)  # of draws; more convolutional ones are too large
_FIRST_SEED = 1000  # of graphs; published ones have seeds below 30
_MAX_NODES, _MAX_SIZE = 300, 10**6
_WIDTHS = {"mlp": (32, 48, 64, 96, 128), "cnn6": (16, 24, 32, 48), "resnet34": (16, 24, 32, 48)}
_NODES = {"mlp": (8, 16, 32, 64), "cnn6": (8, 16, 32), "resnet34": (8, 16, 32)}


@dataclass(frozen=True, kw_only=True)
class RelationalNet:
    """Blueprint of a relational network on a WS-flex graph (arXiv:2007.06559).

    Its masks are part of the network: the skeleton multiplies the dense weights that it is given.

    Args:
        sizes: All widths and depths.
        nodes, degree, p, graph_seed: Arguments of `ws_flex`; the degree `nodes` is the complete
            graph.
    """

    sizes: Architecture
    nodes: int
    degree: float
    p: float
    graph_seed: int

    @property
    def cell(self) -> tuple[Hashable, ...]:
        """Number of nodes, and place in a grid over the roots of degree and probability."""
        return (self.nodes, *grid_cell(self.nodes, self.degree, self.p))

    def relational_graph(self) -> RelationalGraph:
        """Make the relational graph."""
        return ws_flex(self.nodes, self.degree, self.p, self.graph_seed)

    def skeleton(self) -> nn.Module:
        """Build the network, masks as data."""
        return without_values(self._build(0, "masked"))

    def network(self) -> nn.Module:
        """Build the network with initial weights."""
        return self._build(int(torch.randint(2**31, ())), "masked")

    def archgraph(self) -> ArchGraph:
        """Make the graph of layers with the rounds of messages in front of them."""
        return trace_relational(self._build(0, "mask-once"))  # a third faster to trace

    def _build(self, seed: int, execution: str) -> nn.Module:
        return build_sizes(self.sizes, self.relational_graph(), seed=seed, execution=execution)


def relational_net(
    model: str,
    nodes: int,
    degree: float,
    p: float,
    graph_seed: int,
    *,
    base_dims: tuple[int, ...],
    depths: tuple[int, ...],
    dim_first: int | None = None,
    image_size: int = 32,
    num_classes: int = 10,
    in_channels: int = 3,
) -> RelationalNet:
    """Make the blueprint of a network as wide as the dense one of `base_dims` allows.

    Args:
        model: Name of the family, see `graph2nn.relational.build_model`.
        nodes, degree, p, graph_seed: Arguments of `ws_flex`.
        base_dims: Widths of the dense network whose multiply-adds are matched.
        depths: Number of blocks of each stage.
        dim_first: Width of the stem; None takes the first of `base_dims`.
        image_size, num_classes, in_channels: Side, classes and channels of the images.

    Raises:
        ValueError: No graph or no widths for these arguments.

    Examples:
        >>> relational_net("mlp", 64, 8, 0.1, 1, base_dims=(64,), depths=(3,)).sizes.dims
        (184,)
    """
    graph = ws_flex(nodes, degree, p, graph_seed)
    kind: dict[str, Any] = {
        "depths": depths,
        "dim_first": dim_first or base_dims[0],
        "image_size": image_size,
        "num_classes": num_classes,
        "in_channels": in_channels,
    }
    dims = match_width(model, graph, base_dims=base_dims, **kind).dims
    sizes = architecture(model, dims=dims, relational=True, **kind)
    return RelationalNet(sizes=sizes, nodes=nodes, degree=degree, p=p, graph_seed=graph_seed)


class RelationalNets(FamilyNets[RelationalNet]):
    """Endless relational networks over degree and rewiring probability, as in the sweeps.

    arXiv:2007.06559, section 3.2: degree and probability are even in their square roots, from the
    sparsest to the densest graphs of the published grids. One cell of (nodes, degree, p) in five is
    held out, and no graph has the seed of a published one. Widths match dense networks of 16 to 128
    channels; networks stay below a million parameters and about the multiply-adds of the small
    DeepNets networks, so at 8 pixels most have one or two stages.

    Arguments and errors are those of `FamilyNets`.

    Examples:
        >>> nets = RelationalNets(seed=1, image_size=8)
        >>> nets[1000] == nets[1000]
        True
    """

    def draw(self, rng: np.random.Generator) -> RelationalNet | None:
        model = ("mlp", "cnn6", "resnet34")[rng.choice(3, p=_SHARES)]
        nodes = int(rng.choice(_NODES[model]))
        width = int(rng.choice([width for width in _WIDTHS[model] if width >= nodes]))
        stages = 1 if model == "mlp" else int(rng.integers(1, 4))
        depths = tuple(int(rng.integers(1, 5 if model == "mlp" else 3)) for _ in range(stages))
        low, high = degree_range(nodes)
        degree = float((low**0.5 + rng.random() * (high**0.5 - low**0.5)) ** 2)
        graph = (nodes, degree, float(rng.random() ** 2), int(rng.integers(_FIRST_SEED, 10**6)))
        if 2 ** (stages + (model == "cnn6")) > self.images["image_size"]:
            return None
        dims = tuple(width * 2**stage for stage in range(stages))
        try:
            net = relational_net(model, *graph, base_dims=dims, depths=depths, **self.images)
        except ValueError:  # no connected graph, or widths below the number of nodes
            return None
        return net if _is_small(net) else None


def degree_range(nodes: int) -> tuple[float, float]:
    """Return the least and the largest degree of a sweep over graphs of so many nodes.

    Examples:
        >>> [degree_range(n) for n in (8, 16, 64)]
        [(4.0, 6), (4, 14), (8, 62)]
    """
    grid = SweepGrid.for_nodes(nodes)
    return grid.k_min, grid.k_max


def grid_cell(nodes: int, degree: float, p: float) -> tuple[int, int]:
    """Return the place of a graph in the grid over the roots of degree and probability."""
    low, high = (math.sqrt(k) for k in degree_range(nodes))
    place = ((math.sqrt(degree) - low) / (high - low), math.sqrt(p))
    row, column = (min(max(int(_CELLS * x), 0), _CELLS - 1) for x in place)
    return row, column


def _is_small(net: RelationalNet) -> bool:
    """Whether it costs about as much as a small DeepNets network; masks save nothing here."""
    dense = count_layers(layers(replace(net.sizes, relational=False)), None)
    masked = 1 + sum(layer.relational for layer in layers(net.sizes))
    work = 6e6 * max(1.0, net.sizes.image_size / 8)
    return dense.flops <= work and dense.params <= _MAX_SIZE and masked * net.nodes <= _MAX_NODES
