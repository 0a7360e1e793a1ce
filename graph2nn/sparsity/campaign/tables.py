"""What a table of pruned networks says in a few rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from graph2nn.sparsity.campaign.results import SparseTable

__all__ = ["accuracy_rows"]


def accuracy_rows(table: SparseTable) -> list[dict[str, Any]]:
    """Average the accuracy in percent over seeds.

    A row is a model, data set and pruner, a column a sparsity; the dense networks' first, where
    known.
    """
    levels = np.unique(table["sparsity"])
    groups = zip(*(table[name].tolist() for name in ("model", "dataset")))
    rows: list[dict[str, Any]] = []
    for model, dataset in dict.fromkeys(groups):
        part = table.select(model=model, dataset=dataset)
        start = {"model": model, "dataset": dataset}
        if "dense_accuracy" in part:
            dense = f"{100 * np.nanmean(part['dense_accuracy']):.1f}"
            rows.append({**start, "pruning": "dense", "0": dense})
        for pruning in dict.fromkeys(part["pruning"].tolist()):
            own = part.select(pruning=pruning)
            row = {**start, "pruning": pruning, "0": ""}
            for level in levels:
                found = own["accuracy"][own["sparsity"] == level]
                row[f"{level:g}"] = f"{100 * found.mean():.1f}" if len(found) else ""
            rows.append(row)
    return rows
