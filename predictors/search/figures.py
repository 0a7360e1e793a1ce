"""Figures of searches: best so far against evaluations, and what was expected against found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from graph2nn.runs.figures import COLOUR_BLIND, canvas, figure_path, save_figure
from graph2nn.runs.summaries import standard_error
from predictors.search.strategies import Evaluated

__all__ = ["draw_evaluated", "draw_progress", "mean_and_error"]


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean over seeds and its standard error, (S, N) -> (N,), (N,).

    The error of one seed is NaN.
    """
    return values.mean(0), standard_error(values)


def draw_progress(
    curves: Mapping[str, np.ndarray], path: str | Path, *, ylabel: str, log: bool = False
) -> Path:
    """Draw lines with a band of one standard error, one a strategy.

    Args:
        curves: Values after each evaluation, for every seed.
        ylabel: Label of the values.
        log: Whether the axis is logarithmic.

    Shapes:
        curves (S, N).
    """
    path = figure_path(path)
    figure, (axes,) = canvas(6.4, 4.2)
    for (name, values), colour in zip(curves.items(), COLOUR_BLIND[:6]):
        mean, error = mean_and_error(values)
        steps = np.arange(1, len(mean) + 1)
        axes.plot(steps, mean, label=name, color=colour)
        if len(values) > 1:
            axes.fill_between(steps, mean - error, mean + error, color=colour, alpha=0.2, lw=0)
    if log:
        axes.set_yscale("log")
    axes.set_xlabel("networks evaluated")
    axes.set_ylabel(ylabel)
    axes.legend()
    axes.grid(alpha=0.3)
    return save_figure(figure, path)


def draw_evaluated(
    histories: Mapping[str, Sequence[Evaluated]], path: str | Path, *, label: str
) -> Path:
    """Draw all values of each search in order, and found against expected ones of a guide.

    Args:
        label: Label of the values.
    """
    path = figure_path(path)
    figure, (left, right) = canvas(9.6, 4.2, 1, 2)
    for (name, history), colour in zip(histories.items(), COLOUR_BLIND[:6]):
        left.plot(
            range(1, len(history) + 1), [e.value for e in history], "o", ms=4, color=colour,
            label=name,
        )  # fmt: skip
        guided = [(e.predicted, e.value) for e in history if e.predicted is not None]
        if guided:
            right.plot(
                *zip(*guided), "o", ms=4, color=colour, label=name,
            )  # fmt: skip
    left.set_xlabel("networks evaluated")
    right.set_xlabel(f"predicted {label}")
    for axes in (left, right):
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    left.legend()
    return save_figure(figure, path)
