"""Where does the time go? Seconds of nodes, summed by function or by module."""

from __future__ import annotations

from typing import Any

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.names import check_choice
from predictors.latency.measuring import SECONDS

__all__ = ["BY", "where_time_goes"]

BY = ("operation", "module")
"""What times are summed by: the name of the function, or the innermost modules down to a depth."""


def where_time_goes(
    graph: ArchGraph, *, by: str = "operation", depth: int = 1
) -> list[dict[str, Any]]:
    """Sum the times of a graph's nodes, the largest sum first.

    Args:
        graph: Graph with a column `seconds`, measured (`profile`) or predicted
            (`LatencyPredictor.predict_operations`).
        by: One of `BY`.
        depth: Number of parts of a module's name that count.

    Returns:
        Rows with `operation` or `module`, `calls`, `seconds` and `share`.

    Raises:
        ValueError: A graph without times, another `by`.

    Examples:
        >>> from torch import nn, rand
        >>> graph = profile(nn.Sequential(nn.Linear(8, 99), nn.Tanh()), rand(4, 8), rounds=2)
        >>> sorted(row["operation"] for row in where_time_goes(graph))
        ['linear', 'tanh']
    """
    check_choice("by", by, BY)
    if SECONDS not in graph.columns:
        raise ValueError(
            f"{graph.name or 'the graph'} has no column {SECONDS!r}: measure it with "
            "profile(model, input), or predict it with LatencyPredictor.predict_operations(graph)"
        )
    seconds = np.nan_to_num(graph.numbers(SECONDS))
    names = graph.op_names()
    if by == "module":
        paths = graph.columns.get("module", ("",) * graph.num_nodes)
        names = [".".join(str(path).split(".")[:depth]) or graph.name for path in paths]
    sums: dict[str, list[float]] = {}
    for name, taken in zip(names, seconds.tolist()):
        if taken > 0:
            found = sums.setdefault(name, [0, 0.0])
            found[0] += 1
            found[1] += taken
    total = max(float(seconds.sum()), 1e-300)
    rows = sorted(sums.items(), key=lambda item: -item[1][1])
    return [
        {by: name, "calls": int(calls), "seconds": taken, "share": taken / total}
        for name, (calls, taken) in rows
    ]
