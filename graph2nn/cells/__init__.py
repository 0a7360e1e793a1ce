"""Cells of the NAS benchmarks as `ArchGraph`s: NAS-Bench-101, 201, TransNAS-Bench-101, Macro."""

from graph2nn.cells.encodings import (
    cell_graph,
    macro_network,
    nb101_cell,
    nb201_cell,
    nb201_string,
    tnb101_cell,
)
from graph2nn.cells.ops import CELL_OPS

__all__ = [
    "CELL_OPS",
    "cell_graph",
    "macro_network",
    "nb101_cell",
    "nb201_cell",
    "nb201_string",
    "tnb101_cell",
]
