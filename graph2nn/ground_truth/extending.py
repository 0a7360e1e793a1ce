"""What of a table need not be trained again? Its rows, written as results of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graph2nn.ground_truth.settings import GroundTruthSettings
from graph2nn.ground_truth.table import STATUS, GroundTruth
from graph2nn.runs import to_dict

__all__ = ["MAY_GROW", "known_results", "training_settings"]

MAY_GROW = ("train_networks", "test_networks", "seeds", "repeated")
"""Settings that may change while a run goes on."""

_NOT_TRAINING = ("name", "converged", "timing_batch", "timing_rounds")


def training_settings(settings: GroundTruthSettings) -> dict[str, Any]:
    """Return the settings that results depend on, JSON-able."""
    return {name: v for name, v in to_dict(settings).items() if name not in _NOT_TRAINING}


def known_results(
    table: GroundTruth, settings: GroundTruthSettings
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Give back what training gave, run by run: name of the network, seed, result.

    Args:
        table: Table of trained networks.
        settings: Settings of the run that goes on with it.

    Raises:
        ValueError: The table was trained with other settings.
    """
    old, new = training_settings(table.settings), training_settings(settings)
    apart = [name for name in new if name not in MAY_GROW and old.get(name) != new[name]]
    if apart:
        raise ValueError(
            f"the table {table.settings.name} cannot be extended: its networks were trained with "
            f"other settings ({', '.join(apart)}); leave `extend` out to train all of them"
        )
    for repeat, row in np.argwhere(table.status > 0).tolist():
        yield table.names[row], table.settings.seeds[repeat], _result(table, repeat, row)


def _result(table: GroundTruth, repeat: int, row: int) -> dict[str, Any]:
    def plain(values: np.ndarray) -> Any:
        found = np.array(values.tolist(), dtype=object)
        found[~np.isfinite(values)] = None
        return found.tolist()

    return {
        "network": table.names[row],
        "seed": table.settings.seeds[repeat],
        "key": str(table.keys[row]),
        "status": STATUS[table.status[repeat, row]],
        "seconds": float(table.seconds[repeat, row]),
        "curves": {name: plain(values[repeat, row]) for name, values in table.curves.items()},
        "final": {name: plain(values[repeat, row]) for name, values in table.final.items()},
    }
