"""The published table of 2290 pruned and trained networks (arXiv:2305.16886)."""

from __future__ import annotations

from graph2nn.runs.reference import reference_folder
from graph2nn.sparsity.campaign.results import SparseTable, read_sparse_table

__all__ = ["PUBLISHED_MODELS", "PUBLISHED_PRUNERS", "published_table"]

PUBLISHED_MODELS = ("CONV-6", "Resnet-20", "Resnet-32", "Wide-Resnet-28-2")
"""The models with per-layer data; the table also has MobileNetV2."""

PUBLISHED_PRUNERS = ("snip", "grasp", "synflow", "prospr", "uniform", "er", "erk")
"""Pruning at initialisation; the table also has the dynamic dsr, rigl, itop and snfs."""


def published_table() -> SparseTable:
    """Accuracies, normalised topometrics and layers of the networks published with mge-snn.

    47 exact duplicates (Wide-Resnet-28-2 on tinyimagenet) are left out, which `repeated` counts. 4
    networks that were pruned to pieces lack the local metrics: `table.incomplete()` finds them.
    `accuracy_drop` wants the whole table; the studies of the specification then take
    `table.select(model=PUBLISHED_MODELS, pruning=PUBLISHED_PRUNERS)`, 1251 networks, 1247 of them
    complete.

    Raises:
        ValueError: `GRAPH2NN_REFERENCE` is not set, as `reference_folder`.
    """
    folder = reference_folder("sparse")
    return read_sparse_table(folder / "unrolled.csv.gz", folder / "layers.csv.gz")
