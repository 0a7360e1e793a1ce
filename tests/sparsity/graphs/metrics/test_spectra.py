"""Seeded Lanczos against all eigenvalues of the dense matrix."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from graph2nn.sparsity.graphs.metrics.spectra import (
    DENSE_NODES,
    laplacian,
    largest_eigenvalue,
    largest_magnitudes,
    spectral_gap,
)


def chain(sizes: list[int], seed: int, density: float = 0.1) -> np.ndarray:
    """Weighted symmetric adjacency of a multipartite graph."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum([0, *sizes])
    matrix = np.zeros((starts[-1], starts[-1]))
    for a, b, c in zip(starts, starts[1:], starts[2:]):
        shape = (b - a, c - b)
        matrix[a:b, b:c] = rng.random(shape) * (rng.random(shape) < density)
    return matrix + matrix.T


CASES = {
    "one node": np.zeros((1, 1)),
    "two nodes": np.array([[0.0, 3.0], [3.0, 0.0]]),
    "path": chain([1, 1, 1, 1], 0, 1.0),
    "just dense": chain([DENSE_NODES // 2] * 2, 1),
    "bipartite": chain([300, 200], 2),
    "deep": chain([100] * 8, 3),
    "skips": chain([150] * 5, 4) + np.roll(chain([150] * 5, 5), (300, 300), (0, 1)),
    "no edges": np.zeros((500, 500)),
    "a single edge": np.pad([[0.0, 2.0], [2.0, 0.0]], (0, 600)),
    "three equal parts": sp.block_diag([chain([80, 90], 7)] * 3).toarray(),
    "complete": chain([200, 150], 8, 1.0) > 0,
    "perfect matching": sp.block_diag([[[0.0, 1.0], [1.0, 0.0]]] * 150).toarray(),
    "star": chain([1, 399], 9, 1.0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_extreme_eigenvalues_are_those_of_the_dense_matrix(case):
    matrix = CASES[case].astype(float)
    exact = np.sort(abs(np.linalg.eigvalsh(matrix)))[::-1][:3]
    exact = np.pad(exact, (0, 3 - len(exact)))
    found = largest_magnitudes(sp.csr_matrix(matrix))
    np.testing.assert_allclose(found, exact, rtol=1e-7, atol=1e-7 * max(exact[0], 1e-7))
    assert spectral_gap(matrix) == pytest.approx(exact[0] - exact[2], rel=1e-6, abs=1e-7)
    radius = np.linalg.eigvalsh(np.diag(matrix.sum(1)) - matrix)[-1]
    assert largest_eigenvalue(laplacian(matrix, matrix.sum(1))) == pytest.approx(
        radius, rel=1e-7, abs=1e-12
    )


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csr_array])
def test_any_kind_of_matrix_gives_the_same_to_the_bit_every_time(kind):
    matrix = CASES["deep"]
    product = LinearOperator(matrix.shape, matvec=lambda x: matrix @ x, dtype=np.float64)
    state = np.random.get_state()[1].copy()
    first = largest_magnitudes(kind(matrix), seed=3)
    np.testing.assert_array_equal(first, largest_magnitudes(kind(matrix), seed=3))
    np.testing.assert_allclose(first, largest_magnitudes(product, seed=5), rtol=1e-9)
    np.testing.assert_array_equal(state, np.random.get_state()[1])


def test_an_invariant_subspace_ends_the_same_way_every_time():
    matrix = CASES["perfect matching"]
    runs = [largest_magnitudes(matrix, seed=1) for _ in range(3)]
    for run in runs[1:]:
        np.testing.assert_array_equal(run, runs[0])


@pytest.mark.parametrize("nodes", [10, 500])
def test_what_is_not_finite_is_refused(nodes):
    matrix = np.eye(nodes)
    matrix[1, 2] = matrix[2, 1] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        largest_magnitudes(matrix)


def test_a_matrix_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="square"):
        largest_eigenvalue(np.zeros((3, 4)))
