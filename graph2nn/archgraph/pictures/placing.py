"""Where do nodes stand that have no modules? On a circle, or in columns of layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph2nn.archgraph.pictures.picture import Places

__all__ = ["in_columns", "on_circle", "strongest"]

_TALLEST = 100  # nodes of a column; layers of more take several side by side
_HEIGHT = 760.0


def on_circle(num_nodes: int, *, directed: bool = False) -> Places:
    """Place nodes on a circle, clockwise from the top."""
    angle = 2 * np.pi * np.arange(num_nodes) / num_nodes - np.pi / 2
    size = 26.0 if num_nodes <= 120 else 12.0
    radius = max(90.0, num_nodes * size * 1.5 / (2 * np.pi))
    position = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Places(position=position, size=size, directed=directed)


def in_columns(sizes: Sequence[int], captions: Sequence[str]) -> Places:
    """Place layers of nodes as columns from left to right, each with a caption below.

    Args:
        sizes: Number of nodes of each layer; they are numbered layer by layer.
        captions: Texts below the layers.
    """
    tallest = min(max(sizes, default=1), _TALLEST)
    pitch = float(np.clip(_HEIGHT / tallest, 9.0, 34.0))
    size = float(np.clip(pitch * 0.72, 6.0, 20.0))
    height = pitch * (tallest - 1)
    spots, texts, left = [], [], 0.0
    for count, caption in zip(sizes, captions):
        columns = -(-count // _TALLEST)
        rows = -(-count // columns) if count else 1
        number = np.arange(count)
        gap = pitch if columns > 1 or count < 2 else min(height / (count - 1), 3 * pitch)
        y = (number % rows) * gap + (height - gap * (rows - 1)) / 2
        spots.append(np.stack([left + number // rows * pitch, y], axis=1))
        texts.append((left + (columns - 1) * pitch / 2, height + 34.0, caption))
        left += (columns - 1) * pitch + max(130.0, 0.22 * height)
    return Places(position=np.concatenate(spots), size=size, captions=tuple(texts))


def strongest(weight: np.ndarray, most: int) -> tuple[np.ndarray, str]:
    """Choose the edges that are drawn where there are too many to tell apart.

    Args:
        weight: Strength of each edge.
        most: Largest number of edges that are drawn.

    Returns:
        Numbers of the edges, and a remark; "" where all are drawn.

    Shapes:
        weight (E,) -> (at most `most`,).
    """
    if len(weight) <= most:
        return np.arange(len(weight)), ""
    chosen = np.sort(np.argpartition(weight, -most)[-most:])
    return chosen, f"Of {len(weight):,} edges the {most:,} strongest are drawn."
