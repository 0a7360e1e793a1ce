"""Many labelled DAGs as arrays of one size, so that features of all come from a few array steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.paths import live_nodes

__all__ = ["ENDS", "Padded", "end_to_end", "padded_batches", "vocabulary"]

ENDS = ("input", "output")
"""Operations that mark where a graph starts and ends and that compute nothing."""

_PAD = -1


@dataclass(frozen=True, kw_only=True)
class Padded:
    """Graphs of up to n nodes, smaller ones padded behind.

    Args:
        op: Index of each node's operation in the vocabulary; -1 for padding.
        adjacency: Edges; entry (b, u, v) says that graph b has the edge u → v.
        start, end: Nodes where paths may begin and end.
        cell: Stage or cell of each node.
        ends: Nodes whose operation is one of `ENDS`; they lie on every path and count nowhere.
        memory: Results that several blocks of features share.

    Shapes:
        adjacency (B, n, n) bool, all others (B, n).
    """

    op: np.ndarray
    adjacency: np.ndarray
    start: np.ndarray
    end: np.ndarray
    cell: np.ndarray
    ends: np.ndarray
    memory: dict[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.op)

    def real(self) -> np.ndarray:
        """Find the nodes that are neither padding nor ends, (B, n)."""
        return (self.op >= 0) & ~self.ends

    def live(self, allowed: np.ndarray) -> np.ndarray:
        """Find the allowed nodes on a path from a start to an end over allowed nodes.

        Shapes:
            allowed (B, n) -> (B, n).
        """
        edges = end_to_end(self.adjacency)
        found = live_nodes(edges, self.start.ravel(), self.end.ravel(), allowed.ravel())
        return found.reshape(self.op.shape)

    def contracted(self, keep: np.ndarray, through: np.ndarray) -> np.ndarray:
        """Contract paths over `through` nodes to edges between kept nodes.

        Shapes:
            keep, through (B, n) -> (B, n, n) bool.
        """
        either = keep | through
        table = self.adjacency & either[:, :, None] & either[:, None, :]
        for w in range(self.op.shape[1]):
            if through[:, w].any():
                passes = table[:, :, w] & through[:, w, None]
                table |= passes[:, :, None] & table[:, None, w, :]
        return table & keep[:, :, None] & keep[:, None, :]


def end_to_end(adjacency: np.ndarray) -> np.ndarray:
    """Return the edges of a batch as those of one graph: node v of graph b is `b * n + v`.

    Shapes:
        (B, n, n) bool -> (2, E), sorted by source.
    """
    graph, source, target = np.nonzero(adjacency)
    return np.stack([source, target]) + graph * adjacency.shape[1]


def vocabulary(graphs: Sequence[ArchGraph]) -> tuple[str, ...]:
    """List the operations that occur in the graphs, sorted, without `ENDS`."""
    used: dict[tuple[str, ...], np.ndarray] = {}
    for graph in graphs:
        flags = used.setdefault(graph.ops, np.zeros(len(graph.ops), dtype=bool))
        flags[graph.op] = True
    names = {ops[k] for ops, flags in used.items() for k in np.flatnonzero(flags)}
    return tuple(sorted(names - set(ENDS)))


def padded_batches(
    graphs: Sequence[ArchGraph], ops: Sequence[str], *, entries: int = 1_500_000
) -> Iterator[tuple[np.ndarray, Padded]]:
    """Iterate over batches of graphs of similar size, with the rows of `graphs` they hold.

    Rows are (B,) int64.

    Args:
        graphs: Graphs; operations outside `ops` and `ENDS` must have been refused before.
        ops: The vocabulary.
        entries: Largest number of entries of a batch's adjacency.
    """
    sizes = np.array([graph.num_nodes for graph in graphs])
    order = np.argsort(sizes, kind="stable")
    first = 0
    while first < len(order):
        last = first + 1
        while last < len(order) and (last + 1 - first) * int(sizes[order[last]]) ** 2 <= entries:
            last += 1
        rows = order[first:last]
        yield rows, _padded([graphs[r] for r in rows], ops)
        first = last


def _padded(graphs: Sequence[ArchGraph], ops: Sequence[str]) -> Padded:
    count, n = len(graphs), max(graph.num_nodes for graph in graphs)
    names = [*ops, *ENDS]
    tables: dict[tuple[str, ...], np.ndarray] = {}
    op = np.full((count, n), _PAD)
    cell = np.zeros((count, n), dtype=np.int64)
    adjacency = np.zeros((count, n, n), dtype=bool)
    end = np.zeros((count, n), dtype=bool)
    for b, graph in enumerate(graphs):
        if graph.ops not in tables:
            tables[graph.ops] = np.array(
                [names.index(name) if name in names else _PAD for name in graph.ops]
            )
        size = graph.num_nodes
        op[b, :size] = tables[graph.ops][graph.op]
        cell[b, :size] = graph.cell
        adjacency[b, graph.edges[0], graph.edges[1]] = True
        end[b, list(graph.outputs) or [size - 1]] = True
    start = op == len(ops)
    bare = ~start.any(1)
    if bare.any():
        start[bare] = (~adjacency.any(1) & (op != _PAD))[bare]
    return Padded(op=op, adjacency=adjacency, start=start, end=end, cell=cell, ends=op >= len(ops))
