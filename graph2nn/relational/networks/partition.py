"""Channels of a layer divided over the nodes of a graph, and the mask of trainable weights."""

from __future__ import annotations

from functools import cache

import numpy as np

from graph2nn.relational.graphs.graph import RelationalGraph

__all__ = ["fitting_graph", "node_sizes", "relational_mask"]


def node_sizes(channels: int, num_nodes: int) -> np.ndarray:
    """Count the consecutive channels that each node owns.

    With q, r = divmod(channels, num_nodes), r nodes own q + 1 channels and the others q; which
    ones is a fixed permutation (numpy's legacy generator with seed 1), so that layers of the same
    width always agree. "Graph Structure of Neural Networks", arXiv:2007.06559, section 2.2 and
    its code.

    Shapes:
        -> (num_nodes,) int64, in the order in which nodes own channels; sums to `channels`.

    Raises:
        ValueError: More nodes than channels.

    Examples:
        >>> node_sizes(10, 4).tolist()
        [2, 2, 3, 3]
    """
    if num_nodes < 1:
        raise ValueError(f"expected at least one node, got {num_nodes}")
    if channels < num_nodes:
        raise ValueError(
            f"{num_nodes} nodes cannot share {channels} channels: every node needs at least one; "
            f"use a layer of at least {num_nodes} channels or a graph of fewer nodes"
        )
    small, larger = divmod(channels, num_nodes)
    sizes = np.full(num_nodes, small, dtype=np.int64)
    sizes[:larger] += 1
    return sizes[_order(num_nodes)]


@cache
def _order(num_nodes: int) -> np.ndarray:
    """Permutation of legacy generator 1, which takes longer to make than to use."""
    return np.random.RandomState(1).permutation(num_nodes)


def relational_mask(graph: RelationalGraph, in_channels: int, out_channels: int) -> np.ndarray:
    """Find which weights of a layer are trainable.

    They are those between nodes joined by an edge, and of a node to itself.

    Shapes:
        (out_channels, in_channels) bool; rows belong to the receiving nodes, columns to the sending
        ones.

    Raises:
        ValueError: More nodes than input or output channels.

    Examples:
        >>> relational_mask(as_graph([[0, 1], [0, 0]]), 2, 3).astype(int).tolist()
        [[1, 1], [1, 1], [0, 1]]
    """
    rows = node_sizes(out_channels, graph.num_nodes)
    columns = node_sizes(in_channels, graph.num_nodes)
    return graph.with_self_edges().repeat(rows, axis=0).repeat(columns, axis=1)


def fitting_graph(graph: RelationalGraph, in_channels: int, out_channels: int) -> RelationalGraph:
    """Return `graph`, or one of its family on fewer nodes where a layer is narrower.

    Raises:
        ValueError: The graph has too many nodes and no family (see `RelationalGraph.resized`).
    """
    return graph.resized(min(graph.num_nodes, in_channels, out_channels))
