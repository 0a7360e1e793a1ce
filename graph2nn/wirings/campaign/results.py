"""Runs beside each other: every epoch of every run with its settings, and at equal epochs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.runs import read_metrics
from graph2nn.runs.figures import canvas, figure_path, save_figure
from graph2nn.runs.seals import warn_unvouched
from graph2nn.runs.shipped import named_data
from graph2nn.runs.summaries import standard_error
from graph2nn.runs.tables import Schema, read_csv
from graph2nn.wirings.campaign.checkpoints import find_run

__all__ = [
    "BASELINE",
    "OWN_RUNS",
    "collect_runs",
    "compare_runs",
    "plot_comparison",
    "read_collected",
]

BASELINE = "random"
"""Kind that others are compared with."""

OWN_RUNS = (
    "digits_tiny",
    *("cifar10_static_20", "cifar10_static_5", "cifar10_discrete_time_5", "cifar10_continuous_5"),
)
"""Names of the tables of our own runs that come with the package."""

Row = dict[str, Any]
_SETTINGS = (
    *("model", "kind", "dataset", "keep", "epochs", "batch_size", "lr", "schedule"),
    *("milestones", "amp", "seed"),
)
_FOUND = (
    *("test_loss", "train_loss", "edges", "swap_rate", "C", "L", "alive", "in_entropy"),
    *("out_entropy", "nfe"),
)
_SCHEMA = Schema(
    kinds={
        **dict.fromkeys(("name", "model", "kind", "dataset", "schedule", "milestones", "amp"), str),
        **dict.fromkeys(("epochs", "batch_size", "seed", "epoch", "edges", "alive"), int),
    },
    required=("name", *_SETTINGS, "epoch", "test_accuracy"),
)


def collect_runs(folders: Iterable[str | Path]) -> list[Row]:
    """Collect a row for each epoch of each run, with the settings that it was trained with.

    Args:
        folders: Folders of `train_wiring`; unfinished runs give the epochs that they have.

    Returns:
        Rows by column: name, settings (of which `epochs` is what was planned), `epoch`,
        `test_accuracy` and `train_accuracy` (percent; None before training, or where the loss was
        not finite), and measures of the graph.

    Raises:
        ValueError: A folder holds no run of a wiring.
    """
    rows = []
    for folder in map(find_run, folders):
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (name,) = stored["networks"]
        wiring = stored["observers"][name]["wiring"]
        settings = {key: wiring[key] for key in _SETTINGS}
        settings["milestones"] = " ".join(map(str, wiring["milestones"]))
        for record in read_metrics(folder):
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


def read_collected(path: str | Path) -> list[Row]:
    """Read rows of `collect_runs` from a `.csv` or `.csv.gz` file, or our own ones by name.

    Args:
        path: Path of the file, or one of `OWN_RUNS`, which come with the package.

    Returns:
        Rows as `collect_runs` gives them; what is missing is None.

    Raises:
        FileNotFoundError: Neither exists.
        ValueError: A missing column or a damaged file, or another checksum than `NAME.sha256`
            beside it says; without that file there is a warning.

    Examples:
        >>> [row["kind"] for row in compare_runs(read_collected("digits_tiny"))][:2]
        ['dnw_no_update', 'random']
    """
    names = {name: f"wirings/{name}.csv" for name in OWN_RUNS}
    file = named_data(path, names, "a table of runs")
    rows = read_csv(file, _SCHEMA).rows()
    warn_unvouched(file)
    return [{k: None if v != v or v == "" else v for k, v in row.items()} for row in rows]


def compare_runs(rows: Sequence[Mapping[str, Any]], epoch: int | None = None) -> list[Row]:
    """Compare the mean test accuracy of configurations at equal epochs, best first.

    Args:
        rows: Rows of `collect_runs`, of one data set and model.
        epoch: Epoch at which to compare; None takes the last one that all runs have reached.

    Returns:
        Rows with `name`, `kind`, `epoch`, `planned` epochs, `runs`, `accuracy` (mean, percent) and
        its standard `error` (None for one run); `gap` and `gap_error`, how much better than random
        edges, over pairs of runs of the same seed (None without such pairs, or where several are
        random; no error for one); mean clustering `C` and `C_error`. Runs whose loss was not finite
        count in `failed` alone.

    Raises:
        ValueError: There are no rows, several data sets, models or plans, two runs of one name,
            kind and seed, or a run has not reached the epoch.
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
    for part in _grouped(rows, "name", "kind", "seed", "epoch"):
        if len(part) > 1:
            raise ValueError(
                f"compare_runs: {len(part)} runs of {part[0]['name']}, kind {part[0]['kind']}, "
                f"seed {part[0]['seed']}; give runs of other settings another name (--name)"
            )
    random = _grouped([row for row in at if row["kind"] == BASELINE], "seed")
    baseline = {part[0]["seed"]: part[0]["test_accuracy"] for part in random if len(part) == 1}
    compared = [_summary(part, baseline) for part in _grouped(at, "name", "kind")]
    return sorted(compared, key=lambda row: -(row["accuracy"] or 0.0))


def plot_comparison(rows: Sequence[Mapping[str, Any]], path: str | Path) -> Path:
    """Plot test accuracy, gap to random edges and clustering of each configuration, epoch by epoch.

    Lines are means of runs, bands their standard errors; `compare_runs` has the numbers.

    Args:
        rows: Rows of `collect_runs`; see `compare_runs`.
        path: Name of the figure; its suffix says the format.

    Raises:
        ValueError: See `compare_runs`.
    """
    path = figure_path(path)
    last = compare_runs(rows)
    by_epoch = [compare_runs(rows, epoch) for epoch in range(last[0]["epoch"] + 1)]
    curves = {(row["name"], row["kind"]): row for row in last}
    panels = [("test accuracy (%)", "accuracy", "error")]
    if any(row["gap"] is not None and row["kind"] != BASELINE for row in last):
        panels.append((f"gap to {BASELINE} edges (points)", "gap", "gap_error"))
    panels.append(("clustering C", "C", "C_error"))
    figure, axes = canvas(4.6 * len(panels), 4.0, 1, len(panels))
    for axis, (title, value, error) in zip(axes, panels):
        for name, kind in curves:
            points = [
                r for part in by_epoch for r in part if (r["name"], r["kind"]) == (name, kind)
            ]
            if value != "gap" or kind != BASELINE:
                unique = sum(other == kind for _, other in curves) == 1
                _curve(axis, points, value, error, kind if unique else f"{name}, {kind}")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch")
        axis.locator_params(axis="x", integer=True)
        axis.spines[["top", "right"]].set_visible(False)
        if value == "gap":
            axis.axhline(0, color="grey", linewidth=0.8)
    axes[0].legend(frameon=False, fontsize=8)
    runs = ", ".join(f"{row['runs']} of {row['kind']}" for row in last)
    figure.suptitle(f"{rows[0]['model']}, {rows[0]['dataset']}: {runs}", fontsize=10)
    return save_figure(figure, path, tight=True)


def _curve(axis: Any, points: Sequence[Row], value: str, error: str, label: str) -> None:
    found = [
        (row["epoch"], row[value], row[error] or 0.0) for row in points if row[value] is not None
    ]
    if found:
        epochs, middle, spread = np.array(found, dtype=float).T
        (line,) = axis.plot(epochs, middle, marker=".", label=label)
        axis.fill_between(
            epochs, middle - spread, middle + spread, color=line.get_color(), alpha=0.2, lw=0
        )


def _summary(part: Sequence[Mapping[str, Any]], baseline: Mapping[int, float | None]) -> Row:
    found = {r["seed"]: r["test_accuracy"] for r in part if r["test_accuracy"] is not None}
    others = {seed: baseline.get(seed) for seed in found}
    gaps = [found[seed] - other for seed, other in others.items() if other is not None]
    accuracy, gap = _mean(list(found.values())), _mean(gaps)
    clustering = _mean([r["C"] for r in part if r.get("C") is not None])
    return {
        "name": part[0]["name"],
        "kind": part[0]["kind"],
        "epoch": part[0]["epoch"],
        "planned": part[0]["epochs"],
        "runs": len(found),
        "failed": len(part) - len(found),
        "accuracy": accuracy[0],
        "error": accuracy[1],
        "gap": gap[0],
        "gap_error": gap[1],
        "C": clustering[0],
        "C_error": clustering[1],
    }


def _mean(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and its standard error, where there are enough for them."""
    if not values:
        return None, None
    return float(np.mean(values)), standard_error(values) if len(values) > 1 else None


def _grouped(rows: Sequence[Mapping[str, Any]], *keys: str) -> list[list[Mapping[str, Any]]]:
    groups: dict[tuple, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return list(groups.values())


def _accuracy(error: float | None) -> float | None:
    return None if error is None else round(100 - error, 6)
