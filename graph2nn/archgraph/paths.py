"""All-pairs shortest path lengths of a DAG: the virtual edges of GHN-2."""

from __future__ import annotations

import numpy as np

__all__ = ["path_lengths", "path_lengths_reference"]


def path_lengths(edges: np.ndarray, num_nodes: int, cutoff: int) -> np.ndarray:
    """Directed shortest-path lengths up to `cutoff`; 0 where there is no such path.

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
    """Plain twin of `path_lengths`: breadth-first search from every node (networkx)."""
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(range(num_nodes))
    graph.add_edges_from(edges.T.tolist())
    dist = np.zeros((num_nodes, num_nodes), dtype=np.int16)
    for u, lengths in nx.all_pairs_shortest_path_length(graph, cutoff=cutoff):
        for v, d in lengths.items():
            dist[u, v] = d
    return dist
