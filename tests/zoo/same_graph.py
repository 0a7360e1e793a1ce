"""Two graphs are the same in every field, in values and in types of arrays."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from graph2nn.archgraph import ArchGraph

__all__ = ["assert_same_graph", "written_and_read"]

_ARRAYS = ("op", "shape", "edges", "cell")
_OTHERS = ("params", "ops", "name", "num_classes", "outputs", "note", "calls", "attributes")


def assert_same_graph(one: ArchGraph, other: ArchGraph) -> None:
    for name in _ARRAYS:
        mine, its = getattr(one, name), getattr(other, name)
        assert mine.dtype == its.dtype and np.array_equal(mine, its), name
    for name in _OTHERS:
        assert getattr(one, name) == getattr(other, name), name
    assert list(one.param_shapes.items()) == list(other.param_shapes.items())


def written_and_read(graph: ArchGraph) -> ArchGraph:
    with tempfile.TemporaryDirectory() as folder:
        return ArchGraph.load(graph.save(Path(folder) / "graph.json"))
