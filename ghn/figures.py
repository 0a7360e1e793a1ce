"""Figures of hypernetwork training and evaluation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ghn.evaluation import NetResult, Results, summarise, top1_by_method
from graph2nn.runs.figures import canvas, figure_path, save_figure

__all__ = ["plot_distributions", "plot_results", "plot_size_accuracy", "plot_training"]


def plot_training(
    metrics: Sequence[Mapping[str, Any]], path: str | Path, *, title: str = ""
) -> Path:
    """Plot loss and accuracy over the steps of a run, from the lines of its `metrics.jsonl`.

    The left panel shows the training loss in nats, the right one top-1 accuracy in percent: on
    training images, and on validation images for validation networks with the standard error over
    networks.
    """
    path = figure_path(path)
    figure, (left, right) = canvas(10, 3.6, 1, 2, layout=None)
    steps, loss = _series(metrics, "loss")
    left.plot(steps, loss, color="tab:blue")
    left.set(xlabel="step", ylabel="training loss (nats)")
    right.plot(*_series(metrics, "train_top1"), color="tab:blue", label="training images")
    steps, mean = _series(metrics, "val_top1")
    if steps:
        known = dict(zip(*_series(metrics, "val_stderr")))
        error = [known.get(step, np.nan) for step in steps]  # one network has no standard error
        right.errorbar(
            steps, mean, yerr=error, color="tab:orange", marker="o", capsize=3, label="validation"
        )
    right.set(xlabel="step", ylabel="mean top-1 of networks (%)")
    right.legend(frameon=False)
    return _finish(figure, path, title)


def plot_distributions(
    results: Mapping[str, Mapping[str, Sequence[float]]], path: str | Path, *, title: str = ""
) -> Path:
    """Plot the accuracy of every network as points over the split, with the means.

    Args:
        results: Accuracies in percent by method, then split; each method has a colour.
    """
    path = figure_path(path)
    splits = list(dict.fromkeys(s for by_split in results.values() for s in by_split))
    width = 1.5 + 1.3 * len(splits) * max(1, len(results) / 2)
    figure, (axis,) = canvas(width, 4, layout=None)
    width = 0.8 / len(results)
    rng = np.random.default_rng(0)
    for k, (method, by_split) in enumerate(results.items()):
        for place, split in enumerate(splits):
            values = np.asarray(by_split.get(split, ()), dtype=float)
            if not len(values):
                continue
            x = place + (k - (len(results) - 1) / 2) * width
            jitter = rng.uniform(-0.3, 0.3, len(values)) * width
            label = method if place == 0 else None
            axis.scatter(
                x + jitter, values, s=10, alpha=0.5, color=f"C{k}", label=label, linewidths=0
            )
            axis.hlines(values.mean(), x - 0.4 * width, x + 0.4 * width, color="black", zorder=3)
    axis.set_xticks(range(len(splits)), splits)
    axis.set(ylabel="top-1 accuracy (%)", ylim=(0, 100))
    axis.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=len(results))
    return _finish(figure, path, title)


def plot_results(results: Results, path: str | Path, *, title: str = "") -> list[Path]:
    """Plot accuracies by split, and for each method against the number of parameters.

    Args:
        results: Results of `eval_ghn.py`, as `read_results` gives them.
        path: Figure of the splits; `accuracy.png` makes `accuracy_METHOD.png` for the methods.
        title: Title of the first figure; the others have the method's name.

    Raises:
        ValueError: No network, or a suffix of no format.
    """
    path, tops = figure_path(path), top1_by_method(results)
    if not any(values for by_split in tops.values() for values in by_split.values()):
        raise ValueError("the results have no network, so there is nothing to draw")
    made = [plot_distributions(tops, path, title=title)]
    for method in tops:
        nets = [net for found in results.values() for net in found.get(method, {}).values()]
        place = path.with_name(f"{path.stem}_{re.sub(r'[^-.0-9A-Za-z]+', '_', method)}")
        if nets:
            place = place.with_name(place.name.rstrip("_") + path.suffix)
            made.append(plot_size_accuracy(nets, place, title=method))
    return made


def plot_size_accuracy(results: Sequence[NetResult], path: str | Path, *, title: str = "") -> Path:
    """Plot accuracy against the number of parameters, coloured by the number of graph nodes.

    The axis of parameters is logarithmic.
    """
    path = figure_path(path)
    figure, (axis,) = canvas(5.5, 4, layout=None)
    points = axis.scatter(
        [r.num_params for r in results],
        [r.top1 for r in results],
        c=[r.num_nodes for r in results],
        s=18,
        cmap="viridis",
    )
    figure.colorbar(points, label="nodes of the graph")
    axis.axhline(
        summarise([r.top1 for r in results]).mean, color="black", lw=1, ls="--", label="mean"
    )
    axis.set(xscale="log", xlabel="parameters", ylabel="top-1 accuracy (%)", ylim=(0, 100))
    axis.legend(frameon=False)
    return _finish(figure, path, title)


def _series(metrics: Sequence[Mapping[str, Any]], key: str) -> tuple[list[int], list[float]]:
    rows = [(row["step"], row[key]) for row in metrics if row.get(key) is not None]
    return [s for s, _ in rows], [v for _, v in rows]


def _finish(figure: Any, path: str | Path, title: str) -> Path:
    for axis in figure.axes[:2]:
        axis.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(title)
    return save_figure(figure, path, tight=True)
