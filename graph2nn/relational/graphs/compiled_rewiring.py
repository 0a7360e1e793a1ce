"""Compiled loops of `rewiring`: triangles and distances kept up to date. Import only through it.

Distances of pairs out of reach are 2 n, more than any path plus one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from graph2nn.relational.graphs.compiled import count_bits, flip_edge, has_edge, lowest_bit

__all__ = ["begin", "replace_edge"]

_ONE = np.uint64(1)
_ZERO = np.uint64(0)


@njit(cache=True, nogil=True)
def _search(adj: np.ndarray, source: int, row: np.ndarray) -> int:
    """Distances from one node, breadth first; returns their sum."""
    n, words = adj.shape
    row[:] = 2 * n
    row[source] = 0
    queue = np.empty(n, np.int64)
    queue[0] = source
    unseen = np.empty(words, np.uint64)
    unseen[:] = ~_ZERO
    unseen[words - 1] = ~_ZERO >> np.uint64(words * 64 - n)
    unseen[source >> 6] ^= _ONE << np.uint64(source & 63)
    head, tail, total = 0, 1, 0
    while head < tail:
        u = queue[head]
        head += 1
        for j in range(words):
            found = adj[u, j] & unseen[j]
            unseen[j] ^= found
            while found != _ZERO:
                v = (j << 6) + np.int64(lowest_bit(found))
                found &= found - _ONE
                row[v] = row[u] + 1
                total += row[v]
                queue[tail] = v
                tail += 1
    return total + (n - tail) * 2 * n


@njit(cache=True, nogil=True)
def begin(
    adj: np.ndarray, dist: np.ndarray, sums: np.ndarray, closed: np.ndarray, degree: np.ndarray
) -> None:
    """Fill the tables of a graph whose edges will be moved, all but `adj`.

    Shapes:
        adj (n, words) uint64; dist (n, n), sums, closed, degree (n,) int64.
    """
    n, words = adj.shape
    for u in range(n):
        sums[u] = _search(adj, u, dist[u])
        degree[u], closed[u] = 0, 0
        for v in range(n):
            if has_edge(adj, u, v):
                degree[u] += 1
                for j in range(words):
                    closed[u] += np.int64(count_bits(adj[u, j] & adj[v, j]))


@njit(cache=True, nogil=True)
def _triangles(adj: np.ndarray, closed: np.ndarray, u: int, v: int, change: int) -> None:
    """Count the triangles that the edge (u, v) closes; `change` is 2 or -2."""
    for j in range(adj.shape[1]):
        shared = adj[u, j] & adj[v, j]
        while shared != _ZERO:
            closed[(j << 6) + np.int64(lowest_bit(shared))] += change
            closed[u] += change
            closed[v] += change
            shared &= shared - _ONE


@njit(cache=True, nogil=True)
def _orphaned(adj: np.ndarray, row: np.ndarray, child: int) -> bool:
    """Whether no neighbour is one step nearer to the source than `child`."""
    for j in range(adj.shape[1]):
        near = adj[child, j]
        while near != _ZERO:
            if row[(j << 6) + np.int64(lowest_bit(near))] == row[child] - 1:
                return False
            near &= near - _ONE
    return True


@njit(cache=True, nogil=True)
def replace_edge(
    adj: np.ndarray,
    dist: np.ndarray,
    sums: np.ndarray,
    closed: np.ndarray,
    degree: np.ndarray,
    u: int,
    v: int,
    w: int,
) -> int:
    """Put the edge (u, w) in place of (u, v) and return how many searches that took.

    Shapes:
        adj (n, words) uint64; dist (n, n), sums, closed, degree (n,) int64; all are updated.
    """
    n = len(adj)
    _triangles(adj, closed, u, v, -2)
    flip_edge(adj, u, v)
    degree[v] -= 1
    searches = 0
    for s in range(n):
        row = dist[s]
        if row[u] != row[v] and _orphaned(adj, row, v if row[v] > row[u] else u):
            sums[s] = _search(adj, s, row)
            searches += 1
    _triangles(adj, closed, u, w, 2)
    flip_edge(adj, u, w)
    degree[w] += 1
    from_u, from_w = dist[u].copy(), dist[w].copy()
    for s in range(n):
        to_u, to_w = from_u[s], from_w[s]
        if abs(to_u - to_w) < 2:
            continue
        other, reach = (from_w, to_u + 1) if to_u < to_w else (from_u, to_w + 1)
        sums[s] = 0
        for x in range(n):
            dist[s, x] = min(dist[s, x], reach + other[x])
            sums[s] += dist[s, x]
    return searches
