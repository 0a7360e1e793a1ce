"""What do the factors of operations add up to? Kernels, expansions, groups, kinds, on all paths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.features.live import living
from predictors.features.operations.names import Factors, factors_of
from predictors.features.padded import padded_batches, vocabulary
from predictors.features.paths import path_statistics
from predictors.features.space import Columns, Space

__all__ = ["FACTORS", "factors_columns"]

FACTORS = (
    *("convolution", "linear", "attention", "pool", "average", "identity"),
    *("log kernel", "field", "log expansion", "grouped", "dilated"),
)
"""Numbers that each operation has, whatever its name: whether it is of a kind, the logarithm of a
convolution's kernel, the growth of the receptive field, the logarithm of its expansion, groups,
gaps."""


def factors_columns(graphs: Sequence[ArchGraph], space: Space) -> Columns:
    """Add up factors over living nodes, and take their least, largest and mean sum on a path.

    So `sep_conv_5x5` shares all columns with `sep_conv_3x3`, and an operation that was never seen
    has a place among those that were. Networks with parameters have sizes instead, and no such
    columns.

    Args:
        graphs: Graphs of any operations, those of the space or others.
        space: Space that says which operations give zeros and which are identities.

    Shapes:
        (B, F).
    """
    parts = ("live", "least", "most", "mean")
    names = [f"{part} {factor}" for part in parts for factor in FACTORS]
    if space.shaped:
        return [], np.zeros((len(graphs), 0))
    every = Space(ops=vocabulary(graphs), drop=space.drop, contract=space.contract)
    weight = np.array([[0.0] * len(FACTORS), *(_weights(op, every) for op in every.ops)])
    table = np.zeros((len(graphs), len(names)))
    for rows, batch in padded_batches(graphs, every.ops):
        inner = (batch.op >= 0) & ~batch.ends
        each = weight[np.where(inner, batch.op + 1, 0)]
        live = living(batch, every).live[..., None]
        found = path_statistics(batch, live, each)
        there = found.count > 0
        mean = found.total / np.maximum(found.count, 1)
        means = (found.shortest, found.longest, mean)
        columns = [(each * live).sum(1), *(np.where(there, part, -1.0) for part in means)]
        table[rows] = np.concatenate(columns, axis=1)
    return names, table


def _weights(op: str, space: Space) -> list[float]:
    factors: Factors = factors_of(op)
    wide = factors.kernel + (factors.kernel - 1) * factors.dilated
    kinds = [factors.kind == kind for kind in FACTORS[:4]]
    flags = [*kinds, factors.average, op in space.contract]
    numbers = [kinds[0] * np.log2(factors.kernel), wide - 1, np.log2(factors.expansion)]
    return [*map(float, flags), *numbers, float(factors.grouped), float(factors.dilated)]
