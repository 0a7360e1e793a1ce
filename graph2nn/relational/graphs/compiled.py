"""Compiled loops on bit sets: WS-flex generation, C and L. Import only through `many_graphs`.

Adjacency rows are sets of bits in 64-bit words: node v is bit v % 64 of word v // 64. All graphs
here are undirected. The plain twin of every function is in `many_graphs`, which the tests compare.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

__all__ = [
    "clustering_of",
    "count_bits",
    "distance_sum",
    "flip_edge",
    "has_edge",
    "lowest_bit",
    "measure_many",
    "sweep_many",
]

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_STATE = 624  # words of a Mersenne twister


_intrinsic: Any = intrinsic  # its type does not know that the typing context is left out


@_intrinsic
def count_bits(typing_context: Any, word: Any) -> Any:
    """Count the bits of a word that are set."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


@_intrinsic
def lowest_bit(typing_context: Any, word: Any) -> Any:
    """Return the position of the lowest bit of a word that has one."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], context.get_constant(types.boolean, True))

    return types.uint64(types.uint64), generate


@njit(cache=True, nogil=True)
def _twist(mt: np.ndarray) -> None:
    for i in range(_STATE):
        joined = (np.int64(mt[i]) & 0x80000000) | (np.int64(mt[(i + 1) % _STATE]) & 0x7FFFFFFF)
        value = np.int64(mt[(i + 397) % _STATE]) ^ (joined >> 1)
        if joined & 1:
            value ^= 0x9908B0DF
        mt[i] = value


@njit(cache=True, nogil=True)
def _fill(stream: np.ndarray, start: int, mt: np.ndarray) -> None:
    """The next outputs of the twister, the 32 bits that Python's `random.Random` draws from.

    Shapes: stream from `start` on a multiple of 624."""
    for block in range(start, len(stream), _STATE):
        _twist(mt)
        for i in range(_STATE):
            y = np.int64(mt[i])
            y ^= y >> 11
            y ^= (y << 7) & 0x9D2C5680
            y ^= (y << 15) & 0xEFC60000
            stream[block + i] = y ^ (y >> 18)


@njit(cache=True, nogil=True)
def _longer(stream: np.ndarray, mt: np.ndarray) -> np.ndarray:
    found = np.empty(2 * len(stream), np.uint32)
    found[: len(stream)] = stream
    _fill(found, len(stream), mt)
    return found


@njit(cache=True, nogil=True)
def _draws(stream: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where in the stream nodes can be drawn, as `random.Random.choice` draws them.

    A draw takes the uppermost bits of an output, as many as n has, until that is below n.

    Returns:
        The nodes, in order; for each position of the stream how many nodes come before it; for
        each node the position behind it.
    """
    shift = 32
    while n >> (32 - shift):
        shift -= 1
    nodes = np.empty(len(stream), np.int32)
    before, behind = np.empty(len(stream) + 1, np.int32), np.empty(len(stream), np.int32)
    count = 0
    for pos in range(len(stream)):
        before[pos] = count
        node = np.int64(stream[pos]) >> shift
        nodes[count] = node  # overwritten by the next one unless it counts
        behind[count] = pos + 1
        count += node < n
    before[len(stream)] = count
    return nodes[:count], before, behind[:count]


@njit(cache=True, nogil=True)
def flip_edge(adj: np.ndarray, u: int, v: int) -> None:
    """Add the edge between u and v, or take it out. Shapes: adj (n, words)."""
    adj[u, v >> 6] ^= _ONE << np.uint64(v & 63)
    adj[v, u >> 6] ^= _ONE << np.uint64(u & 63)


@njit(cache=True, nogil=True)
def has_edge(adj: np.ndarray, u: int, v: int) -> bool:
    """Return whether u and v are joined. Shapes: adj (n, words)."""
    return (adj[u, v >> 6] >> np.uint64(v & 63)) & _ONE != _ZERO


@njit(cache=True, nogil=True)
def _ring(adj: np.ndarray, edges: int) -> None:
    n = len(adj)
    adj[:] = 0
    for u in range(n):
        for step in range(1, edges // n + (1 if u < edges % n else 0) + 1):
            v = (u + step) % n
            if not has_edge(adj, u, v):
                flip_edge(adj, u, v)


@njit(cache=True, nogil=True)
def _rewire(
    adj: np.ndarray,
    edges: int,
    p: float,
    stream: np.ndarray,
    nodes: np.ndarray,
    before: np.ndarray,
    behind: np.ndarray,
    pos: int,
) -> int:
    """Rewires a ring in place; returns the position behind the draws, -1 if the stream ends.

    A node that is no free one costs another draw; without free ones, two draws are wasted.
    """
    n, limit = len(adj), p * 9007199254740992.0
    degree = np.zeros(n, np.int64)
    for u in range(n):
        for j in range(adj.shape[1]):
            degree[u] += np.int64(count_bits(adj[u, j]))
    for u in range(n):
        for step in range(1, edges // n + (1 if u < edges % n else 0) + 1):
            if pos + 2 > len(stream):
                return -1
            high, low = np.int64(stream[pos]) >> 5, np.int64(stream[pos + 1]) >> 6
            pos += 2
            if (high << 26) + low >= limit:
                continue
            draw = before[pos]
            if degree[u] >= n - 1:
                draw += 1
            else:
                while draw < len(nodes) and (nodes[draw] == u or has_edge(adj, u, nodes[draw])):
                    draw += 1
            if draw >= len(nodes):
                return -1
            pos = behind[draw]
            if degree[u] < n - 1:
                v, w = (u + step) % n, nodes[draw]
                flip_edge(adj, u, v)
                flip_edge(adj, u, w)
                degree[v] -= 1
                degree[w] += 1
    return pos


@njit(cache=True, nogil=True)
def _rewire_word(
    adj: np.ndarray,
    edges: int,
    p: float,
    stream: np.ndarray,
    nodes: np.ndarray,
    before: np.ndarray,
    behind: np.ndarray,
    pos: int,
) -> int:
    """`_rewire` for at most 64 nodes. Shapes: adj (n,) uint64."""
    n, count, limit = len(adj), len(nodes), p * 9007199254740992.0
    everyone = ~_ZERO >> np.uint64(64 - n)
    for u in range(n):
        me = _ONE << np.uint64(u)
        for step in range(1, edges // n + (1 if u < edges % n else 0) + 1):
            if pos + 2 > len(stream):
                return -1
            high, low = np.int64(stream[pos]) >> 5, np.int64(stream[pos + 1]) >> 6
            pos += 2
            if (high << 26) + low >= limit:
                continue
            draw, free = np.int64(before[pos]), everyone & ~(adj[u] | me)
            if free == _ZERO:
                draw += 1
            else:
                while draw < count and (free >> np.uint64(nodes[draw])) & _ONE == _ZERO:
                    draw += 1
            if draw >= count:
                return -1
            pos = np.int64(behind[draw])
            if free != _ZERO:
                v, w = u + step if u + step < n else u + step - n, nodes[draw]
                adj[u] ^= (_ONE << np.uint64(v)) | (_ONE << np.uint64(w))
                adj[v] ^= me
                adj[w] ^= me
    return pos


@njit(cache=True, nogil=True)
def clustering_of(adj: np.ndarray) -> float:
    """Compute C of a graph given as bit sets, (n, words) uint64."""
    n, words = adj.shape
    closed, local = np.zeros(n, np.int64), np.zeros(n)
    degree = np.zeros(n, np.int64)
    for u in range(n):
        for j in range(words):
            row = adj[u, j]
            degree[u] += count_bits(row)
            while row != _ZERO:
                v = (j << 6) + np.int64(lowest_bit(row))
                row &= row - _ONE
                if v > u:
                    shared = 0
                    for i in range(words):
                        shared += np.int64(count_bits(adj[u, i] & adj[v, i]))
                    closed[u] += shared
                    closed[v] += shared
    for u in range(n):
        if degree[u] > 1:
            local[u] = closed[u] / (degree[u] * (degree[u] - 1))
    local.sort()  # published values are means in sorted order
    total = 0.0
    for value in local:
        total += value
    return total / n


@njit(cache=True, nogil=True)
def _distance_sum_word(adj: np.ndarray) -> int:
    """`distance_sum` for at most 64 nodes. Shapes: adj (n,) uint64."""
    n = len(adj)
    full = (_ONE << np.uint64(n)) - _ONE if n < 64 else ~_ZERO
    total = 0
    for source in range(n):
        frontier = adj[source]
        unseen = full & ~(frontier | (_ONE << np.uint64(source)))
        total += np.int64(count_bits(frontier))
        depth = 1
        while unseen != _ZERO:
            depth += 1
            found = _ZERO
            if count_bits(frontier) < count_bits(unseen):
                while frontier != _ZERO:
                    found |= adj[lowest_bit(frontier)]
                    frontier &= frontier - _ONE
                found &= unseen
            else:  # ask each unseen node whether it has a neighbour in the frontier
                asked = unseen
                while asked != _ZERO:
                    u = lowest_bit(asked)
                    if adj[u] & frontier != _ZERO:
                        found |= _ONE << u
                    asked &= asked - _ONE
            if found == _ZERO:
                return -1
            total += depth * np.int64(count_bits(found))
            unseen ^= found
            frontier = found
    return total


@njit(cache=True, nogil=True)
def _distance_sum_words(adj: np.ndarray) -> int:
    n, words = adj.shape
    unseen, frontier = np.empty(words, np.uint64), np.empty(words, np.uint64)
    found = np.empty(words, np.uint64)
    total = 0
    for source in range(n):
        unseen[:] = ~_ZERO
        unseen[words - 1] = ~_ZERO >> np.uint64(words * 64 - n)
        unseen[source >> 6] ^= _ONE << np.uint64(source & 63)
        frontier[:] = 0
        frontier[source >> 6] = _ONE << np.uint64(source & 63)
        left, depth = n - 1, 0
        while left:
            depth += 1
            found[:] = 0
            for j in range(words):
                row = frontier[j]
                while row != _ZERO:
                    u = (j << 6) + np.int64(lowest_bit(row))
                    row &= row - _ONE
                    for i in range(words):
                        found[i] |= adj[u, i]
            size = 0
            for j in range(words):
                frontier[j] = found[j] & unseen[j]
                unseen[j] ^= frontier[j]
                size += np.int64(count_bits(frontier[j]))
            if size == 0:
                return -1
            total += depth * size
            left -= size
    return total


@njit(cache=True, nogil=True)
def distance_sum(adj: np.ndarray) -> int:
    """Sum the distances over ordered pairs; -1 for a disconnected graph.

    Shapes: adj (n, words) uint64.
    """
    if adj.shape[1] == 1:
        return _distance_sum_word(adj[:, 0])
    return _distance_sum_words(adj)


@njit(cache=True, nogil=True)
def measure_many(adj: np.ndarray, c: np.ndarray, sums: np.ndarray) -> None:
    """Compute C and the sum of distances (-1: disconnected) of many graphs, into `c` and `sums`.

    Shapes:
        adj (graphs, n, words) uint64, c (graphs,) float64, sums (graphs,) int64.
    """
    for g in range(len(adj)):
        c[g] = clustering_of(adj[g])
        sums[g] = distance_sum(adj[g])


@njit(cache=True, nogil=True)
def sweep_many(
    n: int,
    edges: np.ndarray,
    p: np.ndarray,
    which: np.ndarray,
    states: np.ndarray,
    tries: int,
    c: np.ndarray,
    sums: np.ndarray,
    tables: np.ndarray,
) -> None:
    """Compute C and the sum of distances of WS-flex graphs, or their adjacencies.

    The sum is -1 where no try gave a connected graph. Graphs of one seed read the same random
    outputs, so these are made once: the inner loop over graphs belongs to one seed, which `which`
    must be sorted by for speed.

    Shapes:
        edges, p, which, c, sums (graphs,); states (seeds, 624) uint32, of which `which` picks one;
        tables (graphs or 0, n, words) uint64.
    """
    ring, adj = np.zeros((2, n, (n + 63) >> 6), np.uint64)
    mt, stream = states[0].copy(), np.empty(8 * _STATE, np.uint32)
    nodes, before, behind = _draws(stream[:0], n)
    for g in range(len(edges)):
        if g == 0 or which[g] != which[g - 1]:
            mt[:] = states[which[g]]
            _fill(stream, 0, mt)
            nodes, before, behind = _draws(stream, n)
        if g == 0 or edges[g] != edges[g - 1]:
            _ring(ring, edges[g])
        start, sums[g], left = 0, -1, tries
        while sums[g] < 0 and left:
            adj[:] = ring
            if n <= 64:
                end = _rewire_word(adj[:, 0], edges[g], p[g], stream, nodes, before, behind, start)
            else:
                end = _rewire(adj, edges[g], p[g], stream, nodes, before, behind, start)
            if end < 0:  # the same try again, with more outputs
                stream = _longer(stream, mt)
                nodes, before, behind = _draws(stream, n)
                continue
            start, left = end, left - 1
            sums[g] = distance_sum(adj)
        if len(tables):
            tables[g] = adj
        else:
            c[g] = clustering_of(adj)
