"""`RelationalGraph`: the graph whose nodes exchange messages in every layer of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

__all__ = ["GRAPH_FILES", "RelationalGraph", "as_graph", "load_graphs"]


@dataclass(frozen=True, eq=False, kw_only=True)
class RelationalGraph:
    """A graph on n nodes; a node is a block of channels, an edge a trainable block of weights.

    "Graph Structure of Neural Networks", arXiv:2007.06559, section 2. Every node also sends to
    itself; these self-edges are implied and never stored, as they never enter a measure.

    Args:
        adjacency: Matrix whose entry (i, j) says that node i receives from node j. Zero diagonal;
            symmetric unless the graph is directed. It is made read-only.
        name: Name for messages, tables and captions.
        regrow: Function that makes a graph of the same family with another number of nodes, where
            that is defined (WS-flex: same density, rewiring probability and seed).

    Shapes:
        adjacency (n, n) bool.

    Raises:
        ValueError: Not square, not 0/1, or empty.

    Examples:
        >>> RelationalGraph(adjacency=[[0, 1], [1, 0]]).num_edges
        1
    """

    adjacency: np.ndarray
    name: str = ""
    regrow: Callable[[int], RelationalGraph] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "adjacency", _checked(self.adjacency, self.name))

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return len(self.adjacency)

    @property
    def directed(self) -> bool:
        """Whether some edge has no counterpart."""
        return bool((self.adjacency != self.adjacency.T).any())

    @property
    def num_edges(self) -> int:
        """Edges without self-edges; a pair of opposite edges counts once where undirected."""
        entries = int(self.adjacency.sum())
        return entries if self.directed else entries // 2

    @property
    def sparsity(self) -> float:
        """k / n: mean degree over nodes, self-edges excluded.

        The published name; it is a density.
        """
        return float(self.adjacency.sum()) / self.num_nodes**2

    def with_self_edges(self) -> np.ndarray:
        """Return the adjacency that layers use, with self-edges, (n, n) bool."""
        return self.adjacency | np.eye(self.num_nodes, dtype=bool)

    def is_connected(self) -> bool:
        """Tell whether every node reaches every other along edges, directions respected."""
        return _reaches_all(self.adjacency) and _reaches_all(self.adjacency.T)

    def undirected(self) -> RelationalGraph:
        """Return the graph with both directions wherever there is one."""
        return RelationalGraph(adjacency=self.adjacency | self.adjacency.T, name=self.name)

    def resized(self, num_nodes: int) -> RelationalGraph:
        """Return the graph of the same family on `num_nodes` nodes.

        Raises:
            ValueError: The graph has another size and no family to take it from.
        """
        if num_nodes == self.num_nodes:
            return self
        if self.regrow is None:
            raise ValueError(
                f"graph {self.name or '(unnamed)'} has {self.num_nodes} nodes and cannot be made "
                f"with {num_nodes}: use a generated graph, or at least {self.num_nodes} channels"
            )
        return self.regrow(num_nodes)

    def to_networkx(self) -> nx.Graph | nx.DiGraph:
        """Convert to a `networkx` graph on 0..n-1; a directed edge runs from sender to receiver."""
        if self.directed:
            return nx.from_numpy_array(self.adjacency.T, create_using=nx.DiGraph)
        return nx.from_numpy_array(self.adjacency)

    def __repr__(self) -> str:
        label = f"{self.name!r}, " if self.name else ""
        kind = ", directed" if self.directed else ""
        return f"RelationalGraph({label}nodes={self.num_nodes}, edges={self.num_edges}{kind})"


def as_graph(
    source: RelationalGraph | nx.Graph | np.ndarray | Sequence[Sequence[float]],
    *,
    num_nodes: int | None = None,
    name: str = "",
) -> RelationalGraph:
    """Make a `RelationalGraph` from whatever describes one.

    Args:
        source: A relational graph (returned as it is), a networkx graph (directed edges run from
            sender to receiver), a square adjacency (n, n) (row receives from column), or an edge
            list of pairs (u, v), (E, 2), taken as undirected.
        num_nodes: Size of a graph given as an edge list; None means the largest node plus one. An
            array of shape (2, 2) is an adjacency unless this is given.
        name: Name of the graph.

    Raises:
        ValueError: The source is nothing of these.
    """
    if isinstance(source, RelationalGraph):
        return source
    if isinstance(source, nx.Graph):
        nodes = sorted(source) if _sortable(source) else list(source)
        table = nx.to_numpy_array(source, nodelist=nodes, weight=None) > 0
        np.fill_diagonal(table, False)
        return RelationalGraph(adjacency=table.T, name=name or str(source.name))
    table = np.asarray(source)
    if table.ndim == 2 and table.shape[1] == 2 and (len(table) != 2 or num_nodes is not None):
        return _from_edges(table, num_nodes, name)
    return RelationalGraph(adjacency=table, name=name)


def load_graphs(path: str | Path) -> list[Any]:
    """Read what a file of graphs holds, as `as_graph` takes it.

    Args:
        path: Path of a file `.npy` (one adjacency), `.npz` (several), `.graphml` or `.gml` (one
            graph of networkx).

    Returns:
        Arrays (n, n), or graphs.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Another suffix, or content that is none of these.
    """
    path = Path(path)
    if path.suffix not in GRAPH_FILES:
        raise ValueError(f"{path}: expected a file {', '.join(GRAPH_FILES)}")
    if not path.is_file():
        raise FileNotFoundError(f"graph: {path} does not exist")
    try:
        return GRAPH_FILES[path.suffix](path)
    except Exception as error:  # of parsers, of what they find
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise ValueError(
            f"{path} cannot be read as {path.suffix} ({reason}); write it again"
        ) from None


def _arrays(path: Path) -> list[np.ndarray]:
    # Opened here: numpy forgets to close a file that is no archive.
    with path.open("rb") as file, np.load(file) as found:
        return [found[name] for name in found.files]


GRAPH_FILES: dict[str, Callable[[Path], list[Any]]] = {
    ".npy": lambda path: [np.load(path)],
    ".npz": _arrays,
    ".graphml": lambda path: [nx.read_graphml(path)],
    ".gml": lambda path: [nx.read_gml(path)],
}
"""Readers of files of graphs by suffix."""


def _from_edges(edges: np.ndarray, num_nodes: int | None, name: str) -> RelationalGraph:
    if len(edges) == 0 and not num_nodes:
        raise ValueError("an empty edge list says nothing of the number of nodes: pass num_nodes")
    if edges.dtype.kind not in "iu" and len(edges):
        raise ValueError(f"edge list: expected pairs of node numbers, got {edges.dtype} entries")
    n = int(edges.max()) + 1 if num_nodes is None else num_nodes
    if len(edges) and (edges.min() < 0 or edges.max() >= n):
        raise ValueError(
            f"edge list: expected nodes 0 to {n - 1}, got {edges.min()} to {edges.max()}"
        )
    table = np.zeros((n, n), dtype=bool)
    table[edges[:, 0], edges[:, 1]] = table[edges[:, 1], edges[:, 0]] = True
    np.fill_diagonal(table, False)
    return RelationalGraph(adjacency=table, name=name)


def _checked(adjacency: Any, name: str) -> np.ndarray:
    table, label = np.asarray(adjacency), f"graph {name}: " if name else ""
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise ValueError(f"{label}expected a square adjacency, got shape {table.shape}")
    if len(table) == 0:
        raise ValueError(f"{label}expected at least one node, got an empty adjacency")
    if table.dtype != bool:
        if table.dtype.kind not in "biuf" or not np.isin(table, (0, 1)).all():
            raise ValueError(f"{label}expected an adjacency of zeros and ones, got other entries")
        table = table.astype(bool)
    if table.diagonal().any():
        raise ValueError(
            f"{label}the diagonal of the adjacency must be zero, node "
            f"{int(table.diagonal().argmax())} has a self-edge; layers add all self-edges anyway"
        )
    table = table.copy()
    table.setflags(write=False)
    return table


def _reaches_all(adjacency: np.ndarray) -> bool:
    reached = np.zeros(len(adjacency), dtype=bool)
    reached[0] = True
    while True:
        grown = reached | adjacency[:, reached].any(1)
        if (grown == reached).all():
            return bool(reached.all())
        reached = grown


def _sortable(nodes: Iterable) -> bool:
    try:
        sorted(nodes)
    except TypeError:
        return False
    return True
