"""What a graph network reads at a node: its operation and, where asked for, its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.paths import topological_levels
from graph2nn.names import check_choice
from predictors.features.networks.nodes import all_valued, node_sizes

__all__ = ["NODE_FEATURES", "NodeFeatures", "useful_features"]

_WALK_LENGTHS = 8


class NodeFeatures:
    """Features of nodes as one row of numbers each.

    The operation is one-hot; further blocks are named by `NODE_FEATURES`: `shape` (logarithms of
    the four axes of the node's parameter), `size` (logarithms of its values, positions, width,
    parameters, multiply-adds and memory traffic), `stage` (the cell that the node is in, as a share
    of the largest), `depth` (longest paths from a source and to a sink, as shares of the longest),
    `degree` (logarithms of in-, out- and total degree), `walks` (probability that a random walk of
    k = 1..8 undirected steps returns, arXiv:2110.07875, equation 5).

    Args:
        ops: Operations, in the order of the one-hot columns.
        blocks: Names of further blocks.

    Raises:
        ValueError: An unknown block.
    """

    def __init__(self, ops: Sequence[str], blocks: Sequence[str] = ()) -> None:
        for name in blocks:
            check_choice("node_features", name, NODE_FEATURES)
        self.ops, self.blocks = tuple(ops), tuple(blocks)
        columns = sum(_WIDTHS[name] for name in self.blocks)
        self.width = len(self.ops) + columns
        self.mean, self.scale = np.zeros(columns), np.ones(columns)

    def fit(self, graphs: Sequence[ArchGraph]) -> NodeFeatures:
        """Give the columns of blocks mean 0 and deviation 1 over the nodes of training graphs.

        Graphs may differ by hundredths in the chance of a walk's return and no more.
        """
        if self.blocks:
            rows = np.concatenate([self._blocks(graph) for graph in graphs])
            deviation = rows.std(0)
            self.mean, self.scale = rows.mean(0), np.where(deviation > 1e-6, deviation, 1)
        return self

    def __call__(self, graph: ArchGraph) -> np.ndarray:
        """Shapes: -> (N, width) float32."""
        column = {op: k for k, op in enumerate(self.ops)}
        codes = np.array([column.get(op, -1) for op in graph.ops])[graph.op]
        out = np.zeros((graph.num_nodes, self.width), dtype=np.float32)
        out[np.arange(graph.num_nodes), codes] = 1
        out[:, len(self.ops) :] = (self._blocks(graph) - self.mean) / self.scale
        return out

    def _blocks(self, graph: ArchGraph) -> np.ndarray:
        parts = [NODE_FEATURES[name](graph) for name in self.blocks]
        return np.concatenate([np.zeros((graph.num_nodes, 0)), *parts], axis=1)


def useful_features(graphs: Sequence[ArchGraph]) -> tuple[str, ...]:
    """Find the blocks that say something of these graphs beside operations and edges.

    These are parameter shapes, sizes and stages where graphs have them; degrees and walks where all
    nodes are alike.
    """
    names = []
    if any(graph.shape.any() for graph in graphs):
        names.append("shape")
    if all_valued(graphs):
        names.append("size")
    if any(graph.cell.any() for graph in graphs):
        names.append("stage")
    if len({op for graph in graphs for op in graph.op_names()}) == 1:
        names += ["degree", "walks"]
    return tuple(names)


def _shape(graph: ArchGraph) -> np.ndarray:
    return np.log2(1 + graph.shape) / 8


def _size(graph: ArchGraph) -> np.ndarray:
    sizes = node_sizes(graph)
    parts = (sizes.values, sizes.positions, sizes.width, sizes.params, sizes.work, sizes.traffic)
    return np.log2(1 + np.stack(parts, axis=1)) / 16


def _stage(graph: ArchGraph) -> np.ndarray:
    return graph.cell[:, None] / max(int(graph.cell.max()), 1)


def _depth(graph: ArchGraph) -> np.ndarray:
    n = graph.num_nodes
    levels = [topological_levels(graph.edges, n, backward=b) for b in (False, True)]
    return np.stack(levels, axis=1) / max(levels[0].max(), 1)


def _degree(graph: ArchGraph) -> np.ndarray:
    out_degree, in_degree = (np.bincount(e, minlength=graph.num_nodes) for e in graph.edges)
    return np.log2(1 + np.stack([in_degree, out_degree, in_degree + out_degree], axis=1)) / 4


def _walks(graph: ArchGraph) -> np.ndarray:
    n = graph.num_nodes
    step = np.zeros((n, n))
    step[tuple(graph.edges)] = 1
    step = step + step.T
    step /= np.maximum(step.sum(1, keepdims=True), 1)
    walk, back = np.eye(n), []
    for _ in range(_WALK_LENGTHS):
        walk = walk @ step
        back.append(walk.diagonal().copy())
    return np.stack(back, axis=1)


NODE_FEATURES: Final[dict[str, Callable[[ArchGraph], np.ndarray]]] = {
    "shape": _shape,
    "size": _size,
    "stage": _stage,
    "depth": _depth,
    "degree": _degree,
    "walks": _walks,
}
"""Blocks of features beside the operation. Shapes: -> (N, columns)."""

_WIDTHS = {"shape": 4, "size": 6, "stage": 1, "depth": 2, "degree": 3, "walks": _WALK_LENGTHS}
