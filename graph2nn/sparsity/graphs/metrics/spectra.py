"""Extreme eigenvalues of symmetric matrices given by their products: seeded Lanczos."""

from __future__ import annotations

import inspect
from typing import TypeAlias

import numpy as np
from scipy.sparse import sparray, spmatrix
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh

__all__ = [
    "Operator",
    "laplacian",
    "largest_eigenvalue",
    "largest_magnitudes",
    "spectral_gap",
]

Operator: TypeAlias = LinearOperator | sparray | spmatrix | np.ndarray
"""A symmetric matrix, or its product with a vector."""

DENSE_NODES = 200
"""Up to this size all eigenvalues are computed, which is as quick and finds every multiple one."""
TOLERANCE = 1e-5
"""Length of a residual over the eigenvalue. The eigenvalue's own error goes with its square."""
LANCZOS_VECTORS = 20


def largest_magnitudes(operator: Operator, count: int = 3, *, seed: int = 0) -> np.ndarray:
    """Compute the largest absolute eigenvalues, in descending order.

    0 stands for those that are missing. Eigenvalues of a bipartite graph come in pairs of both
    signs, those of a deep multipartite one nearly. Hence one more than asked for is sought where
    the count is odd: a search that has to keep one of a pair and to drop the other converges
    slowly.

    Args:
        operator: Symmetric matrix (n, n) or operator.
        count: Number of eigenvalues.
        seed: Seed of the start vector. It matters below the tolerance only.

    Shapes:
        (count,) float64.

    Raises:
        ValueError: A matrix that is not square, or a product that is not finite.

    Examples:
        >>> largest_magnitudes(np.array([[0.0, 2.0], [2.0, 0.0]]))
        array([2., 2., 0.])
    """
    values = np.abs(_eigenvalues(operator, count + count % 2, "LM", seed))
    found = np.sort(values)[::-1][:count]
    return np.pad(found, (0, count - len(found)))


def spectral_gap(adjacency: Operator, *, seed: int = 0) -> float:
    """Compute the largest absolute eigenvalue of an adjacency (n, n) less the third.

    As in arXiv:2305.16886, section 3. The third, because the two largest of a bipartite graph are
    equal.
    """
    values = largest_magnitudes(adjacency, 3, seed=seed)
    return float(values[0] - values[2])


def largest_eigenvalue(operator: Operator, *, seed: int = 0) -> float:
    """Compute the largest eigenvalue of an operator (n, n).

    That of a Laplacian is its spectral radius.

    Raises:
        ValueError: As `largest_magnitudes`.
    """
    values = _eigenvalues(operator, 1, "LA", seed)
    return float(values.max()) if len(values) else 0.0


def laplacian(adjacency: Operator, strength: np.ndarray) -> LinearOperator:
    """Make the Laplacian D - A as a product.

    Args:
        adjacency: Symmetric adjacency A, (nodes, nodes).
        strength: Diagonal of D, the sum of each row of A.

    Shapes:
        strength (nodes,).

    Examples:
        >>> adjacency = np.array([[0.0, 2.0], [2.0, 0.0]])
        >>> largest_eigenvalue(laplacian(adjacency, adjacency.sum(1)))
        4.0
    """
    product = _in_float64(aslinearoperator(adjacency))
    diagonal = np.asarray(strength, np.float64)

    def matvec(x: np.ndarray) -> np.ndarray:
        return diagonal * x - product.matvec(x)

    def matmat(x: np.ndarray) -> np.ndarray:
        return diagonal[:, None] * x - product.matmat(x)

    return LinearOperator(product.shape, matvec=matvec, matmat=matmat, dtype=np.float64)


def _eigenvalues(operator: Operator, count: int, which: str, seed: int) -> np.ndarray:
    operator = _in_float64(aslinearoperator(operator))
    rows = operator.shape[0]
    if rows <= max(DENSE_NODES, LANCZOS_VECTORS):
        return np.linalg.eigvalsh(_finite(operator @ np.eye(rows))) if rows else np.empty(0)
    generator = np.random.default_rng(seed)
    start = generator.standard_normal(rows)
    if not _finite(operator.matvec(start)).any():
        return np.zeros(count)  # no edges; Lanczos could not take a second step
    # Newer versions draw the vector they go on with in an invariant subspace from a generator
    # that is given; older ones start theirs from a constant.
    more = {"rng": generator} if "rng" in inspect.signature(eigsh).parameters else {}
    return eigsh(
        operator,
        k=count,
        which=which,
        v0=start,
        ncv=LANCZOS_VECTORS,
        tol=TOLERANCE,
        return_eigenvectors=False,
        **more,
    )


def _in_float64(operator: LinearOperator) -> LinearOperator:
    """Products in the operator's own precision, between vectors of float64.

    Rounded products move an eigenvalue by a rounding error; vectors of float32 move it by more,
    for they lose their orthogonality.
    """
    rows, columns = operator.shape
    if rows != columns:
        raise ValueError(f"expected a square symmetric matrix, got {rows} x {columns}")
    own = operator.dtype if operator.dtype == np.float32 else np.dtype(np.float64)

    def product(x: np.ndarray) -> np.ndarray:
        return operator.matmat(x.reshape(rows, -1).astype(own)).astype(np.float64).reshape(x.shape)

    return LinearOperator((rows, rows), matvec=product, matmat=product, dtype=np.float64)


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise ValueError("the matrix has entries that are not finite: its weights must be numbers")
    return values
