"""How well has a hypernetwork learned to say how accurate networks are? On a table's other rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ghn import GHN
from ghn.training import LabelledNetworks
from predictors.benchmark.protocol import Trial, split_rows
from predictors.metrics import kendall_tau
from predictors.tables import TableLike, read_table

__all__ = ["labelled_networks", "score_accuracies"]


def labelled_networks(
    table: TableLike, label: str | None = None, *, train: int | None = None, seed: int = 0
) -> tuple[LabelledNetworks, LabelledNetworks]:
    """Divide the labelled networks of a table into those to learn from and those to test on.

    Args:
        table: Name of a shipped table, or a table of one's own or the path of its file; its graphs
            hold the 15 primitives.
        label: Target of the table; None for its default.
        train: Number of networks to learn from; None for the table's own training half.
        seed: Seed of the split.

    Raises:
        ValueError: Unknown names, or too few labelled networks.
    """
    found = read_table(table)
    trial = Trial(table=table, model="ghn", target=label, train=train, seed=seed)
    values = found.label(label)
    learn, held = (
        LabelledNetworks(graphs=[found.graphs[k] for k in rows], labels=values[rows])
        for rows in split_rows(found, trial)
    )
    return learn, held


def score_accuracies(ghn: GHN, held: LabelledNetworks) -> dict[str, Any]:
    """Score what a hypernetwork predicts of labelled networks that it has not learned from.

    Returns:
        Number of `networks`, `tau`, `mean_error` in the units of the label, and the share
        `within_one_std`, which is .68 where deviations are right.

    Raises:
        ValueError: The hypernetwork has no head for accuracies.
    """
    estimate = ghn.predict_accuracy(held.graphs)
    mean, std = (np.asarray(torch.as_tensor(part).cpu()) for part in estimate)
    error = np.abs(mean - held.labels)
    return {
        "networks": len(error),
        "tau": round(kendall_tau(held.labels, mean), 4),
        "mean_error": round(float(error.mean()), 4),
        "within_one_std": round(float((error <= std).mean()), 4),
    }
