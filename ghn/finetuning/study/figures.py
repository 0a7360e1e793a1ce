"""The picture of the fine-tuning study: accuracy by epoch, and epochs saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ghn.finetuning.study.analysis import BASELINES, epochs_to_reach, mean_curves
from graph2nn.runs.campaign.results import Row
from graph2nn.runs.figures import COLOURS, canvas, figure_path, save_figure, tidy

__all__ = ["plot_study"]


def plot_study(rows: Sequence[Row], path: str | Path, *, title: str = "") -> Path:
    """Plot the mean accuracy by epoch with its standard error, and the epochs to reach `torch`.

    There is a row of panels for each number of images; dashed lines are starts without a
    hypernetwork. The labels of the right panel are the legend of both.

    Args:
        rows: Rows of `run_study`.
        path: Name of the figure; its suffix says the format.
        title: Title of the figure.

    Raises:
        ValueError: No rows, or a suffix of no format.
    """
    if not rows:
        raise ValueError("plot_study: expected rows, got none")
    path, curves, reached = figure_path(path), mean_curves(rows), epochs_to_reach(rows)
    counts = sorted({shots for _, shots in curves})
    starts = list(dict.fromkeys(start for start, _ in curves))
    colour = {start: COLOURS[k % len(COLOURS)] for k, start in enumerate(starts)}
    last = max(row["epoch"] for row in rows)
    how = {"gridspec_kw": {"width_ratios": [3, 2]}}
    figure, axes = canvas(11, 3.8 * len(counts), len(counts), 2, **how)
    for line, shots in enumerate(counts):
        left, right = axes[2 * line : 2 * line + 2]
        for start in starts:
            mean, error = curves[start, shots]
            style = "--" if start in BASELINES else "-"
            epochs = np.arange(len(mean))
            left.plot(epochs, mean, style, color=colour[start], label=start)
            left.fill_between(epochs, mean - error, mean + error, color=colour[start], alpha=0.12)
        tidy(left, title=f"{shots} images a class", x="epoch", y="test accuracy (%)")
        left.set_xticks(range(0, last + 1, max(1, last // 4)))
        for place, start in enumerate(reversed(starts)):
            known = [last + 1 if epoch is None else epoch for epoch in reached[start, shots]]
            jitter = place + np.linspace(-0.25, 0.25, len(known))
            right.scatter(known, jitter, s=14, color=colour[start], alpha=0.8)
        right.set_yticks(range(len(starts)), list(reversed(starts)))
        for label, start in zip(right.get_yticklabels(), reversed(starts)):
            label.set_color(colour[start])
        right.set_xlim(-0.8, last + 2)
        right.set_xticks([*range(0, last, 5), last + 1], [*map(str, range(0, last, 5)), "never"])
        tidy(right, title="until it has what torch has at the end", x="epoch (a point a network)")
    figure.suptitle(title, fontsize=10)
    return save_figure(figure, path)
