"""`draw`: networks and graphs of all kinds, as pages to look through and as figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.pictures.describing import describe
from graph2nn.archgraph.pictures.figures.every_node import draw_graph
from graph2nn.archgraph.pictures.figures.folded import draw_folded
from graph2nn.archgraph.pictures.figures.placed import draw_placed
from graph2nn.archgraph.pictures.folding import Fold
from graph2nn.archgraph.pictures.page.html import Page, render
from graph2nn.archgraph.pictures.picture import Picture, Status, picture_of
from graph2nn.archgraph.tracer import trace
from graph2nn.archgraph.tracing.failures import TraceError
from graph2nn.runs.figures import FORMATS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]


def draw(
    graph: Any,
    path: str | Path | None = None,
    *,
    input: Any = None,
    ax: Axes | None = None,
    fold: Fold | None = None,
    numbers: Mapping[str, Any] | None = None,
    colour: str | None = None,
    virtual_edges: bool | int = False,
    labels: bool | Literal["auto"] = "auto",
    title: str | None = None,
) -> Figure | Page:
    """Draw a network or a graph: `net.html` to click through, `.svg`, `.pdf` or `.png` to print.

    The page is one file that needs neither a server nor a network: modules fold and unfold, equal
    blocks one behind the other are shown once with their number, a click shows all numbers of a
    node or module, which can also be its colour. At the start it is unfolded as far as it fits the
    window. Figures run from top to bottom, long ones in several columns from left to right; the
    edges that leave a node share one line as far as they go the same way.

    Colours follow the figures of DeepNets-1M (arXiv:2110.13100): blue convolutions, magenta biases,
    green and yellow normalisation, red sums and concatenations. Graphs in another vocabulary than
    the 15 primitives get a colour for each family of operations.

    Args:
        graph: Graph to draw, or a module, which is traced with all its numbers; two of these, or
            their `diff`, as their difference; a relational graph, a wiring's graph or a
            multipartite graph.
        path: File to write, `.html`, `.png`, `.pdf` or `.svg`; None writes none and makes a figure.
        input: Example input of a module, see `trace`.
        ax: Axes to draw a figure into; None makes a figure of a size that suits the graph.
        fold: Number of levels of modules that a figure shows unfolded, or "auto" for as many as
            fit 60 boxes; None draws every node. Pages fold and unfold by themselves.
        numbers: Further numbers of the nodes by name, one for each node, such as measured times.
        colour: Name of the number that colours a page at the start; None colours by kind.
        virtual_edges: Whether shortest paths of 2 to 50 edges (or up to that number) are drawn,
            fainter with their length; in unfolded figures.
        labels: Whether operation, kernel and output size are written into the nodes of an unfolded
            figure; "auto" up to 80 nodes, where the figure is at most 15 inches wide with them.
        title: Title; None takes the graph's name and size; "" none.

    Returns:
        The page, which a notebook shows, or the figure; `figure.axes[0].get_legend()` lists what
        colours mean.

    Raises:
        ValueError: A suffix of another format, a graph without nodes, anything that cannot be
            drawn, or `numbers` and `colour` that do not fit.
        TraceError: The module cannot be traced. What was traced until then is drawn all the same,
            with the operation that failed.
        OSError: The file cannot be written.

    Examples:
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten())
        >>> page = draw(net, "net.html", input=torch.zeros(2, 3, 8, 8))
        >>> figure = draw(trace(net, torch.zeros(2, 3, 8, 8)), "net.pdf")
    """
    path = None if path is None else _path(path)
    paged = path is not None and path.suffix.lower() == ".html"
    if colour is not None and not paged:
        raise ValueError(f"colour={colour!r}: pages are coloured by numbers; draw to a .html file")
    status: tuple[Status, ...] = ()
    failure: TraceError | None = None
    if _is_network(graph):
        graph, failure = _traced(graph, input)
        if failure is not None:
            graph, status = _marked(graph, failure)
    if isinstance(graph, ArchGraph) and not paged and fold is None:
        made: Figure | Page = draw_graph(
            graph, path, ax=ax, virtual_edges=virtual_edges, labels=labels, title=title,
            status=status,
        )  # fmt: skip
    else:
        note = "" if failure is None else str(failure)
        picture = _picture(graph, numbers=numbers, status=status, title=title, note=note)
        made = _draw_picture(picture, path, ax=ax, fold=fold, colour=colour, title=title)
    if failure is not None:
        raise failure
    return made


def _path(path: str | Path) -> Path:
    path = Path(path)
    kinds = (*FORMATS, "html")
    if path.suffix.lower().removeprefix(".") not in kinds:
        known = ", ".join(f".{name}" for name in kinds)
        raise ValueError(f"cannot draw to {path}: expected a file name that ends in {known}")
    return path


def _is_network(subject: Any) -> bool:
    """Whether it is to be traced: a module, or a function of tensors."""
    return isinstance(subject, nn.Module) or (callable(subject) and not isinstance(subject, type))


def _traced(module: Any, input: Any) -> tuple[ArchGraph, TraceError | None]:
    """The graph of a module; what there is of it, and the error, where tracing fails."""
    try:
        return trace(module, input, measures=True), None
    except TraceError as error:
        if error.graph is None or not error.graph.num_nodes:
            raise
        return error.graph, error


def _marked(graph: ArchGraph, error: TraceError) -> tuple[ArchGraph, tuple[Status, ...]]:
    """The graph, and the mark of what failed: the last of its name; its parameters follow it."""
    names = graph.op_names()
    last = max(
        (k for k, name in enumerate(names) if name == error.operation), default=len(names) - 1
    )
    status: list[Status] = [""] * len(names)
    status[last] = "failed"
    columns = {
        name: (*column[:last], *[None] * (len(names) - last))  # it has no output
        for name, column in graph.columns.items()
        if isinstance(column, tuple)
    }
    return graph.replace(columns={**graph.columns, **columns}), tuple(status)


def _picture(
    graph: Any,
    *,
    numbers: Mapping[str, Any] | None,
    status: tuple[Status, ...],
    title: str | None,
    note: str,
) -> Picture:
    if isinstance(graph, ArchGraph):
        return picture_of(graph, numbers=numbers, status=status, title=title, note=note)
    if numbers:
        raise ValueError("numbers belong to the nodes of one graph; expected an ArchGraph")
    if isinstance(graph, (tuple, list)):
        graph = tuple(trace(g) if _is_network(g) else g for g in graph)
    picture = describe(graph)
    return picture if title is None else replace(picture, title=title)


def _draw_picture(
    picture: Picture,
    path: Path | None,
    *,
    ax: Axes | None,
    fold: Fold | None,
    colour: str | None,
    title: str | None,
) -> Figure | Page:
    if path is not None and path.suffix.lower() == ".html":
        return render(picture, colour=colour).save(path)
    if picture.hierarchy is None:
        return draw_placed(picture, path, ax=ax, title=title)
    return draw_folded(picture, path, ax=ax, fold="auto" if fold is None else fold, title=title)
