"""Checks of what users pass to predictors, with messages that say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graph2nn.archgraph import PRIMITIVES, ArchGraph

__all__ = [
    "check_folds",
    "check_graphs",
    "check_ops",
    "check_primitives",
    "check_targets",
    "unknown_ops",
]


def check_graphs(X: Any) -> list[ArchGraph]:
    """Return X as a list of `ArchGraph`s.

    Raises:
        ValueError: Something else, or an empty list.
    """
    if isinstance(X, ArchGraph):
        raise ValueError("expected a list of ArchGraphs, got one ArchGraph; pass [graph]")
    graphs = list(X)
    if not graphs:
        raise ValueError("expected at least one ArchGraph, got an empty list")
    for k, graph in enumerate(graphs):
        if not isinstance(graph, ArchGraph):
            raise ValueError(
                f"X[{k}]: expected an ArchGraph, got {type(graph).__name__}; use "
                "graph2nn.archgraph.trace(model), graph2nn.cells or predictors.load_table"
            )
    return graphs


def check_targets(y: Any, count: int) -> np.ndarray:
    """Return y as floats with two axes, (N,) or (N, T) -> (N, T) float64.

    Raises:
        ValueError: Missing, of another length, not numbers, NaN or infinite, or constant.
    """
    if y is None:
        raise ValueError("the networks are not labelled: fit needs y, one number a network")
    try:
        values = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("y: expected numbers, one or a row of them a network") from None
    if values.ndim not in (1, 2) or len(values) != count:
        raise ValueError(f"y: expected {count} labels for {count} networks, got {values.shape}")
    values = values.reshape(count, -1)
    bad = ~np.isfinite(values).all(1)
    if bad.any():
        raise ValueError(
            f"y: {int(bad.sum())} of {count} labels are NaN or infinite, the first at row "
            f"{int(bad.argmax())}; leave unlabelled networks out of fit"
        )
    for column in range(values.shape[1]):
        if count < 2 or np.ptp(values[:, column]) == 0:
            raise ValueError(
                f"y: target {column} is constant ({values[0, column]:g} for all {count} networks), "
                "so there is nothing to learn; give at least two networks with different labels"
            )
    return values


def check_ops(graphs: Sequence[ArchGraph], known: Sequence[str], reader: str) -> None:
    """Check that a model knows all operations of the graphs.

    Raises:
        ValueError: An unknown one.
    """
    names = frozenset(known)
    for k, graph in enumerate(graphs):
        unknown = unknown_ops(graph, names)
        if unknown:
            raise ValueError(
                f"X[{k}] ({graph.name or 'unnamed'}) has the operation {unknown[0]!r}, which "
                f"{reader} does not know; known are {', '.join(known)}. Leave `ops` or the "
                "encoder out, or choose networks without it"
            )


def unknown_ops(graph: ArchGraph, names: frozenset[str]) -> list[str]:
    """List the operations of a graph that are not among some names, sorted."""
    if names.issuperset(graph.ops):
        return []
    return sorted(set(graph.op_names()) - names)


def check_primitives(graphs: Sequence[ArchGraph]) -> None:
    """Check that a hypernetwork can read the graphs.

    Raises:
        ValueError: One of other operations than the 15 primitives.
    """
    for k, graph in enumerate(graphs):
        if graph.ops != PRIMITIVES:
            raise ValueError(
                f"X[{k}] ({graph.name or 'unnamed'}): a hypernetwork reads graphs of the "
                f"{len(PRIMITIVES)} primitives, got {len(graph.ops)} other operations; build "
                "the network and trace it with graph2nn.archgraph.trace"
            )


def check_folds(count: int, folds: int, owner: str) -> None:
    """Check that there are as many networks as folds.

    Raises:
        ValueError: Fewer.
    """
    if count < folds:
        raise ValueError(
            f"{owner}: {folds}-fold cross-validation needs at least {folds} networks, got {count}; "
            "pass fewer folds or more networks"
        )
