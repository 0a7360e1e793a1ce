"""The graphs that tasks train: the thinned sweeps, shipped with the package, and connectomes."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.names import choose
from graph2nn.relational.graphs.connectomes import CONNECTOMES, load_connectome
from graph2nn.relational.graphs.generators import complete, read_graph, ws_flex_name
from graph2nn.relational.graphs.graph import RelationalGraph, as_graph
from graph2nn.relational.graphs.measures import clustering, path_length
from graph2nn.relational.graphs.published import published_graph, published_graphs

__all__ = [
    "GRAPH_SETS",
    "GraphEntry",
    "complete_entry",
    "connectome_entries",
    "entries_from_rows",
    "graph_set",
    "graph_set_index",
    "own_entry",
]

GRAPH_SETS = ("n64_52", "n64_449", "n64_3942", "n16_48", "n16_326", "n16_2698")
"""The thinned sweeps by published name: nodes, then number of graphs."""


@dataclass(frozen=True, kw_only=True)
class GraphEntry:
    """What a table says of a graph, and enough to make it again.

    Args:
        kind: Kind of graph: ws, complete, connectome or own.
        num_nodes, sparsity, p, seed: Arguments of WS-flex, with k = n * sparsity; of the other
            kinds the measured sparsity, 0 and 1.
        C, L: Average clustering coefficient and path length (of a connectome: with both directions
            of every edge).
        name: Name of a connectome or of a graph of one's own.
        rows: Rows of the adjacency of a graph of one's own, as texts of 0 and 1.

    Raises:
        ValueError: Another kind, or rows of another kind of graph.
    """

    kind: str
    num_nodes: int
    sparsity: float
    p: float
    seed: int
    C: float
    L: float
    name: str = ""
    rows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        choose("kind of entry", self.kind, ("ws", "complete", "connectome", "own"))
        if bool(self.rows) != (self.kind == "own") or (self.rows and not self.name):
            raise ValueError(
                f"GraphEntry: kind {self.kind!r} with {len(self.rows)} rows; own_entry(graph) "
                "makes the entry of any graph"
            )

    @property
    def graph_id(self) -> str:
        """The name in tables: `n64_s0.125_p0.008154_g22`, `complete`, or the connectome's."""
        if self.kind != "ws":
            return self.name or self.kind
        return ws_flex_name(self.num_nodes, self.sparsity, self.p, self.seed)

    def graph(self, *, data_dir: str | Path | None = None) -> RelationalGraph:
        """Make the graph itself, sparsity and p rounded to 6 decimals as in published training."""
        if self.kind == "complete":
            return complete(self.num_nodes)
        if self.kind == "connectome":
            return load_connectome(self.name, data_dir=data_dir)
        if self.kind == "own":
            table = np.array([[char == "1" for char in row] for row in self.rows])
            return RelationalGraph(adjacency=table, name=self.name)
        return published_graph((self.num_nodes, self.sparsity, self.p, self.seed))


@cache
def graph_set(name: str) -> tuple[GraphEntry, ...]:
    """Return one of `GRAPH_SETS` in published order, read from the package.

    Raises:
        ValueError: Unknown name.
    """
    choose("set of graphs", name, GRAPH_SETS)
    return entries_from_rows(published_graphs(name))


@cache
def graph_set_index(name: str) -> dict[str, int]:
    """Return the position in the set of every graph, by `graph_id`."""
    return {entry.graph_id: k for k, entry in enumerate(graph_set(name))}


def entries_from_rows(rows: Iterable[Iterable[float]]) -> tuple[GraphEntry, ...]:
    """Make the entries of a table with the columns n, sparsity, p, seed, C, L.

    Raises:
        ValueError: Another number of columns, or values that are no graph.
    """
    table = np.asarray(rows, dtype=float)
    if table.ndim != 2 or table.shape[1] != 6:
        raise ValueError(
            f"a table of graphs has the columns n, sparsity, p, seed, C, L; got shape {table.shape}"
        )
    if not np.isfinite(table).all():
        raise ValueError("a table of graphs holds finite numbers only, got NaN or infinity")
    return tuple(
        GraphEntry(
            kind="ws", num_nodes=int(n), sparsity=float(sparsity), p=float(p), seed=int(seed),
            C=float(c), L=float(length),
        )
        for n, sparsity, p, seed, c, length in table
    )  # fmt: skip


def complete_entry(num_nodes: int) -> GraphEntry:
    """Make the entry of the complete graph: C = L = 1, published sparsity 1.

    It is the dense baseline.
    """
    return GraphEntry(
        kind="complete", num_nodes=num_nodes, sparsity=1.0, p=0.0, seed=1, C=1.0, L=1.0
    )


def own_entry(graph: Any, name: str = "") -> GraphEntry:
    """Make the entry of any graph, with which it enters sweeps and tables.

    C and L of a directed graph are those of its undirected closure.

    Args:
        graph: Whatever `as_graph` takes: adjacency (n, n), networkx graph, edges, relational graph;
            or a text that `read_graph` takes, such as `hypercube:n=64` or the path of a file.
        name: Name in tables and of files, "" for the graph's own. Six digits of a checksum are
            added to it unless it is that of a family, so that graphs of one name are told apart.

    Raises:
        ValueError: No graph, one whose parts are not connected, or one without a name.

    Examples:
        >>> own_entry("star:n=8").graph_id
        'star_n8'
    """
    found = read_graph(graph) if isinstance(graph, str) else as_graph(graph)
    name = re.sub(r"[^\w.-]+", "_", name or found.name)
    if not name:
        raise ValueError("own_entry: the graph has no name; pass name=")
    both = found.undirected().adjacency if found.directed else found.adjacency
    length = path_length(both)
    if not math.isfinite(length):
        raise ValueError(f"own_entry: {name} is in parts that no path connects; add edges")
    rows = tuple("".join("01"[int(entry)] for entry in row) for row in found.adjacency)
    if found.regrow is None or name != found.name:
        name += f"_{hashlib.sha256(' '.join(rows).encode()).hexdigest()[:6]}"
    return GraphEntry(
        kind="own", name=name, num_nodes=found.num_nodes, sparsity=found.sparsity, p=0.0, seed=1,
        C=clustering(both), L=length, rows=rows,
    )  # fmt: skip


def connectome_entries(data_dir: str | Path | None = None) -> tuple[GraphEntry, ...]:
    """Make the entries of the three connectomes, directed as published.

    C and L are those of their undirected closure.
    """
    found = []
    for name in CONNECTOMES:
        graph = load_connectome(name, data_dir=data_dir)
        both = graph.undirected().adjacency
        c, length = clustering(both), path_length(both)
        assert math.isfinite(length)
        found.append(
            GraphEntry(
                kind="connectome", name=name, num_nodes=graph.num_nodes, sparsity=graph.sparsity,
                p=0.0, seed=1, C=c, L=length,
            )
        )  # fmt: skip
    return tuple(found)
