"""Numbers of a weight: sizes, spectra, rows that are copies, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from ghn.weights import measure_layer, row_correlations, weight_matrices


@pytest.fixture
def matrix() -> torch.Tensor:
    return torch.randn(12, 30, generator=torch.Generator().manual_seed(0))


def test_sizes_and_spectrum(matrix):
    found = measure_layer(matrix)
    expected = np.linalg.svd(matrix.numpy(), compute_uv=False)
    assert found.count == 360
    assert found.norm == pytest.approx(np.linalg.norm(matrix))
    assert found.std == pytest.approx(matrix.numpy().std(), rel=1e-5)
    assert np.allclose(found.singular_values, expected, rtol=1e-4)
    assert found.stable_rank == pytest.approx((expected**2).sum() / expected[0] ** 2, rel=1e-4)


def test_correlations_are_those_of_numpy(matrix):
    expected = np.corrcoef(matrix.numpy())
    assert np.allclose(row_correlations(matrix), expected, atol=1e-6)
    others = np.abs(expected[~np.eye(12, dtype=bool)])
    assert measure_layer(matrix).row_correlation == pytest.approx(others.mean(), rel=1e-5)
    assert row_correlations(matrix, most=5).shape == (5, 5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_tiled_rows_are_copies(matrix, sign):
    tiled = torch.cat([matrix, sign * 2 * matrix[:6]])  # scale and sign do not hide a copy
    assert measure_layer(matrix).copies == 0
    assert measure_layer(tiled).copies == pytest.approx(12 / 18)


@pytest.mark.parametrize("rows", [torch.ones(4, 8), torch.zeros(3, 5), torch.ones(1, 9)])
def test_rows_that_do_not_vary_have_no_correlation(rows):
    found = measure_layer(rows)
    assert math.isnan(found.row_correlation) and math.isnan(found.copies)


def test_two_numbers_a_row_say_nothing():
    assert math.isnan(measure_layer(torch.randn(6, 2)).copies)


def test_matrices_of_a_network_are_copies_of_its_weights():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    found = weight_matrices(net.double())
    assert {n: tuple(m.shape) for n, m in found.items()} == {
        "0.weight": (4, 27),
        "3.weight": (2, 4),
    }
    found["3.weight"].zero_()
    assert net[3].weight.abs().sum() > 0 and found["0.weight"].dtype == torch.float32


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (torch.zeros(3), "expected a matrix with entries"),
        (torch.zeros(0, 3), r"got shape \[0, 3\]"),
        (torch.full((2, 2), torch.nan), "not finite"),
    ],
)
def test_what_cannot_be_measured(matrix, message):
    with pytest.raises(ValueError, match=message):
        measure_layer(matrix)
