"""Which operations must wait for each other? The heaviest path from input to output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graph2nn.archgraph.graph import ArchGraph

__all__ = ["CriticalPath", "critical_path"]


@dataclass(frozen=True, kw_only=True)
class CriticalPath:
    """The path of a graph with the greatest sum over its nodes.

    Args:
        nodes: Nodes of the path, in order.
        length: Sum over these.
        total: Sum over all nodes of the graph.
    """

    nodes: tuple[int, ...]
    length: float
    total: float

    @property
    def parallelism(self) -> float:
        """Greatest speed-up that running branches side by side can give."""
        return self.total / self.length if self.length else 1.0


def critical_path(graph: ArchGraph, column: str | None = "flops") -> CriticalPath:
    """Find the path that bounds how fast a network can be, however many run its operations.

    Args:
        graph: Graph of a network; of a column, with measures (`trace(..., measures=True)`).
        column: Column of numbers to add up, such as "flops" or measured times; None counts nodes.

    Raises:
        ValueError: No such column.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> critical_path(nb201_cell([1, 2, 3, 4, 0, 1]), None).nodes
        (0, 1, 4, 6, 7)
    """
    weights = np.ones(graph.num_nodes) if column is None else graph.numbers(column)
    weight, best = weights.tolist(), weights.tolist()
    before = [-1] * graph.num_nodes
    for source, target in sorted(graph.edges.T.tolist(), key=lambda edge: edge[1]):
        length = best[source] + weight[target]
        if before[target] < 0 or length > best[target]:
            best[target], before[target] = length, source
    node = max(range(len(best)), key=lambda k: (best[k], k), default=-1)
    length, path = best[node] if best else 0, []
    while node >= 0:
        path.append(node)
        node = before[node]
    return CriticalPath(nodes=tuple(path[::-1]), length=length, total=sum(weight))
