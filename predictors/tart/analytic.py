"""What is known of a network without training it: the targets of pre-training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.features import GraphFeatures
from predictors.features.undirected import is_relational

__all__ = ["analytic_targets"]

_BLOCKS = (
    "counts",
    "graf",
    "paths",
    "live",
    "merge",
    "flow",
    "stages",
    "depth",
    "shapes",
    "signal",
)
_CUT = 4.0


def analytic_targets(graphs: Sequence[ArchGraph]) -> tuple[list[str], np.ndarray]:
    """Compute numbers of graphs of one space that follow from the graph alone, standardised.

    They are operation counts and sizes, the shortest and longest paths over sets of operations,
    statistics over all paths, degrees and merges, shapes of parameters where there are any, and how
    signals pass: blocks of `GraphFeatures`, and of relational graphs the block `relational`.
    Columns that do not vary are left out; values are cut at 4 deviations.

    Args:
        graphs: Graphs of one space, in the form that the model reads (canonical, or as they are).

    Returns:
        Names of the columns, and the columns.

    Shapes:
        (N, K) float32.
    """
    relational = is_relational(graphs[0])
    features = GraphFeatures(blocks=("relational",) if relational else _BLOCKS)
    table = features.fit_transform(list(graphs))
    names = features.get_feature_names_out()
    deviation = table.std(0)
    kept = deviation > 1e-6
    scaled = (table[:, kept] - table.mean(0)[kept]) / deviation[kept]
    return names[kept].tolist(), np.clip(scaled, -_CUT, _CUT).astype(np.float32)
