"""A wiring as `ArchGraph`, alone or inside of the graph of its network."""

from __future__ import annotations

from typing import Any

import numpy as np

from graph2nn.archgraph import PRIMITIVE_ID, ArchGraph, trace
from graph2nn.archgraph.views.inserting import insert_nodes
from graph2nn.wirings.edges.layers import wired_layers
from graph2nn.wirings.graphs.graph import INPUT, OUTPUT, WiringGraph, unroll
from graph2nn.wirings.graphs.measures import alive_nodes
from graph2nn.wirings.networks.as_graph import wiring_graph
from graph2nn.wirings.networks.tiny import TinyWiring

__all__ = ["trace_wiring", "wiring_archgraph"]


def wiring_archgraph(
    graph: WiringGraph, *, rounds: int | None = None, alive_only: bool = False
) -> ArchGraph:
    """Put the wiring between an `input` and a `glob_avg`, each channel a node.

    Channels with a 3x3 filter are `sep_conv` nodes of shape (1, 1, 3, 3), whose parameter is called
    `<weight>[i]`; others are `sum` nodes. Cells are the blocks. A graph that is applied several
    times is unrolled, see `unroll`.

    Args:
        graph: Wiring of a network; see `wiring_graph`.
        rounds: Number of times the graph is applied; see `unroll`.
        alive_only: Whether to leave out nodes that no input reaches or that reach no output.

    Raises:
        ValueError: The graph has cycles, and nothing says how many rounds to unroll.

    Examples:
        >>> wiring_archgraph(wiring_graph(StaticWiring("dnw"))).num_nodes
        902
    """
    return _archgraph(unroll(graph, rounds), alive_only)


def trace_wiring(model: TinyWiring, input: Any = None) -> ArchGraph:
    """Trace a tiny network in the graph that hypernetworks are trained on.

    It is the view "primitives", where the wiring is one node that holds the whole weight. Where the
    edges are fixed, the channels stand in front of it as in `wiring_archgraph`, without parameters.
    Edges that are found by their weights are not known before there are weights, so nothing is
    added for them.

    Args:
        model: Tiny network of any kind; see `KINDS`.
        input: Example input, see `graph2nn.archgraph.trace`.

    Raises:
        ValueError: Another network, or one that cannot run on the input.

    Examples:
        >>> trace_wiring(StaticWiring("random", nodes=64, inputs=16, outputs=8)).num_nodes
        93
    """
    if not isinstance(model, TinyWiring):
        raise ValueError(f"expected a tiny wired network, got {type(model).__name__}")
    graph = trace(model, input, view="primitives")
    ((name, layer),) = wired_layers(model)
    if not layer.is_fixed:
        return graph
    node = next(n for n, names in enumerate(graph.params) if f"{name}.weight" in names)
    inside = wiring_archgraph(wiring_graph(model))
    last, n = inside.num_nodes - 1, graph.num_nodes
    before = graph.edges[0][graph.edges[1] == node]
    entries = inside.edges[1][inside.edges[0] == 0]
    enters, leaves = inside.edges[0] == 0, inside.edges[1] == last
    inner = inside.edges[:, ~enters & ~leaves] + n - 1  # its node 1 is the first new one
    exits = inside.edges[0][leaves] + n - 1
    edges = [
        np.stack([before.repeat(len(entries)), np.tile(entries + n - 1, len(before))]),
        inner,
        np.stack([exits, np.full_like(exits, node)]),
    ]
    places = np.full(last - 1, node)
    op, shape = inside.op[1:last], inside.shape[1:last]
    return insert_nodes(graph, places, op, shape, np.concatenate(edges, axis=1))


def _archgraph(graph: WiringGraph, alive_only: bool) -> ArchGraph:
    chosen = alive_nodes(graph) if alive_only else np.ones(graph.num_nodes, dtype=bool)
    nodes = np.flatnonzero(chosen)
    number = np.full(graph.num_nodes, -1)
    number[nodes] = np.arange(len(nodes)) + 1  # 0 is the image
    kept = chosen[graph.source] & chosen[graph.target]
    inner = np.stack([number[graph.source[kept]], number[graph.target[kept]]])
    starts, ends = (number[chosen & (graph.role == role)] for role in (INPUT, OUTPUT))
    last = len(nodes) + 1
    edges = np.concatenate(
        [
            np.stack([np.zeros_like(starts), starts]),
            inner,
            np.stack([ends, np.full_like(ends, last)]),
        ],
        axis=1,
    )
    edges = np.unique(edges, axis=1)
    found = [graph.operation[node] for node in nodes]
    names = [() if part is None else (f"{part[0]}[{part[1]}]",) for part in found]
    inside = [PRIMITIVE_ID["sum" if part is None else "sep_conv"] for part in found]
    shape = np.zeros((last + 1, 4), dtype=np.int64)
    shape[1:last][[part is not None for part in found]] = (1, 1, 3, 3)
    block = graph.block[nodes]
    return ArchGraph(
        op=np.array([PRIMITIVE_ID["input"], *inside, PRIMITIVE_ID["glob_avg"]], dtype=np.int64),
        shape=shape,
        edges=edges,
        params=((), *names, ()),
        param_shapes={name[0]: (1, 1, 3, 3) for name in names if name},
        cell=np.concatenate([[0], block, [int(graph.block.max())]]),
        name=graph.name,
    )
