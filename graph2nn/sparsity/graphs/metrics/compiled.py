"""Loops over the rows of a graph: neighbours in a flat array, row after row.

Each is compiled by `compiled.compiled`, so that none calls another; node numbers may be of 32 bits,
sums are of 64. Rows of the undirected graph are sorted by rank, that is by degree, which bounds the
work on triangles and cycles (Chiba and Nishizeki, SIAM J. Comput. 14(1), 1985).
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "core_sum",
    "count_rows",
    "fill_rows",
    "fill_undirected",
    "is_bipartite",
    "lowpoints",
    "path_sum",
    "two_hop_sum",
]


def count_rows(keys: np.ndarray, count: np.ndarray) -> None:
    """Add to each count how often its key occurs; keys (edges,), count (n,)."""
    for key in keys:
        count[key] += 1


def fill_rows(
    keys: np.ndarray, values: np.ndarray, offsets: np.ndarray, neighbours: np.ndarray
) -> None:
    """Sort values by key, in the order in which they come.

    Shapes:
        keys and values (edges,), offsets (n + 1,), neighbours (edges,) to be filled.
    """
    cursor = offsets[:-1].copy()
    for k in range(len(keys)):
        row = keys[k]
        neighbours[cursor[row]] = values[k]
        cursor[row] += 1


def fill_undirected(
    order: np.ndarray,
    out_offsets: np.ndarray,
    out_neighbours: np.ndarray,
    in_offsets: np.ndarray,
    in_neighbours: np.ndarray,
    offsets: np.ndarray,
    neighbours: np.ndarray,
    lower: np.ndarray,
) -> int:
    """Fill the rows of the undirected graph, each in the given order of nodes.

    Returns:
        -1, or a node with two edges to one other node or with an edge to itself.

    Shapes:
        order (n,); neighbours (2 · edges,) and lower (n,) to be filled, the latter with how many
        neighbours come before a node in the order.
    """
    cursor = offsets[:-1].copy()
    for v in order:
        lower[v] = cursor[v] - offsets[v]
        for j in range(out_offsets[v], out_offsets[v + 1]):
            u = out_neighbours[j]
            at = cursor[u]
            if u == v or (at > offsets[u] and neighbours[at - 1] == v):
                return v
            neighbours[at] = v
            cursor[u] = at + 1
        for j in range(in_offsets[v], in_offsets[v + 1]):
            u = in_neighbours[j]
            at = cursor[u]
            if u == v or (at > offsets[u] and neighbours[at - 1] == v):
                return v
            neighbours[at] = v
            cursor[u] = at + 1
    return -1


def lowpoints(offsets: np.ndarray, neighbours: np.ndarray) -> tuple[int, int, int]:
    """Count the bridges, articulation points and components of an undirected graph.

    Shapes: offsets (n + 1,), neighbours (2 · edges,). It is one depth-first search without
    recursion (Tarjan, SIAM J. Comput. 1(2), 1972).
    """
    n = len(offsets) - 1
    found = np.zeros(n, np.int32)  # when a node was found, from 1; 0: not yet
    low = np.zeros(n, np.int32)  # when the earliest node was found that its subtree reaches
    parent = np.full(n, -1, np.int32)
    cut = np.zeros(n, np.bool_)
    cursor = offsets[:-1].copy()
    time, bridges, components = 0, 0, 0
    for root in range(n):
        if found[root] != 0:
            continue
        components += 1
        time += 1
        found[root] = low[root] = time
        children, v = 0, root
        while v >= 0:
            if cursor[v] < offsets[v + 1]:
                w = neighbours[cursor[v]]
                cursor[v] += 1
                if found[w] == 0:
                    time += 1
                    found[w] = low[w] = time
                    parent[w] = v
                    v = w
                elif found[w] < low[v] and w != parent[v]:
                    low[v] = found[w]
                continue
            u = parent[v]
            if u >= 0:
                low[u] = min(low[u], low[v])
                bridges += low[v] > found[u]
                if u == root:
                    children += 1
                elif low[v] >= found[u]:
                    cut[u] = True
            v = u
        cut[root] = children > 1
    return bridges, cut.sum(), components


def core_sum(order: np.ndarray, offsets: np.ndarray, neighbours: np.ndarray) -> int:
    """Sum the coreness of all nodes, by peeling the node of the least degree.

    Batagelj and Zaversnik, arXiv:cs/0310049.

    Shapes: order (n,), the nodes by ascending degree; offsets (n + 1,), neighbours (2 · edges,).
    """
    n = len(order)
    degree, place, queue = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    begin = np.zeros(n + 1, np.int64)  # of the nodes of each degree in the queue
    last = np.int64(-1)
    for k in range(n):
        v = order[k]
        queue[k], place[v], degree[v] = v, k, offsets[v + 1] - offsets[v]
        while last < degree[v]:
            last += 1
            begin[last] = k
    total = np.int64(0)
    for k in range(n):
        v = queue[k]
        total += degree[v]
        for j in range(offsets[v], offsets[v + 1]):
            u = neighbours[j]
            if degree[u] > degree[v]:  # u moves to the front of its degree, which then shrinks
                first = begin[degree[u]]
                w = queue[first]
                queue[first], queue[place[u]] = u, w
                place[w], place[u] = place[u], first
                begin[degree[u]] = first + 1
                degree[u] -= 1
    return total


def path_sum(offsets: np.ndarray, neighbours: np.ndarray) -> int:
    """Sum (d - 1) (d' - 1) over edges, each in both directions, d and d' the ends' degrees.

    Shapes: offsets (n + 1,), neighbours (2 · edges,).
    """
    total = np.int64(0)
    for v in range(len(offsets) - 1):
        degree = offsets[v + 1] - offsets[v]
        others = np.int64(0)
        for j in range(offsets[v], offsets[v + 1]):
            u = neighbours[j]
            others += offsets[u + 1] - offsets[u] - 1
        total += (degree - 1) * others
    return total


def two_hop_sum(offsets: np.ndarray, neighbours: np.ndarray) -> int:
    """Sum over all nodes how many nodes are within two steps, the node itself included.

    Shapes: offsets (n + 1,), neighbours (edges,): rows of a directed graph.
    """
    n = len(offsets) - 1
    seen = np.full(n, -1, np.int32)
    total = np.int64(0)
    for v in range(n):
        seen[v] = v
        total += 1
        for j in range(offsets[v], offsets[v + 1]):
            u = neighbours[j]
            total += seen[u] != v
            seen[u] = v
            for i in range(offsets[u], offsets[u + 1]):
                w = neighbours[i]
                total += seen[w] != v
                seen[w] = v
    return total


def is_bipartite(offsets: np.ndarray, neighbours: np.ndarray) -> bool:
    """Tell whether an undirected graph has no cycle of odd length.

    Shapes: offsets (n + 1,), neighbours (2 · edges,).
    """
    n = len(offsets) - 1
    side = np.zeros(n, np.int8)  # 1 and -1; 0: not yet found
    queue = np.empty(n, np.int32)
    for root in range(n):
        if side[root] != 0:
            continue
        side[root] = 1
        queue[0] = root
        first, last = 0, 1
        while first < last:
            v = queue[first]
            first += 1
            for j in range(offsets[v], offsets[v + 1]):
                w = neighbours[j]
                if side[w] == 0:
                    side[w] = -side[v]
                    queue[last] = w
                    last += 1
                elif side[w] == side[v]:
                    return False
    return True
