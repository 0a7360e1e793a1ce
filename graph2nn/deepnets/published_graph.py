"""`published_graph`: node for node and in the same order what the DeepNets-1M code builds.

`builder.build_graph` decides by structure which multiplication is a squeeze-and-excitation gate.
The original decides by position in a topologically sorted list of autograd functions, so that in
about half of the networks with `cse` some or all gates disappear, and a few networks without norm
get `msa` nodes. Published figures for such networks need those graphs.
"""

from __future__ import annotations

import numpy as np

from graph2nn.archgraph.graph import PRIMITIVE_ID, ArchGraph, shape4d
from graph2nn.deepnets.as_archgraph import build_graph
from graph2nn.deepnets.graphs.autograd_graph import Tape, record
from graph2nn.deepnets.graphs.config import NetConfig

__all__ = ["published_graph"]

_KEPT = {
    "input": "input",
    "MeanKeepdim": "glob_avg",
    "MaxPool2DWithIndices": "max_pool",
    "AvgPool2D": "avg_pool",
    "Clone": "msa",
    "Mul": "cse",
    "Add": "sum",
    "Cat": "concat",
}


class _Walk:
    """A graph under reduction: node names in order, and successors and predecessors as sets."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.order = list(range(len(names)))
        self.succ: list[set[int]] = [set() for _ in names]
        self.pred: list[set[int]] = [set() for _ in names]

    def link(self, u: int, v: int) -> None:
        if u != v:
            self.succ[u].add(v)
            self.pred[v].add(u)

    def unlink(self, u: int, v: int) -> None:
        self.succ[u].discard(v)
        self.pred[v].discard(u)

    def add(self, name: str) -> int:
        self.names.append(name)
        self.succ.append(set())
        self.pred.append(set())
        return len(self.names) - 1

    def sort(self) -> None:
        """Topological order generation by generation, as networkx sorts."""
        missing = [len(p) for p in self.pred]
        ready = [v for v in range(len(self.names)) if missing[v] == 0]
        self.order = []
        while ready:
            self.order += ready
            following = []
            for u in ready:
                for v in sorted(self.succ[u]):
                    missing[v] -= 1
                    if missing[v] == 0:
                        following.append(v)
            ready = following

    def drop(self, name: str, keep: list[bool] | None = None) -> None:
        """One pass over the nodes called `name`, joining the neighbours of those not kept.

        Without `keep`, a node stays if it has several incoming edges. Nodes dropped earlier in
        the same pass still count as a source then, as in the original.
        """
        gone = []
        for i, v in enumerate(self.order):
            if self.names[v] != name or (keep[i] if keep else len(self.pred[v]) > 1):
                continue
            gone.append(v)
            for u in self.pred[v]:
                for w in self.succ[v]:
                    self.link(u, w)
        self.remove(gone)

    def remove(self, gone: list[int]) -> None:
        for v in gone:
            for u in list(self.pred[v]):
                self.unlink(u, v)
            for w in list(self.succ[v]):
                self.unlink(v, w)
        lost = set(gone)
        self.order = [v for v in self.order if v not in lost]

    def ahead(self, i: int, steps: int) -> str:
        """Name of the node `steps` before position i."""
        return self.names[self.order[i - steps]]


def _walk(tape: Tape, last: int) -> _Walk:
    """Nodes and edges of the backward walk: a function with parameters is their chain."""
    walk = _Walk([])
    ends: dict[int, tuple[int, int]] = {}  # function -> first and last node
    stack, seen = [last], []
    while stack:
        f = stack.pop()
        if f in ends:
            continue
        seen.append(f)
        params = [p for p in tape.inputs[f] if isinstance(p, str)]
        nodes = [walk.add(name) for name in params or [tape.names[f]]]
        ends[f] = nodes[0], nodes[-1]
        stack += [g for g in reversed(tape.inputs[f]) if isinstance(g, int)]
    for f in seen:
        for g in tape.inputs[f]:
            if isinstance(g, int):
                walk.link(ends[g][1], ends[f][0])
    _enter_linear_weights(walk, tape)
    entries = [v for v, p in enumerate(walk.pred) if not p]
    assert len(entries) == 1, [walk.names[v] for v in entries]
    walk.link(walk.add("input"), entries[0])
    walk.sort()
    return walk


def _enter_linear_weights(walk: _Walk, tape: Tape) -> None:
    """The weight of a linear layer takes over the edges into its bias or product."""
    linear = {i[0] for n, i in zip(tape.names, tape.inputs) if n == "T"}
    for v, name in enumerate(walk.names):
        if name not in linear:
            continue
        for w in list(walk.succ[v]):
            for u in list(walk.pred[w]):
                if u != v:
                    walk.unlink(u, w)
                    walk.link(u, v)


def _insert_position_sum(walk: _Walk) -> None:
    """The encoding's node hands all its edges to a sum behind it and keeps only the one to it."""
    if "pos_enc.weight" not in walk.names:
        return
    v = walk.names.index("pos_enc.weight")
    total = walk.add("Add")
    for u in list(walk.pred[v]):
        walk.unlink(u, v)
        walk.link(u, total)
    for w in list(walk.succ[v]):
        walk.unlink(v, w)
        walk.link(total, w)
    walk.link(v, total)
    walk.order.insert(walk.order.index(v) + 1, total)


def _reduced(config: NetConfig) -> _Walk:
    walk = _walk(*record(config))
    _insert_position_sum(walk)
    positions = range(len(walk.order))
    walk.drop("Mul", [walk.ahead(i, 2).startswith("Hard") for i in positions])
    positions = range(len(walk.order))
    walk.drop("Clone", [walk.ahead(i, 11) == "Softmax" for i in positions])
    unsupported = {n for n in walk.names if "." not in n and n not in _KEPT}
    for name in sorted(unsupported):
        walk.drop(name, [False] * len(walk.order))
    walk.drop("Add")
    walk.drop("Cat")
    return walk


def published_graph(config: NetConfig, *, name: str = "") -> ArchGraph:
    """Build the graph of `Network(config)` with the original's positional rules and node order.

    Slower than `build_graph`, from which it differs only in the order of nodes unless the network
    has `cse` or `msa` operations.

    Raises:
        ValueError: The output does not depend on the input.
    """
    plain = build_graph(config, name=name)
    by_weight = {p[0]: (int(plain.op[i]), p) for i, p in enumerate(plain.params) if p}
    walk = _reduced(config)
    index = {v: i for i, v in enumerate(walk.order)}
    op, params, cell, shape = [], [], [], []
    current = 0
    for v in walk.order:
        node = walk.names[v]
        primitive, names = by_weight.get(node, (PRIMITIVE_ID.get(_KEPT.get(node, ""), -1), ()))
        current = _cell_of(node, current, config.n_cells)
        op.append(primitive)
        params.append(names)
        cell.append(current)
        pool = node in ("MaxPool2DWithIndices", "AvgPool2D")
        bare = (1, 1, 3, 3) if pool else (0, 0, 0, 0)
        shape.append(shape4d(plain.param_shapes[node]) if names else bare)
    edges = sorted((index[u], index[w]) for u in walk.order for w in walk.succ[u])
    return ArchGraph(
        op=np.array(op),
        shape=np.array(shape),
        edges=np.array(edges).T,
        params=tuple(params),
        param_shapes=plain.param_shapes,
        cell=np.array(cell),
        name=name,
        num_classes=config.num_classes,
    )


def _cell_of(node: str, current: int, n_cells: int) -> int:
    """Cell of a parameter by its name; other nodes stay in the cell of the node before them."""
    if node.startswith("cells."):
        return int(node.split(".", 2)[1])
    if node.startswith("classifier"):
        return n_cells - 1
    return 0 if node.startswith(("stem", "pos_enc")) else current
