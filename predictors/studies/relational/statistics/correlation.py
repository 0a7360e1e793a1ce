"""Correlations of errors: across tasks, across epochs, against the number of graphs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from graph2nn.relational.campaign.graph_means import GraphMeans
from graph2nn.relational.campaign.results import ResultTable
from predictors.studies.relational.statistics.bins import bin_means, binning_for, num_nodes_of

__all__ = [
    "COUNTS",
    "EpochCurve",
    "GraphCountCurve",
    "TaskPair",
    "compare_tasks",
    "epoch_curve",
    "graph_count_curve",
]

COUNTS = (52, 100, 200, 449, 1000)
"""Numbers of graphs that the published curve is quoted at."""

_MANY = 2  # times as many graphs as the other task: then the means of bins are compared


@dataclass(frozen=True, eq=False, kw_only=True)
class TaskPair:
    """Errors of the graphs that two tasks share.

    Args:
        first, second: Names of the tasks.
        graph_id: Ids of the shared graphs, the complete one among them where both have it.
        is_baseline: Mark of that one.
        x, y: Their errors; the mean of the graph's coarse bin in a task that has many more graphs.
        by_bin: Whether one of the two is such a mean.
        r: Pearson correlation with the complete graph, as published.
        r_low, r_high: Limits of the 95 % interval of r by Fisher's transformation.
        r_generated: Correlation without the complete graph.
        r_graphs, r_graphs_generated: Correlation of each graph's own mean, never of bins, with and
            without it.
        spearman: Rank correlation of x and y.

    Shapes:
        graph_id, is_baseline, x, y (M,).
    """

    first: str
    second: str
    graph_id: np.ndarray
    is_baseline: np.ndarray
    x: np.ndarray
    y: np.ndarray
    by_bin: bool
    r: float
    r_low: float
    r_high: float
    r_generated: float
    r_graphs: float
    r_graphs_generated: float
    spearman: float


@dataclass(frozen=True, eq=False, kw_only=True)
class EpochCurve:
    """Correlation of the graphs' errors at each epoch with those at the last.

    Args:
        task: Name of the task.
        epochs: Epochs that were evaluated.
        r: Pearson correlation, over all graphs with the complete one.
        graphs: Number of graphs.

    Shapes:
        epochs, r (E,).
    """

    task: str
    epochs: np.ndarray
    r: np.ndarray
    graphs: int


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphCountCurve:
    """How well the means of the bins are known from part of the graphs.

    Args:
        task: Name of the task.
        counts: Numbers of graphs; the first is that of the graphs that each have a bin of their
            own.
        r: Correlation of the bin means with those of all graphs, mean over orders.
        std: Its standard deviation over orders (ddof 0).
        orders: Number of random orders in which graphs were added.

    Shapes:
        counts, r, std (N,).
    """

    task: str
    counts: np.ndarray
    r: np.ndarray
    std: np.ndarray
    orders: int


def compare_tasks(first: GraphMeans, second: GraphMeans) -> TaskPair:
    """Correlate two tasks over the graphs that they share.

    See arXiv:2007.06559, section 5.3. Where one task has at least twice the graphs of the other,
    its value is the mean over the coarse bin of the shared graph, which averages its noise away:
    that is what the published figures show. The correlation of the graphs' own means is given too.

    Raises:
        ValueError: Fewer than three generated graphs in common.
    """
    positions = {name: row for row, name in enumerate(second.graph_id)}
    rows = [row for row, name in enumerate(first.graph_id) if name in positions]
    others = [positions[first.graph_id[row]] for row in rows]
    generated = ~first.is_baseline[rows]
    if generated.sum() < 3:
        raise ValueError(
            f"{first.task} and {second.task} share {int(generated.sum())} graphs; a correlation "
            "needs at least three"
        )
    own = first.mean[rows], second.mean[others]
    x, bins_x = _values(first, rows, len(second))
    y, bins_y = _values(second, others, len(first))
    r = _pearson(x, y)
    low, high = _fisher(r, len(x))
    return TaskPair(
        first=first.task,
        second=second.task,
        graph_id=first.graph_id[rows],
        is_baseline=~generated,
        x=x,
        y=y,
        by_bin=bins_x or bins_y,
        r=r,
        r_low=low,
        r_high=high,
        r_generated=_pearson(x[generated], y[generated]),
        r_graphs=_pearson(*own),
        r_graphs_generated=_pearson(own[0][generated], own[1][generated]),
        spearman=float(stats.spearmanr(x, y)[0]) if _varies(x, y) else float("nan"),
    )


def epoch_curve(table: ResultTable, task: str) -> EpochCurve:
    """Correlate early errors with final ones.

    Every run counts at the epochs that it reached, as published. Epoch 0, before training, is left
    out.

    Raises:
        ValueError: Fewer than two epochs or three graphs.
    """
    rows = table.select(task=task)
    rows = rows.take(rows["epoch"] > 0)
    epochs, epoch = np.unique(rows["epoch"], return_inverse=True)
    names, graph = np.unique(rows["graph_id"], return_inverse=True)
    if len(epochs) < 2 or len(names) < 3:
        raise ValueError(
            f"{task}: a curve over epochs needs two epochs and three graphs, got {len(epochs)} and "
            f"{len(names)}"
        )
    bins, size = graph * len(epochs) + epoch, len(names) * len(epochs)
    count = np.bincount(bins, minlength=size).reshape(len(names), len(epochs))
    total = np.bincount(bins, rows["top1_error"], size).reshape(count.shape)
    complete = (count > 0).all(1)  # graphs with a run at every epoch
    mean = total[complete] / count[complete]
    r = [_pearson(mean[:, e], mean[:, -1]) for e in range(len(epochs))]
    return EpochCurve(task=task, epochs=epochs, r=np.array(r), graphs=int(complete.sum()))


def graph_count_curve(
    means: GraphMeans,
    *,
    start: np.ndarray | None = None,
    counts: Sequence[int] | None = None,
    orders: int = 20,
    seed: int = 0,
) -> GraphCountCurve:
    """Correlate bin means from some graphs with bin means from all.

    It starts from one graph per bin and adds the others in random order. Bins are those of the
    starting graphs; the published curve is one unseeded order, so it is met within the spread.

    Args:
        means: Errors of one task; the complete graph is left out.
        start: Mask of the starting graphs, (G,) bool; by default the published 52 or 48 where the
            table marks them, else the first of each coarse bin.
        counts: Numbers of graphs to evaluate at; by default `COUNTS` and a range between.
        orders: Number of random orders.
        seed: Seed of the orders.

    Raises:
        ValueError: Not more graphs than bins, or fewer than three bins.
    """
    start = _starting(means) if start is None else start
    kept = ~means.is_baseline
    graphs, first = means.take(kept), start[kept]
    labels = binning_for(num_nodes_of(means), means.L).labels(graphs.C, graphs.L)
    bins = np.unique(labels[first])
    if len(bins) < 3 or first.all():
        raise ValueError(
            f"{means.task}: needs three bins and more graphs than bins, got {len(bins)} bins "
            f"and {len(graphs)} graphs"
        )
    if counts is None:
        spaced = np.geomspace(first.sum(), len(graphs), 40).round().astype(int)
        counts = sorted({*spaced.tolist(), *COUNTS} & {*range(first.sum(), len(graphs) + 1)})
    usable = np.isin(labels, bins)
    place = np.searchsorted(bins, labels)
    full = bin_means(graphs.mean[usable], labels[usable])[1]
    rng, curves = np.random.default_rng(seed), []
    for _ in range(orders):
        order = np.concatenate([np.flatnonzero(first), rng.permutation(np.flatnonzero(~first))])
        order = np.where(usable[order], order, -1)  # a place in the order, in no bin
        curves.append([_partial(graphs.mean, place, order[:k], full) for k in counts])
    return GraphCountCurve(
        task=means.task,
        counts=np.array(counts),
        r=np.mean(curves, 0),
        std=np.std(curves, 0),
        orders=orders,
    )


def _starting(means: GraphMeans) -> np.ndarray:
    for column in ("idx_in_n64_52", "idx_in_n16_48"):
        marked = means.extra.get(column, np.full(len(means), -1)) >= 0
        if marked.any():
            return marked & ~means.is_baseline
    labels = binning_for(num_nodes_of(means), means.L).labels(means.C, means.L)
    rows = np.flatnonzero(~means.is_baseline)
    result = np.zeros(len(means), dtype=bool)
    result[rows[np.unique(labels[rows], return_index=True)[1]]] = True
    return result


def _partial(values: np.ndarray, place: np.ndarray, order: np.ndarray, full: np.ndarray) -> float:
    rows = order[order >= 0]
    count = np.bincount(place[rows], minlength=len(full))
    return _pearson(np.bincount(place[rows], values[rows], len(full)) / count, full)


def _values(means: GraphMeans, rows: Sequence[int], other: int) -> tuple[np.ndarray, bool]:
    """Value of each shared graph: its mean, or that of its bin in a task with many graphs."""
    if len(means) < _MANY * other:
        return means.mean[rows], False
    labels = binning_for(num_nodes_of(means), means.L).labels(means.C, means.L)
    bins, mean, _ = bin_means(means.mean, labels)
    return mean[np.searchsorted(bins, labels[rows])], True


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(x, y)[0, 1]) if _varies(x, y) else float("nan")


def _varies(x: np.ndarray, y: np.ndarray) -> bool:
    return len(x) > 2 and bool(np.ptp(x) > 0 and np.ptp(y) > 0)


def _fisher(r: float, count: int) -> tuple[float, float]:
    if count < 4 or not abs(r) < 1:
        return float("nan"), float("nan")
    half = 1.96 / np.sqrt(count - 3)
    return float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))
