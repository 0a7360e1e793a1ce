"""A wiring as `ArchGraph`, for everything that reads architectures."""

from __future__ import annotations

import numpy as np

from graph2nn.archgraph import PRIMITIVE_ID, ArchGraph
from graph2nn.wirings.graphs.graph import INPUT, OUTPUT, WiringGraph, unroll
from graph2nn.wirings.graphs.measures import alive_nodes

__all__ = ["wiring_archgraph"]


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
