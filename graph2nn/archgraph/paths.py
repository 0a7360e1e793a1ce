"""What do the paths of a DAG say? Their lengths, the levels of nodes, which nodes are live.

Edges are arrays (2, E), sources above targets, of one graph or of many laid end to end.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "average_path",
    "breadth_first",
    "live_nodes",
    "path_lengths",
    "path_lengths_reference",
    "reached",
    "topological_levels",
]

_SOURCES = 256
"""Nodes that all distances are computed from at a time."""


def path_lengths(edges: np.ndarray, num_nodes: int, cutoff: int) -> np.ndarray:
    """Compute directed shortest-path lengths up to `cutoff`; 0 where there is no such path.

    One dynamic-programming step a node, last node first: d(u, .) = 1 + min over successors s of
    d(s, .). Needs edges that follow the node order. Shapes: edges (2, E) -> (N, N) int16.
    """
    n = num_nodes
    far = np.int16(30000)
    dist = np.full((n, n), far, dtype=np.int16)
    order = np.argsort(edges[0], kind="stable")
    targets = edges[1][order]
    starts = np.searchsorted(edges[0][order], np.arange(n + 1)).tolist()
    succ = targets.tolist()
    for u in range(n - 1, -1, -1):
        first, last = starts[u], starts[u + 1]
        row = dist[u, u + 1 :]
        for k in range(first, last):
            np.minimum(row, dist[succ[k], u + 1 :], out=row)
        row += 1
        dist[u, u] = 0
        if last > first:
            dist[u, targets[first:last]] = 1
        np.minimum(row, far, out=row)
    dist[dist > cutoff] = 0
    return dist


def path_lengths_reference(edges: np.ndarray, num_nodes: int, cutoff: int) -> np.ndarray:
    """Compute `path_lengths` by breadth-first search from every node (networkx).

    Shapes: edges (2, E) -> (N, N) int16.
    """
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(range(num_nodes))
    graph.add_edges_from(edges.T.tolist())
    dist = np.zeros((num_nodes, num_nodes), dtype=np.int16)
    for u, lengths in nx.all_pairs_shortest_path_length(graph, cutoff=cutoff):
        for v, d in lengths.items():
            dist[u, v] = d
    return dist


def topological_levels(edges: np.ndarray, num_nodes: int, *, backward: bool = False) -> np.ndarray:
    """Return the number of edges on the longest path that ends in each node, or starts there.

    Args:
        edges: They follow the node order: every source is smaller than its target.
        backward: Whether paths run from the node to the end; else from the start to the node.

    Shapes:
        edges (2, E) -> (num_nodes,) int64.
    """
    level = [0] * num_nodes
    sources, targets = _in_order(edges, backward)
    for u, v in zip(sources, targets, strict=True):
        if level[u] >= level[v]:
            level[v] = level[u] + 1
    return np.array(level, dtype=np.int64)


def reached(
    edges: np.ndarray, starts: np.ndarray, allowed: np.ndarray, *, backward: bool = False
) -> np.ndarray:
    """Return which allowed nodes a path over allowed nodes joins to an allowed start.

    Args:
        edges: They follow the node order.
        starts: Nodes where paths begin.
        allowed: Nodes that paths may visit.
        backward: Whether paths run against the edges.

    Shapes:
        edges (2, E), starts, allowed (N,) bool -> (N,) bool.
    """
    found = (starts & allowed).tolist()
    open_nodes = allowed.tolist()
    sources, targets = _in_order(edges, backward)
    for u, v in zip(sources, targets, strict=True):
        if found[u] and open_nodes[v]:
            found[v] = True
    return np.array(found, dtype=bool)


def live_nodes(
    edges: np.ndarray, starts: np.ndarray, ends: np.ndarray, allowed: np.ndarray
) -> np.ndarray:
    """Return the allowed nodes on a path from a start to an end over allowed nodes.

    Args:
        edges: They follow the node order.
        starts, ends: Nodes where paths may begin and end.
        allowed: Nodes that carry the signal.

    Shapes:
        edges (2, E), starts, ends, allowed (N,) bool -> (N,) bool.
    """
    return reached(edges, starts, allowed) & reached(edges, ends, allowed, backward=True)


def _in_order(edges: np.ndarray, backward: bool) -> tuple[list[int], list[int]]:
    """Ends of the edges, so that those into a node come before those out of it."""
    sources, targets = edges.tolist()
    if sources != sorted(sources):  # a look that costs little where they are, on small graphs too
        sources, targets = edges[:, np.argsort(edges[0], kind="stable")].tolist()
    return (targets[::-1], sources[::-1]) if backward else (sources, targets)


def breadth_first(edges: np.ndarray, num_nodes: int) -> np.ndarray:
    """Return the number of edges on the shortest path to each node from any that no edge enters.

    Shapes:
        edges (2, E), in any order -> (num_nodes,) int64.
    """
    source, target = edges
    starts, order = _by_source(source, num_nodes)
    distance = np.full(num_nodes, -1, dtype=np.int64)
    front, level = np.flatnonzero(np.bincount(target, minlength=num_nodes) == 0), 0
    while front.size:
        distance[front] = level
        reached = target[order[_slices(starts, front)]]
        front = np.unique(reached[distance[reached] < 0])
        level += 1
    return distance


def average_path(edges: np.ndarray, num_nodes: int) -> float:
    """Compute the mean length of the shortest path between two nodes, along edges either way.

    It is infinite where two are not connected, and 0 of a single node.

    Shapes:
        edges (2, E).
    """
    from scipy.sparse import csr_array  # as slow to import as torch is, and rarely needed
    from scipy.sparse.csgraph import dijkstra

    ones = np.ones(edges.shape[1])
    matrix = csr_array((ones, (edges[0], edges[1])), shape=(num_nodes, num_nodes))
    total = 0.0
    for start in range(0, num_nodes, _SOURCES):
        rows = np.arange(start, min(start + _SOURCES, num_nodes))
        total += dijkstra(matrix, directed=False, indices=rows, unweighted=True).sum()
    return total / max(1, num_nodes * (num_nodes - 1))


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
