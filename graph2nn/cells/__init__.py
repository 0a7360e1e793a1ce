"""Cells and networks of the NAS benchmarks as `ArchGraph`s and as modules."""

from graph2nn.cells.as_archgraph import (
    cell_graph,
    macro_network,
    nb101_cell,
    nb201_cell,
    nb201_string,
    tnb101_cell,
)
from graph2nn.cells.graphs.ops import CELL_OPS
from graph2nn.cells.networks.fbnet import FBNet
from graph2nn.cells.networks.gpt import GPT, GPTSizes
from graph2nn.cells.networks.macro_resnet import MacroResNet
from graph2nn.cells.networks.network import DagNetwork
from graph2nn.cells.networks.skeletons import SKELETONS, CellNetwork, build_cell_network
from graph2nn.cells.sampling import SPACES, enumerate_space, mutate_cell, sample_cells
from graph2nn.cells.traced import fbnet_network, gpt_network, tnb101_macro_network

__all__ = [
    "CELL_OPS",
    "GPT",
    "SKELETONS",
    "SPACES",
    "CellNetwork",
    "DagNetwork",
    "FBNet",
    "GPTSizes",
    "MacroResNet",
    "build_cell_network",
    "cell_graph",
    "enumerate_space",
    "fbnet_network",
    "gpt_network",
    "macro_network",
    "mutate_cell",
    "nb101_cell",
    "nb201_cell",
    "nb201_string",
    "sample_cells",
    "tnb101_cell",
    "tnb101_macro_network",
]
