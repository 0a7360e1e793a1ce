"""Pictures of a wiring: its adjacency, how that evolves, and curves of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor, nn

from graph2nn.runs import write_atomic
from graph2nn.runs.figures import canvas, figure_path, save_figure
from graph2nn.training import Record
from graph2nn.wirings.edges.layers import WiredConv, wired_layers

__all__ = ["animate", "draw_adjacency", "plot_curves"]

_ILLEGAL, _LEGAL = (225, 225, 225), (255, 255, 255)
_KEPT, _NEW = (25, 45, 110), (235, 95, 0)
_SIDE, _GAP, _TITLE = 800, 8, 16  # pixels: of all panels together, between them, of the title


def draw_adjacency(
    model: nn.Module,
    path: str | Path,
    *,
    before: Mapping[str, Tensor] | None = None,
    title: str = "",
    side: int = _SIDE,
) -> Path:
    """Draw the adjacency of every wired layer: a column sends, a row receives.

    A tiny network is one picture of 800 x 800, a pixel a slot. Larger weights are drawn smaller:
    there the colour of a pixel fades with the share of its slots that are edges. Slots that the
    network cannot use are grey.

    Args:
        model: Network with wired layers.
        path: Name of the PNG file.
        before: Edges at another time (`wiring_masks`); new ones are orange, all others blue.
        title: Text above.
        side: Height and width of all panels together, in pixels.

    Shapes:
        before: for each layer that of its weight, bool.

    Raises:
        ValueError: There is no wired layer.
    """
    layers = dict(wired_layers(model))
    if not layers:
        raise ValueError(f"expected wired layers, found none in {type(model).__name__}")
    columns = math.ceil(math.sqrt(len(layers)))
    size = max(1, (side - _GAP * (columns - 1)) // columns)
    rows = math.ceil(len(layers) / columns)
    step = size + _GAP
    canvas = Image.new("RGB", (columns * step - _GAP, rows * step - _GAP + _TITLE), _LEGAL)
    for k, (name, layer) in enumerate(layers.items()):
        panel = Image.fromarray(_panel(layer, size, (before or {}).get(name)))
        canvas.paste(panel, (k % columns * step, k // columns * step + _TITLE))
    ImageDraw.Draw(canvas).text((4, 2), title, fill=(0, 0, 0))
    return write_atomic(path, lambda file: canvas.save(file, format="PNG"))


def animate(
    pictures: Sequence[str | Path], path: str | Path, *, frames: int = 60, seconds: float = 12.0
) -> Path:
    """Join pictures of equal size to one that moves.

    Args:
        pictures: Files, in order.
        path: Name of the GIF file.
        frames: Largest number of frames; of more pictures some are left out at equal distances,
            never the ends.
        seconds: Time that it lasts, half a second for a picture at most.

    Raises:
        ValueError: There is no picture.
    """
    if not pictures:
        raise ValueError("animate: expected pictures, got none")
    chosen = np.linspace(0, len(pictures) - 1, min(frames, len(pictures))).round().astype(int)
    images = []
    for at in dict.fromkeys(chosen.tolist()):
        with Image.open(pictures[at]) as image:
            images.append(image.convert("P", palette=Image.Palette.ADAPTIVE, colors=32))
    how = {"save_all": True, "append_images": images[1:], "loop": 0}
    how["duration"] = round(1000 * min(0.5, seconds / len(images)))
    return write_atomic(path, lambda file: images[0].save(file, format="GIF", **how))


def plot_curves(records: Sequence[Record], path: str | Path) -> Path:
    """Plot accuracy, swap rate, C, L, alive nodes and entropies of degrees, epoch by epoch.

    Args:
        records: Records of `train_wiring`, or the lines of `metrics.jsonl`.
        path: Name of the figure; its suffix says the format.

    Raises:
        ValueError: There is no record.
    """
    if not records:
        raise ValueError("plot_curves: expected records, got none")
    path = figure_path(path)
    figure, axes = canvas(13, 6.5, 2, 3, layout=None, sharex=True)
    for axis, (title, lines) in zip(axes, _PANELS.items()):
        for key, label in lines.items():
            _plot(axis, records, key, label)
        axis.set_title(title, fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
        if len(axis.lines) > 1:
            axis.legend(frameon=False, fontsize=8)
    for axis in axes[3:]:
        axis.set_xlabel("epoch")
    figure.suptitle(str(records[0].get("network", "")))
    return save_figure(figure, path, tight=True)


_PANELS: dict[str, dict[str, str]] = {
    "accuracy (%)": {"top1_error": "test", "train_error": "training"},
    "share of edges exchanged": {"swap_rate": "swap rate"},
    "clustering C": {"C": "C"},
    "path length L": {"L": "L"},
    "nodes alive": {"alive": "alive"},
    "entropy of degrees (bits)": {"in_entropy": "in", "out_entropy": "out"},
}


def _plot(axis: Any, records: Sequence[Record], key: str, label: str) -> None:
    points = [(r.get("epoch", r.get("step")), r.get(key)) for r in records]
    points = [(epoch, value) for epoch, value in points if value is not None]
    if points:
        epochs, values = np.array(points, dtype=float).T
        values = 100 - values if key.endswith("_error") else values
        axis.plot(epochs, values, marker="." if len(points) < 40 else "", label=label)


def _panel(layer: WiredConv, size: int, before: Tensor | None) -> np.ndarray:
    """Shapes: -> (size, size, 3) uint8; the longer side of the weight fills `size`."""
    edges = layer.edges(legal=True).cpu()
    legal = layer.slots.mask(edges.device)
    new = edges & ~before if before is not None else edges & False
    layers = [(_KEPT, edges & ~new), (_NEW, new)]
    rows, columns = edges.shape[:2]
    zoom = max(rows, columns) / size
    height, width = max(1, round(rows / zoom)), max(1, round(columns / zoom))
    usable = _shrunk(legal.flatten(2).any(2).numpy(), height, width)[..., None]
    picture = usable * np.array(_LEGAL, float) + (1 - usable) * np.array(_ILLEGAL, float)
    densest = max(float(_shrunk(edges.flatten(2).any(2).numpy(), height, width).max()), 1e-9)
    for colour, mask in layers:
        share = _shrunk(mask.flatten(2).any(2).numpy(), height, width)[..., None] / densest
        picture = share * np.array(colour, float) + (1 - share) * picture
    whole = np.full((size, size, 3), _LEGAL, dtype=np.uint8)
    whole[:height, :width] = picture.round().astype(np.uint8)
    return whole


def _shrunk(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Mean of the slots behind each pixel, or the slot itself where pixels are more. Shapes:
    (rows, columns) bool -> (height, width)."""
    image = Image.fromarray(mask.astype(np.float32))
    rows, columns = mask.shape
    smaller = height <= rows and width <= columns
    how = Image.Resampling.BOX if smaller else Image.Resampling.NEAREST
    return np.asarray(image.resize((width, height), how))
