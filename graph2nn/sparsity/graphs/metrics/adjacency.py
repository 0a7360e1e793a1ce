"""Rows of a graph: for each node its neighbours, in one flat array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graph2nn.runs.engines import compiled
from graph2nn.sparsity.graphs.edges import EdgeList
from graph2nn.sparsity.graphs.metrics.compiled import count_rows, fill_rows, fill_undirected

__all__ = ["DirectedRows", "UndirectedRows", "count_ends", "directed_rows", "undirected_rows"]


@dataclass(frozen=True, eq=False)
class DirectedRows:
    """The neighbours of node v are `neighbours[offsets[v]:offsets[v + 1]]`.

    Shapes:
        offsets (n + 1,) int64, neighbours (edges,).
    """

    offsets: np.ndarray
    neighbours: np.ndarray


@dataclass(frozen=True, eq=False)
class UndirectedRows:
    """The neighbours of each node, whichever way the edges point, those of few neighbours first.

    Args:
        offsets, neighbours: Rows like those of `DirectedRows`; each edge stands in two rows.
        order: The nodes by ascending degree, which is their rank.
        lower: Number of neighbours of each node that have a lower rank.

    Shapes:
        offsets (n + 1,), neighbours (2 · edges,), order and lower (n,).
    """

    offsets: np.ndarray
    neighbours: np.ndarray
    order: np.ndarray
    lower: np.ndarray

    @property
    def degree(self) -> np.ndarray:
        """Number of neighbours of each node, (n,) int64."""
        return np.diff(self.offsets)


def count_ends(ends: np.ndarray, num_nodes: int, *, engine: str = "numba") -> np.ndarray:
    """Count how often each node is an end, (edges,) -> (num_nodes,) int64."""
    if engine != "numba":
        return np.bincount(ends, minlength=num_nodes)
    count = np.zeros(num_nodes, np.int64)  # bincount copies its input to 64 bits
    compiled(count_rows, engine)(ends, count)
    return count


def directed_rows(
    edges: EdgeList, num_nodes: int, *, reverse: bool = False, engine: str = "numba"
) -> DirectedRows:
    """List the nodes that each node has an edge to; in reverse, from.

    It takes 4 bytes an edge.
    """
    keys, values = edges.source, edges.target
    if reverse:
        keys, values = values, keys
    offsets = _offsets(count_ends(keys, num_nodes, engine=engine))
    if engine != "numba":
        return DirectedRows(offsets, values[np.argsort(keys, kind="stable")])
    neighbours = np.empty_like(values)
    compiled(fill_rows, engine)(keys, values, offsets, neighbours)
    return DirectedRows(offsets, neighbours)


def undirected_rows(
    edges: EdgeList, num_nodes: int, *, out: DirectedRows | None = None, engine: str = "numba"
) -> UndirectedRows:
    """List the neighbours of each node.

    It takes 8 bytes an edge, as much again until it is made.

    Args:
        out: Result of `directed_rows` of the same edges, where it is there already.

    Raises:
        ValueError: Two edges between the same two nodes, or an edge from a node to itself.
    """
    degree = count_ends(edges.source, num_nodes, engine=engine)
    degree += count_ends(edges.target, num_nodes, engine=engine)
    order, offsets = np.argsort(degree, kind="stable"), _offsets(degree)
    if engine == "numba":
        neighbours = np.empty(2 * len(edges), edges.source.dtype)
        lower = np.empty(num_nodes, np.int64)
        out = out or directed_rows(edges, num_nodes)
        into = directed_rows(edges, num_nodes, reverse=True)
        pairs = (out.offsets, out.neighbours, into.offsets, into.neighbours)
        bad = compiled(fill_undirected, engine)(order, *pairs, offsets, neighbours, lower)
    else:
        neighbours, lower, bad = _by_sorting(edges, order)
    if bad >= 0:
        raise ValueError(
            f"expected at most one edge between two nodes and none from a node to itself, got "
            f"another at node {bad}; remove duplicates first"
        )
    return UndirectedRows(offsets, neighbours, order, lower)


def _offsets(degree: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), degree.cumsum(dtype=np.int64)])


def _by_sorting(edges: EdgeList, order: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """What `fill_undirected` fills in and returns."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    rows = np.concatenate([edges.source, edges.target])
    neighbours = np.concatenate([edges.target, edges.source])
    by_row = np.lexsort((rank[neighbours], rows))
    rows, neighbours = rows[by_row], neighbours[by_row]
    again = (rows[1:] == rows[:-1]) & (neighbours[1:] == neighbours[:-1])
    bad = np.concatenate([rows[1:][again], rows[rows == neighbours]])
    lower = np.bincount(rows[rank[neighbours] < rank[rows]], minlength=len(order))
    return neighbours, lower, int(bad[0]) if len(bad) else -1
