"""The published graphs of "Graph Structure of Neural Networks", shipped with the package."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph2nn.names import choose
from graph2nn.relational.graphs.generators import ws_flex
from graph2nn.relational.graphs.graph import RelationalGraph
from graph2nn.runs.shipped import package_file

__all__ = [
    "GRAPH_COLUMNS",
    "PUBLISHED_GRAPHS",
    "published_graph",
    "published_graphs",
]

GRAPH_COLUMNS = ("n", "sparsity", "p", "seed", "C", "L")
"""Columns of `published_graphs`; sparsity is mean degree / n, self-edges excluded."""

PUBLISHED_GRAPHS = {
    "n64_3942": 3942,
    "n64_449": 449,
    "n64_52": 52,
    "n16_2698": 2698,
    "n16_326": 326,
    "n16_48": 48,
}
"""Names of the published sets of graphs, and how many graphs each has."""

_FILE = "graph_sets.npz"


def published_graphs(name: str) -> np.ndarray:
    """Read one of the six published sets of WS-flex graphs.

    Args:
        name: Key of `PUBLISHED_GRAPHS`.

    Returns:
        Columns `GRAPH_COLUMNS`; each row is a graph for `published_graph`.

    Shapes:
        (N, 6) float64.

    Raises:
        ValueError: An unknown name.

    Examples:
        >>> published_graphs("n64_52").shape
        (52, 6)
    """
    choose("graphs", name, PUBLISHED_GRAPHS)
    with np.load(package_file("graph2nn.relational.graphs", _FILE)) as stored:
        return stored[name]


def published_graph(row: Sequence[float] | np.ndarray, *, rounded: bool = True) -> RelationalGraph:
    """Generate the graph of a row (n, sparsity, p, seed, ...).

    Args:
        row: Row of `published_graphs` or of a sweep; what follows the seed is not looked at.
        rounded: Whether sparsity and p are rounded to 6 decimals, as in the published trainings.
            The measures of the row itself are those of the unrounded graph; only one published
            graph differs.
    """
    n, sparsity, p, seed = (float(value) for value in row[:4])
    if rounded:
        sparsity, p = round(sparsity, 6), round(p, 6)
    return ws_flex(int(n), n * sparsity, p, int(seed))
