"""Bins: rectangles of clustering coefficient C and path length L that graphs fall into."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from graph2nn.names import check_choice
from graph2nn.relational.campaign.graph_means import GraphMeans

__all__ = ["RESOLUTIONS", "Binning", "binning_for", "bin_means", "num_nodes_of"]

RESOLUTIONS = {"fine": 9, "medium": 3, "coarse": 1}
"""Parts into which each resolution divides a side of a coarse bin. At 64 nodes one graph per bin
gives the published sets of 3942, 449 and 52 graphs."""

_PUBLISHED = {64: (15, 4.5), 16: (12, 2.5)}  # nodes: coarse bins a side, largest L
_SIDE = 15


@dataclass(frozen=True, eq=False, kw_only=True)
class Binning:
    """A grid of bins over (C, L).

    Args:
        c_edges, l_edges: Borders of the bins. A value on a border belongs to the upper bin; below
            the first or above the last border there are open bins.

    Shapes:
        c_edges (c + 1,), l_edges (l + 1,).
    """

    c_edges: np.ndarray
    l_edges: np.ndarray

    def indices(self, C: np.ndarray, L: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the bin of each graph along C and along L, counted from 0; -1 and c or l are open.

        Shapes:
            C, L and both results (G,).
        """
        return np.digitize(C, self.c_edges) - 1, np.digitize(L, self.l_edges) - 1

    def labels(self, C: np.ndarray, L: np.ndarray) -> np.ndarray:
        """Number the bin of each graph, row by row over L, (G,)."""
        c, row = self.indices(C, L)
        return (row + 1) * (len(self.c_edges) + 1) + c + 1

    def centres(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute C and L in the middle of bins, (M,) each, as labels."""
        row, c = np.divmod(labels, len(self.c_edges) + 1)
        return _middle(self.c_edges, c - 1), _middle(self.l_edges, row - 1)


def num_nodes_of(means: GraphMeans) -> int | None:
    """Count the nodes of the generated graphs of a task.

    None where they differ or nothing tells.
    """
    found: set[int] = set()
    for graph, name in enumerate(means.graph_id):
        match = re.match(r"n(\d+)_", name)
        if match:
            found.add(int(match[1]))
        elif "n_nodes" in means.extra and means.is_baseline[graph]:
            found.add(int(means.extra["n_nodes"][graph]))
    return found.pop() if len(found) == 1 else None


def binning_for(num_nodes: int | None, L: np.ndarray, resolution: str = "coarse") -> Binning:
    """Choose the grid for graphs of one size.

    At 64 and 16 nodes it is the published one: 15 or 12 coarse bins a side, C in [0, 1], L in [1,
    4.5] or [1, 2.5]. Elsewhere 15 a side, and L up to the next half above the largest there is.

    Args:
        num_nodes: Number of nodes of the graphs; None if unknown.
        L: Average path lengths (G,), for the range.
        resolution: Key of `RESOLUTIONS`.

    Raises:
        ValueError: Unknown resolution.

    Examples:
        >>> len(binning_for(64, np.array([2.0]), "medium").c_edges) - 1
        45
    """
    check_choice("resolution", resolution, RESOLUTIONS)
    finite = L[np.isfinite(L)]
    top = max(1.5, np.ceil(2 * finite.max()) / 2) if len(finite) else 4.5
    side, longest = _PUBLISHED.get(num_nodes or 0, (_SIDE, top))
    bins = side * RESOLUTIONS[resolution]
    return Binning(c_edges=np.linspace(0, 1, bins + 1), l_edges=np.linspace(1, longest, bins + 1))


def bin_means(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute occupied bins, the mean of the graphs in each, and how many there are.

    Shapes:
        values, labels (G,); results (M,) each, by increasing label.
    """
    bins, place, count = np.unique(labels, return_inverse=True, return_counts=True)
    return bins, np.bincount(place, values, len(bins)) / count, count


def _middle(edges: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Middle of each bin; an open bin counts as its finite border."""
    low = edges[np.clip(index, 0, len(edges) - 1)]
    high = edges[np.clip(index + 1, 0, len(edges) - 1)]
    return (low + high) / 2
