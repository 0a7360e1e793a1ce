"""Measures of multipartite graphs, on listed edges or without making any."""

from graph2nn.sparsity.topometrics.counting import count_edges, degrees, strengths
from graph2nn.sparsity.topometrics.edge_free import adjacency_operator
from graph2nn.sparsity.topometrics.edges import EdgeList, edge_list
from graph2nn.sparsity.topometrics.memory import available_memory
from graph2nn.sparsity.topometrics.spectra import (
    laplacian,
    largest_eigenvalue,
    largest_magnitudes,
    spectral_gap,
)
from graph2nn.sparsity.topometrics.topometrics import (
    ENGINES,
    TOPOMETRICS,
    Topometric,
    topometrics,
)

__all__ = [
    "ENGINES",
    "TOPOMETRICS",
    "EdgeList",
    "Topometric",
    "adjacency_operator",
    "available_memory",
    "count_edges",
    "degrees",
    "edge_list",
    "laplacian",
    "largest_eigenvalue",
    "largest_magnitudes",
    "spectral_gap",
    "strengths",
    "topometrics",
]
