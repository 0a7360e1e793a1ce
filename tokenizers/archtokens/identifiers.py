"""Node identifiers: vectors that tell the nodes of a graph apart and say how they are joined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import eigh

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.paths import breadth_first, topological_levels
from graph2nn.archgraph.stack import GraphStack
from graph2nn.names import check_choice

__all__ = [
    "IDENTIFIERS",
    "RANDOM_IDENTIFIERS",
    "depth_identifiers",
    "identifier_width",
    "identify",
    "laplacian_identifiers",
    "magnetic_identifiers",
    "orthogonal_identifiers",
    "random_identifiers",
    "shortest_path_identifiers",
]

IDENTIFIERS = ("none", "orf", "random", "laplacian", "magnetic", "depth", "shortest", "dag")
"""Kinds. `orf`, `random`, `laplacian`: TokenGT (arXiv:2207.02505, section 2.1); `magnetic`:
directed (arXiv:2302.02941); `depth`, `shortest` and both together, `dag`: numbers of a DAG."""

RANDOM_IDENTIFIERS = ("orf", "random")
"""Kinds that are drawn anew at every call and need a seed."""

_FIXED_WIDTH = {"none": 0, "depth": 4, "shortest": 4, "dag": 8}
_DENSE = 32  # up to this many nodes, one batched decomposition beats one call a graph


def identifier_width(kind: str, width: int) -> int:
    """Count the columns of a node's identifier: `width`, twice that, or the kind's own.

    Complex identifiers take twice the width; depths and shortest paths have a number of their own.

    Raises:
        ValueError: An unknown kind.
    """
    check_choice("identifiers", kind, IDENTIFIERS)
    return _FIXED_WIDTH.get(kind, 2 * width if kind == "magnetic" else width)


def identify(
    kind: str,
    stack: GraphStack,
    width: int,
    *,
    rng: np.random.Generator | None = None,
    potential: float = 0.1,
) -> np.ndarray:
    """Compute identifiers of every node of a stack of graphs.

    Args:
        kind: One of `IDENTIFIERS`.
        stack: The graphs.
        width: Columns of the identifiers, for the kinds that leave it open.
        rng: Draws `orf` and `random`, and the signs of `laplacian`; without it the first two are
            refused and signs are fixed.
        potential: Potential q of the magnetic Laplacian.

    Shapes:
        (N, identifier_width(kind, width)) float32.

    Raises:
        ValueError: An unknown kind, or a random one without a generator.
    """
    columns = identifier_width(kind, width)
    if kind in RANDOM_IDENTIFIERS and rng is None:
        raise ValueError(f"identifiers={kind!r} are drawn at random: pass seed= or generator=")
    if kind == "none":
        return np.zeros((stack.total, columns), dtype=np.float32)
    if kind in _FIXED_WIDTH:
        parts = {"depth": (_depths,), "shortest": (_hops,), "dag": (_depths, _hops)}[kind]
        return np.concatenate([part(stack) for part in parts], axis=1).astype(np.float32)
    if kind in RANDOM_IDENTIFIERS:
        draw = orthogonal_identifiers if kind == "orf" else random_identifiers
        assert rng is not None
        return np.concatenate([draw(int(n), width, rng) for n in stack.nodes])
    out = np.zeros((stack.total, columns), dtype=np.float32)
    for rows, graphs in _by_size(stack):
        if kind == "magnetic":
            vectors = magnetic_identifiers(graphs, width, potential=potential)
        else:
            vectors = laplacian_identifiers(graphs, width, rng=rng)
        out[rows.reshape(-1)] = vectors.reshape(rows.size, columns)
    return out


def orthogonal_identifiers(nodes: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Draw orthogonal random features: rows of a random orthogonal matrix.

    Rows are exactly orthonormal up to `width` nodes. Of more nodes, they are rows of the first
    `width` columns of an orthogonal matrix, brought to length 1, as in TokenGT (arXiv:2207.02505,
    section 2.1). Haar-distributed: columns are scaled by the signs of R.

    Shapes:
        (nodes, width) float32.
    """
    q, r = np.linalg.qr(rng.standard_normal((max(nodes, width), min(nodes, width))))
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    rows = q if nodes > width else q.T
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(length, 1e-12)).astype(np.float32)


def random_identifiers(nodes: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Draw uniform noise with rows of length 1, (nodes, width): TokenGT's ablation."""
    rows = rng.random((nodes, width))
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(length, 1e-12)).astype(np.float32)


def laplacian_identifiers(
    graphs: Sequence[ArchGraph], width: int, *, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Compute the first eigenvectors of I - D^-1/2 A D^-1/2, A symmetric and boolean.

    The graph of each network is read undirected and without padding: TART's code (arXiv:2501.02007)
    takes the directed adjacency padded to 600 nodes, which is not symmetric, and keeps the real
    part.

    Args:
        graphs: Graphs that all have the same number of nodes n.
        width: Number of eigenvectors; columns past n are 0.
        rng: Generator that gives every eigenvector a random sign (training). Without it the entry
            of largest magnitude is positive.

    Shapes:
        (B, n, width) float32.
    """
    adjacency = _adjacency(graphs)
    adjacency = np.maximum(adjacency, adjacency.transpose(0, 2, 1))
    vectors = _first_vectors(_normalised_laplacian(adjacency, adjacency), width)
    if rng is None:
        vectors = vectors * np.sign(_largest(vectors))
    else:
        vectors = vectors * rng.choice([-1.0, 1.0], size=(len(graphs), 1, vectors.shape[2]))
    return _padded(vectors, width)


def magnetic_identifiers(
    graphs: Sequence[ArchGraph], width: int, *, potential: float = 0.1
) -> np.ndarray:
    """Compute the first eigenvectors of the magnetic Laplacian, real and imaginary parts.

    The Laplacian is I - D^-1/2 A D^-1/2 * exp(2πi q (A⃗ - A⃗ᵀ)), Hermitian: direction is the phase
    of an edge ("Transformers Meet Directed Graphs", arXiv:2302.02941, equation 3). Each vector is
    turned so that its entry of largest magnitude is real and positive. q = 0 is the plain
    Laplacian.

    Shapes:
        Graphs with n nodes each -> (B, n, 2 width) float32, real parts first.
    """
    directed = _adjacency(graphs)
    backward = directed.transpose(0, 2, 1)
    undirected = np.maximum(directed, backward)
    phase = np.exp(2j * np.pi * potential * (directed - backward))
    vectors = _first_vectors(_normalised_laplacian(undirected, undirected * phase), width)
    turn = _largest(vectors)
    vectors = vectors * np.conj(turn / np.maximum(np.abs(turn), 1e-12))
    return np.concatenate([_padded(vectors.real, width), _padded(vectors.imag, width)], axis=2)


def depth_identifiers(graphs: Sequence[ArchGraph]) -> np.ndarray:
    """Compute topological depths: the longest path from an input and to an output, in edges.

    Four columns: both as a share of the graph's longest path, and both as log2(1 + depth) / 8.

    Shapes:
        (N, 4) float32, nodes of all graphs one after another.
    """
    return _depths(GraphStack.of(graphs)).astype(np.float32)


def shortest_path_identifiers(graphs: Sequence[ArchGraph]) -> np.ndarray:
    """Compute the shortest path from an input and to an output, as `depth_identifiers`.

    Columns mean the same there. Shapes: (N, 4) float32.
    """
    return _hops(GraphStack.of(graphs)).astype(np.float32)


def _depths(stack: GraphStack) -> np.ndarray:
    pairs = stack.pairs
    ways = (False, True)
    return _scaled([topological_levels(pairs, stack.total, backward=b) for b in ways], stack)


def _hops(stack: GraphStack) -> np.ndarray:
    ways = (stack.pairs, stack.pairs[::-1])
    return _scaled([breadth_first(pairs, stack.total) for pairs in ways], stack)


def _scaled(lengths: list[np.ndarray], stack: GraphStack) -> np.ndarray:
    columns = []
    for length in lengths:
        longest = np.maximum.reduceat(length, stack.offsets[:-1])
        columns.append(length / np.maximum(np.repeat(longest, stack.nodes), 1))
    return np.stack([*columns, *(np.log2(1 + length) / 8 for length in lengths)], axis=1)


def _by_size(stack: GraphStack) -> list[tuple[np.ndarray, list[ArchGraph]]]:
    """Graphs with the same number of nodes together, with the rows of their nodes."""
    groups = []
    for n in np.unique(stack.nodes):
        members = np.flatnonzero(stack.nodes == n)
        rows = stack.offsets[members][:, None] + np.arange(n)
        groups.append((rows, [stack.graphs[k] for k in members]))
    return groups


def _adjacency(graphs: Sequence[ArchGraph]) -> np.ndarray:
    n = graphs[0].num_nodes
    out = np.zeros((len(graphs), n, n))
    for k, graph in enumerate(graphs):
        out[k, graph.edges[0], graph.edges[1]] = 1
    return out


def _normalised_laplacian(undirected: np.ndarray, weighted: np.ndarray) -> np.ndarray:
    scale = np.maximum(undirected.sum(2), 1) ** -0.5
    eye = np.eye(undirected.shape[1])
    return eye - scale[:, :, None] * weighted * scale[:, None, :]


def _first_vectors(matrices: np.ndarray, width: int) -> np.ndarray:
    """Eigenvectors of the smallest eigenvalues, as columns. Shapes: (B, n, min(n, width))."""
    n = matrices.shape[1]
    if n <= _DENSE:
        return np.linalg.eigh(matrices)[1][:, :, :width]
    last = min(n, width) - 1
    return np.stack([eigh(m, subset_by_index=[0, last], driver="evr")[1] for m in matrices])


def _largest(vectors: np.ndarray) -> np.ndarray:
    """Each vector's entry of largest magnitude (the first, rounded). Shapes: (B, 1, k)."""
    where = np.round(np.abs(vectors), 6).argmax(1)[:, None]
    return np.take_along_axis(vectors, where, axis=1)


def _padded(vectors: np.ndarray, width: int) -> np.ndarray:
    missing = width - vectors.shape[2]
    return np.pad(vectors, ((0, 0), (0, 0), (0, max(missing, 0)))).astype(np.float32)
