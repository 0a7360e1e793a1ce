"""Lengths and numbers of the input-output paths of many graphs, over sets of operations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import networkx as nx
import numpy as np

from predictors.features.padded import Padded

__all__ = ["PathStatistics", "op_subsets", "path_statistics", "path_statistics_reference"]


@dataclass(frozen=True, kw_only=True)
class PathStatistics:
    """Statistics of the paths from a start to an end of each graph, for each column of weights.

    Args:
        shortest, longest: Least and largest weight of a path; inf and -inf where there is none.
        count: Number of paths.
        total: Sum of the weights of all paths.

    Shapes:
        (B, S) each.
    """

    shortest: np.ndarray
    longest: np.ndarray
    count: np.ndarray
    total: np.ndarray


def op_subsets(ops: tuple[str, ...], *, everything: int = 4) -> list[tuple[str, ...]]:
    """List the sets of operations whose paths are measured.

    They are all non-empty subsets of up to `everything` operations (GRAF, arXiv:2404.16551), whose
    number would explode for more: then single operations, pairs of at most 7, all but one, and all.

    Examples:
        >>> len(op_subsets(("a", "b", "c", "d"))), len(op_subsets(tuple("abcdefgh")))
        (15, 17)
    """
    if len(ops) <= everything:
        sizes = range(1, len(ops) + 1)
        return [subset for size in sizes for subset in combinations(ops, size)]
    pairs = list(combinations(ops, 2)) if len(ops) <= 7 else []
    rest = [tuple(op for op in ops if op != left) for left in ops]
    return [*((op,) for op in ops), *pairs, *rest, ops]


def path_statistics(batch: Padded, allowed: np.ndarray, weight: np.ndarray) -> PathStatistics:
    """Pass once in topological order over all graphs and all columns.

    Args:
        batch: The graphs.
        allowed: Nodes that a path may use.
        weight: Number that a node adds to the length of its paths.

    Shapes:
        allowed, weight (B, n, S) or (B, n, 1).
    """
    count, n = batch.op.shape
    columns = max(allowed.shape[2], weight.shape[2])
    rows = np.arange(count)
    before = _predecessors(batch.adjacency)
    low = np.full((n + 1, count, columns), np.inf)
    high, paths, total = -low, np.zeros_like(low), np.zeros_like(low)
    for v in range(n):
        starts = batch.start[:, v, None]
        low[v] = np.where(starts, 0.0, np.inf)
        high[v] = np.where(starts, 0.0, -np.inf)
        paths[v] = starts
        for u in before[v].T:
            np.minimum(low[v], low[u, rows], out=low[v])
            np.maximum(high[v], high[u, rows], out=high[v])
            paths[v] += paths[u, rows]
            total[v] += total[u, rows]
        free, step = allowed[:, v], weight[:, v]
        low[v] = np.where(free, low[v] + step, np.inf)
        high[v] = np.where(free, high[v] + step, -np.inf)
        paths[v] *= free
        total[v] = free * (total[v] + step * paths[v])
    end = batch.end.T[:, :, None]
    return PathStatistics(
        shortest=np.where(end, low[:-1], np.inf).min(0),
        longest=np.where(end, high[:-1], -np.inf).max(0),
        count=np.where(end, paths[:-1], 0).sum(0),
        total=np.where(end, total[:-1], 0).sum(0),
    )


def _predecessors(adjacency: np.ndarray) -> list[np.ndarray]:
    """For each node, its predecessors in every graph, filled up with n. Shapes: n times (B, P)."""
    count, n, _ = adjacency.shape
    found = []
    for v in range(n):
        graph, source = np.nonzero(adjacency[:, :v, v])
        degree = np.bincount(graph, minlength=count)
        place = np.arange(len(graph)) - np.repeat(np.cumsum(degree) - degree, degree)
        table = np.full((count, int(degree.max(initial=0))), n)
        table[graph, place] = source
        found.append(table)
    return found


def path_statistics_reference(
    batch: Padded, allowed: np.ndarray, weight: np.ndarray
) -> PathStatistics:
    """Enumerate all paths, with the result of `path_statistics`: for tests.

    Shapes: allowed, weight (B, n, S) or (B, n, 1).
    """
    count, n, columns = allowed.shape
    out = np.zeros((4, count, columns))
    for b in range(count):
        graph = nx.DiGraph(batch.adjacency[b])
        for s in range(columns):
            free = [v for v in range(n) if allowed[b, v, s]]
            lengths = [
                sum(weight[b, v, s] for v in path)
                for path in _all_paths(graph.subgraph(free), batch.start[b], batch.end[b])
            ]
            out[:, b, s] = (
                min(lengths, default=np.inf),
                max(lengths, default=-np.inf),
                len(lengths),
                sum(lengths),
            )
    return PathStatistics(shortest=out[0], longest=out[1], count=out[2], total=out[3])


def _all_paths(graph: nx.DiGraph, start: np.ndarray, end: np.ndarray) -> list[list[int]]:
    paths = []
    for u in graph.nodes:
        for v in graph.nodes:
            if start[u] and end[v]:
                paths += [[u]] if u == v else list(nx.all_simple_paths(graph, u, v))
    return paths
