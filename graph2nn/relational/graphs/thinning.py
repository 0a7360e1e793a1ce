"""Thinning a sweep: three nested sets of graphs that cover the plane of (C, L) evenly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Thinned", "ThinningRule", "thin"]

_FINE = 9  # fine bins a coarse bin, along each side
_CENTRE = 5  # of 1 to 9
_MEDIUM = (2, 5, 8)


@dataclass(frozen=True, kw_only=True)
class ThinningRule:
    """How the plane of (C, L) is cut into bins (arXiv:2007.06559, section 4.1).

    Args:
        cells: Number of coarse bins along each side; C runs from 0 to 1.
        longest: Largest L; the smallest is 1.
        least_sparsity: Density k / n below which graphs are left out.
        centre_threshold: C above which an empty coarse bin takes a graph near its centre.
        medium_threshold: The same threshold for the bins of the medium set.
        seed: Seed of the order in which graphs are looked at (numpy's legacy `RandomState`).

    Raises:
        ValueError: No bins, or `longest` not above 1.
    """

    cells: int = 15
    longest: float = 4.5
    least_sparsity: float = 0.0
    centre_threshold: float = 0.75
    medium_threshold: float = 0.75
    seed: int = 1

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise ValueError(f"cells: expected at least 1, got {self.cells}")
        if not self.longest > 1:
            raise ValueError(f"longest: expected a path length above 1, got {self.longest}")

    @classmethod
    def published(cls, nodes: int) -> ThinningRule:
        """Return the rule behind the published sets of 64 or 16 nodes.

        Raises:
            ValueError: Another number of nodes.
        """
        if nodes == 64:
            return cls(least_sparsity=0.125)
        if nodes == 16:
            return cls(cells=12, longest=2.5, centre_threshold=-1.0)
        raise ValueError(f"published sweeps have 64 or 16 nodes, got {nodes}")

    @classmethod
    def for_sweep(cls, nodes: int, longest: float) -> ThinningRule:
        """Return the published rule, or one for other sweeps of longest path length `longest`."""
        if nodes in (16, 64):
            return cls.published(nodes)
        return cls(longest=max(math.ceil(2 * longest) / 2, 1.5))

    @property
    def c_edges(self) -> np.ndarray:
        """Borders of the fine bins along C, (9 cells + 1,) float64."""
        return np.linspace(0, 1, self.cells * _FINE + 1)

    @property
    def l_edges(self) -> np.ndarray:
        """Borders of the fine bins along L, (9 cells + 1,) float64."""
        return np.linspace(1, self.longest, self.cells * _FINE + 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Thinned:
    """Rows of a sweep, in published order. coarse is part of medium is part of fine.

    Shapes:
        fine, medium, coarse (graphs,) int64 each. A row may occur twice in `medium`.
    """

    fine: np.ndarray
    medium: np.ndarray
    coarse: np.ndarray


def thin(sparsity: np.ndarray, c: np.ndarray, length: np.ndarray, rule: ThinningRule) -> Thinned:
    """Choose one graph a fine bin; of these, the ones at the centres of coarser bins.

    An empty bin of high C, where graphs are rare, takes a graph from the bins around it.

    Args:
        sparsity, c, length: k / n, C and L of every graph of the sweep, in the order of the sweep.
        rule: Borders and thresholds of the bins.

    Shapes:
        sparsity, c, length (graphs,) float64.

    Raises:
        ValueError: Different lengths, or no graph that the rule lets in.

    Examples:
        >>> rule = ThinningRule(cells=1, longest=2.0)
        >>> thin(np.array([.5, .5]), np.array([.2, .8]), np.array([1.2, 1.1]), rule).fine.size
        2
    """
    if not len(sparsity) == len(c) == len(length):
        raise ValueError(
            f"expected as many sparsities as C and L, got {len(sparsity)}, {len(c)}, {len(length)}"
        )
    rows = np.flatnonzero(sparsity >= rule.least_sparsity)
    if not len(rows):
        raise ValueError(f"no graph has a sparsity of {rule.least_sparsity} or more")
    rows = rows[np.random.RandomState(rule.seed).permutation(len(rows))]
    i, j = np.digitize(c[rows], rule.c_edges), np.digitize(length[rows], rule.l_edges)
    side = rule.cells * _FINE + 2  # below the first border, the cells, above the last
    _, first = np.unique(i * side + j, return_index=True)
    first.sort()
    rows, i, j = rows[first], i[first], j[first]
    owner = np.full((side, side), -1)
    owner[i, j] = rows
    phase = i % _FINE, j % _FINE
    coarse = rows[(phase[0] == _CENTRE) & (phase[1] == _CENTRE)].tolist()
    medium = rows[np.isin(phase[0], _MEDIUM) & np.isin(phase[1], _MEDIUM)].tolist()
    _fill_empty(owner, rule, coarse, medium)
    return Thinned(fine=rows, medium=np.array(medium, int), coarse=np.array(coarse, int))


def _fill_empty(
    owner: np.ndarray, rule: ThinningRule, coarse: list[int], medium: list[int]
) -> None:
    edges, last = rule.c_edges, rule.cells * _FINE
    for i in range(1, last + 1):
        for j in range(1, last + 1):
            if owner[i, j] >= 0 or i % _FINE not in _MEDIUM or j % _FINE not in _MEDIUM:
                continue
            if i % _FINE == j % _FINE == _CENTRE:
                if edges[i - 1] > rule.centre_threshold:
                    found = _first(owner[i - 1 : i + 2, max(j - 3, 1) : min(j + 3, last) + 1])
                    coarse += found
                    medium += found
            elif edges[i - 1] > rule.medium_threshold:
                medium += _first(owner[i, max(j - 1, 1) : min(j + 1, last) + 1])


def _first(window: np.ndarray) -> list[int]:
    """The first occupied cell, row by row; nothing where all are empty."""
    return window[window >= 0][:1].tolist()
