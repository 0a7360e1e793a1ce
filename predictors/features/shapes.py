"""Features from the parameters of traced networks: sizes by operation, depth, cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.features.space import Columns

__all__ = ["shapes_columns"]


def shapes_columns(graphs: Sequence[ArchGraph], ops: Sequence[str]) -> Columns:
    """Summarise parameters in total and by operation, kernels, widths, cells.

    Numbers of parameters are log10 of 1 + their number. Graphs without shapes (cells of NAS
    benchmarks) have no such columns.

    Shapes:
        (B, F).
    """
    if not any(graph.param_shapes for graph in graphs):
        return [], np.zeros((len(graphs), 0))
    names = ["params", *(f"params {op}" for op in ops)]
    names += ["mean width", "largest width", "last width", "mean kernel", "largest kernel"]
    names += ["cells", "longest path", "nodes a level", "weighted nodes"]
    return names, np.array([_row(graph, ops) for graph in graphs])


def _row(graph: ArchGraph, ops: Sequence[str]) -> list[float]:
    sizes = np.zeros(graph.num_nodes)
    for node, _, shape in graph.parameters():
        sizes[node] += float(np.prod(shape))
    by_op = np.bincount(graph.op, sizes, len(graph.ops))
    place = {op: k for k, op in enumerate(graph.ops)}
    by_name = [by_op[place[op]] if op in place else 0.0 for op in ops]
    weighted = graph.shape[:, 0] > 0
    widths = np.log2(np.maximum(graph.shape[weighted, 0], 1)) if weighted.any() else np.zeros(1)
    kernels = graph.shape[weighted, 2] if weighted.any() else np.zeros(1)
    longest = _longest_path(graph)
    return [
        *np.log10(1 + np.array([sizes.sum(), *by_name])),
        widths.mean(),
        widths.max(),
        widths[-1],
        kernels.mean(),
        kernels.max(),
        len(np.unique(graph.cell)),
        longest,
        graph.num_nodes / (1 + longest),
        weighted.sum(),
    ]


def _longest_path(graph: ArchGraph) -> int:
    depth = np.zeros(graph.num_nodes, dtype=np.int64)
    for u, v in graph.edges.T.tolist():  # sources in topological order
        depth[v] = max(depth[v], depth[u] + 1)
    return int(depth.max(initial=0))
