"""What does a network cost? Totals, peaks, the longest path, sums by kind, by map and by width."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.features.networks.nodes import KINDS, NodeSizes, node_sizes
from predictors.features.space import Columns, Space

__all__ = ["costs_of", "maps_columns", "sizes_columns", "totals_columns"]

_BALANCES = (1.0, 16.0, 256.0)  # multiply-adds that a device does while it moves a value
_OVERHEADS = (0.0, 1e5)  # values that it could move while it starts an operation
_TOTALS = ("params", "work", "values", "traffic")
_POSITIONS, _WIDTHS = 8, 8  # bins: factors of 4 and of 2
_FIRST_POSITION, _FIRST_WIDTH = 2, 4  # logarithms (to the base of 2) that the first bins end at


def sizes_columns(graphs: Sequence[ArchGraph], space: Space) -> Columns:
    """Sum up the costs of each network, as logarithms to the base of 2.

    Totals of parameters, multiply-adds, values and memory traffic, their peaks at one node, and
    times as in the roofline model (Williams et al., Communications of the ACM 52(4), 2009): a node
    takes the longer of its work and its traffic, at several balances of the two, summed over all
    nodes and over the slowest path. Then count, work, values, traffic and parameters of each kind
    of `KINDS`.

    Shapes:
        (B, F).
    """
    if not space.valued:
        return [], np.zeros((len(graphs), 0))
    names = [*(f"{part} {name}" for part in ("total", "peak") for name in _TOTALS)]
    names += ["work a value", "peak width", "last width", "first positions"]
    times = [f"balance {b:g} overhead {o:g}" for b in _BALANCES for o in _OVERHEADS]
    names += [f"{part} {time}" for part in ("time", "longest path") for time in times]
    names += [f"{name} {kind}" for name in ("count", *_TOTALS) for kind in KINDS]
    return names, np.array([_row(graph) for graph in graphs])


def totals_columns(graphs: Sequence[ArchGraph], space: Space) -> Columns:
    """List the totals of `sizes_columns` alone, with the positions of the input.

    A line through these goes on beyond the networks learned from, where others do not.

    Shapes:
        (B, 5).
    """
    if not space.valued:
        return [], np.zeros((len(graphs), 0))
    positions = [[node_sizes(graph).positions[0]] for graph in graphs]
    table = np.concatenate([costs_of(graphs)[:, : len(_TOTALS)], positions], axis=1)
    return [*(f"total {name}" for name in _TOTALS), "first positions"], np.log2(1 + table)


def costs_of(graphs: Sequence[ArchGraph]) -> np.ndarray:
    """Sum up the costs of each network that add up: the totals and times of `sizes_columns`.

    Shapes:
        (B, C), not as logarithms.
    """
    return np.array([graph.remember("costs", partial(_costs, graph)) for graph in graphs])


def maps_columns(graphs: Sequence[ArchGraph], space: Space) -> Columns:
    """Count operations, and sum up their work, by kind, size of the map, and width.

    Maps and widths are in bins of a factor of 4 and of 2. Numbers are logarithms of 1 + their sum,
    to the base of 2.

    Shapes:
        (B, F).
    """
    if not space.valued:
        return [], np.zeros((len(graphs), 0))
    maps = [f"map {k}" for k in range(_POSITIONS)]
    widths = [f"width {k}" for k in range(_WIDTHS)]
    names = [f"work {kind} {m}" for kind in KINDS for m in maps]
    names += [f"values {kind} {m}" for kind in KINDS for m in maps]
    names += [f"count {kind} {m} {w}" for kind in KINDS for m in maps for w in widths]
    return names, np.array([_binned(node_sizes(graph)) for graph in graphs])


def _row(graph: ArchGraph) -> list[float]:
    sizes = node_sizes(graph)
    parts = _parts(sizes)
    costs = graph.remember("costs", partial(_costs, graph)).tolist()
    numbers = costs[: len(parts)] + [part.max() for part in parts]
    numbers += [sizes.work.sum() / max(sizes.traffic.sum(), 1)]
    numbers += [sizes.width.max(), sizes.width[-1], sizes.positions[0], *costs[len(parts) :]]
    for part in (np.ones(graph.num_nodes), *parts):
        numbers += np.bincount(sizes.kind, part, len(KINDS)).tolist()
    return np.log2(1 + np.array(numbers)).tolist()


def _parts(sizes: NodeSizes) -> list[np.ndarray]:
    """What `_TOTALS` names, of each node. Shapes: (N,) each."""
    return [sizes.params, sizes.work, sizes.values, sizes.traffic]


def _costs(graph: ArchGraph) -> np.ndarray:
    """Totals, then times summed over all nodes and over the slowest path. Shapes: (C,)."""
    sizes = node_sizes(graph)
    times = np.stack(
        [
            np.maximum(sizes.work / balance, sizes.traffic) + overhead * (sizes.traffic > 0)
            for balance in _BALANCES
            for overhead in _OVERHEADS
        ]
    )
    totals = [part.sum() for part in _parts(sizes)]
    return np.concatenate([totals, times.sum(1), _longest(graph.edges, times)])


def _longest(edges: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Greatest sums along a path. Shapes: edges (2, E), times (T, N) -> (T,)."""
    done = times.T.copy()
    arrive = np.zeros_like(done)
    for u, v in edges[:, np.argsort(edges[1], kind="stable")].T.tolist():
        # All edges into a node come before those out of it are followed: sources are smaller.
        np.maximum(arrive[v], done[u], out=arrive[v])
        done[v] = arrive[v] + times[:, v]
    return done.max(0)


def _binned(sizes: NodeSizes) -> np.ndarray:
    at_map = _bin(np.log2(1 + sizes.positions) - _FIRST_POSITION, 2, _POSITIONS)
    at_width = _bin(np.log2(1 + sizes.width) - _FIRST_WIDTH, 1, _WIDTHS)
    place = sizes.kind * _POSITIONS + at_map
    count = len(KINDS) * _POSITIONS
    sums = [np.bincount(place, part, count) for part in (sizes.work, sizes.values)]
    sums += [np.bincount(place * _WIDTHS + at_width, minlength=count * _WIDTHS)]
    return np.log2(1 + np.concatenate(sums))


def _bin(logs: np.ndarray, step: int, count: int) -> np.ndarray:
    return np.clip(np.ceil(logs / step), 0, count - 1).astype(np.int64)
