"""Topometrics that need the edges: bridges, cut nodes, components, cores, 2-hop, motifs.

The others (degrees, strengths, spectra) need none, see `edge_free`.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Any

import numpy as np
from tqdm import tqdm

from graph2nn.names import choose
from graph2nn.runs.engines import chosen_engine, compiled, has_numba, igraph_module
from graph2nn.sparsity.graphs.edges import EdgeList
from graph2nn.sparsity.graphs.metrics.adjacency import (
    DirectedRows,
    UndirectedRows,
    count_ends,
    directed_rows,
    undirected_rows,
)
from graph2nn.sparsity.graphs.metrics.compiled import core_sum, lowpoints, two_hop_sum
from graph2nn.sparsity.graphs.metrics.motifs import MOTIFS, motifs

__all__ = ["EXPLICIT_METRICS", "ExplicitGraph", "degrees", "explicit_metrics", "predicted_bytes"]

EXPLICIT_METRICS = (
    *("2-hop_nei", "motif", "k-core"),
    *("cut-edges", "cut-nodes", "no_connected_components"),
)
"""The metrics of arXiv:2305.16886 that only listed edges give, under their published names."""


class ExplicitGraph:
    """A graph of listed edges, and what is counted in it.

    Every count is an exact integer or the mean of some, the same with each engine.

    Args:
        edges: Edges, at most one between two nodes.
        num_nodes: Number of nodes, which are numbered from 0.
        engine: Engine that counts: `numba`, `igraph` or `plain`; `auto` takes the first that is
            installed. Motifs are counted by Python itself where the engine is igraph.

    Raises:
        ValueError: Node numbers outside the graph, two edges between the same two nodes, or an
            engine that is not installed.

    Examples:
        >>> model = build("Resnet-20", image_size=8)
        >>> masks = prune(model, "uniform", sparsity=0.98)
        >>> encoded = encode(model, masks, "unrolled", (3, 8, 8))
        >>> graph = ExplicitGraph(edge_list(encoded), encoded.num_nodes)
        >>> graph.bridges, graph.cut_nodes, graph.components, graph.motifs()
        (252, 246, 52, 3182424.0)
    """

    def __init__(self, edges: EdgeList, num_nodes: int, *, engine: str = "auto") -> None:
        self.edges, self.num_nodes = edges, num_nodes
        self.engine = chosen_engine(engine)
        if num_nodes < 1:
            raise ValueError(f"expected a graph of at least one node, got {num_nodes}")
        for name, nodes in (("source", edges.source), ("target", edges.target)):
            if len(nodes) and not 0 <= nodes.min() <= nodes.max() < num_nodes:
                raise ValueError(
                    f"edges.{name}: expected nodes 0 to {num_nodes - 1}, got "
                    f"{nodes.min()} to {nodes.max()}"
                )

    @cached_property
    def rows(self) -> UndirectedRows:
        """The neighbours of each node, whichever way the edges point."""
        out = self.__dict__.pop("out", None)  # no longer needed, and a third of the memory
        return undirected_rows(self.edges, self.num_nodes, out=out, engine=self.engine)

    @cached_property
    def out(self) -> DirectedRows:
        """The nodes to which each node has an edge."""
        return directed_rows(self.edges, self.num_nodes, engine=self.engine)

    @cached_property
    def _igraph(self) -> Any:
        ends = np.stack([self.edges.source, self.edges.target], axis=1)
        return igraph_module().Graph(self.num_nodes, ends, directed=True)

    @cached_property
    def _lowpoints(self) -> tuple[int, int, int]:
        if self.engine == "igraph":
            cut, parts = self._igraph.articulation_points(), self._igraph.connected_components
            return len(self._igraph.bridges()), len(cut), len(parts(mode="weak"))
        found = compiled(lowpoints, self.engine)(self.rows.offsets, self.rows.neighbours)
        return int(found[0]), int(found[1]), int(found[2])

    @property
    def bridges(self) -> int:
        """Edges without which the graph has a component more."""
        return self._lowpoints[0]

    @property
    def cut_nodes(self) -> int:
        """Articulation points: nodes without which the graph has more components."""
        return self._lowpoints[1]

    @property
    def components(self) -> int:
        """Connected components, nodes without edges included."""
        return self._lowpoints[2]

    @cached_property
    def coreness(self) -> float:
        """Mean over the nodes of the largest k whose k-core holds them.

        The k-core is the largest subgraph in which every node has k edges, in and out together.
        """
        if self.engine == "igraph":
            return sum(self._igraph.coreness(mode="all")) / self.num_nodes
        rows = self.rows
        total = compiled(core_sum, self.engine)(rows.order, rows.offsets, rows.neighbours)
        return int(total) / self.num_nodes

    @cached_property
    def two_hop(self) -> float:
        """Mean number of different nodes within two steps along the edges, itself included."""
        if self.engine == "igraph":
            sizes = self._igraph.neighborhood_size(order=2, mode="out")
            return sum(sizes) / self.num_nodes
        total = compiled(two_hop_sum, self.engine)(self.out.offsets, self.out.neighbours)
        return int(total) / self.num_nodes

    def motifs(self, how: str = "exact", *, seed: int = 0) -> float:
        """Count the connected sets of four nodes, see `motifs.motifs`."""
        engine = "plain" if self.engine == "igraph" else self.engine
        return float(motifs(self.rows, how, seed=seed, engine=engine))


def degrees(edges: EdgeList, num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Count the edges into and out of each node, both (num_nodes,) int64."""
    engine = "numba" if has_numba() else "plain"
    return (
        count_ends(edges.target, num_nodes, engine=engine),
        count_ends(edges.source, num_nodes, engine=engine),
    )


def explicit_metrics(
    edges: EdgeList,
    num_nodes: int,
    names: Collection[str] = EXPLICIT_METRICS,
    *,
    motif: str = "exact",
    seed: int = 0,
    engine: str = "auto",
    progress: bool = False,
) -> dict[str, float]:
    """Compute the raw values of the metrics asked for, among `EXPLICIT_METRICS`.

    Args:
        motif: How motifs are counted: `exact`, `sampled` (as published, from a thousandth of the
            nodes) or `degrees` (an approximation).
        seed: Seed of the sample.
        engine: Engine that counts, see `ExplicitGraph`.
        progress: Whether a bar is shown.

    Raises:
        ValueError: An unknown name, motif count or engine, or edges that are no simple graph.
    """
    for name in names:
        choose("metric", name, EXPLICIT_METRICS)
    choose("motif count", motif, MOTIFS)
    graph = ExplicitGraph(edges, num_nodes, engine=engine)
    measures = {
        "2-hop_nei": lambda: graph.two_hop,  # first: its rows serve to make the undirected ones
        "motif": lambda: graph.motifs(motif, seed=seed),
        "k-core": lambda: graph.coreness,
        "cut-edges": lambda: graph.bridges,
        "cut-nodes": lambda: graph.cut_nodes,
        "no_connected_components": lambda: graph.components,
    }
    wanted = [name for name in EXPLICIT_METRICS if name in names]
    bar = tqdm(wanted, desc="metrics", unit="metric", disable=not progress)
    return {name: float(measures[name]()) for name in bar}


def predicted_bytes(
    num_nodes: int, num_edges: int, names: Collection[str] = EXPLICIT_METRICS
) -> int:
    """Estimate the memory that `edge_list` and `explicit_metrics` will take at their highest.

    The edges themselves are 12 bytes each, their rows 4 and undirected 8; the undirected ones are
    made of rows either way, of 8 bytes together.
    """
    wide = 2 if num_nodes > np.iinfo(np.int32).max else 1
    rows = 16 if set(names) - {"2-hop_nei"} else 4
    return num_edges * (4 + (8 + rows) * wide) + num_nodes * 80
