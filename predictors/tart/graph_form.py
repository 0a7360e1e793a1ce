"""The form in which networks are read: as they are, or canonical."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical
from graph2nn.names import check_choice

__all__ = ["FORMS", "in_form", "without_repeats"]

FORMS = ("canonical", "pruned", "raw")
"""`canonical`: pruned and contracted; `pruned`: identities stay; `raw`: as given."""


def in_form(graphs: Sequence[ArchGraph], form: str) -> list[ArchGraph]:
    """Return the graphs in a form; canonical ones are remembered by the graph.

    Raises:
        ValueError: An unknown form.
    """
    check_choice("form", form, FORMS)
    if form == "raw":
        return list(graphs)
    return [_remembered(graph, form) for graph in graphs]


def without_repeats(graphs: Sequence[ArchGraph]) -> list[ArchGraph]:
    """Leave out graphs whose operations, shapes, cells and edges occurred before."""
    first: dict[tuple, ArchGraph] = {}
    for graph in graphs:
        arrays = (graph.op, graph.shape, graph.cell, graph.edges)
        first.setdefault((graph.ops, *(array.tobytes() for array in arrays)), graph)
    return list(first.values())


def _remembered(graph: ArchGraph, form: str) -> ArchGraph:
    contract = ("skip",) if form == "canonical" else ()
    return graph.remember(("form", form), partial(canonical, graph, contract=contract))
