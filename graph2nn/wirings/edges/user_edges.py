"""Edges that a user gives: masks from relational graphs, architecture graphs and networkx."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph
from graph2nn.relational import RelationalGraph, node_sizes, relational_mask
from graph2nn.wirings.edges.layers import wired_layers
from graph2nn.wirings.edges.slots import Slots, full_mask

__all__ = ["given_mask", "given_masks"]


def given_mask(source: Any, slots: Slots, *, drop_illegal: bool = False) -> Tensor:
    """Turn the edges of a graph into a mask, for kind "given".

    A graph of n nodes on more channels: node i owns a share of the inputs and of the outputs, as in
    relational layers, and an edge joins all channels of two nodes.

    Args:
        source: Mask (1 where output v receives from input u), a `RelationalGraph` (every node sends
            to itself, too), an `ArchGraph` or a networkx graph (edges run from sender to receiver;
            nodes called 0, 1, ... are taken in that order, others in that of the graph).
        slots: Legal entries of the layer's weight (`layer.slots`).
        drop_illegal: Whether to leave out edges that the network cannot use, for example those of a
            relational graph that run back to an earlier block; otherwise they are an error.

    Shapes:
        -> `slots.shape`, bool.

    Raises:
        ValueError: There are more nodes than channels, a mask of another shape, illegal edges, or
            none left.

    Examples:
        >>> from graph2nn.relational import ws_flex
        >>> model = DiscreteTimeWiring()
        >>> mask = given_mask(ws_flex(64, 8, 0.1, seed=1), model.wires.slots)
        >>> DiscreteTimeWiring("given", mask=mask).wires.keep == int(mask.sum())
        True
    """
    outputs, inputs = slots.shape[:2]
    mask = full_mask(_table(source, outputs, inputs), slots.shape)
    illegal = mask & ~slots.mask()
    if illegal.any() and not drop_illegal:
        row, column = illegal.nonzero()[0].tolist()[:2]
        raise ValueError(
            f"{int(illegal.sum())} of {int(mask.sum())} edges lie in slots that the network cannot "
            f"use, the first from input {column} to output {row}; reorder the nodes, or leave such "
            "edges out (drop_illegal)"
        )
    mask = mask & ~illegal
    if not mask.any():
        raise ValueError("the graph has no edge that the network could use")
    return mask


def given_masks(source: Any, model: nn.Module, *, drop_illegal: bool = False) -> tuple[Tensor, ...]:
    """Turn graphs into the masks of all wired layers of a network.

    Args:
        source: What `given_mask` takes, for every layer; or a list with one for each.
        model: Network whose wired layers, in order, get them.
        drop_illegal: See `given_mask`.

    Shapes:
        -> for each layer that of its weight, bool.

    Raises:
        ValueError: There are not as many as layers, or one does not fit (names the layer).
    """
    layers = dict(wired_layers(model))
    sources = source if isinstance(source, (list, tuple)) else [source] * len(layers)
    if len(sources) != len(layers):
        raise ValueError(
            f"edges: expected one graph or mask for all, or one for each of {len(layers)} wired "
            f"layers ({', '.join(layers)}), got {len(sources)}"
        )
    masks = []
    for (name, layer), found in zip(layers.items(), sources):
        try:
            masks.append(given_mask(found, layer.slots, drop_illegal=drop_illegal))
        except ValueError as error:
            raise ValueError(f"edges of {name}: {error}") from None
    return tuple(masks)


def _table(source: Any, outputs: int, inputs: int) -> Any:
    if isinstance(source, RelationalGraph):
        return relational_mask(source, inputs, outputs)
    if isinstance(source, ArchGraph):
        joined = np.zeros((source.num_nodes,) * 2, dtype=bool)
        joined[source.edges[1], source.edges[0]] = True
        return _spread(joined, outputs, inputs)
    if isinstance(source, nx.Graph):
        return _spread(
            nx.to_numpy_array(source, _numbered(source), weight=None).T > 0, outputs, inputs
        )
    return source


def _numbered(graph: nx.Graph) -> list | None:
    """Nodes called 0, 1, ... (or so as text, after reading a file) in that order; others as they
    come."""
    names = {str(node): node for node in graph}
    wanted = [str(number) for number in range(len(graph))]
    return [names[name] for name in wanted] if set(names) == set(wanted) else None


def _spread(joined: np.ndarray, outputs: int, inputs: int) -> np.ndarray:
    """Nodes to the channels they own. Shapes: (n, n) -> (outputs, inputs)."""
    n = len(joined)
    if n > min(outputs, inputs):
        raise ValueError(
            f"the graph has {n} nodes, more than the {min(outputs, inputs)} channels of the layer"
        )
    rows = np.repeat(np.arange(n), node_sizes(outputs, n))
    columns = np.repeat(np.arange(n), node_sizes(inputs, n))
    return joined[np.ix_(rows, columns)]
