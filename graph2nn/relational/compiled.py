"""numba kernels on bit sets: WS-flex generation, C and L. Import only through `kernels`.

Adjacency rows are sets of bits in 64-bit words: node v is bit v % 64 of word v // 64. All graphs
here are undirected. The plain twin of every function is in `kernels`, which the tests compare.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["clustering_of", "distance_sum", "measure_many", "sweep_many"]

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_STATE = 624  # words of a Mersenne twister


_intrinsic: Any = intrinsic  # its type does not know that the typing context is left out


@_intrinsic
def _popcount(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


@_intrinsic
def _lowest(typing_context: Any, word: Any) -> Any:
    """Position of the lowest bit of a word that has one."""

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
def _flip(adj: np.ndarray, u: int, v: int) -> None:
    adj[u, v >> 6] ^= _ONE << np.uint64(v & 63)
    adj[v, u >> 6] ^= _ONE << np.uint64(u & 63)


@njit(cache=True, nogil=True)
def _has(adj: np.ndarray, u: int, v: int) -> bool:
    return (adj[u, v >> 6] >> np.uint64(v & 63)) & _ONE != _ZERO


@njit(cache=True, nogil=True)
def _ring(adj: np.ndarray, edges: int) -> None:
    n = len(adj)
    adj[:] = 0
    for u in range(n):
        for step in range(1, edges // n + (1 if u < edges % n else 0) + 1):
            v = (u + step) % n
            if not _has(adj, u, v):
                _flip(adj, u, v)


@njit(cache=True, nogil=True)
def _rewire(adj: np.ndarray, edges: int, p: float, stream: np.ndarray, pos: int, shift: int) -> int:
    """Rewires a ring in place; returns the position behind the draws, -1 if the stream ends.

    A draw of a node takes outputs until one is below n, and a node that is no free one costs
    another draw: all outputs up to the first free node are skipped in one loop. A node without
    free ones gives up after two draws.
    """
    n, end, limit = len(adj), len(stream), p * 9007199254740992.0
    degree = np.zeros(n, np.int64)
    for u in range(n):
        for j in range(adj.shape[1]):
            degree[u] += np.int64(_popcount(adj[u, j]))
    for u in range(n):
        for step in range(1, edges // n + (1 if u < edges % n else 0) + 1):
            if pos + 2 > end:
                return -1
            high, low = np.int64(stream[pos]) >> 5, np.int64(stream[pos + 1]) >> 6
            pos += 2
            if (high << 26) + low >= limit:
                continue
            full, draws, w = degree[u] >= n - 1, 0, n
            while draws < 2 and (full or w >= n or w == u or _has(adj, u, w)):
                if pos >= end:
                    return -1
                w = np.int64(stream[pos]) >> shift
                pos += 1
                draws += full and w < n
            if not full:
                v = u + step if u + step < n else u + step - n
                _flip(adj, u, v)
                _flip(adj, u, w)
                degree[v] -= 1
                degree[w] += 1
    return pos


@njit(cache=True, nogil=True)
def _rewire_word(
    adj: np.ndarray, edges: int, p: float, stream: np.ndarray, pos: int, shift: int
) -> int:
    """`_rewire` for at most 64 nodes. Shapes: adj (n,) uint64."""
    n, end, limit = len(adj), len(stream), p * 9007199254740992.0
    everyone = ~_ZERO >> np.uint64(64 - n)
    for u in range(n):
        me = _ONE << np.uint64(u)
        for step in range(1, edges // n + (1 if u < edges % n else 0) + 1):
            if pos + 2 > end:
                return -1
            high, low = np.int64(stream[pos]) >> 5, np.int64(stream[pos + 1]) >> 6
            pos += 2
            if (high << 26) + low >= limit:
                continue
            free = everyone & ~(adj[u] | me)
            if free == _ZERO:
                pos = _after_two(stream, pos, shift, n)
                if pos < 0:
                    return -1
                continue
            w = n
            while (w >= n) | ((free >> np.uint64(w & 63)) & _ONE == _ZERO):
                if pos >= end:
                    return -1
                w = np.int64(stream[pos]) >> shift
                pos += 1
            v = u + step if u + step < n else u + step - n
            adj[u] ^= (_ONE << np.uint64(v)) | (_ONE << np.uint64(w))
            adj[v] ^= me
            adj[w] ^= me
    return pos


@njit(cache=True, nogil=True)
def _after_two(stream: np.ndarray, pos: int, shift: int, n: int) -> int:
    """The position behind two draws of a node; -1 if the stream ends before."""
    left = 2
    while left:
        if pos >= len(stream):
            return -1
        left -= (np.int64(stream[pos]) >> shift) < n
        pos += 1
    return pos


@njit(cache=True, nogil=True)
def clustering_of(adj: np.ndarray) -> float:
    """C. Shapes: adj (n, words) uint64."""
    n, words = adj.shape
    closed, local = np.zeros(n, np.int64), np.zeros(n)
    degree = np.zeros(n, np.int64)
    for u in range(n):
        for j in range(words):
            row = adj[u, j]
            degree[u] += _popcount(row)
            while row != _ZERO:
                v = (j << 6) + np.int64(_lowest(row))
                row &= row - _ONE
                if v > u:
                    shared = 0
                    for i in range(words):
                        shared += np.int64(_popcount(adj[u, i] & adj[v, i]))
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
        total += np.int64(_popcount(frontier))
        depth = 1
        while unseen != _ZERO:
            depth += 1
            found = _ZERO
            if _popcount(frontier) < _popcount(unseen):
                while frontier != _ZERO:
                    found |= adj[_lowest(frontier)]
                    frontier &= frontier - _ONE
                found &= unseen
            else:  # ask each unseen node whether it has a neighbour in the frontier
                asked = unseen
                while asked != _ZERO:
                    u = _lowest(asked)
                    if adj[u] & frontier != _ZERO:
                        found |= _ONE << u
                    asked &= asked - _ONE
            if found == _ZERO:
                return -1
            total += depth * np.int64(_popcount(found))
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
                    u = (j << 6) + np.int64(_lowest(row))
                    row &= row - _ONE
                    for i in range(words):
                        found[i] |= adj[u, i]
            size = 0
            for j in range(words):
                frontier[j] = found[j] & unseen[j]
                unseen[j] ^= frontier[j]
                size += np.int64(_popcount(frontier[j]))
            if size == 0:
                return -1
            total += depth * size
            left -= size
    return total


@njit(cache=True, nogil=True)
def distance_sum(adj: np.ndarray) -> int:
    """The sum of distances over ordered pairs; -1 for a disconnected graph.

    Shapes: adj (n, words) uint64."""
    if adj.shape[1] == 1:
        return _distance_sum_word(adj[:, 0])
    return _distance_sum_words(adj)


@njit(cache=True, nogil=True)
def measure_many(adj: np.ndarray, c: np.ndarray, sums: np.ndarray) -> None:
    """Shapes: adj (graphs, n, words) uint64, c (graphs,) float64, sums (graphs,) int64."""
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
    """C and the sum of distances (-1: never connected) of WS-flex graphs; or their adjacencies.

    Graphs of one seed read the same random outputs, so these are made once: the inner loop over
    graphs belongs to one seed, which `which` must be sorted by for speed.

    Shapes:
        edges, p, which, c, sums (graphs,); states (seeds, 624) uint32, of which `which` picks one;
        tables (graphs or 0, n, words) uint64."""
    ring, adj = np.zeros((2, n, (n + 63) >> 6), np.uint64)
    mt, stream = states[0].copy(), np.empty(8 * _STATE, np.uint32)
    shift = 32
    while n >> (32 - shift):
        shift -= 1
    for g in range(len(edges)):
        if g == 0 or which[g] != which[g - 1]:
            mt[:] = states[which[g]]
            _fill(stream, 0, mt)
        if g == 0 or edges[g] != edges[g - 1]:
            _ring(ring, edges[g])
        start, sums[g], left = 0, -1, tries
        while sums[g] < 0 and left:
            adj[:] = ring
            if n <= 64:
                end = _rewire_word(adj[:, 0], edges[g], p[g], stream, start, shift)
            else:
                end = _rewire(adj, edges[g], p[g], stream, start, shift)
            if end < 0:  # the same try again, with more outputs
                stream = _longer(stream, mt)
                continue
            start, left = end, left - 1
            sums[g] = distance_sum(adj)
        if len(tables):
            tables[g] = adj
        else:
            c[g] = clustering_of(adj)
