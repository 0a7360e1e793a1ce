"""Curves of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graph2nn.runs.figures import canvas, figure_path, save_figure, tidy
from graph2nn.training import Record

__all__ = ["plot_learning"]


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
    path = figure_path(path)
    figure, (left, right) = canvas(10, 3.6, 1, 2)
    for name, records in runs.items():
        (line,) = left.plot(*_series(records, "train_loss"), label=name)
        how: dict[str, Any] = {"color": line.get_color()}
        left.plot(*_series(records, "test_loss"), linestyle=":", **how)
        epochs, errors = _series(records, "top1_error")
        right.plot(epochs, [100 - error for error in errors], label=name, **how)
    left.set_yscale("log")
    tidy(left, title="loss: training —, test ···", x="epoch", y="nats")
    tidy(right, title="accuracy in the tests", x="epoch", y="top-1 (%)")
    if len(runs) > 1:
        right.legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return save_figure(figure, path)


def _series(records: Sequence[Record], key: str) -> tuple[list[int], list[float]]:
    known = [(record["epoch"], record[key]) for record in records if record[key] is not None]
    return [epoch for epoch, _ in known], [value for _, value in known]
