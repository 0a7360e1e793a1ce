"""Features of relational graphs: one node an operation `node`, an edge i < j an undirected one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.relational.graphs.many_graphs import measure_graphs
from predictors.features.space import Columns

__all__ = ["RELATIONAL_OP", "adjacencies", "is_relational", "relational_columns"]

RELATIONAL_OP = "node"
"""The only operation of a relational graph."""

_MOMENTS = (3, 4, 5, 6)


def is_relational(graph: ArchGraph) -> bool:
    """Tell whether the graph's edges stand for undirected ones.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> is_relational(nb201_cell([0, 1, 2, 3, 4, 0]))
        False
    """
    return bool(graph.num_nodes) and {graph.ops[k] for k in np.unique(graph.op)} == {RELATIONAL_OP}


def adjacencies(graphs: Sequence[ArchGraph]) -> np.ndarray:
    """Stack the symmetric adjacencies of graphs of one size, (B, n, n) bool."""
    n = graphs[0].num_nodes
    tables = np.zeros((len(graphs), n, n), dtype=bool)
    for b, graph in enumerate(graphs):
        tables[b, graph.edges[0], graph.edges[1]] = True
    return tables | tables.transpose(0, 2, 1)


def relational_columns(graphs: Sequence[ArchGraph]) -> dict[str, Columns]:
    """Compute groups of columns, of graphs of one size.

    Group `global`: density, clustering C and path length L (as log; a disconnected graph counts n),
    the three that the error of a network follows (arXiv:2007.06559), and small-worldness C / L.
    `degrees`: deviation, extremes, skewness and assortativity of the degrees. `spectrum`: second
    and last eigenvalue of the normalised Laplacian, algebraic connectivity and radius of the
    adjacency per degree, and moments of the normalised adjacency (weighted closed walks; the third
    counts triangles).
    """
    tables = adjacencies(graphs)
    count, n = tables.shape[:2]
    names = {
        "global": ["density", "C", "log L", "C / L"],
        "degrees": ["degree deviation", "least degree", "largest degree", "skewness", "mixing"],
        "spectrum": ["gap", "bipartite", "connectivity", "radius"]
        + [f"moment {k}" for k in _MOMENTS],
    }
    if n < 2:
        return {group: (labels, np.zeros((count, len(labels)))) for group, labels in names.items()}
    clustering, length = measure_graphs(tables)
    length = np.where(np.isfinite(length), length, n)
    degree = tables.sum(2).astype(float)
    density = degree.mean(1) / n
    columns = {
        "global": [density, clustering, np.log(length), clustering / length],
        "degrees": _degree_columns(tables, degree),
        "spectrum": _spectral_columns(tables.astype(float), degree),
    }
    return {group: (names[group], np.column_stack(columns[group])) for group in names}


def _degree_columns(tables: np.ndarray, degree: np.ndarray) -> list[np.ndarray]:
    n = degree.shape[1]
    centred = degree - degree.mean(1, keepdims=True)
    deviation = degree.std(1)
    spread = np.where(deviation > 1e-9, deviation, 1.0)
    skewness = (centred**3).mean(1) / spread**3
    ends = np.maximum(tables.sum((1, 2)), 1)
    mean = (degree**2).sum(1) / ends  # of the degree at a random end of an edge
    there = degree - mean[:, None]
    joint = np.einsum("bi,bij,bj->b", there, tables.astype(float), there) / ends
    variance = (degree * there**2).sum(1) / ends
    mixing = np.where(variance > 1e-9, joint / np.maximum(variance, 1e-9), 0.0)
    return [deviation / n, degree.min(1) / n, degree.max(1) / n, skewness, mixing]


def _spectral_columns(tables: np.ndarray, degree: np.ndarray) -> list[np.ndarray]:
    scale = 1 / np.sqrt(np.maximum(degree, 1))
    values = np.linalg.eigvalsh(scale[:, :, None] * tables * scale[:, None, :])
    laplacian = np.linalg.eigvalsh(degree[:, :, None] * np.eye(degree.shape[1]) - tables)
    radius = np.linalg.eigvalsh(tables)[:, -1]
    mean = np.maximum(degree.mean(1), 1e-9)
    moments = [np.log(1e-6 + np.maximum((values**k).mean(1), 0)) for k in _MOMENTS]
    return [1 - values[:, -2], 1 - values[:, 0], laplacian[:, 1] / mean, radius / mean, *moments]
