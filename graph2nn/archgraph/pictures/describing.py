"""What does a thing look like? `describe`, which spaces of networks teach their own graphs."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from graph2nn.archgraph.exchange.difference import Difference, diff
from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.pictures.differences import difference_picture
from graph2nn.archgraph.pictures.picture import Picture, picture_of

__all__ = ["describe"]


@singledispatch
def describe(subject: Any) -> Picture:
    """Describe anything for drawing; further types are added by `describe.register`.

    Raises:
        ValueError: Nothing is known that draws this.
    """
    raise ValueError(
        "cannot draw this: expected a module, an ArchGraph, two of these, their diff, a "
        f"RelationalGraph, a WiringGraph or a MultipartiteGraph, got {type(subject).__name__}"
    )


describe.register(ArchGraph, picture_of)
describe.register(Difference, difference_picture)


@describe.register(tuple)
@describe.register(list)
def _two(subject: Any) -> Picture:
    if len(subject) != 2 or not all(isinstance(graph, ArchGraph) for graph in subject):
        kinds = ", ".join(type(graph).__name__ for graph in subject)
        raise ValueError(f"cannot draw this: expected two graphs of one kind, got ({kinds})")
    return difference_picture(diff(*subject))
