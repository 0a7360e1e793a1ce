"""How far the bipartite graph of a layer is from a Ramanujan graph."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, nan, sqrt

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from graph2nn.sparsity.graphs.edges import edge_list
from graph2nn.sparsity.graphs.metrics.spectra import largest_magnitudes
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph

__all__ = ["ramanujan"]

MIN_DEGREE = 3
"""Smallest mean degree, left and right, of the subgraphs that IMDB and IMSG average over."""
DENSE_NODES = 1024
"""Up to so many nodes on the smaller side all is computed densely, which finds every multiple
singular value."""
DENSE_ENTRIES = 2**24
"""Up to so many entries the biadjacency matrix is multiplied densely."""


def ramanujan(graph: MultipartiteGraph, *, compat: bool = False, seed: int = 0) -> dict[str, float]:
    """Compute the three Ramanujan properties of one layer's graph.

    See arXiv:2305.16886, section 4.1, after Hoang et al.
    (https://openreview.net/forum?id=uVcDssQff_). A bipartite graph with mean degrees l and r is
    Ramanujan if its second singular value t (of the biadjacency matrix; the third absolute
    eigenvalue of the adjacency) stays below the bound b = sqrt(l - 1) + sqrt(r - 1). Nodes without
    edges do not count.

    * `delta_r`: (b - t) / b. Minus infinity where b = 0 < t (no two edges share a node), NaN
      without edges and for a single one.
    * `imdb`: the mean of (b - t) / b over the subgraphs of all left nodes that have the same degree
      k, for each k of at least 3 for which the right nodes' mean degree is at least 3 as well. NaN
      where there is none.
    * `imsg`: the mean over the same subgraphs of the first less the second singular value of |w|;
      NaN where there is none.

    Args:
        graph: Graph of one layer, as `rolled` makes it.
        compat: Whether to compute as published: NaN for `delta_r` of a graph with three nodes or
            fewer.
        seed: Seed of the start vector of Lanczos, used where both sides have over 1024 nodes.

    Raises:
        ValueError: A graph that is not of one layer.

    Examples:
        >>> model = build("Resnet-20", image_size=8)
        >>> masks = prune(model, "uniform", sparsity=0.9)
        >>> graphs = encode(model, masks, "rolled")
        >>> ramanujan(graphs["layer1.0.conv1.weight"])
        {'delta_r': -0.00598..., 'imdb': 0.11225..., 'imsg': 0.03184...}
    """
    one = isinstance(graph, MultipartiteGraph) and len(graph.blocks) == 1
    if not one or len(graph.layers) != 2:
        got = "one for each layer" if isinstance(graph, Mapping) else repr(graph)
        raise ValueError(
            "expected the graph of one layer, with nodes that it reads and nodes that it writes, "
            f"got {got}; take the graphs of the encodings rolled or rolled-channel one by one, or "
            "layer_table for all"
        )
    weight = _biadjacency(graph)
    ones = _like(weight, np.ones_like(weight.data))
    properties = {"delta_r": nan, "imdb": nan, "imsg": nan}
    if not weight.nnz or (compat and sum(_mean_degrees(ones)[2:]) <= 3):
        return properties
    properties["delta_r"] = _difference_of_bound(ones, seed)
    degree = np.diff(weight.indptr)
    differences, gaps = [], []
    for k in np.unique(degree[degree >= MIN_DEGREE]):
        rows = np.flatnonzero(degree == k)
        if _mean_degrees(ones[rows])[1] < MIN_DEGREE:
            continue
        differences.append(_difference_of_bound(ones[rows], seed))
        first, second = _singular_values(weight[rows], seed)
        gaps.append(first - second)
    if differences:
        properties |= {"imdb": float(np.mean(differences)), "imsg": float(np.mean(gaps))}
    return properties


def _biadjacency(graph: MultipartiteGraph) -> csr_array:
    """|w| by left and right node; edges that weigh nothing are stored too."""
    left, right = graph.layers
    edges = edge_list(graph)
    order = np.lexsort((edges.target, edges.source))
    offsets = np.searchsorted(edges.source[order], np.arange(left.size + 1) + left.start)
    columns = edges.target[order] - right.start
    data = edges.weight[order].astype(np.float64)
    return csr_array((data, columns, offsets), shape=(left.size, right.size))


def _like(matrix: csr_array, data: np.ndarray) -> csr_array:
    return csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _mean_degrees(ones: csr_array) -> tuple[float, float, int, int]:
    """Mean degrees of left and right nodes with edges, then how many such nodes there are."""
    left = int(np.count_nonzero(np.diff(ones.indptr)))
    right = len(np.unique(ones.indices))
    return ones.nnz / max(left, 1), ones.nnz / max(right, 1), left, right


def _difference_of_bound(ones: csr_array, seed: int) -> float:
    left, right, *_ = _mean_degrees(ones)
    bound = sqrt(left - 1) + sqrt(right - 1)
    second = _singular_values(ones, seed)[1]
    if bound == 0:
        return -inf if second > 0 else nan
    return (bound - second) / bound


def _singular_values(matrix: csr_array, seed: int) -> tuple[float, float]:
    """The two largest; 0 for the second of a matrix with one row or column."""
    matrix = matrix if matrix.shape[0] >= matrix.shape[1] else csr_array(matrix.T)
    rows, size = matrix.shape
    if size > DENSE_NODES:
        product = LinearOperator(
            (size, size),
            matvec=lambda x: matrix.T @ (matrix @ x),
            matmat=lambda x: matrix.T @ (matrix @ x),
            dtype=np.float64,
        )
        squares = largest_magnitudes(product, 2, seed=seed)
        return sqrt(squares[0]), sqrt(squares[1])
    if size == 1:
        return float(np.linalg.norm(matrix.data)), 0.0
    if rows * size <= DENSE_ENTRIES:
        dense = matrix.toarray()
        gram = dense.T @ dense
    else:
        gram = (matrix.T @ matrix).toarray()
    squares = eigh(gram, eigvals_only=True, subset_by_index=[size - 2, size - 1])
    return sqrt(max(squares[1], 0.0)), sqrt(max(squares[0], 0.0))
