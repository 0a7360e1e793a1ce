"""Figures of the benchmark: tau against the number of labels, and the order of the models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graph2nn.runs.figures import COLOUR_BLIND, canvas, figure_path, save_figure
from predictors.benchmark.leaderboard import Setting, Summary
from predictors.benchmark.tables import label_noise
from predictors.tables import NoiseReference

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_benchmark", "draw_scatter"]

_MARKERS = "osD^vPX*"


def draw_benchmark(
    summaries: Sequence[Summary], folder: str | Path, *, data_dir: str | Path | None = None
) -> list[Path]:
    """Draw a figure a setting: lines over training sizes, or bars where there is one size.

    The dashed line is the noise reference of the labels, where the table has one.

    Args:
        folder: Folder of the run, where the figures go.
        data_dir: Folder of the files of shipped tables.

    Returns:
        The files, `SETTING.png`.
    """
    models = sorted({s.model for s in summaries})
    files = []
    for setting in sorted({s.setting for s in summaries}):
        here = [s for s in summaries if s.setting == setting]
        figure, (axes,) = canvas(6.4, 4.2)
        lines = len({s.train for s in here}) > 1
        (_lines if lines else _bars)(axes, here, models)
        noise = label_noise(setting.table, setting.target, folder=folder, data_dir=data_dir)
        if noise is not None:
            _noise_line(axes, noise, vertical=not lines)
        axes.set_title(setting.title())
        files.append(save_figure(figure, Path(folder) / f"{_file_name(setting)}.png"))
    return files


def _lines(axes: Axes, here: Sequence[Summary], models: Sequence[str]) -> None:
    for model in sorted({s.model for s in here}, key=lambda m: -_best(here, m)):
        rows = sorted((s for s in here if s.model == model), key=lambda s: s.train)
        k = models.index(model)
        axes.errorbar(
            [s.train for s in rows],
            [s.mean["tau"] for s in rows],
            yerr=np.nan_to_num([s.error["tau"] for s in rows]),
            label=model,
            color=COLOUR_BLIND[k % len(COLOUR_BLIND)],
            marker=_MARKERS[(k // len(COLOUR_BLIND) + k) % len(_MARKERS)],
            linestyle="-" if k < len(COLOUR_BLIND) else "--",
            markersize=4,
            linewidth=1.2,
            capsize=2,
        )
    sizes = sorted({s.train for s in here})
    axes.set_xscale("log")
    axes.set_xticks(sizes, labels=[str(n) for n in sizes], rotation=45)
    axes.minorticks_off()
    axes.set_xlabel("networks to learn from")
    axes.set_ylabel("Kendall tau on unseen networks")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, ncols=2)


def _best(here: Sequence[Summary], model: str) -> float:
    return max(s.mean["tau"] for s in here if s.model == model)


def _bars(axes: Axes, here: Sequence[Summary], models: Sequence[str]) -> None:
    rows = sorted(here, key=lambda s: s.mean["tau"])
    axes.barh(
        [s.model for s in rows],
        [s.mean["tau"] for s in rows],
        xerr=np.nan_to_num([s.error["tau"] for s in rows]),
        color=[COLOUR_BLIND[models.index(s.model) % len(COLOUR_BLIND)] for s in rows],
        capsize=2,
    )
    axes.set_xlabel(f"Kendall tau on unseen networks, {rows[0].train} to learn from")
    axes.grid(axis="x", alpha=0.3)


def _noise_line(axes: Axes, noise: NoiseReference, *, vertical: bool) -> None:
    draw = axes.axvline if vertical else axes.axhline
    draw(noise.tau, color="grey", linestyle=":", linewidth=1)
    across = axes.get_xaxis_transform() if vertical else axes.get_yaxis_transform()
    x, y = (noise.tau, 0.02) if vertical else (0.01, noise.tau)
    side = "right" if vertical else "left"
    axes.text(x, y, "label noise", transform=across, ha=side, va="bottom", fontsize=7)


def _file_name(setting: Setting) -> str:
    parts = (setting.table, setting.target, setting.subset, setting.attributes)
    name = "_".join(part for part in parts if part)
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


def draw_scatter(truth: np.ndarray, predicted: np.ndarray, path: str | Path, title: str) -> Path:
    """Draw predicted against true values of test networks, (N,), (N,)."""
    path = figure_path(path)
    figure, (axes,) = canvas(4.2, 4.2)
    axes.scatter(truth, predicted, s=6, alpha=0.4, color=COLOUR_BLIND[0], linewidths=0)
    low, high = min(truth.min(), predicted.min()), max(truth.max(), predicted.max())
    axes.plot([low, high], [low, high], color="grey", linewidth=0.8, linestyle=":")
    axes.set_xlabel("measured")
    axes.set_ylabel("predicted")
    axes.set_title(title)
    return save_figure(figure, path)
