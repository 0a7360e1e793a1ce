"""Cells of the NAS benchmarks (101, 201, TransNAS, Macro) as `ArchGraph`s and as networks."""

from graph2nn.cells.as_archgraph import (
    cell_graph,
    macro_network,
    nb101_cell,
    nb201_cell,
    nb201_string,
    tnb101_cell,
)
from graph2nn.cells.graphs.ops import CELL_OPS
from graph2nn.cells.networks.network import DagNetwork
from graph2nn.cells.networks.skeletons import SKELETONS, CellNetwork, build_cell_network
from graph2nn.cells.sampling import SPACES, enumerate_space, mutate_cell, sample_cells

__all__ = [
    "CELL_OPS",
    "SKELETONS",
    "SPACES",
    "CellNetwork",
    "DagNetwork",
    "build_cell_network",
    "cell_graph",
    "enumerate_space",
    "macro_network",
    "mutate_cell",
    "nb101_cell",
    "nb201_cell",
    "nb201_string",
    "sample_cells",
    "tnb101_cell",
]
