"""What is known of a network without training it: the targets of pre-training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.features.blocks import BLOCKS, Columns, Space
from predictors.features.padded import Padded, padded_batches, vocabulary
from predictors.tart.signal import signal_block

__all__ = ["analytic_targets"]


def analytic_targets(graphs: Sequence[ArchGraph]) -> tuple[list[str], np.ndarray]:
    """Numbers of graphs of one space that follow from the graph alone, each standardised.

    Operation counts and sizes, the shortest and longest path over sets of operations, statistics
    over all paths (the blocks `counts`, `graf`, `paths` of `predictors.features`), how signals
    pass (`signal_block`), and the logarithm of the number of parameters where graphs carry shapes.
    Columns that do not vary are left out; values are cut at 4 deviations.

    Args:
        graphs: of one space, in the form that the model reads (canonical, or as they are).

    Returns:
        Names of the columns, and the columns.

    Shapes:
        (N, K) float32.
    """
    ops = vocabulary(graphs)
    space = Space(ops=ops, stages=tuple(sorted({int(c) for g in graphs for c in set(g.cell)})))
    names: list[str] = []
    table: np.ndarray | None = None
    for rows, batch in padded_batches(graphs, ops):
        names, columns = _columns(batch, space)
        if table is None:
            table = np.zeros((len(graphs), columns.shape[1]))
        table[rows] = columns
    assert table is not None
    sizes = np.log1p([graph.num_params() for graph in graphs])
    names, table = [*names, "log parameters"], np.column_stack([table, sizes])
    deviation = table.std(0)
    kept = deviation > 1e-6
    scaled = (table[:, kept] - table.mean(0)[kept]) / deviation[kept]
    return [n for n, k in zip(names, kept) if k], np.clip(scaled, -4, 4).astype(np.float32)


def _columns(batch: Padded, space: Space) -> Columns:
    names: list[str] = []
    parts = []
    for name, block in (*((n, BLOCKS[n]) for n in _BLOCKS), ("signal", signal_block)):
        found, columns = block(batch, space)
        names += [f"{name}: {column}" for column in found]
        parts.append(columns)
    return names, np.concatenate(parts, axis=1)


_BLOCKS = ("counts", "graf", "paths", "stages")
