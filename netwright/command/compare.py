"""`netwright diff`: where the graphs of two networks differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from graph2nn.archgraph import diff, draw
from graph2nn.runs import option
from netwright.command.inputs import INPUT_HELP
from netwright.command.targets import graph_of

__all__ = ["DiffCommand", "show_difference"]


@dataclass(frozen=True, kw_only=True)
class DiffCommand:
    """Compare two networks node by node.

    Examples:
        netwright diff torchvision.models:resnet34 torchvision.models:resnet50
        netwright diff yesterday.json models.py:small --html changes.html
    """

    before: str = option(positional=True, help="network, as for netwright graph")
    after: str = option(positional=True, help="network, as for netwright graph")
    input: str | None = option(None, help=f"input: {INPUT_HELP}")
    view: Literal["full", "primitives", "ghn2", "ghn3"] = option("full", help="kind of graph")
    html: str | None = option(None, help="page to write")


def show_difference(config: DiffCommand) -> str:
    """Compare, and return what to print.

    Raises:
        ValueError, OSError: A network cannot be had, or the page not be written.
    """
    before, after = (
        graph_of(target, view=config.view, input=config.input)
        for target in (config.before, config.after)
    )
    found = diff(before, after)
    if config.html is not None:
        draw(found, config.html)
    return str(found)
