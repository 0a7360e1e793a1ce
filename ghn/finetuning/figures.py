"""Curves of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graph2nn.runs.figures import canvas, figure_path, plain_log, save_figure, tidy
from graph2nn.runs.folder import read_metrics
from graph2nn.training import Record

__all__ = ["plot_learning", "read_learning"]


def read_learning(folder: str | Path) -> dict[str, list[Record]]:
    """Read the records of a run of `train_net.py`, or of `train_networks`, by network.

    Args:
        folder: Path of the run folder; the run may still be going on.

    Raises:
        ValueError: The folder holds no such run, or one without a record.
    """
    runs: dict[str, dict[int, Record]] = {}
    for row in read_metrics(folder):
        if not {"network", "step", "top1_error", "train_loss", "test_loss"} <= set(row):
            raise ValueError(
                f"{folder} holds a run of another kind: expected one of train_net.py (hypernetworks"
                " get training.png from train_ghn.py)"
            )
        runs.setdefault(row["network"], {})[row["step"]] = {**row, "epoch": row["step"]}
    if not runs:
        raise ValueError(
            f"{folder}: expected the folder of a run of train_net.py, found no metrics.jsonl with "
            "records"
        )
    return {name: [rows[k] for k in sorted(rows)] for name, rows in runs.items()}


def plot_learning(
    runs: Mapping[str, Sequence[Record]], path: str | Path, *, title: str = ""
) -> Path:
    """Plot loss and accuracy over the epochs of some runs.

    Args:
        runs: Records of `train` by the name that the legend gives them.
        path: Name of the figure; its suffix says the format.
        title: Title of the figure.

    Raises:
        ValueError: No run, or a suffix of no format.
    """
    if not runs:
        raise ValueError("plot_learning: expected at least one run, got none")
    from matplotlib.ticker import MaxNLocator

    path = figure_path(path)
    figure, (left, right) = canvas(10, 3.6, 1, 2)
    for name, records in runs.items():
        (line,) = left.plot(*_series(records, "train_loss"), label=name)
        how: dict[str, Any] = {"color": line.get_color()}
        left.plot(*_series(records, "test_loss"), linestyle=":", **how)
        epochs, errors = _series(records, "top1_error")
        right.plot(epochs, [100 - error for error in errors], label=name, **how)
    plain_log(left)
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(left, title="loss: training —, test ···", x="epoch", y="nats")
    tidy(right, title="accuracy in the tests", x="epoch", y="top-1 (%)")
    if len(runs) > 1:
        right.legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return save_figure(figure, path)


def _series(records: Sequence[Record], key: str) -> tuple[list[int], list[float]]:
    known = [(record["epoch"], record[key]) for record in records if record[key] is not None]
    return [epoch for epoch, _ in known], [value for _, value in known]
