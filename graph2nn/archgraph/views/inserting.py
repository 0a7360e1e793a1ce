"""What is a graph with further nodes between its own, which show the inside of one of them?"""

from __future__ import annotations

import numpy as np

from graph2nn.archgraph.graph import ArchGraph

__all__ = ["insert_nodes"]


def insert_nodes(
    graph: ArchGraph, before: np.ndarray, op: np.ndarray, shape: np.ndarray, edges: np.ndarray
) -> ArchGraph:
    """Insert nodes without parameters, which show what is going on inside of one that has some.

    New node i is called N + i in `edges`, N being the nodes of `graph`; those in front of the same
    node keep their order, and belong to its scope. Calls and columns are not kept.

    Args:
        graph: Graph of a network. It is not changed.
        before: Node of the graph that each new node stands in front of.
        op, shape: Operation and shape of each new node, as in `ArchGraph`.
        edges: Edges from, to or between new nodes, sources above targets.

    Shapes:
        before and op (M,), shape (M, 4), edges (2, E).

    Raises:
        ValueError: An edge that runs against the order of the nodes.

    Examples:
        >>> from torch import nn
        >>> from graph2nn.archgraph import PRIMITIVE_ID, trace
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> graph = trace(net, torch.zeros(2, 1, 2, 2), view="primitives")
        >>> part = np.array([PRIMITIVE_ID["sum"]])
        >>> more = insert_nodes(graph, np.array([1]), part, np.zeros((1, 4)), np.array([[3], [1]]))
        >>> more.op_names()
        ['input', 'sum', 'conv', 'bias']
    """
    n, count = graph.num_nodes, len(before)
    place = np.concatenate([np.arange(n), np.asarray(before, dtype=np.int64)])
    order = np.lexsort((np.arange(n + count), np.arange(n + count) < n, place))
    number = np.empty(n + count, dtype=np.int64)
    number[order] = np.arange(n + count)
    every = number[np.concatenate([graph.edges, edges.astype(np.int64)], axis=1)]
    if (every[0] >= every[1]).any():
        wrong = every[:, every[0] >= every[1]][:, 0].tolist()
        raise ValueError(
            f"edges of inserted nodes must follow the order of the nodes, got {wrong[0]} -> "
            f"{wrong[1]} in the new numbering: put the node in front of a later one"
        )
    params = (*graph.params, *((),) * count)
    return graph.replace(
        op=np.concatenate([graph.op, op])[order],
        shape=np.concatenate([graph.shape, shape.astype(np.int64)])[order],
        edges=np.unique(every, axis=1),
        params=tuple(params[node] for node in order),
        cell=np.concatenate([graph.cell, graph.cell[before]])[order],
        outputs=tuple(int(number[node]) for node in graph.outputs),
        calls=(),
        returned=None,
        scope=np.concatenate([graph.scope, graph.scope[before]])[order]
        if graph.scopes
        else graph.scope,
        columns={},
    )
