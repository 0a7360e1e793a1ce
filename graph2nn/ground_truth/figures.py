"""What a table of trained networks looks like: a summary in words and numbers, and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.ground_truth.table import GroundTruth, tau_of_both
from graph2nn.runs.figures import canvas, check_formats, save_formats, shades
from graph2nn.runs.pages import markdown_table, page

__all__ = ["plot_ground_truth", "summarise_ground_truth"]

_SHOWN = 40  # learning curves drawn, spread over the ranks; more are a blot
_UNITS = {"inference_time": "ms an image", "convergence_time": "of the epochs"}


def summarise_ground_truth(truth: GroundTruth) -> str:
    """Summarise a table as Markdown.

    Size, status, and for each target its spread, its agreement between two seeds and Kendall tau
    with parameters and FLOPs, the baselines that need no predictor.
    """
    halves = {half: int((truth.split == half).sum()) for half in ("train", "test")}
    diverged, runs = int((truth.status == 2).sum()), int((truth.status > 0).sum())
    images = truth.settings.images
    about = (
        f"{len(truth)} networks ({halves['train']} train, {halves['test']} test), {runs} trainings "
        f"of which {diverged} diverged: {truth.settings.recipe.epochs} epochs on {images.train} "
        f"images of {images.dataset} at {images.side} pixels, {truth.made['minutes']} minutes."
    )
    rows = []
    for name, values in truth.targets.items():
        low, middle, high = np.nanpercentile(values, [10, 50, 90])
        unit = _UNITS.get(name, "%" if "acc" in name else "nats")
        taus = [tau_of_both(truth.facts[fact], values) for fact in ("params", "flops")]
        numbers = [f"{low:.3g}", f"{middle:.3g}", f"{high:.3g}"]
        numbers += [f"{tau:.3f}" for tau in (truth.noise(name), *taus)]
        rows.append([name, unit, *numbers])
    header = ["target", "unit", "10 %", "median", "90 %"]
    header += ["two labellings, tau", "params, tau", "FLOPs, tau"]
    return page(about, markdown_table(header, rows), title=truth.settings.name)


def plot_ground_truth(
    truth: GroundTruth, folder: str | Path, *, formats: tuple[str, ...] = ("png",)
) -> list[Path]:
    """Draw the figures of a table into a folder and return the files.

    They are `accuracy` (distributions), `curves` (learning curves) and `cost` (accuracy against
    parameters, coloured by inference time).
    """
    check_formats(formats)
    drawn = {
        "accuracy": _distributions(truth),
        "curves": _curves(truth),
        "cost": _cost(truth),
    }
    made: list[Path] = []
    for name, figure in drawn.items():
        for axis in figure.axes:
            axis.spines[["top", "right"]].set_visible(False)
        figure.suptitle(f"{truth.settings.name}: {len(truth)} networks")
        file = f"{truth.settings.name}_{name}"
        made += save_formats(figure, folder, file, formats, dpi=150, tight=True)
    return made


def _distributions(truth: GroundTruth) -> Any:
    figure, (left, right) = canvas(10, 3.6, 1, 2, layout=None)
    targets = truth.targets
    bins = np.linspace(0, 100, 41).tolist()
    for name, label in (("val_acc", "clean"), ("val_acc_noise", "noisy")):
        left.hist(targets[name], bins=bins, alpha=0.6, label=label)
    left.set(xlabel="validation accuracy (%)", ylabel="networks")
    left.legend(frameon=False)
    if len(truth.status) > 1:
        one, other = truth.targets_of(0)["val_acc"], truth.targets_of(1)["val_acc"]
        right.scatter(one, other, s=14, alpha=0.7, linewidths=0)
    right.plot([0, 100], [0, 100], color="black", lw=0.8, ls="--")
    right.set(xlabel="validation accuracy, first seed (%)", ylabel="second seed (%)")
    return figure


def _curves(truth: GroundTruth) -> Any:
    figure, axes = canvas(13, 3.6, 1, 3, layout=None)
    final = np.nan_to_num(truth.targets["val_acc"])
    order = np.argsort(final)
    rows = order[np.linspace(0, len(order) - 1, min(_SHOWN, len(order))).astype(int)]
    panels = {
        "val_acc": "validation accuracy (%)",
        "val_acc_noise": "noisy images (%)",
        "train_loss": "training loss (nats)",
    }
    colors = shades("viridis", np.linspace(0, 1, len(rows)))
    for axis, (name, label) in zip(axes, panels.items()):
        for row, color in zip(rows, colors):
            axis.plot(truth.curves[name][0, row], color=color, lw=0.9)
        axis.set(xlabel="epoch", ylabel=label)
        axis.locator_params(axis="x", integer=True)
    return figure


def _cost(truth: GroundTruth) -> Any:
    figure, (axis,) = canvas(5.5, 4, layout=None)
    targets = truth.targets
    points = axis.scatter(
        truth.facts["params"],
        targets["val_acc"],
        c=np.log10(targets["inference_time"]),
        s=16,
        cmap="viridis",
    )
    figure.colorbar(points, label="log10 inference time (ms an image)")
    axis.set(xscale="log", xlabel="parameters", ylabel="validation accuracy (%)")
    return figure
