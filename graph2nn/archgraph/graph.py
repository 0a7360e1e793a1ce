"""What is a graph of a network? `ArchGraph`, the one type of the library: arrays and names."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.archgraph.calls import Call, Scope
from graph2nn.archgraph.files.graph_json import read_graph_fields, write_graph_fields
from graph2nn.archgraph.paths import average_path, path_lengths
from graph2nn.archgraph.remembering import Remembering
from graph2nn.names import choose

__all__ = ["PRIMITIVES", "PRIMITIVE_ID", "ArchGraph", "shape4d", "structural_hash"]

PRIMITIVES: tuple[str, ...] = (
    "max_pool",
    "avg_pool",
    "sep_conv",
    "dil_conv",
    "conv",
    "msa",
    "cse",
    "sum",
    "concat",
    "input",
    "bias",
    "bn",
    "ln",
    "pos_enc",
    "glob_avg",
)
"""The vocabulary of operations a graph hypernetwork knows (DeepNets-1M, arXiv:2110.13100, Table 1),
in published order: the index is the row of a hypernetwork's `embed`."""

PRIMITIVE_ID: dict[str, int] = {name: i for i, name in enumerate(PRIMITIVES)}


def shape4d(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Read a parameter's shape as (out, in, height, width), the form the shape encoder takes.

    1-D `(n,)` becomes `(n, 1, 1, 1)`, 2-D `(o, i)` becomes `(o, i, 1, 1)`. A table of L positions
    `(1, L, D)` with L, D > 1 becomes the square map `(1, D, √L, √L)` (rounded down); other 3-D
    shapes get a trailing 1. More than four axes (3-d convolutions) fold the leading kernel axes
    into the height. A scalar is `(1, 1, 1, 1)`.
    """
    n = len(shape)
    if n == 3 and shape[0] == 1 and shape[1] > 1 and shape[2] > 1:
        side = int(shape[1] ** 0.5)
        return (1, shape[2], side, side)
    if n <= 4:
        o, i, h, w = (*shape, 1, 1, 1, 1)[:4]
        return (o, i, h, w)
    return (shape[0], shape[1], int(np.prod(shape[2:-1])), shape[-1])


@dataclass(frozen=True, eq=False, kw_only=True)
class ArchGraph(Remembering):
    """The computational graph of a network: a DAG whose nodes are operations and parameters.

    Nodes are numbered in a topological order: every edge goes from a smaller to a larger index. Two
    graphs are equal if every field is; `canonical_key` compares them up to the numbering of nodes,
    `diff` says where they differ.

    Args:
        op: Id of each node's operation, an index into `ops`.
        shape: 4-D shape of the node's parameter, or `(1, 1, k, k)` of a pool; zeros where a node
            has none.
        edges: Real edges: row 0 the sources, row 1 the targets, without duplicates, sorted
            row-major.
        params: Qualified names of the parameters predicted from each node, in the order
            weight, bias. Empty for a node without parameters. A normalisation carries its weight
            and its bias; a convolution's or linear layer's bias has a node of its own (primitive
            `bias`).
        param_shapes: True shape of every parameter named in `params`.
        cell: Number of the cell each node belongs to (0 everywhere outside DeepNets networks).
        ops: Names of the operations; the 15 `PRIMITIVES`, or the open vocabulary of a full view.
        name: Name for messages and captions.
        num_classes: Size of the last layer's output, where known.
        outputs: Nodes in which the network's outputs end; empty stands for the last node.
        note: Remark on how the graph was made, where that was out of the ordinary (traced on real
            values, say).
        calls: Record of how each node's operation was called; None at a parameter's own node. Empty
            where it was not recorded (`trace(..., calls=True)` does).
        returned: Call named "return", whose only argument is what the network returns; objects are
            the dicts of their attributes. None where calls were not recorded.
        attributes: Numbers known of the network without training it (FLOPs, zero-cost proxies);
            predictors may use them beside the graph.
        scopes: Calls of modules, callers before those they call; empty where unknown.
        scope: Number of the innermost scope of each node, -1 where unknown; empty where there are
            no scopes.
        columns: Further facts of the nodes by name, N values each: an array of numbers, or a tuple
            of texts, shapes or None.

    Shapes:
        op (N,), shape (N, 4), edges (2, E), cell (N,), scope (N,) or (0,).
    """

    op: np.ndarray
    shape: np.ndarray
    edges: np.ndarray
    params: tuple[tuple[str, ...], ...]
    param_shapes: Mapping[str, tuple[int, ...]]
    cell: np.ndarray
    ops: tuple[str, ...] = PRIMITIVES
    name: str = ""
    num_classes: int | None = None
    outputs: tuple[int, ...] = ()
    note: str = ""
    calls: tuple[Call | None, ...] = ()
    returned: Call | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)
    scopes: tuple[Scope, ...] = ()
    scope: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    columns: Mapping[str, np.ndarray | tuple] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.op)
        assert self.shape.shape == (n, 4), self.shape.shape
        assert self.edges.ndim == 2 and self.edges.shape[0] == 2, self.edges.shape
        assert len(self.params) == n and self.cell.shape == (n,)
        assert len(self.calls) in (0, n), len(self.calls)
        assert len(self.scope) == (n if self.scopes else 0), len(self.scope)
        assert all(len(column) == n for column in self.columns.values()), list(self.columns)
        if self.edges.size:
            assert (self.edges[0] < self.edges[1]).all(), "edges must follow the node order"
            assert self.edges.max() < n

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return len(self.op)

    @property
    def num_edges(self) -> int:
        """Number of real edges (virtual ones are not counted)."""
        return self.edges.shape[1]

    def op_names(self) -> list[str]:
        """List the operation of each node, by name."""
        return [self.ops[i] for i in self.op]

    def parameters(self) -> Iterator[tuple[int, str, tuple[int, ...]]]:
        """Iterate over every (node, parameter name, true shape), in node order."""
        for node, names in enumerate(self.params):
            for name in names:
                yield node, name, self.param_shapes[name]

    def num_params(self) -> int:
        """Count the scalar parameters that the graph carries."""
        return int(sum(math.prod(shape) for shape in self.param_shapes.values()))

    def numbers(self, column: str) -> np.ndarray:
        """Return a column of numbers, (N,) int64 or float64.

        Raises:
            ValueError: No such column, or one of texts or shapes.
        """
        values = self.columns.get(column)
        if isinstance(values, np.ndarray):
            return values
        known = [name for name, found in self.columns.items() if isinstance(found, np.ndarray)]
        what = "it holds texts or shapes" if column in self.columns else "there is none"
        raise ValueError(
            f"column {column!r} of {self!r}: expected numbers, {what}; there are "
            f"{', '.join(known) or 'none at all'}: trace(model, input, measures=True) takes them"
        )

    def facts_at(self, nodes: np.ndarray) -> dict[str, Any]:
        """Take scopes and columns at some nodes, as fields of a graph of these nodes.

        Shapes: nodes (M,) int64.
        """
        columns = {
            name: values[nodes]
            if isinstance(values, np.ndarray)
            else tuple(values[k] for k in nodes.tolist())
            for name, values in self.columns.items()
        }
        return {"scope": self.scope[nodes] if self.scopes else self.scope, "columns": columns}

    def distances(self, cutoff: int = 50) -> np.ndarray:
        """Compute directed shortest-path lengths, (N, N) int16.

        That is the adjacency with virtual edges of GHN-2 (arXiv:2110.13100, section 3.2). Entry (u,
        v) is 1 on a real edge, d on a shortest path of 2 <= d <= `cutoff` edges, else 0. `cutoff=1`
        gives the plain adjacency. Remembered under `("distances", cutoff)`.
        """
        make = partial(path_lengths, self.edges, self.num_nodes, cutoff)
        return self.remember(("distances", cutoff), make)

    def properties(self, key: Sequence[str] = ("avg_degree", "avg_path")) -> dict[str, float]:
        """Compute properties of the graph, directions and virtual edges left aside.

        As `Graph.properties` of ppuda (arXiv:2110.13100): the mean number of edges at a node, and
        the mean length of the shortest path between two nodes, infinite where two are not
        connected.

        Args:
            key: Names of properties, `avg_degree` and `avg_path`.

        Raises:
            ValueError: Another name, or a graph without nodes.

        Examples:
            >>> from graph2nn.deepnets import DARTS, NetConfig, build_graph
            >>> graph = build_graph(NetConfig(genotype=DARTS, n_cells=2, C=8))
            >>> {name: round(value, 3) for name, value in graph.properties().items()}
            {'avg_degree': 2.419, 'avg_path': 5.796}
        """
        if not self.num_nodes:
            raise ValueError(f"{self!r} has no nodes, so its properties are not defined")
        make: dict[str, Callable[[], float]] = {
            "avg_degree": lambda: 2 * self.num_edges / self.num_nodes,
            "avg_path": partial(average_path, self.edges, self.num_nodes),
        }
        return {name: float(choose("property", name, make)()) for name in key}

    def save(self, path: str | Path) -> Path:
        """Write the graph to a file that people can read: JSON, a line a node.

        Args:
            path: Path of the file, which appears whole or not at all; one that ends in `.gz` is
                compressed.

        Raises:
            ValueError: A call or an attribute that cannot be kept in a file.
            OSError: Full disk, no permission, ...; says what to do.
        """
        return write_graph_fields(path, self.fields())

    @classmethod
    def load(cls, path: str | Path) -> ArchGraph:
        """Read a graph that `save` wrote; it is equal to the one that was saved.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is no graph, damaged, or of a newer format; says what is wrong where.

        Examples:
            >>> from graph2nn.cells import nb201_cell
            >>> graph = nb201_cell([1, 2, 3, 4, 0, 1])
            >>> ArchGraph.load(graph.save("cell.json")) == graph
            True
        """
        return cls(**read_graph_fields(path))

    def fields(self) -> dict[str, Any]:
        """Return every field by name: what the graph is, without what it remembers.

        Arrays of nodes are (N,) or (N, 4), edges (2, E).
        """
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArchGraph):
            return NotImplemented
        theirs = other.fields()
        return self is other or all(_same(v, theirs[name]) for name, v in self.fields().items())

    def __hash__(self) -> int:
        return hash((self.num_nodes, self.num_edges, self.name, self.ops, self.outputs))

    def __repr__(self) -> str:
        label = f"{self.name!r}, " if self.name else ""
        sizes = f"nodes={self.num_nodes}, edges={self.num_edges}"
        return f"ArchGraph({label}{sizes}, parameters={len(self.param_shapes)})"


def _same(one: Any, other: Any) -> bool:
    """Whether two values of a field are; undefined numbers equal each other."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        a, b = np.asarray(one), np.asarray(other)
        return np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f")
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    return one == other or (one != one and other != other)


def structural_hash(graph: ArchGraph) -> str:
    """Return a key for what was computed from a graph: a hexadecimal SHA-256.

    It is that of operation names, shapes, edges and parameter names and shapes. Equal for equal
    graphs in any process; the model's name, the note and the vocabulary's order do not count.
    Isomorphic graphs numbered differently differ.
    """
    digest = hashlib.sha256()
    head = [graph.op_names(), [list(names) for names in graph.params]]
    shapes = [[n, list(graph.param_shapes[n])] for names in graph.params for n in names]
    digest.update(json.dumps([*head, shapes], separators=(",", ":")).encode())
    for array in (graph.shape, graph.edges, graph.cell):
        digest.update(np.ascontiguousarray(array, dtype=np.int64).tobytes())
    return digest.hexdigest()
