"""What a wiring looks like as a graph: C, L, nodes alive, entropies of degrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse

from graph2nn.relational.graphs.measures import mean_local_clustering, pack_bits
from graph2nn.wirings.graphs.graph import CARRY, INPUT, OUTPUT, WiringGraph

__all__ = ["WiringMeasures", "alive_nodes", "measure_wiring"]

_AT_ONCE = 512  # sources at a time, so that their bits stay small


@dataclass(frozen=True, kw_only=True)
class WiringMeasures:
    """What `measure_wiring` finds. Edges that only carry a sum on never count.

    Args:
        nodes, edges: Numbers of nodes and edges.
        self_edges: Number of edges from a node to itself.
        alive: Number of nodes on a path from an input to an output.
        C: Mean local clustering of the undirected graph without self-edges; nodes with fewer than
            two neighbours count as 0.
        L: Mean distance in that graph, over pairs of nodes that reach each other.
        in_entropy, out_entropy: Entropies of the distributions of degrees, in bits.
    """

    nodes: int
    edges: int
    self_edges: int
    alive: int
    C: float
    L: float
    in_entropy: float
    out_entropy: float


def measure_wiring(
    graph: WiringGraph, *, sources: int | None = None, seed: int = 0
) -> WiringMeasures:
    """Measure a wiring.

    Args:
        graph: Wiring of a network; see `wiring_graph`, with `split_outputs=False` for the graph on
            800 nodes.
        sources: Number of nodes from which distances are measured, drawn with `seed`; None means
            all.
        seed: Seed of that draw.

    Examples:
        >>> graph = wiring_graph(StaticWiring("random"), split_outputs=False)
        >>> round(measure_wiring(graph).C, 2)
        0.1
    """
    real = graph.kind != CARRY
    table = _matrix(graph, real)
    loops = table.diagonal() > 0
    plain = ((table + table.T) > 0).astype(np.float64)
    plain.setdiag(0)
    plain.eliminate_zeros()
    return WiringMeasures(
        nodes=graph.num_nodes,
        edges=graph.num_edges,
        self_edges=int(loops.sum()),
        alive=int(alive_nodes(graph).sum()),
        C=_clustering(plain),
        L=_path_length(plain, sources, seed),
        in_entropy=_entropy(np.bincount(graph.target[real], minlength=graph.num_nodes)),
        out_entropy=_entropy(np.bincount(graph.source[real], minlength=graph.num_nodes)),
    )


def alive_nodes(graph: WiringGraph) -> np.ndarray:
    """Find the nodes that an input reaches and that reach an output, along cycles, too.

    Shapes:
        -> (nodes,) bool.
    """
    table = _matrix(graph, np.ones(len(graph.kind), dtype=bool))
    forward = _reached(table.T.tocsr(), graph.role == INPUT)
    return forward & _reached(table, graph.role == OUTPUT)


def _matrix(graph: WiringGraph, chosen: np.ndarray) -> Any:
    """Row of the sender, column of the receiver. Shapes: (nodes, nodes), sparse."""
    ones = np.ones(int(chosen.sum()))
    where = (graph.source[chosen], graph.target[chosen])
    return sparse.csr_matrix((ones, where), shape=(graph.num_nodes,) * 2)


def _reached(follows: Any, start: np.ndarray) -> np.ndarray:
    """Nodes with a path to `start` along the rows of `follows`."""
    reached = start.copy()
    while True:
        grown = reached | (follows @ reached.astype(np.float64) > 0)
        if (grown == reached).all():
            return reached
        reached = grown


def _clustering(plain: Any) -> float:
    closed = np.asarray((plain @ plain).multiply(plain).sum(1)).ravel()
    degree = np.asarray(plain.sum(1)).ravel()
    return mean_local_clustering(closed, degree * (degree - 1))


def _path_length(plain: Any, sources: int | None, seed: int) -> float:
    n = plain.shape[0]
    chosen = np.arange(n)
    if sources is not None and sources < n:
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(n, generator=generator)[:sources].sort().values.numpy()
    within = sparse.csr_matrix(plain + sparse.identity(n, format="csr"))
    total, pairs = 0, 0
    for start in range(0, len(chosen), _AT_ONCE):
        counts = _distance_counts(within, chosen[start : start + _AT_ONCE])
        total += int((counts * np.arange(len(counts))).sum())
        pairs += int(counts[1:].sum())
    return total / pairs if pairs else float("nan")


def _distance_counts(within: Any, sources: np.ndarray) -> np.ndarray:
    """How many pairs of a source and a node are 0, 1, 2, ... apart.

    A node's row of bits says which sources are near; each step unites the rows of its neighbours.
    """
    start = np.zeros((within.shape[0], len(sources)), dtype=bool)
    start[sources, np.arange(len(sources))] = True
    near, reached = pack_bits(start), [0, len(sources)]
    while True:
        near = np.bitwise_or.reduceat(near[within.indices], within.indptr[:-1], axis=0)
        now = int(np.unpackbits(near.view(np.uint8)).sum())
        if now == reached[-1]:
            return np.diff(reached)
        reached.append(now)


def _entropy(degrees: np.ndarray) -> float:
    counts = np.bincount(degrees)
    share = counts[counts > 0] / len(degrees)
    return float(-(share * np.log2(share)).sum()) + 0.0
