"""A graph under construction: nodes with predecessors, and the passes that take nodes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from graph2nn.archgraph.calls import Scope
from graph2nn.archgraph.graph import PRIMITIVES, ArchGraph, shape4d

__all__ = ["Draft", "Node", "count_cells"]


@dataclass(slots=True)
class Node:
    """A node before numbering: operation, parameter or pool shape, names of its parameters."""

    op: str
    shape: tuple[int, ...] | None = None
    params: tuple[str, ...] = ()
    preds: dict[int, None] = field(default_factory=dict)  # an ordered set
    label: str = ""  # name that decides the cell number
    scope: int = -1
    values: int = 0

    @property
    def path(self) -> str:
        """Name that says where the node belongs: its first parameter, else its label."""
        return self.params[0] if self.params else self.label


class Draft:
    """Nodes in an order that is topological, or is made so by `finish`.

    `ends` are the nodes the network's outputs end in, `scope` is the module call that nodes added
    now belong to, `values` the number of values of their operation's output.
    """

    def __init__(self) -> None:
        self.nodes: list[Node | None] = []
        self.ends: dict[int, None] = {}
        self.scope = -1
        self.values = 0

    def add(self, node: Node, preds: Iterable[int] = ()) -> int:
        """Append a node and return its number."""
        node.preds = dict.fromkeys(preds)
        node.scope = self.scope
        node.values = self.values
        self.nodes.append(node)
        return len(self.nodes) - 1

    def chain(self, nodes: list[Node], preds: Iterable[int]) -> int:
        """Append nodes one behind the other and return the number of the last."""
        last = -1
        for k, node in enumerate(nodes):
            last = self.add(node, preds if k == 0 else (last,))
        return last

    def alive(self) -> list[tuple[int, Node]]:
        """List the nodes that have not been taken out, with their numbers."""
        return [(i, n) for i, n in enumerate(self.nodes) if n is not None]

    def successors(self) -> list[list[int]]:
        """List the targets of every node's edges, in node order."""
        succ: list[list[int]] = [[] for _ in self.nodes]
        for i, node in self.alive():
            for p in node.preds:
                succ[p].append(i)
        return succ

    def splice(self, drop: Callable[[Node], bool]) -> None:
        """Take out nodes, first to last, connecting each predecessor to each successor.

        `drop` sees a node after the ones before it have gone.
        """
        succ = self.successors()
        for i, node in self.alive():
            if not drop(node):
                continue
            for s in succ[i]:
                target = self.nodes[s]
                assert target is not None
                del target.preds[i]
                target.preds.update(node.preds)
            for p in node.preds:
                succ[p] = [s for s in succ[p] if s != i] + [s for s in succ[i] if s not in succ[p]]
            if i in self.ends:
                del self.ends[i]
                self.ends.update(node.preds)
            self.nodes[i] = None

    def _order(self) -> list[int]:
        """The present order if it is topological, else a stable topological order (depth first)."""
        alive = self.alive()
        if all(p < i for i, n in alive for p in n.preds):
            return [i for i, _ in alive]
        order: list[int] = []
        state: dict[int, bool] = {}
        for root, _ in alive:
            stack = [root]
            while stack:
                i = stack[-1]
                if i in state:
                    stack.pop()
                    if not state[i]:
                        state[i] = True
                        order.append(i)
                    continue
                state[i] = False
                preds = self.nodes[i].preds  # type: ignore[union-attr]
                stack.extend(p for p in sorted(preds, reverse=True) if p not in state)
        return order

    def finish(
        self,
        *,
        name: str,
        param_shapes: dict[str, tuple[int, ...]],
        ops: tuple[str, ...] | None = PRIMITIVES,
        num_cells: int = 1,
        num_classes: int | None = None,
        note: str = "",
        scopes: tuple[Scope, ...] = (),
    ) -> ArchGraph:
        """Make the finished graph; `ops=None` collects the vocabulary from the nodes."""
        order = self._order()
        number = {i: k for k, i in enumerate(order)}
        nodes: list[Node] = [self.nodes[i] for i in order]  # type: ignore[misc]
        if ops is None:
            ops = tuple(dict.fromkeys(n.op for n in nodes))
        index = {op: k for k, op in enumerate(ops)}
        shape = np.zeros((len(nodes), 4), dtype=np.int64)
        pairs: list[tuple[int, int]] = []
        for k, node in enumerate(nodes):
            if node.shape is not None:
                shape[k] = shape4d(node.shape)
            pairs.extend((number[p], k) for p in node.preds)
        pairs.sort()
        edges = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        names = [n for node in nodes for n in node.params]
        values = np.array([n.values for n in nodes], dtype=np.int64)
        return ArchGraph(
            op=np.array([index[n.op] for n in nodes], dtype=np.int64),
            shape=shape,
            edges=np.ascontiguousarray(edges),
            params=tuple(n.params for n in nodes),
            param_shapes={n: param_shapes[n] for n in names},
            cell=_cells(nodes, num_cells),
            ops=ops,
            name=name,
            num_classes=num_classes,
            outputs=tuple(sorted(number[i] for i in self.ends)),
            note=note,
            scopes=scopes,
            scope=np.array([n.scope for n in nodes if scopes], dtype=np.int64),
            columns={"values": values} if values.any() else {},
        )


def count_cells(model: nn.Module) -> int:
    """Count the cells of a DeepNets-1M network (`model._n_cells` or `model.cells`), else 1."""
    cells = getattr(model, "cells", None)
    return getattr(model, "_n_cells", len(cells) if isinstance(cells, nn.ModuleList) else 1)


def _cells(nodes: list[Node], num_cells: int) -> np.ndarray:
    """Number of the cell of each node, from its name; unnamed nodes belong where the one before
    does."""
    cells = np.zeros(len(nodes), dtype=np.int64)
    if num_cells == 1:
        return cells
    current = 0
    for k, node in enumerate(nodes):
        path = node.path
        found = re.search(r"cells\.(\d+)\.", path)
        if found:
            current = int(found[1])
        elif path.startswith(("classifier", "auxiliary")):
            current = num_cells - 1
        elif path.startswith(("stem", "pos_enc")):
            current = 0
        cells[k] = current
    return cells
