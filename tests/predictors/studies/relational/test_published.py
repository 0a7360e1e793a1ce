"""The analysis reproduces the numbers of "Graph Structure of Neural Networks"."""

from __future__ import annotations

import numpy as np
import pytest

from graph2nn.relational.campaign.results import ResultTable, published_results
from predictors.studies.relational.statistics.bins import binning_for
from predictors.studies.relational.statistics.control import control_for_degree
from predictors.studies.relational.statistics.correlation import (
    compare_tasks,
    epoch_curve,
    graph_count_curve,
)
from predictors.studies.relational.statistics.slices import take_slice
from predictors.studies.relational.statistics.sweetspot import (
    PUBLISHED_RANK,
    best_graph,
    sweet_spot,
    sweet_spot_of_bins,
)
from predictors.studies.relational.statistics.tests import reliability, seed_correlations
from predictors.studies.relational.study import better_than_complete

MLP, CNN, EN = "mlp_cifar10", "cnn6_imagenet", "efficient_imagenet"
R34, SEP, R50 = "resnet34_imagenet", "resnet34_sep_imagenet", "resnet50_imagenet"
TASKS = (MLP, CNN, R34, SEP, R50, EN)


@pytest.fixture(scope="module")
def final() -> ResultTable:
    return published_results()


@pytest.fixture(scope="module")
def by_epoch() -> ResultTable:
    return published_results(by_epoch=True)


@pytest.mark.parametrize(
    ("task", "complete", "best", "best_id"),
    [
        (MLP, (33.34, 0.36), (32.05, 0.14), "n64_s0.128001_p0.128063_g4"),
        (CNN, (48.27, 0.14), (46.73, 0.16), "n64_s0.170251_p0.120983_g13"),
        (R34, (25.73, 0.07), (24.57, 0.10), "n64_s0.138784_p0.245008_g3"),
        (SEP, (28.39, 0.05), (27.17, 0.18), "n64_s0.168515_p0.342558_g23"),
        (R50, (23.09, 0.05), (22.42, 0.09), "n64_s0.316271_p0.073388_g8"),
        (EN, (25.59, 0.05), (25.07, 0.17), "n16_s0.350341_p0.025772_g2"),
    ],
)
def test_complete_and_best_graph(
    final: ResultTable, task: str, complete: tuple, best: tuple, best_id: str
) -> None:
    means = final.graph_means(task)
    row, dense = best_graph(means, PUBLISHED_RANK.get(task, 0)), int(means.is_baseline.argmax())
    assert means.graph_id[row] == best_id
    found = [(means.mean[i], means.std()[i]) for i in (dense, row)]
    np.testing.assert_allclose(found, [complete, best], atol=0.0051)


@pytest.mark.parametrize(
    ("task", "inside", "c", "length"),
    [
        (MLP, 363, (0.0907, 0.7187), (1.633, 3.042)),
        (CNN, 25, (0.2998, 0.7025), (1.572, 2.752)),
        (R34, 15, (0.0977, 0.6361), (1.580, 2.522)),
        (SEP, 30, (0.0977, 0.7025), (1.572, 2.529)),
        (R50, 14, (0.4301, 0.7025), (1.572, 2.281)),
        (EN, 34, (0.1229, 0.6954), (1.408, 2.308)),
    ],
)
def test_sweet_spot(final: ResultTable, task: str, inside: int, c: tuple, length: tuple) -> None:
    spot = sweet_spot(final.graph_means(task), rank=PUBLISHED_RANK.get(task, 0))
    assert spot.size == inside
    np.testing.assert_allclose(spot.c_range, c, atol=5.1e-5)
    np.testing.assert_allclose(spot.l_range, length, atol=5.1e-4)


def test_sweet_spot_of_bins_of_the_mlp(final: ResultTable) -> None:
    means = final.graph_means(MLP)
    spot = sweet_spot_of_bins(means, binning_for(64, means.L))
    assert (spot.size, spot.total) == (12, 74)
    assert spot.mean == pytest.approx(32.335, abs=5e-4)
    np.testing.assert_allclose(spot.c_range, (0.10, 0.50), atol=1e-9)
    np.testing.assert_allclose(spot.l_range, (1.817, 2.75), atol=5e-4)


@pytest.mark.parametrize(
    ("first", "second", "r"),
    [(MLP, R34, 0.658), (MLP, SEP, 0.715), (R34, SEP, 0.931), (SEP, R50, 0.797), (R34, R50, 0.757),
     (MLP, R50, 0.326)],
)  # fmt: skip
def test_correlations_of_tasks(final: ResultTable, first: str, second: str, r: float) -> None:
    pair = compare_tasks(final.graph_means(first).filled(), final.graph_means(second).filled())
    assert len(pair.x) == 53
    assert pair.r == pytest.approx(r, abs=5.1e-4)
    assert pair.r_low < r < pair.r_high


@pytest.mark.parametrize(
    ("first", "second", "r"),
    [(MLP, R34, 0.508), (MLP, SEP, 0.586), (MLP, CNN, 0.775), (MLP, R50, 0.236), (CNN, R34, 0.726),
     (CNN, SEP, 0.799), (CNN, R50, 0.611)],
)  # fmt: skip
def test_correlations_of_graph_means(final: ResultTable, first: str, second: str, r: float) -> None:
    pair = compare_tasks(final.graph_means(first), final.graph_means(second))
    assert pair.r_graphs_generated == pytest.approx(r, abs=5.6e-4)
    if (first, second) == (MLP, R34):
        assert pair.r_graphs == pytest.approx(0.536, abs=5e-4)


def test_missing_runs_move_one_correlation(final: ResultTable) -> None:
    """The original filled a missing run with that of another seed; without it .797 is .798."""
    sep, deep = final.graph_means(SEP), final.graph_means(R50)
    assert (sep.count < 3).sum() == 1
    assert compare_tasks(sep, deep).r == pytest.approx(0.7983, abs=5e-5)
    assert compare_tasks(sep.filled(), deep).r == pytest.approx(0.7972, abs=5e-5)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (R34, {1: 0.576, 2: 0.838, 3: 0.928, 5: 0.948, 10: 0.932, 50: 0.921, 90: 0.979}),
        (CNN, {3: 0.924, 10: 0.961, 50: 0.954}),
        (SEP, {3: 0.525, 10: 0.920, 50: 0.955}),
        (R50, {3: 0.479, 10: 0.747, 50: 0.660}),
        (EN, {3: 0.759, 10: 0.825, 50: 0.915}),
    ],
)
def test_correlations_of_epochs(by_epoch: ResultTable, task: str, expected: dict) -> None:
    curve = epoch_curve(by_epoch, task)
    found = dict(zip(curve.epochs.tolist(), curve.r.tolist()))
    assert len(found) == 100
    for epoch, r in expected.items():
        assert found[epoch] == pytest.approx(r, abs=6e-4), epoch


def test_correlation_against_number_of_graphs(final: ResultTable) -> None:
    counts = (52, 100, 200, 449, 1000, 3942)
    curve = graph_count_curve(final.graph_means(MLP), counts=counts)
    assert curve.r[0] == pytest.approx(0.903, abs=5e-4)
    assert curve.std[0] == pytest.approx(0, abs=1e-12)
    assert curve.r[-1] == pytest.approx(1)
    published = np.array([0.908, 0.949, 0.975, 0.992])  # one order that was not seeded
    assert (np.abs(curve.r[1:5] - published) < 2 * curve.std[1:5]).all()


@pytest.mark.parametrize(
    ("task", "length", "c"),
    [
        (MLP, (2.482, 0.54), (0.338, 0.24)),
        (CNN, (2.258, 0.49), (0.517, 0.54)),
        (R34, (2.125, 0.61), (0.331, 0.40)),
        (SEP, (2.134, 0.50), (0.360, 0.36)),
        (R50, (1.799, 0.62), (0.907, 0.70)),
        (EN, (2.037, 0.83), (0.563, 0.12)),
    ],
)
def test_slices(final: ResultTable, task: str, length: tuple, c: tuple) -> None:
    means = final.graph_means(task)
    for along, (minimum, r2) in (("L", length), ("C", c)):
        part = take_slice(means, along)
        assert part.minimum == pytest.approx(minimum, abs=5.1e-4)
        assert part.r2 == pytest.approx(r2, abs=5.1e-3)
    assert part.extrapolated == (task in (R50, EN))


@pytest.mark.parametrize(
    ("task", "better", "between", "share", "r2_cl", "r2_both"),
    [
        (MLP, 98.8, (0.27, 0.30), 0.668, 0.556, 0.659),
        (CNN, 100.0, (0.78, 0.84), 0.929, 0.596, 0.882),
        (R34, 90.4, (0.81, 0.90), 0.949, 0.802, 0.904),
        (SEP, 92.3, (0.85, 0.88), 0.945, 0.702, 0.882),
        (R50, 90.4, (0.70, 0.82), 0.906, 0.563, 0.887),
        (EN, 79.2, (0.39, 0.51), 0.717, 0.869, 0.849),
    ],
)
def test_noise_and_degree(
    final: ResultTable, task: str, better: float, between: tuple, share: float, r2_cl: float,
    r2_both: float,
) -> None:  # fmt: skip
    means = final.graph_means(task)
    assert 100 * better_than_complete(means, [])["share"] == pytest.approx(better, abs=0.05)
    seeds = seed_correlations(means)
    np.testing.assert_allclose((seeds.min(), seeds.max()), between, atol=0.0101)
    assert reliability(means) == pytest.approx(share, abs=6e-4)
    control = control_for_degree(means, sweet_spot(means))
    assert control.r2_cl == pytest.approx(r2_cl, abs=6e-4)
    assert control.r2_both == pytest.approx(r2_both, abs=6e-4)
