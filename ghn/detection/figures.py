"""Figures of detection: curves of training, and images with true and found boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ghn.detection.data import DetectionData
from graph2nn.runs.figures import COLOUR_BLIND, canvas, figure_path, save_figure, tidy
from graph2nn.training import Record

__all__ = ["plot_boxes", "plot_detection"]


def plot_detection(
    runs: Mapping[str, Sequence[Record]], path: str | Path, *, title: str = ""
) -> Path:
    """Plot loss and average precision over the epochs of some runs.

    Args:
        runs: Records of `train_detector` by the name that the legend gives them.
        path: Name of the figure; its suffix says the format.
        title: Title of the figure.

    Raises:
        ValueError: No run, or a suffix of no format.
    """
    if not runs:
        raise ValueError("plot_detection: expected at least one run, got none")
    path = figure_path(path)
    figure, (left, right) = canvas(10, 3.6, 1, 2)
    for name, records in runs.items():
        epochs = [record["epoch"] for record in records]
        (line,) = left.plot(epochs, [record["train_loss"] for record in records], label=name)
        colour = line.get_color()
        right.plot(epochs, [record["ap50"] for record in records], color=colour, label=name)
        right.plot(epochs, [record["ap"] for record in records], color=colour, linestyle=":")
    tidy(left, title="loss of training", x="epoch", y="sum of four losses")
    tidy(right, title="test: AP at overlap .5 —, mean over .5 to .95 ···", x="epoch", y="AP")
    if len(runs) > 1:
        right.legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return save_figure(figure, path)


def plot_boxes(
    data: DetectionData,
    detections: Sequence[Mapping[str, Tensor]],
    path: str | Path,
    *,
    images: int = 6,
    least_score: float = 0.5,
    title: str = "",
) -> Path:
    """Draw the first images with true boxes (dashed) and found ones (with their scores).

    Args:
        data: Images.
        detections: What was found in each, as `detect` gives it.
        path: Name of the figure; its suffix says the format.
        images: Number of images.
        least_score: Score from which found boxes are drawn.
        title: Title of the figure.

    Shapes:
        boxes (n, 4) and scores (n,) of each image.

    Raises:
        ValueError: Another number of detections than images, or a suffix of no format.
    """
    from matplotlib.patches import Rectangle

    path = figure_path(path)
    if len(detections) != len(data):
        raise ValueError(f"expected detections of {len(data)} images, got {len(detections)}")
    count = min(images, len(data))
    columns = min(3, count)
    rows = -(-count // columns)
    figure, axes = canvas(3 * columns, 3 * rows, rows, columns)
    for ax in axes:
        ax.set_axis_off()
    for index, ax in zip(range(count), axes):
        ax.imshow(data.images[index].permute(1, 2, 0).numpy())
        found = detections[index]
        sure = found["scores"] >= least_score
        how: dict[str, Any] = {"fill": False, "linewidth": 1.5}
        for box in data.boxes[index].tolist():
            ax.add_patch(Rectangle(*_corner(box), edgecolor="white", linestyle="--", **how))
        for box, score in zip(found["boxes"][sure].tolist(), found["scores"][sure].tolist()):
            ax.add_patch(Rectangle(*_corner(box), edgecolor=COLOUR_BLIND[1], **how))
            ax.text(box[0], box[1], f"{score:.2f}", color=COLOUR_BLIND[1], fontsize=7, va="bottom")
        ax.set_title(data.files[index], fontsize=8)
    figure.suptitle(title, fontsize=10)
    return save_figure(figure, path)


def _corner(box: list[float]) -> tuple[tuple[float, float], float, float]:
    """Place, width and height of a box, as matplotlib has it."""
    left, top, right, bottom = box
    return (left, top), right - left, bottom - top
