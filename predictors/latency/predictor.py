"""`LatencyPredictor`: how long a traced network takes on the machine that others were timed on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from graph2nn.archgraph import ArchGraph
from predictors.base import ArchPredictor
from predictors.checks import check_graphs
from predictors.gaussian import GroupedGP
from predictors.latency.measuring import SECONDS
from predictors.latency.operations import ADDED, KINDS, Operations, join_operations, read_operations
from predictors.latency.times import OperationTimes, added_numbers, fitted_line

__all__ = ["LatencyPredictor"]

_LEFT_OUT = 5  # one network in so many tells the deviation
_LEAST = 1e-7  # seconds


class LatencyPredictor(ArchPredictor):
    """Latency of a network as the sum of the predicted times of its operations.

    It learns from graphs with measures (`trace(model, input, measures=True, training=False)`) and
    their latencies. Where the graphs have the times of their operations, too (`profile`), it learns
    these (`OperationTimes`), and what Python takes between operations and in modules. Where they
    have not, it learns a line for each kind of operation from the sums, and corrects it by a
    Gaussian process on the same sums. Either way errors count as shares of the latency, and the
    standard deviation is the one of networks that were left out.

    Operations of names that it has not seen are timed as others of their kind.

    Args:
        trees: Number of trees for the times of operations.
        seed: Seed of trees and of which networks are left out.

    Examples:
        >>> from torch import nn, rand
        >>> nets = [nn.Sequential(nn.Linear(8, 64 * k), nn.ReLU()) for k in range(1, 25)]
        >>> graphs = [profile(net, rand(4, 8), rounds=2) for net in nets]
        >>> seconds = [measure(net, rand(4, 8), rounds=5).median for net in nets]
        >>> model = LatencyPredictor(trees=10).fit(graphs, seconds)
        >>> model.predict(graphs[:3]).shape, model.predict_operations(graphs[0]).num_nodes
        ((3,), 4)
    """

    def __init__(self, *, trees: int = 40, seed: int = 0) -> None:
        self.trees = trees
        self.seed = seed

    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        if targets.shape[1] != 1 or (targets <= 0).any():
            raise ValueError(
                f"y: expected one latency above 0 a network, got {targets.shape[1]} columns, the "
                f"least value {targets.min():g}"
            )
        read = [read_operations(graph) for graph in graphs]
        timed = [_times_of(graph, found) for graph, found in zip(graphs, read)]
        scopes = np.array([len(graph.scopes) for graph in graphs])
        order = np.random.default_rng(self.seed).permutation(len(graphs))
        out = order[: len(graphs) // _LEFT_OUT]
        self.relative_std_ = 0.0
        if len(out) > 1:
            inside = order[len(out) :]
            self._learn(*_taken(inside, read, timed, scopes, targets))
            off = np.log(self._seconds([read[k] for k in out], scopes[out]) / targets[out, 0])
            self.relative_std_ = float(np.sqrt(np.mean(np.clip(off, -1, 1) ** 2)))
        self._learn(read, timed, scopes, targets[:, 0])

    def _learn(
        self,
        read: Sequence[Operations],
        timed: Sequence[np.ndarray | None],
        scopes: np.ndarray,
        seconds: np.ndarray,
    ) -> None:
        """Learns from operations (and their times) and latencies. Shapes: scopes, seconds (N,)."""
        self.times_: OperationTimes | None = None
        self.process_: GroupedGP | None = None
        known = [k for k, times in enumerate(timed) if times is not None]
        if 2 * len(known) > len(read):
            every = join_operations([read[k] for k in known])
            taken = [times for times in timed if times is not None]
            times = np.concatenate(taken)
            rows = times > 0  # not NaN
            self.times_ = OperationTimes(trees=self.trees, seed=self.seed)
            self.times_.fit(every.take(rows), times[rows])
            sums = np.array([np.nansum(one) for one in taken])
            parts = _parts(sums, [read[k] for k in known], scopes[known])
            self.shares_ = nnls(parts / seconds[known, None], np.ones(len(known)))[0]
            return
        table = np.array([_by_kind(one).ravel() for one in read])
        self.lines_ = fitted_line(table, seconds)
        line = np.maximum(table @ self.lines_, _LEAST)
        self.process_ = GroupedGP(_groups(), seed=self.seed)
        self.process_.fit(_features(table, line), np.log(seconds / line))

    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        scopes = np.array([len(graph.scopes) for graph in graphs])
        mean = self._seconds([read_operations(graph) for graph in graphs], scopes)[:, None]
        return mean, mean * self.relative_std_ if self.relative_std_ else None

    def _seconds(self, read: Sequence[Operations], scopes: np.ndarray) -> np.ndarray:
        if self.times_ is not None:
            times = self.times_.predict(join_operations(read))
            ends = np.cumsum([len(one) for one in read])
            sums = np.array([part.sum() for part in np.split(times, ends[:-1])])
            return np.maximum(_parts(sums, read, scopes) @ self.shares_, _LEAST)
        assert self.process_ is not None
        table = np.array([_by_kind(one).ravel() for one in read])
        line = np.maximum(table @ self.lines_, _LEAST)
        return line * np.exp(self.process_.predict(_features(table, line)))

    def predict_operations(self, graph: ArchGraph) -> ArchGraph:
        """Predict where the time goes: a copy of the graph with a column `seconds`.

        The times of all nodes add up to the predicted latency: what Python takes between operations
        is divided among them evenly, what it takes in modules as their times are.

        Args:
            graph: Graph with measures.

        Raises:
            NotFittedError: Before `fit` (a ValueError).
            ValueError: A graph without measures.
        """
        self._check_fitted()
        (graph,) = check_graphs([graph])
        found = read_operations(graph)
        if self.times_ is not None:
            own = max(self.shares_[0], 1e-3) * self.times_.predict(found)
            times = own + 1e-6 * self.shares_[1]
        else:
            kinds = np.array([KINDS.index(kind) for kind in found.kinds], dtype=np.int64)
            times = (added_numbers(found) * self.lines_.reshape(len(KINDS), -1)[kinds]).sum(1)
        total = self._seconds([found], np.array([len(graph.scopes)]))[0]
        seconds = np.zeros(graph.num_nodes)
        seconds[found.nodes] = times * total / max(times.sum(), _LEAST)
        return graph.replace(columns={**graph.columns, SECONDS: seconds})


def _times_of(graph: ArchGraph, found: Operations) -> np.ndarray | None:
    """Measured times of the operations, (K,), NaN where there is none; None of other graphs."""
    if SECONDS not in graph.columns:
        return None
    return graph.numbers(SECONDS)[found.nodes]


def _taken(
    rows: np.ndarray, read: list, timed: list, scopes: np.ndarray, targets: np.ndarray
) -> tuple[list, list, np.ndarray, np.ndarray]:
    return [read[k] for k in rows], [timed[k] for k in rows], scopes[rows], targets[rows, 0]


def _parts(sums: np.ndarray, read: Sequence[Operations], scopes: np.ndarray) -> np.ndarray:
    """Times of operations, and a microsecond for each of them and for each call of a module.

    Shapes: sums, scopes (N,) -> (N, 3).
    """
    return np.column_stack([sums, 1e-6 * np.array([len(one) for one in read]), 1e-6 * scopes])


def _by_kind(operations: Operations) -> np.ndarray:
    """What adds up, summed over operations of each kind, (kinds, 8)."""
    added = added_numbers(operations)
    return np.array([added[operations.kinds == kind].sum(0) for kind in KINDS])


def _features(table: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Logarithms of the sums and of the line's prediction. Shapes: (N, F), (N,) -> (N, F + 1)."""
    return np.column_stack([np.log1p(table), np.log(line)])


def _groups() -> list[list[int]]:
    """Columns of `_features` by kind, and the last one."""
    count = len(KINDS) * (ADDED + 1)
    return [*np.arange(count).reshape(len(KINDS), -1).tolist(), [count]]
