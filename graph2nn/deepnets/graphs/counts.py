"""Parameters and connectivity of many networks at once, by arithmetic on `NetTable` columns.

Vectorised twins of `builder.count_params` and `builder.is_connected`; the tests compare them.
"""

from __future__ import annotations

import numpy as np

from graph2nn.deepnets.graphs.config import OPS
from graph2nn.deepnets.graphs.config_table import NetTable

__all__ = ["table_connected", "table_params"]

_FEATURES = 6  # c*c, c, c with a norm, c*8*(c//8), c*(c//2), c//2


def _coefficients() -> np.ndarray:
    """Parameters of an operation of width c as multiples of the features. Shapes: (15, 6)."""
    rows = {
        "sep_conv_3x3": (2, 18, 4, 0, 0, 0),
        "sep_conv_5x5": (2, 50, 4, 0, 0, 0),
        "dil_conv_3x3": (1, 9, 2, 0, 0, 0),
        "dil_conv_5x5": (1, 25, 2, 0, 0, 0),
        "conv_1x1": (1, 0, 2, 0, 0, 0),
        "conv_7x1_1x7": (14, 0, 2, 0, 0, 0),
        "conv_3x3": (9, 0, 2, 0, 0, 0),
        "conv_5x5": (25, 0, 2, 0, 0, 0),
        "conv_7x7": (49, 0, 2, 0, 0, 0),
        "msa": (2, 7, 0, 4, 0, 0),
        "cse": (0, 1, 0, 0, 2, 1),
    }
    return np.array([rows.get(op, (0,) * _FEATURES) for op in OPS], dtype=np.int64)


_COEFFICIENTS = _coefficients()
_STRIDED_SKIP = np.array([1, 0, 2, 0, 0, 0], dtype=np.int64)
_SKIP, _MSA = OPS.index("skip_connect"), OPS.index("msa")


def table_vit(table: NetTable) -> np.ndarray:
    """Which networks have the stem and cells of a vision transformer. Shapes: (B,) bool."""
    return np.where(table.vit == 0, (table.op == _MSA).any((1, 2)), table.vit == 2)


def _reductions(table: NetTable) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the two reduction cells; 0 stands for none. Shapes: 2 x (B,)."""
    cells = table.n_cells.astype(np.int64)
    return cells // 3, 2 * cells // 3


def _cell_params(table: NetTable, width: np.ndarray, vit: np.ndarray) -> np.ndarray:
    """Parameters of the operations of one normal and one reduction cell. Shapes: (B, 2)."""
    sums = _COEFFICIENTS[table.op].sum(2)  # (B, 2, 6)
    strided = ((table.op[:, 1] == _SKIP) & (table.source[:, 1] < 2)).sum(1) * ~vit
    sums[:, 1] += strided[:, None] * _STRIDED_SKIP
    c, norm = width, (table.norm != 1).astype(np.int64)
    features = np.stack([c * c, c, c * norm, c * (c // 8 * 8), c * (c // 2), c // 2], 1)
    return (sums * features[:, None]).sum(2)


def _halved(size: int, times: int) -> int:
    for _ in range(times):
        size = -(-size // 2)
    return size


def _stem_params(
    table: NetTable, width: np.ndarray, vit: np.ndarray, image_size: int, in_channels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of the stem and the width it gives. Shapes: 2 x (B,)."""
    large = image_size >= 128
    c, half = width, width // 2
    norm = (table.norm != 1).astype(np.int64)
    kernel = table.ks.astype(np.int64) ** 2
    patch, side = (16, image_size // 16) if large else (3, (image_size - 1) // 3 + 1)
    simple = c if large else np.where(table.preproc, 3 * c, c)
    two = in_channels * half * kernel + 9 * half * c + 9 * c * c + norm * 2 * (half + 2 * c)
    one = in_channels * simple * kernel + 2 * norm * simple
    patches = in_channels * c * patch**2 + c * side**2
    typed = np.where(table.stem_type == 1, two, one)
    out = np.where(vit | (table.stem_type == 1), c, simple)
    return np.where(vit, patches, typed), out


def _side(table: NetTable, vit: np.ndarray, image_size: int) -> np.ndarray:
    """Height of the last feature map. Shapes: (B,)."""
    large = image_size >= 128
    early = (table.stem_type == 1) | table.stem_pool.astype(bool)
    strides = sum((r > 0).astype(np.int64) for r in _reductions(table)) + early
    sides = np.array([_halved(image_size, n + (2 if large else 0)) for n in range(4)])
    return np.where(vit, image_size // 16 if large else (image_size - 1) // 3 + 1, sides[strides])


def _head_params(table: NetTable, inputs: np.ndarray, classes: int) -> np.ndarray:
    """Parameters of the classifier on so many features. Shapes: (B,)."""
    fc, layers = table.fc_dim.astype(np.int64), table.fc_layers.astype(np.int64)
    deep = (inputs + 1) * fc + (layers - 2) * (fc + 1) * fc + (fc + 1) * classes
    return np.where(layers > 1, deep, (inputs + 1) * classes)


def table_params(
    table: NetTable, *, image_size: int = 32, num_classes: int = 10, in_channels: int = 3
) -> np.ndarray:
    """Count the parameters of every network, at the widths in the table, (B,) int64."""
    vit = table_vit(table)
    base, factor = table.C.astype(np.int64), table.C_mult.astype(np.int64)
    norm, preproc = (table.norm != 1).astype(np.int64), table.preproc.astype(bool)
    states = np.array([[bin(x).count("1") for x in row] for row in table.concat.tolist()])
    first, second = _reductions(table)
    total, stem = _stem_params(table, base, vit, image_size, in_channels)
    before, last, width = stem, stem, base.copy()
    cells = [_cell_params(table, base * factor**level, vit) for level in range(3)]
    by_level, level = np.stack(cells, 1), np.zeros(len(table), np.int64)
    rows = np.arange(len(table))
    for index in range(int(table.n_cells.max(initial=0))):
        alive = index < table.n_cells
        reduce = ((first == index) | (second == index)) & (index > 0) & alive
        level = level + reduce
        width = np.where(reduce, width * factor, width)
        entry = preproc * width * (before + last + 4 * norm)
        total = total + alive * (entry + by_level[rows, level, reduce.astype(np.int64)])
        out = width * states[rows, reduce.astype(np.int64)]
        before, last = np.where(alive, last, before), np.where(alive, out, last)
    side = np.where(table.glob_avg, 1, _side(table, vit, image_size))
    return total + _head_params(table, last * side**2, num_classes)


def table_connected(table: NetTable) -> np.ndarray:
    """Find the networks with a path from image to classifier, (B,) bool.

    The path has operations other than `none` only. A cell passes something on iff one of its
    concatenated states is present; a state is present iff one of its two operations is not `none`
    and reads a present state. Shapes: (B,) bool.
    """
    size, edges = len(table), table.op.shape[2]
    present = np.zeros((size, 2, edges // 2 + 2, 4), bool)  # last axis: 2 * s0 + s1
    present[:, :, 0] = [False, False, True, True]
    present[:, :, 1] = [False, True, False, True]
    row, kind = np.arange(size)[:, None], np.arange(2)[None]
    for edge in range(edges):
        live = present[row, kind, table.source[:, :, edge]] & (table.op[:, :, edge] > 0)[..., None]
        present[:, :, 2 + edge // 2] |= live
    bits = (table.concat[:, :, None] >> np.arange(edges // 2 + 2)) & 1  # (B, 2, states)
    output = (present & bits.astype(bool)[..., None]).any(2)  # (B, 2, 4)
    first, second = _reductions(table)
    before = last = np.ones(size, bool)
    flat = np.arange(size)
    for index in range(int(table.n_cells.max(initial=0))):
        reduce = ((first == index) | (second == index)) & (index > 0)
        out = output[flat, reduce.astype(np.int64), 2 * before + last]
        alive = index < table.n_cells
        before, last = np.where(alive, last, before), np.where(alive, out, last)
    return last
