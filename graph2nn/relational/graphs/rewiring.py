"""C and L kept up to date while edges are rewired, and a search for a graph with given C and L."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from graph2nn.relational.graphs.graph import RelationalGraph, as_graph
from graph2nn.relational.graphs.many_graphs import compiled_loops, ws_flex_graphs, ws_flex_measures
from graph2nn.relational.graphs.measures import mean_local_clustering, pack_bits

__all__ = ["FoundGraph", "RewiredGraph", "search_graph"]


class RewiredGraph:
    """An undirected graph whose edges move one by one, and its C and L after each move.

    Moving an edge changes the triangles of its ends and their common neighbours. Distances from a
    node change by a removal only where the farther end loses its last neighbour on a shortest
    path, and by an addition only where the two ends were two or more steps apart: only these nodes
    are searched again. What that saves grows with the number and the density of nodes; for C and L
    of many unrelated graphs, as in a sweep, `many_graphs.measure_graphs` is faster.

    Args:
        graph: Anything that `as_graph` takes; undirected, at least two nodes.
        engine: What runs the loops; see `many_graphs.ENGINES`.

    Raises:
        ValueError: A directed graph, or a single node.

    Examples:
        >>> from graph2nn.relational.graphs.generators import cycle
        >>> RewiredGraph(cycle(5)).rewire(0, 1, 3)
        (0.4666666666666666, 1.7)
    """

    def __init__(self, graph: RelationalGraph | np.ndarray | Any, *, engine: str = "auto") -> None:
        graph = as_graph(graph)
        if graph.directed or graph.num_nodes < 2:
            raise ValueError(f"expected an undirected graph of two nodes or more, got {graph}")
        compiled = compiled_loops(engine)
        state = _PlainState if compiled is None else _CompiledState
        self._state: _PlainState | _CompiledState = state(graph.adjacency)
        self.num_nodes = graph.num_nodes

    @property
    def adjacency(self) -> np.ndarray:
        """Adjacency as it is now, (n, n) bool."""
        return self._state.adjacency()

    @property
    def C(self) -> float:
        """Average clustering coefficient."""
        degree = self._state.degree
        return mean_local_clustering(self._state.closed, degree * (degree - 1))

    @property
    def L(self) -> float:
        """Average path length; infinite where the graph has fallen apart."""
        n, total = self.num_nodes, int(self._state.sums.sum())
        return float("inf") if self._state.apart() else total / (n * (n - 1))

    def rewire(self, u: int, v: int, w: int) -> tuple[float, float]:
        """Move the edge (u, v) to (u, w) and return C and L.

        `rewire(u, w, v)` takes it back.

        Raises:
            ValueError: u and v are no neighbours, u and w are, or u is w; nothing has changed.
        """
        n = self.num_nodes
        for node in (u, v, w):
            if not 0 <= node < n:
                raise ValueError(f"expected nodes from 0 to {n - 1}, got {node}")
        if not self._state.has(u, v):
            raise ValueError(f"there is no edge ({u}, {v}) to move")
        if u == w or self._state.has(u, w):
            what = "would be a self-edge" if u == w else "exists already"
            raise ValueError(f"cannot move edge ({u}, {v}): ({u}, {w}) {what}")
        self._state.rewire(u, v, w)
        return self.C, self.L

    def graph(self, name: str = "") -> RelationalGraph:
        """Return the graph as it is now, as one of its own."""
        return RelationalGraph(adjacency=self.adjacency, name=name)


class _CompiledState:
    def __init__(self, table: np.ndarray) -> None:
        from graph2nn.relational.graphs import compiled_rewiring

        n = len(table)
        self.loops = compiled_rewiring
        self.bits = pack_bits(table)
        self.dist = np.empty((n, n), np.int64)
        self.sums, self.closed, self.degree = (np.empty(n, np.int64) for _ in range(3))
        self.loops.begin(self.bits, self.dist, self.sums, self.closed, self.degree)

    def adjacency(self) -> np.ndarray:
        n = len(self.bits)
        return np.unpackbits(self.bits.view(np.uint8), axis=1, count=n, bitorder="little") > 0

    def has(self, u: int, v: int) -> bool:
        return bool(int(self.bits[u, v >> 6]) >> (v & 63) & 1)

    def apart(self) -> bool:
        return bool(self.dist[0].max() == 2 * len(self.dist))

    def rewire(self, u: int, v: int, w: int) -> None:
        self.loops.replace_edge(self.bits, self.dist, self.sums, self.closed, self.degree, u, v, w)


class _PlainState:
    """The twin of the compiled loops, on arrays of numpy."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = table.copy()
        self.dist = _searched(self.table, np.arange(len(table)))
        counts = self.table.astype(np.int64)
        self.degree = counts.sum(1)
        self.closed = ((counts @ counts) * counts).sum(1)

    @property
    def sums(self) -> np.ndarray:
        return self.dist.sum(1)

    def adjacency(self) -> np.ndarray:
        return self.table.copy()

    def has(self, u: int, v: int) -> bool:
        return bool(self.table[u, v])

    def apart(self) -> bool:
        return bool(self.dist[0].max() == 2 * len(self.dist))

    def rewire(self, u: int, v: int, w: int) -> None:
        self._flip(u, v, -2)
        to_u, to_v = self.dist[:, u], self.dist[:, v]
        child = np.where(to_v > to_u, v, u)
        parent = np.maximum(to_u, to_v) - 1
        kept = (self.table[child] & (self.dist == parent[:, None])).any(1)
        lost = np.flatnonzero((to_u != to_v) & ~kept)
        self.dist[lost] = _searched(self.table, lost)
        self._flip(u, w, 2)
        one, two = self.dist[u].copy(), self.dist[w].copy()
        near = np.flatnonzero(np.abs(one - two) > 1)
        through = np.minimum(one[near, None] + two, two[near, None] + one) + 1
        self.dist[near] = np.minimum(self.dist[near], through)

    def _flip(self, u: int, v: int, change: int) -> None:
        shared = self.table[u] & self.table[v]
        self.closed[shared] += change
        self.closed[[u, v]] += change * int(shared.sum())
        self.table[u, v] = self.table[v, u] = change > 0
        self.degree[[u, v]] += change // 2


def _searched(table: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Distances from some nodes, 2 n for none. Shapes: (n, n), (sources,) -> (sources, n)."""
    n = len(table)
    dist = np.full((len(sources), n), 2 * n)
    reached = np.zeros((len(sources), n), bool)
    reached[np.arange(len(sources)), sources] = True
    links, depth, fresh = table.astype(np.float32), 0, reached
    while fresh.any():
        dist[fresh] = depth
        fresh = (fresh.astype(np.float32) @ links > 0) & ~reached
        reached = reached | fresh
        depth += 1
    return dist


@dataclass(frozen=True, kw_only=True)
class FoundGraph:
    """What `search_graph` found.

    Args:
        graph: The nearest graph.
        C, L: Measures of that graph.
        close: Whether both are within the tolerance.
        steps: Number of rewirings tried.
    """

    graph: RelationalGraph
    C: float
    L: float
    close: bool
    steps: int


def search_graph(
    C: float,
    L: float,
    *,
    nodes: int = 64,
    k: float | None = None,
    tolerance: float = 1e-3,
    steps: int = 20_000,
    seed: int = 0,
    engine: str = "auto",
) -> FoundGraph:
    """Search a connected graph whose clustering coefficient and path length are near given ones.

    Starts from the nearest of a few hundred WS-flex graphs and moves single edges at random, where
    that does not lead away. A directed search in place of a sweep of millions of graphs.

    Args:
        C, L: Measures asked for. Not every pair exists, least of all with a given degree.
        nodes: Number of nodes.
        k: Mean degree; None leaves it open.
        tolerance: Largest deviation of both measures.
        steps: Largest number of rewirings to try.
        seed: Seed of the start and of the moves.
        engine: What runs the loops; see `many_graphs.ENGINES`.

    Returns:
        The nearest graph; `close` says whether it is within the tolerance.

    Raises:
        ValueError: C outside [0, 1], L below 1, a degree outside [2, nodes], or a tolerance or
            number of steps below 0.

    Examples:
        >>> search_graph(0.45, 2.3, nodes=32, tolerance=0.05).close
        True
    """
    if not 0 <= C <= 1 or not L >= 1:
        raise ValueError(f"expected C from 0 to 1 and L of at least 1, got C = {C} and L = {L}")
    if tolerance < 0 or steps < 0:
        raise ValueError(f"expected tolerance and steps >= 0, got {tolerance} and {steps}")
    walk = RewiredGraph(_start(C, L, nodes, k, seed, engine), engine=engine)
    rng = random.Random(seed)
    edges = [(int(u), int(v)) for u, v in np.argwhere(np.triu(walk.adjacency))]
    now = walk.C, walk.L
    done = 0
    while done < steps and max(abs(now[0] - C), abs(now[1] - L)) > tolerance:
        done += 1
        index = rng.randrange(len(edges))
        u, v = edges[index] if rng.random() < 0.5 else edges[index][::-1]
        w = rng.randrange(nodes)
        if w == u or walk._state.has(u, w):
            continue
        then = walk.rewire(u, v, w)
        if _miss(then[0], then[1], C, L) <= _miss(now[0], now[1], C, L):
            now, edges[index] = then, (u, w)
        else:
            walk.rewire(u, w, v)
    close = max(abs(now[0] - C), abs(now[1] - L)) <= tolerance
    name = f"n{nodes}_C{now[0]:.4f}_L{now[1]:.4f}"
    return FoundGraph(graph=walk.graph(name), C=now[0], L=now[1], close=close, steps=done)


def _miss(c: Any, length: Any, c_asked: float, l_asked: float) -> Any:
    """How far off; L spans about 3.5 times as much as C does over WS-flex graphs."""
    return np.hypot(c - c_asked, (length - l_asked) / 3.5)


def _start(
    C: float, L: float, nodes: int, k: float | None, seed: int, engine: str
) -> RelationalGraph:
    roots = np.linspace(2**0.5, max(nodes - 1, 2) ** 0.5, 24)
    degrees = np.clip(roots**2, 2, nodes) if k is None else np.array([k])
    grid = np.meshgrid(degrees, np.linspace(0, 1, 24) ** 2, indexing="ij")
    k_all, p_all = (axis.ravel() for axis in grid)
    c, length = ws_flex_measures(nodes, k_all, p_all, np.array(seed), engine=engine)
    best = int(np.argmin(_miss(c, length, C, L)))
    table = ws_flex_graphs(nodes, k_all[best : best + 1], p_all[best], np.array(seed))[0]
    return RelationalGraph(adjacency=table)
