"""Which networks are best in two respects at once? Fronts, hypervolume, and what adds to it."""

from __future__ import annotations

import numpy as np

__all__ = ["front_ranks", "hypervolume", "hypervolume_gains", "pareto_front", "spacing"]


def pareto_front(values: np.ndarray) -> np.ndarray:
    """Find the rows that no other row is better than: larger in one respect, as large in all.

    Of equal rows the first counts; rows with NaN do not.

    Shapes:
        (N, 2) -> (K,), in falling order of the first respect.

    Raises:
        ValueError: Another number of respects.

    Examples:
        >>> pareto_front(np.array([[1.0, 3.0], [2.0, 2.0], [1.0, 2.0], [3.0, 0.0]])).tolist()
        [3, 1, 0]
    """
    values = _checked(values)
    rows = np.flatnonzero(np.isfinite(values).all(1))
    order = rows[np.lexsort((rows, -values[rows, 1], -values[rows, 0]))]
    best, found = -np.inf, []
    for row in order.tolist():
        if values[row, 1] > best:
            best = values[row, 1]
            found.append(row)
    return np.array(found, dtype=np.int64)


def hypervolume(values: np.ndarray, reference: np.ndarray) -> float:
    """Compute the area that some rows are better than, down to a reference.

    Rows that are worse than the reference in a respect, and those with NaN, add nothing.

    Args:
        values: Two values a network, larger is better.
        reference: The corner of the area.

    Shapes:
        values (N, 2), reference (2,).

    Raises:
        ValueError: Another number of respects.

    Examples:
        >>> hypervolume(np.array([[2.0, 1.0], [1.0, 3.0]]), np.zeros(2))
        4.0
    """
    above = np.maximum(_checked(values) - reference, 0)
    front = above[pareto_front(above)]
    heights = np.diff(front[:, 1], prepend=0.0)
    return float((front[:, 0] * heights).sum())


def hypervolume_gains(
    front: np.ndarray, candidates: np.ndarray, reference: np.ndarray
) -> np.ndarray:
    """Compute how much the hypervolume of a front grows by each candidate alone.

    Shapes:
        front (K, 2), candidates (N, 2), reference (2,) -> (N,).
    """
    front, candidates = _checked(front), _checked(candidates)
    front = np.maximum(front[pareto_front(front)] - reference, 0)
    inside = np.maximum(np.nan_to_num(candidates - reference, nan=0.0), 0)
    # What a candidate covers, less what the front covers of it, strip by strip.
    edges = np.concatenate([[0.0], front[::-1, 0]])  # rising; the second respect falls
    heights = front[::-1, 1]
    gained = inside[:, 0] * inside[:, 1]
    for low, high, height in zip(edges, edges[1:], heights):
        width = np.clip(inside[:, 0], low, high) - low
        gained = gained - width * np.minimum(inside[:, 1], height)
    return np.maximum(gained, 0)


def front_ranks(values: np.ndarray) -> np.ndarray:
    """Number the fronts: 0 for the rows of the first, 1 for that of the rest, and so on.

    Rows with NaN are in the last.

    Shapes:
        (N, 2) -> (N,).
    """
    values = _checked(values)
    ranks = np.full(len(values), -1)
    rest = np.flatnonzero(np.isfinite(values).all(1))
    rank = 0
    while len(rest):
        front = rest[pareto_front(values[rest])]
        ranks[front] = rank
        rest, rank = np.setdiff1d(rest, front), rank + 1
    ranks[ranks < 0] = rank
    return ranks


def spacing(values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Compute how far the neighbours of each row in its front are apart, the ends infinitely.

    It is the crowding distance of NSGA-II (Deb et al., 2002, section III-B).

    Shapes:
        values (N, 2), ranks (N,) -> (N,).
    """
    values = _checked(values)
    found = np.zeros(len(values))
    for rank in np.unique(ranks):
        rows = np.flatnonzero(ranks == rank)
        for column in values.T:
            order = rows[np.argsort(np.nan_to_num(column[rows], nan=-np.inf), kind="stable")]
            width = max(np.nan_to_num(np.ptp(column[rows])), 1e-12)
            found[order[[0, -1]]] = np.inf
            found[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / width
    return np.nan_to_num(found, nan=0.0, posinf=np.inf)


def _checked(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 2:
        raise ValueError(f"expected two values a network, (N, 2), got {values.shape}")
    return values
