"""Many graphs laid end to end, so that a whole list is read with array operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph2nn.archgraph import ArchGraph

__all__ = ["GraphStack", "breadth_first", "longest_depth"]


@dataclass(frozen=True, eq=False)
class GraphStack:
    """Nodes and edges of all graphs in shared arrays, node i of graph g at `offsets[g] + i`.

    Args:
        graphs: the graphs themselves.
        nodes, edges: how many each graph has.
        offsets: where each graph's nodes begin.
        source, target: ends of every edge, as rows of the stack; graph after graph.
        edge_graph: graph of every edge.

    Shapes:
        nodes, edges (B,), offsets (B + 1,), source, target, edge_graph (E,).
    """

    graphs: tuple[ArchGraph, ...]
    nodes: np.ndarray
    edges: np.ndarray
    offsets: np.ndarray
    source: np.ndarray
    target: np.ndarray
    edge_graph: np.ndarray

    @classmethod
    def of(cls, graphs: Sequence[ArchGraph]) -> GraphStack:
        """Stacks graphs, at least one."""
        nodes = np.array([graph.num_nodes for graph in graphs])
        edges = np.array([graph.num_edges for graph in graphs])
        offsets = np.concatenate([[0], np.cumsum(nodes)])
        edge_graph = np.repeat(np.arange(len(graphs)), edges)
        pairs = np.concatenate([graph.edges for graph in graphs], axis=1)
        source, target = pairs.astype(np.int64) + offsets[edge_graph]
        return cls(tuple(graphs), nodes, edges, offsets, source, target, edge_graph)

    @property
    def total(self) -> int:
        """Number of nodes of all graphs."""
        return int(self.offsets[-1])

    def node_graph(self) -> np.ndarray:
        """Graph of every node. Shapes: (N,)."""
        return np.repeat(np.arange(len(self.nodes)), self.nodes)


def longest_depth(source: np.ndarray, target: np.ndarray, total: int) -> np.ndarray:
    """Edges on the longest path that ends in each node of a DAG; 0 where no edge enters.

    Peels the graph: a round removes every node all of whose predecessors are gone.

    Shapes:
        source, target (E,) -> (total,) int64.
    """
    starts, order = _by_source(source, total)
    waiting = np.bincount(target, minlength=total)
    depth = np.zeros(total, dtype=np.int64)
    front, level = np.flatnonzero(waiting == 0), 0
    while front.size:
        depth[front] = level
        reached = target[order[_slices(starts, front)]]
        np.subtract.at(waiting, reached, 1)
        front = np.unique(reached[waiting[reached] == 0])
        level += 1
    return depth


def breadth_first(source: np.ndarray, target: np.ndarray, total: int) -> np.ndarray:
    """Edges on the shortest path to each node from any node that no edge enters.

    Shapes:
        source, target (E,) -> (total,) int64.
    """
    starts, order = _by_source(source, total)
    distance = np.full(total, -1, dtype=np.int64)
    front, level = np.flatnonzero(np.bincount(target, minlength=total) == 0), 0
    while front.size:
        distance[front] = level
        reached = target[order[_slices(starts, front)]]
        front = np.unique(reached[distance[reached] < 0])
        level += 1
    return distance


def _by_source(source: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the edges of each node begin in the order by source, and that order."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=total))])
    return starts, np.argsort(source, kind="stable")


def _slices(starts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Positions `starts[r] .. starts[r + 1] - 1` of all rows r, one after another."""
    counts = starts[rows + 1] - starts[rows]
    ends = np.cumsum(counts)
    total = int(ends[-1])
    return np.repeat(starts[rows] - (ends - counts), counts) + np.arange(total)
