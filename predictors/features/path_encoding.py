"""Encodings of small graphs as flat vectors: their paths, or their adjacency matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from graph2nn.archgraph import ArchGraph
from predictors.checks import check_graphs
from predictors.features.operations import read_as_known

__all__ = ["AdjacencyEncoding", "PathEncoding", "labelled_paths"]

_ENDS = ("input", "output")


def labelled_paths(graph: ArchGraph, *, limit: int = 10_000) -> frozenset[tuple[str, ...]]:
    """Find the distinct sequences of operations along paths from input to output, ends left out.

    Paths begin at nodes with the operation `input` (else at nodes without predecessors) and end at
    `output` (else at `graph.outputs`, else at the last node).

    Raises:
        ValueError: More than `limit` sequences lead to some node, as in large networks.

    Examples:
        >>> from graph2nn.cells import cell_graph
        >>> graph = cell_graph(["input", "skip", "conv_3x3", "output"], [(0, 1), (1, 3), (0, 3)])
        >>> sorted(labelled_paths(graph))
        [(), ('skip',)]
    """
    names = graph.op_names()
    before: list[list[int]] = [[] for _ in names]
    for u, v in graph.edges.T.tolist():
        before[v].append(u)
    starts = {k for k, op in enumerate(names) if op == "input"}
    starts = starts or {k for k, sources in enumerate(before) if not sources}
    paths: list[set[tuple[str, ...]]] = []
    for node, op in enumerate(names):
        here = set().union(*(paths[u] for u in before[node]))
        if node in starts:
            here.add(())
        if op not in _ENDS:
            here = {(*path, op) for path in here}
        if len(here) > limit:
            raise ValueError(
                f"{graph.name or 'graph'}: more than {limit} different paths lead to node {node}; "
                "path encodings are for cells, use graph features or a graph network here"
            )
        paths.append(here)
    ends = [k for k, op in enumerate(names) if op == "output"]
    ends = ends or list(graph.outputs) or [len(names) - 1]
    return frozenset().union(*(paths[k] for k in ends))


class PathEncoding(TransformerMixin, BaseEstimator):
    """One column a path, 1 where the graph has it (BANANAS, arXiv:1910.11858, section 4).

    The paper lists all paths that a space allows and keeps the likeliest; here the paths of the
    training graphs are kept, most frequent first, so any space works. A path never seen in training
    has no column: it could not have had a weight. Unlike an adjacency matrix this does not depend
    on the order of nodes.

    Args:
        max_paths: Largest number of columns; rarer paths are dropped (the paper's truncation).

    Shapes:
        N graphs -> (N, P) float64.

    Raises:
        ValueError: Graphs with too many paths, see `labelled_paths`.
    """

    def __init__(self, max_paths: int = 1000) -> None:
        self.max_paths = max_paths

    def fit(self, X: Sequence[ArchGraph], y: Any = None) -> PathEncoding:
        counts = Counter(path for graph in check_graphs(X) for path in labelled_paths(graph))
        ranked = sorted(counts, key=lambda path: (-counts[path], len(path), path))
        self.paths_ = tuple(ranked[: self.max_paths])
        return self

    def transform(self, X: Sequence[ArchGraph]) -> np.ndarray:
        check_is_fitted(self)
        column = {path: k for k, path in enumerate(self.paths_)}
        graphs = check_graphs(X)
        out = np.zeros((len(graphs), len(self.paths_)))
        for row, graph in zip(out, graphs):
            row[[column[path] for path in labelled_paths(graph) if path in column]] = 1
        return out


class AdjacencyEncoding(TransformerMixin, BaseEstimator):
    """The upper triangle of the adjacency matrix and the operations one-hot, node after node.

    For graphs up to the size of the largest training graph. It depends on the order of nodes.

    Args:
        ops: Operations; None takes the vocabularies of the training graphs.

    Shapes:
        N graphs -> (N, n (n - 1) / 2 + n · operations) float64.

    Raises:
        ValueError: An unknown operation, or a graph larger than those of training.
    """

    def __init__(self, ops: Sequence[str] | None = None) -> None:
        self.ops = ops

    def fit(self, X: Sequence[ArchGraph], y: Any = None) -> AdjacencyEncoding:
        graphs = check_graphs(X)
        known = self.ops if self.ops is not None else [op for g in graphs for op in g.ops]
        self.ops_ = tuple(dict.fromkeys(known))
        self.num_nodes_ = max(graph.num_nodes for graph in graphs)
        return self

    def transform(self, X: Sequence[ArchGraph]) -> np.ndarray:
        check_is_fitted(self)
        n = self.num_nodes_
        graphs = read_as_known(check_graphs(X), self.ops_, type(self).__name__)
        column = {op: k for k, op in enumerate(self.ops_)}
        links = np.zeros((len(graphs), n, n))
        ops = np.zeros((len(graphs), n, len(self.ops_)))
        for k, graph in enumerate(graphs):
            if graph.num_nodes > n:
                raise ValueError(
                    f"X[{k}] has {graph.num_nodes} nodes, this encoding was fitted on graphs of at "
                    f"most {n}; fit on the largest graphs too"
                )
            links[k, graph.edges[0], graph.edges[1]] = 1
            ops[k, np.arange(graph.num_nodes), [column[op] for op in graph.op_names()]] = 1
        above = np.triu_indices(n, k=1)
        return np.concatenate([links[:, above[0], above[1]], ops.reshape(len(graphs), -1)], axis=1)
