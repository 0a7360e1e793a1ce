"""Tables of runs: every epoch of every run with its settings, and comparisons at equal epochs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.wirings.checkpoints import find_run

__all__ = ["collect_runs", "compare_runs"]

Row = dict[str, Any]
_SETTINGS = (
    *("model", "kind", "dataset", "keep", "epochs", "batch_size", "lr", "schedule"),
    *("milestones", "amp", "seed"),
)
_FOUND = (
    *("test_loss", "train_loss", "edges", "swap_rate", "C", "L", "alive", "in_entropy"),
    *("out_entropy", "nfe"),
)


def collect_runs(folders: Iterable[str | Path]) -> list[Row]:
    """A row for each epoch of each run, with the settings that it was trained with.

    Args:
        folders: of `train_wiring`; unfinished runs give the epochs that they have.

    Returns:
        rows by column: name, settings (of which `epochs` is what was planned), `epoch`,
        `test_accuracy` and `train_accuracy` (percent; None before training, or where the loss was
        not finite), and measures of the graph.

    Raises:
        ValueError: a folder without a run of a wiring.
    """
    rows = []
    for folder in map(find_run, folders):
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (name,) = stored["networks"]
        wiring = stored["observers"][name]["wiring"]
        settings = {key: wiring[key] for key in _SETTINGS}
        settings["milestones"] = " ".join(map(str, wiring["milestones"]))
        for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            rows.append(
                {
                    "name": name,
                    **settings,
                    "epoch": record["step"],
                    "test_accuracy": _accuracy(record["top1_error"]),
                    "train_accuracy": _accuracy(record["train_error"]),
                    **{key: record[key] for key in _FOUND if key in record},
                }
            )
    return rows


def compare_runs(rows: Sequence[Mapping[str, Any]], epoch: int | None = None) -> list[Row]:
    """Mean test accuracy of each configuration at equal epochs, best first.

    Args:
        rows: of `collect_runs`, of one data set and model.
        epoch: at which; None takes the last one that all runs have reached.

    Returns:
        rows with `name`, `kind`, `epoch`, `planned` epochs, `runs`, `accuracy` (mean, percent) and
        `deviation` (over runs, divided by their number less one; None for one run). Runs whose
        loss was not finite count in `failed` alone.

    Raises:
        ValueError: no rows, several data sets, models or plans, or an epoch that a run has not
            reached.
    """
    if not rows:
        raise ValueError("compare_runs: expected rows, got none")
    for key in ("dataset", "model", "epochs"):
        found = sorted({row[key] for row in rows})
        if len(found) > 1:
            raise ValueError(f"compare_runs: expected one {key}, got {', '.join(map(str, found))}")
    reached = [max(r["epoch"] for r in part) for part in _grouped(rows, "name", "kind", "seed")]
    epoch = min(reached) if epoch is None else epoch
    if epoch > min(reached):
        raise ValueError(f"compare_runs: a run has reached epoch {min(reached)}, not {epoch}")
    at = [row for row in rows if row["epoch"] == epoch]
    compared = [_summary(part) for part in _grouped(at, "name", "kind")]
    return sorted(compared, key=lambda row: -(row["accuracy"] or 0.0))


def _summary(part: Sequence[Mapping[str, Any]]) -> Row:
    values = [r["test_accuracy"] for r in part if r["test_accuracy"] is not None]
    return {
        "name": part[0]["name"],
        "kind": part[0]["kind"],
        "epoch": part[0]["epoch"],
        "planned": part[0]["epochs"],
        "runs": len(values),
        "failed": len(part) - len(values),
        "accuracy": float(np.mean(values)) if values else None,
        "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }


def _grouped(rows: Sequence[Mapping[str, Any]], *keys: str) -> list[list[Mapping[str, Any]]]:
    groups: dict[tuple, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return list(groups.values())


def _accuracy(error: float | None) -> float | None:
    return None if error is None else round(100 - error, 6)
