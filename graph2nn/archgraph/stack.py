"""How are many graphs read at once? Laid end to end in shared arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph2nn.archgraph.graph import ArchGraph

__all__ = ["GraphStack"]


@dataclass(frozen=True, eq=False)
class GraphStack:
    """Nodes and edges of all graphs in shared arrays, node i of graph g at `offsets[g] + i`.

    Args:
        graphs: The graphs themselves.
        nodes, edges: Number of nodes and of edges of each graph.
        offsets: Row where each graph's nodes begin.
        source, target: Ends of every edge, as rows of the stack; graph after graph.
        edge_graph: Graph of every edge.

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
        """Stack graphs, in order.

        Raises:
            ValueError: No graph.
        """
        if not graphs:
            raise ValueError("expected at least one graph to stack, got an empty sequence")
        nodes = np.array([graph.num_nodes for graph in graphs])
        edges = np.array([graph.num_edges for graph in graphs])
        offsets = np.concatenate([[0], np.cumsum(nodes)])
        edge_graph = np.repeat(np.arange(len(graphs)), edges)
        pairs = np.concatenate([graph.edges for graph in graphs], axis=1)
        source, target = pairs.astype(np.int64) + offsets[edge_graph]
        return cls(tuple(graphs), nodes, edges, offsets, source, target, edge_graph)

    def __len__(self) -> int:
        return len(self.graphs)

    @property
    def total(self) -> int:
        """Number of nodes of all graphs."""
        return int(self.offsets[-1])

    @property
    def pairs(self) -> np.ndarray:
        """Source and target of every edge, (2, E)."""
        return np.stack([self.source, self.target])

    def node_graph(self) -> np.ndarray:
        """Find the graph of every node, (N,)."""
        return np.repeat(np.arange(len(self.nodes)), self.nodes)
