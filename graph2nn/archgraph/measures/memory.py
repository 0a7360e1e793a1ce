"""How much memory do the values of a forward pass take at once?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graph2nn.archgraph.graph import ArchGraph

__all__ = ["PeakMemory", "peak_memory"]


@dataclass(frozen=True, kw_only=True)
class PeakMemory:
    """Where a forward pass holds most values.

    Args:
        bytes: Most bytes that are held at once.
        node: Node of the graph whose operation runs then.
        held: Nodes that made what is held then, its own output with it.
        by_node: Bytes held while each node's operation runs.

    Shapes:
        by_node (N,) int64.
    """

    bytes: int
    node: int
    held: tuple[int, ...]
    by_node: np.ndarray


def peak_memory(graph: ArchGraph) -> PeakMemory:
    """Find the most memory that values take at once in a forward pass without gradients.

    By liveness: operations run in the order of the record, a block of memory is there from the
    operation that makes it to the last one that reads it or a view of it; inputs, which the caller
    holds, are there all the time, outputs to the end. Parameters, buffers, constants, and what an
    operation needs for itself while it runs do not count. Programs that keep a name for a value
    that nobody reads any more hold more than this.

    Args:
        graph: Graph with measures (`trace(..., measures=True)`).

    Raises:
        ValueError: A graph without measures.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from graph2nn.archgraph import measured
        >>> layers = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
        >>> peak_memory(measured(layers, torch.zeros(1, 3))).bytes
        52
    """
    block, fresh = graph.numbers("memory"), graph.numbers("allocated_bytes")
    count, n = int(block.max(initial=-1)) + 1, graph.num_nodes
    size, first, last = (np.zeros(count, dtype=np.int64) for _ in range(3))
    first += n
    here = block >= 0
    nodes = np.arange(n)
    np.add.at(size, block[here], fresh[here])
    np.minimum.at(first, block[here], nodes[here])
    np.maximum.at(last, block[here], nodes[here])
    source, target = graph.edges
    read = block[source] >= 0
    np.maximum.at(last, block[source][read], target[read])
    ends = block[list(graph.outputs) or [n - 1]]
    last[ends[ends >= 0]] = n - 1
    inputs = block[[name == "input" for name in graph.op_names()]]
    first[inputs[inputs >= 0]], last[inputs[inputs >= 0]] = 0, n - 1
    change = np.zeros(n + 1, dtype=np.int64)
    np.add.at(change, first, size)
    np.subtract.at(change, last + 1, size)
    by_node = change.cumsum()[:n]
    node = int(by_node.argmax())
    live = (first <= node) & (node <= last) & (size > 0)
    makers = here & (fresh > 0)
    held = tuple(int(k) for k in nodes[makers] if live[block[k]])
    return PeakMemory(bytes=int(by_node[node]), node=node, held=held, by_node=by_node)
