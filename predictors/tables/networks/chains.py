"""Tables of chains of real layers: FBNet's latencies, TransNAS-Bench-101's macro space."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graph2nn.cells.traced import fbnet_multiply_adds, fbnet_network, tnb101_macro_network
from predictors.tables.making.fields import with_attributes
from predictors.tables.published import PUBLISHED, published_columns, read_code
from predictors.tables.table import Table

__all__ = ["fbnet", "tnb101_macro"]


def fbnet(folder: Path | None = None) -> Table:
    """Read latencies (ms) of 5 000 networks of FBNet's space on 23 devices, from HELP.

    GPUs at batch 1, 32 and 64, CPUs, and phones, whose values are whole numbers. The sizes of the
    layers are those for images of 32 pixels (CIFAR-100), to which the measured differences between
    layers agree. Attributes: `params` and `multiply_adds` (of one image), counted on our networks.
    A linear model on the one-hot codes is strong here and belongs beside every result.
    """
    columns = published_columns("fbnet", folder)
    codes = [read_code(text, "_") for text in columns["arch"]]
    graphs = [fbnet_network(code) for code in codes]
    known = {
        "params": np.array([float(graph.num_params()) for graph in graphs]),
        "multiply_adds": np.array([float(fbnet_multiply_adds(code)) for code in codes]),
    }
    targets = {name: values for name, values in columns.items() if name != "arch"}
    return Table(
        name="fbnet",
        graphs=with_attributes(graphs, known),
        targets=targets,
        default="1080ti_1",
        minimise=frozenset(targets),
        source=PUBLISHED["fbnet"].cite,
    )


def tnb101_macro(folder: Path | None = None) -> Table:
    """Read TransNAS-Bench-101, macro space, complete: 3 256 networks, seven tasks.

    Targets as those of `tnb101_micro`. Attribute: `params`, counted on our networks.
    """
    columns = published_columns("tnb101_macro", folder)
    codes = [read_code(text) for text in columns["arch"]]
    graphs = [tnb101_macro_network(code) for code in codes]
    params = np.array([float(graph.num_params()) for graph in graphs])
    return Table(
        name="tnb101_macro",
        graphs=with_attributes(graphs, {"params": params}),
        targets={name: values for name, values in columns.items() if name != "arch"},
        default="class_object",
        source=PUBLISHED["tnb101_macro"].cite,
    )
