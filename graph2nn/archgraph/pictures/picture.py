"""What is there to draw? `Picture`: nodes with looks and facts, edges, modules or places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from graph2nn.archgraph.graph import PRIMITIVES, ArchGraph
from graph2nn.archgraph.pictures.hierarchy import Hierarchy, make_hierarchy
from graph2nn.archgraph.pictures.modules import grouped_order, module_chains
from graph2nn.archgraph.pictures.palette import Style, style_of

__all__ = ["Column", "Picture", "Places", "Status", "picture_of"]

Status = Literal["", "failed", "added", "removed", "changed"]
"""What is special about a node; "" nothing."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Column:
    """Facts of the nodes.

    Args:
        name: Name of the fact.
        values: Value of each node; NaN or None where there is none.
        total: How the value of a module follows from those of its nodes; "" if it does not.
    """

    name: str
    values: np.ndarray | tuple
    total: Literal["sum", "max", "mean", ""] = "sum"

    @property
    def numeric(self) -> bool:
        """Whether values are numbers, which can be shown as colours."""
        return isinstance(self.values, np.ndarray)


@dataclass(frozen=True, eq=False, kw_only=True)
class Places:
    """Where nodes stand in a picture that is not laid out by modules.

    Args:
        position: Centres of the nodes, y downwards.
        size: Diameter of a node.
        captions: Texts beside the nodes, as (x, y, text).
        directed: Whether edges have heads.

    Shapes:
        position (N, 2).
    """

    position: np.ndarray
    size: float = 10.0
    captions: tuple[tuple[float, float, str], ...] = ()
    directed: bool = True


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """Anything that is drawn: nodes, edges, and either a tree of modules or places.

    Args:
        title: What it is.
        subtitle: Sizes, in a line.
        note: Remark, such as why a trace ended early.
        names: Name of each node.
        looks: Number of each node's look, an index into `styles`.
        styles: Looks that there are.
        edges: Edges.
        hierarchy: Tree of modules; None where `places` are given.
        places: Places of the nodes; None where the tree is laid out.
        columns: Facts of the nodes.
        status: What is special about each node; empty for nothing.
        weight: Strength of each edge, from 0 to 1; empty where edges are equal.
        edge_status: What is special about each edge; empty for nothing.

    Shapes:
        looks (N,), edges (2, E), weight (E,) or (0,).
    """

    title: str
    subtitle: str
    names: Sequence[str]
    looks: np.ndarray
    styles: Sequence[Style]
    edges: np.ndarray
    note: str = ""
    hierarchy: Hierarchy | None = None
    places: Places | None = None
    columns: Sequence[Column] = ()
    status: Sequence[Status] = ()
    weight: np.ndarray = field(default_factory=lambda: np.zeros(0))
    edge_status: Sequence[Status] = ()

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return len(self.names)


_FIRST = ("output_shape", "dtype", "flops", "multiply_adds", "parameters")
_HIDDEN = {"memory", "axes", "values"}  # numbers that tell a reader nothing, or nothing more
_LARGEST = {"receptive_field"}


def picture_of(
    graph: ArchGraph,
    *,
    numbers: Mapping[str, Any] | None = None,
    status: Sequence[Status] = (),
    title: str | None = None,
    subtitle: str | None = None,
    note: str = "",
    edge_status: Sequence[Status] = (),
) -> Picture:
    """Describe a graph for drawing: operations in modules, with all that is known of them.

    Args:
        graph: The graph.
        numbers: Further numbers of the nodes by name, N each; NaN where there is none.
        status: What is special about each node.
        title: Title; None takes the graph's name.
        subtitle: Line below it; None takes the numbers of nodes, edges and parameters.
        note: Remark; "" takes the graph's.
        edge_status: What is special about each edge.

    Raises:
        ValueError: A graph without nodes, or `numbers` of another length.
    """
    if not graph.num_nodes:
        raise ValueError("the graph has no nodes, so there is nothing to draw")
    chains = module_chains(graph)
    names = graph.op_names()
    shown = graph.columns.get("output_shape", graph.shape.tolist())
    signatures = [
        (op, tuple(shape), tuple(out or ()), tuple(status[k : k + 1]))
        for k, (op, shape, out) in enumerate(zip(names, graph.shape.tolist(), shown))
    ]
    order = grouped_order(graph, chains)
    styles, looks = _looks(names, graph.ops == PRIMITIVES)
    params = graph.num_params()
    if subtitle is None:
        subtitle = f"{graph.num_nodes:,} operations, {graph.num_edges:,} edges"
        subtitle += f", {params:,} parameters" if params else ""
    return Picture(
        title=(graph.name or "network") if title is None else title,
        subtitle=subtitle,
        note=note or graph.note,
        names=names,
        looks=looks,
        styles=styles,
        edges=graph.edges,
        hierarchy=make_hierarchy(order, graph.edges, chains, signatures, name=graph.name),
        columns=_columns(graph, numbers or {}),
        status=status,
        edge_status=edge_status,
    )


def _looks(names: Sequence[str], primitive: bool) -> tuple[list[Style], np.ndarray]:
    found = {name: style_of(name, primitive=primitive) for name in dict.fromkeys(names)}
    styles = sorted(set(found.values()), key=lambda style: style.rank)
    index = {style: k for k, style in enumerate(styles)}
    return styles, np.array([index[found[name]] for name in names], dtype=np.int64)


def _columns(graph: ArchGraph, numbers: Mapping[str, Any]) -> list[Column]:
    known = dict(graph.columns)
    if "parameters" not in known and graph.param_shapes:
        sizes = {name: math.prod(shape) for name, shape in graph.param_shapes.items()}
        counts = [sum(sizes[name] for name in names) for names in graph.params]
        known["parameters"] = np.array(counts, dtype=np.int64)
    for name, values in numbers.items():
        column = np.asarray(values, dtype=np.float64)
        if column.shape != (graph.num_nodes,):
            raise ValueError(
                f"numbers[{name!r}]: expected {graph.num_nodes} values, one for each node, got "
                f"an array of shape {column.shape}"
            )
        known[name] = column
    names = sorted(known.keys() - _HIDDEN, key=lambda name: _rank(name, list(known)))
    columns = [_column(name, known[name]) for name in names]
    sized = {name: f"{name} ({_text(shape)})" for name, shape in graph.param_shapes.items()}
    texts = tuple("; ".join(sized[name] for name in names) for names in graph.params)
    if any(texts):
        columns.append(Column(name="parameter names", values=texts, total=""))
    if graph.ops == PRIMITIVES or not graph.param_shapes:
        shapes = tuple(
            "×".join(map(str, row)) if any(row) else None for row in graph.shape.tolist()
        )
        columns.append(Column(name="shape", values=shapes, total=""))
    return columns


def _rank(name: str, order: list[str]) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST) + order.index(name)


def _column(name: str, values: Any) -> Column:
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        total: Any = "max" if name in _LARGEST else "sum"
        return Column(name=name, values=values, total=total)
    nothing = "scalar" if name == "output_shape" else None
    return Column(name=name, values=tuple(_text(value, nothing) for value in values), total="")


def _text(value: Any, nothing: str | None = "scalar") -> str | None:
    if isinstance(value, (tuple, list)):
        return "×".join(map(str, value)) if value else nothing
    return None if value is None else str(value)
