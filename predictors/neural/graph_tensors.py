"""Many graphs as tensors: padded and dense where they are small, joined and sparse otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from graph2nn.archgraph import ArchGraph

__all__ = ["DenseGraphs", "SparseGraphs", "edge_weights", "stack_graphs"]

DENSE_NODES = 64
"""Graphs up to this size are stored as padded matrices."""


@dataclass(frozen=True)
class DenseGraphs:
    """Graphs padded to one size.

    Shapes:
        x (B, n, F); adjacency (B, 2, n, n), both directions with self-loops, rows summing to 1
        (0 of padding); mask (B, n), 1 for real nodes; given (B, A), numbers of the whole graph.
    """

    x: Tensor
    adjacency: Tensor
    mask: Tensor
    given: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def select(self, index: Tensor, device: str | torch.device = "cpu") -> DenseGraphs:
        """Select the graphs of an index (k,), in its order."""
        parts = (self.x[index], self.adjacency[index], self.mask[index], self.given[index])
        return DenseGraphs(*(part.to(device) for part in parts))

    def propagate(self, both: Tensor) -> Tensor:
        """Average over successors and over predecessors, (B, n, 2 d) -> (B, 2, n, d).

        The first half of the channels goes over successors, the second over predecessors.
        """
        b, n, d = both.shape
        return self.adjacency @ both.view(b, n, 2, d // 2).transpose(1, 2)

    def join(self, both: Tensor) -> Tensor:
        """Sum the two directions, (B, 2, n, d) -> (B, n, d)."""
        return both.sum(1)

    def mean(self, x: Tensor) -> Tensor:
        """Average over real nodes, (B, n, d) -> (B, d)."""
        total = torch.einsum("bnd,bn->bd", x, self.mask)
        return total / self.mask.sum(1, keepdim=True)


@dataclass(frozen=True)
class SparseGraphs:
    """Graphs of any size, their nodes one after another.

    Shapes:
        x (M, F); edges (2, E) with self-loops, in numbers of their own graph; weights (2, E), of
        the edge seen from its source and from its target; nodes, links (B,) sizes of each graph;
        given (B, A), numbers of the whole graph.
    """

    x: Tensor
    edges: Tensor
    weights: Tensor
    nodes: Tensor
    links: Tensor
    given: Tensor

    def __len__(self) -> int:
        return len(self.nodes)

    def select(self, index: Tensor, device: str | torch.device = "cpu") -> SparseGraphs:
        """Select the graphs of an index (k,), in its order."""
        rows, columns = _rows(self.nodes, index), _rows(self.links, index)
        parts = (
            self.x[rows],
            self.edges[:, columns],
            self.weights[:, columns],
            self.nodes[index],
            self.links[index],
            self.given[index],
        )
        return SparseGraphs(*(part.to(device) for part in parts))

    def joined_edges(self) -> Tensor:
        """Number the edges by the joined nodes, (2, E)."""
        first = self.nodes.cumsum(0) - self.nodes
        return self.edges + first.repeat_interleave(self.links)

    def owner(self) -> Tensor:
        """Find the graph of each node, (M,)."""
        graph = torch.arange(len(self.nodes), device=self.nodes.device)
        return graph.repeat_interleave(self.nodes)

    def propagate(self, both: Tensor) -> Tensor:
        """Average as `DenseGraphs` does, (M, 2 d) -> (2, M, d)."""
        source, target = self.joined_edges()
        along, against = both.chunk(2, dim=1)
        w = self.weights[..., None]
        ahead = torch.zeros_like(along).index_add(0, source, w[0] * along[target])
        back = torch.zeros_like(against).index_add(0, target, w[1] * against[source])
        return torch.stack([ahead, back])

    def join(self, both: Tensor) -> Tensor:
        """Sum the two directions, (2, M, d) -> (M, d)."""
        return both.sum(0)

    def mean(self, x: Tensor) -> Tensor:
        """Average over the nodes of each graph, (M, d) -> (B, d)."""
        total = x.new_zeros(len(self.nodes), x.shape[1]).index_add(0, self.owner(), x)
        return total / self.nodes[:, None]


def edge_weights(
    graph: ArchGraph, *, virtual: int = 1, undirected: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Find the edges with self-loops and their weights after normalisation.

    Args:
        graph: Any graph.
        virtual: Distance up to which nodes are joined, with weight 1 / distance (arXiv:2110.13100,
            section 3.2).
        undirected: Whether each edge counts both ways.

    Shapes:
        edges (2, E), weights (2, E): first divided by the sum over the edges of a source, second
        by the sum over the edges of a target.
    """
    n = graph.num_nodes
    if virtual > 1:
        distance = graph.distances(virtual)
        edges = np.stack(np.nonzero(distance))
        raw = 1.0 / distance[tuple(edges)]
    else:
        edges, raw = graph.edges, np.ones(graph.num_edges)
    if undirected:
        edges, raw = np.concatenate([edges, edges[::-1]], axis=1), np.concatenate([raw, raw])
    loops = np.tile(np.arange(n), (2, 1))
    edges, raw = np.concatenate([edges, loops], axis=1), np.concatenate([raw, np.ones(n)])
    sums = [np.bincount(side, weights=raw, minlength=n)[side] for side in edges]
    return edges, (raw / np.stack(sums)).astype(np.float32)


def stack_graphs(
    graphs: Sequence[ArchGraph],
    features: Callable[[ArchGraph], np.ndarray],
    *,
    virtual: int = 1,
    undirected: bool = False,
    dense: bool | None = None,
    given: np.ndarray | None = None,
) -> DenseGraphs | SparseGraphs:
    """Stack graphs as tensors.

    Args:
        graphs: Any graphs.
        features: Function from a graph to rows of numbers of its nodes, (n, F).
        virtual, undirected: Arguments of `edge_weights`.
        dense: Whether matrices are padded; None decides by the largest graph.
        given: Numbers of whole graphs, none by default.

    Shapes:
        given (N, A).
    """
    whole = np.zeros((len(graphs), 0)) if given is None else given
    x = [features(graph) for graph in graphs]
    pairs = [edge_weights(graph, virtual=virtual, undirected=undirected) for graph in graphs]
    nodes = np.array([len(rows) for rows in x])
    links = np.array([edges.shape[1] for edges, _ in pairs])
    edges = np.concatenate([edges for edges, _ in pairs], axis=1)
    weights = np.concatenate([w for _, w in pairs], axis=1)
    if dense is None:
        dense = nodes.max() <= DENSE_NODES
    if not dense:
        parts = (np.concatenate(x), edges, weights, nodes, links, whole.astype(np.float32))
        return SparseGraphs(*(torch.from_numpy(part) for part in parts))
    return _padded(x, edges, weights, links, whole)


def _padded(
    x: list[np.ndarray],
    edges: np.ndarray,
    weights: np.ndarray,
    links: np.ndarray,
    whole: np.ndarray,
) -> DenseGraphs:
    """Joined edges and weights as matrices of the size of the largest graph."""
    nodes = np.array([len(rows) for rows in x])
    count, n = len(x), int(nodes.max())
    real = np.arange(n) < nodes[:, None]
    padded = np.zeros((count, n, x[0].shape[1]), dtype=np.float32)
    padded[real] = np.concatenate(x)
    adjacency = np.zeros((count, 2, n, n), dtype=np.float32)
    owner = np.repeat(np.arange(count), links)
    adjacency[owner, 0, edges[0], edges[1]] = weights[0]
    adjacency[owner, 1, edges[1], edges[0]] = weights[1]
    rest = (torch.from_numpy(part.astype(np.float32)) for part in (real, whole))
    return DenseGraphs(torch.from_numpy(padded), torch.from_numpy(adjacency), *rest)


def _rows(sizes: Tensor, index: Tensor) -> Tensor:
    """Rows of the chosen blocks where blocks of given sizes lie one after another."""
    first = (sizes.cumsum(0) - sizes)[index]
    chosen = sizes[index]
    within = torch.arange(int(chosen.sum())) - (chosen.cumsum(0) - chosen).repeat_interleave(chosen)
    return first.repeat_interleave(chosen) + within
