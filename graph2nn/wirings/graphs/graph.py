"""The wiring of a network as a graph: nodes are channels, edges are weights that are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.networks.mobilenet import WiredMobileNetV1
from graph2nn.wirings.networks.tiny import StaticWiring, TinyWiring

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["CARRY", "HIDDEN", "INPUT", "OUTPUT", "ROLES", "WiringGraph", "unroll", "wiring_graph"]

INPUT, HIDDEN, OUTPUT = 0, 1, 2
ROLES = ("input", "hidden", "output")
"""Names of the roles of nodes, by number."""

CARRY = 1
"""In `WiringGraph.kind`: an edge of weight 1 that hands a sum on as it is; 0 is a weight."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WiringGraph:
    """A directed graph whose nodes are channels.

    Args:
        source, target, weight: of each edge, sorted by source, then target.
        kind: 0 for a weight of the network, `CARRY` for a sum that is handed on. Two nodes can be
            joined by one of each.
        role: of each node: `INPUT`, `HIDDEN` or `OUTPUT`.
        block: number of the block that each node belongs to.
        operation: name and index of each node's 3x3 filter, `None` where it has none.
        rounds: how often the graph is applied (discrete time); 1 where it is applied once, 0 where
            that depends on a solver, or where outputs that are read and written are one node.
        name: for captions.

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
    _cache: dict = field(default_factory=dict, repr=False)

    @property
    def num_nodes(self) -> int:
        return len(self.role)

    @property
    def num_edges(self) -> int:
        """Edges that are weights; those of kind `CARRY` are not counted."""
        return int((self.kind != CARRY).sum())

    @property
    def is_ordered(self) -> bool:
        """Whether every edge runs to a node of higher number, so that there is no cycle."""
        return bool((self.source < self.target).all())

    def to_networkx(self) -> nx.DiGraph:
        """Nodes with `role` and `block`, edges with `weight` and `carry`.

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
        """How much of what could be joined is: kept edges over pairs of nodes, block by block.

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


def wiring_graph(model: nn.Module, *, split_outputs: bool = True) -> WiringGraph:
    """The graph of a network of this package, in its present wiring.

    Only edges in slots that the network uses are in it. In the static tiny network the output nodes
    of the last block are read and written anew; with `split_outputs` the written states are nodes
    of their own behind all others, joined to the read ones by edges of kind `CARRY`, so that the
    graph has no cycle. In the MobileNet the output nodes of a block are the input nodes of the
    next; a wired classifier adds the classes as output nodes. A single wired layer is a bipartite
    graph.

    Args:
        model: a tiny network, a wired MobileNetV1, or one `WiredConv`.
        split_outputs: see above; otherwise node v is row and column v of the weight.

    Raises:
        ValueError: another model.

    Example:
        >>> graph = wiring_graph(StaticWiring("dnw"))
        >>> graph, graph.is_ordered
        (WiringGraph('static, dnw', nodes=900, edges=32000), True)
    """
    for cls, build in _BUILDERS.items():
        if isinstance(model, cls):
            return build(model, split_outputs)
    names = ", ".join(cls.__name__ for cls in _BUILDERS)
    raise ValueError(f"expected one of {names}, got {type(model).__name__}")


def unroll(graph: WiringGraph, rounds: int | None = None) -> WiringGraph:
    """A graph without cycles: the graph itself where it is applied once and in order, otherwise a
    copy of every node for each round and one at the end, with edges from each round to the next.

    Args:
        graph: see `wiring_graph`.
        rounds: how often the graph is applied; None takes what the network does.

    Raises:
        ValueError: a graph with cycles, and nothing says how many rounds to unroll.
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


def _edges(layer: WiredConv) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column, row and weight of each legal edge; of a larger kernel the sum of magnitudes."""
    mask = layer.edges(legal=True)
    weight = layer.weight.detach() * mask
    joined = mask.flatten(2).any(2).cpu().numpy()
    flat = weight.flatten(2)
    value = (flat[..., 0] if flat.shape[2] == 1 else flat.abs().sum(2)).float().cpu().numpy()
    rows, columns = np.nonzero(joined)
    return columns, rows, value[rows, columns]


def _tiny(model: TinyWiring, split_outputs: bool) -> WiringGraph:
    nodes, outputs = model.nodes, model.outputs
    source, target, weight = _edges(model.wires)
    role = np.full(nodes, HIDDEN)
    role[: model.inputs], role[-outputs:] = INPUT, OUTPUT
    operation: list[tuple[str, int] | None] = [("depthwise.weight", v) for v in range(nodes)]
    static = isinstance(model, StaticWiring)
    sizes = model.blocks if isinstance(model, StaticWiring) else _by_role(model)
    block = np.repeat(np.arange(len(sizes)), sizes)
    kind = np.zeros(len(source), dtype=np.int64)
    if static and split_outputs:
        target = np.where(source >= nodes - sizes[-1], target + outputs, target)
        written = np.arange(nodes, nodes + outputs)
        source = np.concatenate([source, written - outputs])
        target = np.concatenate([target, written])
        weight = np.concatenate([weight, np.ones(outputs, weight.dtype)])
        kind = np.concatenate([kind, np.full(outputs, CARRY)])
        role[-outputs:] = HIDDEN
        role = np.concatenate([role, np.full(outputs, OUTPUT)])
        block = np.concatenate([block, np.full(outputs, len(sizes))])
        operation += [None] * outputs
    rounds = model.layers if model.setting == "discrete_time" else int(static and split_outputs)
    name = f"{model.setting}, {model.wires.kind}"
    return _sorted(source, target, weight, kind, role, block, operation, rounds, name)


def _by_role(model: TinyWiring) -> tuple[int, int, int]:
    return model.inputs, model.nodes - model.inputs - model.outputs, model.outputs


def _mobilenet(model: WiredMobileNetV1, split_outputs: bool) -> WiringGraph:
    blocks = model.wired_blocks
    parts: list[tuple[np.ndarray, ...]] = []
    operation: list[tuple[str, int] | None] = []
    block_of: list[int] = []
    start = 0
    for number, block in enumerate(blocks):
        source, target, weight = _edges(block.wires)
        parts.append((source + start, target + start + block.inputs, weight))
        senders = sum(block.sizes)
        name = f"blocks.{number}.depthwise.weight"
        operation += [(name, index) for index in range(senders)]
        block_of += [number] * senders
        start += senders
    outputs = blocks[-1].outputs
    operation, block_of = operation + [None] * outputs, block_of + [len(blocks)] * outputs
    last = outputs
    if isinstance(model.head, WiredConv):
        source, target, weight = _edges(model.head)
        parts.append((source + start, target + start + outputs, weight))
        last = model.head.out_channels
        operation += [None] * last
        block_of += [len(blocks) + 1] * last
    role = np.full(len(operation), HIDDEN)
    role[: blocks[0].inputs], role[-last:] = INPUT, OUTPUT
    source, target, weight = (np.concatenate(column) for column in zip(*parts))
    kind = np.zeros(len(source), dtype=np.int64)
    name = f"mobilenetv1, {blocks[0].wires.kind}"
    return _sorted(source, target, weight, kind, role, np.array(block_of), operation, 1, name)


def _single(layer: WiredConv, split_outputs: bool) -> WiringGraph:
    source, target, weight = _edges(layer)
    sizes = (layer.in_channels, layer.out_channels)
    return _sorted(
        source,
        target + layer.in_channels,
        weight,
        np.zeros(len(source), dtype=np.int64),
        np.repeat([INPUT, OUTPUT], sizes),
        np.repeat([0, 1], sizes),
        [None] * sum(sizes),
        1,
        layer.kind,
    )


def _sorted(
    source: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    kind: np.ndarray,
    role: np.ndarray,
    block: np.ndarray,
    operation: list[tuple[str, int] | None],
    rounds: int,
    name: str,
) -> WiringGraph:
    order = np.lexsort((target, source))
    return WiringGraph(
        source=source[order],
        target=target[order],
        weight=weight[order],
        kind=kind[order],
        role=role,
        block=block,
        operation=tuple(operation),
        rounds=rounds,
        name=name,
    )


_BUILDERS: dict[type, Callable[..., WiringGraph]] = {
    TinyWiring: _tiny,
    WiredMobileNetV1: _mobilenet,
    WiredConv: _single,
}
