"""Each topometric of one graph, what several need being computed once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from graph2nn.sparsity.graphs.edges import EdgeList, edge_list
from graph2nn.sparsity.graphs.metrics.counting import (
    NodeSums,
    degrees,
    local_metrics,
    strengths,
)
from graph2nn.sparsity.graphs.metrics.edge_free import adjacency_operator, motifs_by_degrees
from graph2nn.sparsity.graphs.metrics.explicit import ExplicitGraph
from graph2nn.sparsity.graphs.metrics.explicit import degrees as listed_degrees
from graph2nn.sparsity.graphs.metrics.spectra import laplacian, largest_eigenvalue, spectral_gap
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph

__all__ = ["Measures"]

PIECE = 2**20
"""Edges whose weights are added up at once."""


class Measures:
    """`measures[name]` computes the metric of that name when it is asked for.

    Ask in the order of `TOPOMETRICS`: what only the first metrics need is then freed before the
    last ones.

    Args:
        listed: Whether degrees, strengths and spectra come from listed edges too, not from the
            masks.
        motif, seed, device: Arguments of `topometrics`.
    """

    def __init__(
        self,
        graph: MultipartiteGraph,
        *,
        listed: bool = False,
        motif: str = "exact",
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.graph, self.listed, self.motif, self.seed = graph, listed, motif, seed
        self.num_nodes, self.device = graph.num_nodes, device

    def __getitem__(self, name: str) -> float:
        if name in _LOCAL:
            return self._local[name]
        return _MEASURES[name](self)

    @cached_property
    def _edges(self) -> EdgeList:
        return edge_list(self.graph)

    @cached_property
    def _explicit(self) -> ExplicitGraph:
        return ExplicitGraph(self._edges, self.num_nodes)

    @cached_property
    def _degrees(self) -> NodeSums:
        if self.listed:
            return NodeSums(*listed_degrees(self._edges, self.num_nodes))
        return degrees(self.graph)

    @cached_property
    def _local(self) -> dict[str, int]:
        return local_metrics(self.graph, self._degrees)

    @cached_property
    def _adjacency(self) -> LinearOperator:
        self.__dict__.pop("_explicit", None)
        if not self.listed:
            return adjacency_operator(self.graph, device=self.device)
        edges, shape = self._edges, (self.num_nodes, self.num_nodes)
        matrix = sp.csr_matrix((edges.weight, (edges.source, edges.target)), shape)
        return aslinearoperator(matrix) + aslinearoperator(matrix.T)  # the transpose is a view

    @cached_property
    def _strengths(self) -> np.ndarray:
        """Sum of |w| over the edges of each node, in and out."""
        if not self.listed:
            return np.add(*strengths(self.graph))
        total = np.zeros(self.num_nodes)
        # Piece by piece, for bincount copies what it is given to 16 bytes an edge.
        for start in range(0, len(self._edges), PIECE):
            weight = self._edges.weight[start : start + PIECE]
            for ends in (self._edges.source, self._edges.target):
                total += np.bincount(ends[start : start + PIECE], weight, self.num_nodes)
        return total

    def num_edges(self) -> int:
        """Count the edges."""
        return int(self._degrees.incoming.sum())

    def one_hop(self) -> float:
        # No two edges join the same nodes, hence every edge leads to another node.
        """Compute the mean number of nodes within one step along the edges, itself included."""
        return 1 + self.num_edges() / self.num_nodes

    def two_hop(self) -> float:
        """Compute the mean number of nodes within two steps along the edges, itself included."""
        return self._explicit.two_hop

    def motifs(self) -> float:
        """Count the connected sets of four nodes."""
        if self.motif == "degrees" and not self.listed:
            return motifs_by_degrees(self.graph)
        found = self._explicit.motifs(self.motif, seed=self.seed)
        return found if self.motif == "sampled" else int(found)

    def strength(self) -> float:
        """Compute the mean over nodes of the sum of |w| of their edges, in and out."""
        return float(self._strengths.mean())

    def coreness(self) -> float:
        """Compute the mean coreness of the nodes."""
        return self._explicit.coreness

    def cut_edges(self) -> int:
        """Count the bridges."""
        return self._explicit.bridges

    def cut_nodes(self) -> int:
        """Count the articulation points."""
        return self._explicit.cut_nodes

    def components(self) -> int:
        """Count the connected components."""
        return self._explicit.components

    def mean_component(self) -> float:
        """Compute the mean number of nodes of a component."""
        return self.num_nodes / self._explicit.components

    def gap(self) -> float:
        """Compute the spectral gap of the adjacency of |w|."""
        return spectral_gap(self._adjacency, seed=self.seed)

    def radius(self) -> float:
        """Compute the spectral radius of the Laplacian of |w|."""
        matrix = laplacian(self._adjacency, self._strengths)
        return largest_eigenvalue(matrix, seed=self.seed)


_LOCAL = ("sink_nodes", "source_nodes", "disc_nodes", "r-out", "r-in")
_MEASURES = {
    "nodes": lambda measures: measures.num_nodes,
    "edges": Measures.num_edges,
    "1-hop_nei": Measures.one_hop,
    "2-hop_nei": Measures.two_hop,
    "motif": Measures.motifs,
    "avg_node_strength": Measures.strength,
    "k-core": Measures.coreness,
    "cut-edges": Measures.cut_edges,
    "cut-nodes": Measures.cut_nodes,
    "no_connected_components": Measures.components,
    "mean_connected_components": Measures.mean_component,
    "spectral_gap": Measures.gap,
    "spectral_radius": Measures.radius,
}
