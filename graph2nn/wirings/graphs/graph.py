"""`WiringGraph`: nodes are channels, edges are weights that are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["CARRY", "HIDDEN", "INPUT", "OUTPUT", "ROLES", "WiringGraph", "unroll"]

INPUT, HIDDEN, OUTPUT = 0, 1, 2
ROLES = ("input", "hidden", "output")
"""Names of the roles of nodes, by number."""

CARRY = 1
"""Number in `WiringGraph.kind` of an edge of weight 1 that hands a sum on; 0 is a weight."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WiringGraph:
    """A directed graph whose nodes are channels.

    Args:
        source, target, weight: Nodes that each edge joins, and its weight; sorted by source, then
            target.
        kind: Type of each edge: 0 for a weight of the network, `CARRY` for a sum that is handed on.
            Two nodes can be joined by one of each.
        role: Role of each node: `INPUT`, `HIDDEN` or `OUTPUT`.
        block: Number of the block that each node belongs to.
        operation: Name and index of each node's 3x3 filter, None where it has none.
        rounds: Number of times the graph is applied (discrete time); 1 where it is applied once, 0
            where that depends on a solver, or where outputs that are read and written are one node.
        name: Text for captions.

    Shapes:
        source, target, weight, kind (edges,); role, block (nodes,).
    """

    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    kind: np.ndarray
    role: np.ndarray
    block: np.ndarray
    operation: tuple[tuple[str, int] | None, ...]
    rounds: int = 1
    name: str = ""

    @property
    def num_nodes(self) -> int:
        """Number of channels."""
        return len(self.role)

    @property
    def num_edges(self) -> int:
        """Number of edges that are weights; those of kind `CARRY` are not counted."""
        return int((self.kind != CARRY).sum())

    @property
    def is_ordered(self) -> bool:
        """Whether every edge runs to a node of higher number, so that there is no cycle."""
        return bool((self.source < self.target).all())

    def to_networkx(self) -> nx.DiGraph:
        """Return nodes with `role` and `block`, edges with `weight` and `carry`.

        `carry` says whether a sum is handed on; the weight of an edge that does nothing else is 1.
        """
        import networkx as nx

        graph = nx.DiGraph(name=self.name)
        for node, (role, block) in enumerate(zip(self.role.tolist(), self.block.tolist())):
            graph.add_node(node, role=ROLES[role], block=block)
        carries = self.kind == CARRY
        columns = (self.source, self.target, self.weight)
        for chosen in (carries, ~carries):  # a weight beside a carried sum overwrites its 1
            for source, target, weight in zip(*(column[chosen].tolist() for column in columns)):
                graph.add_edge(source, target, weight=weight)
        carried = zip(self.source[carries].tolist(), self.target[carries].tolist())
        nx.set_edge_attributes(graph, False, "carry")
        nx.set_edge_attributes(graph, dict.fromkeys(carried, True), "carry")
        return graph

    def block_density(self) -> np.ndarray:
        """Return how much of what could be joined is: edges over pairs of nodes, block by block.

        A coarse picture of a wiring that predictors read. Edges that only carry do not count.

        Shapes:
            -> (blocks, blocks), entry (i, j) from block i to block j.
        """
        count = int(self.block.max()) + 1
        sizes = np.bincount(self.block, minlength=count)
        real = self.kind != CARRY
        pairs = self.block[self.source[real]] * count + self.block[self.target[real]]
        edges = np.bincount(pairs, minlength=count**2).reshape(count, count)
        return edges / np.maximum(np.outer(sizes, sizes), 1)

    def __repr__(self) -> str:
        label = f"{self.name!r}, " if self.name else ""
        return f"WiringGraph({label}nodes={self.num_nodes}, edges={self.num_edges})"


def unroll(graph: WiringGraph, rounds: int | None = None) -> WiringGraph:
    """Return a graph without cycles.

    That is the graph itself where it is applied once and in order, otherwise a copy of every node
    for each round and one at the end, with edges from each round to the next.

    Args:
        graph: Wiring of a network; see `wiring_graph`.
        rounds: Number of times the graph is applied; None takes what the network does.

    Raises:
        ValueError: The graph has cycles, and nothing says how many rounds to unroll.
    """
    if rounds is None and graph.rounds == 1 and graph.is_ordered:
        return graph
    rounds = graph.rounds if rounds is None else rounds
    if rounds < 1:
        raise ValueError(
            f"{graph.name or 'the graph'} has cycles, and nothing says how often it is applied: "
            "pass rounds=... from 1 up, or take the static network with split_outputs=True"
        )
    n, steps = graph.num_nodes, np.arange(rounds)[:, None]
    role = np.full((rounds + 1, n), HIDDEN)
    role[0][graph.role == INPUT], role[-1][graph.role == OUTPUT] = INPUT, OUTPUT
    return WiringGraph(
        source=(graph.source + n * steps).ravel(),
        target=(graph.target + n * (steps + 1)).ravel(),
        weight=np.tile(graph.weight, rounds),
        kind=np.tile(graph.kind, rounds),
        role=role.ravel(),
        block=np.repeat(np.arange(rounds + 1), n),
        operation=graph.operation * rounds + (None,) * n,
        name=f"{graph.name}, {rounds} rounds",
    )
