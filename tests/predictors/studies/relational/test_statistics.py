"""Tests between groups, corrections, held-out seeds and control for degree, on made-up errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from graph2nn.relational.campaign.graph_means import GraphMeans
from predictors.studies.relational.heldout import held_out, selection
from predictors.studies.relational.statistics.bands import degree_bands
from predictors.studies.relational.statistics.bins import binning_for
from predictors.studies.relational.statistics.control import (
    control_for_degree,
    leave_one_out_r2,
    quadratic,
)
from predictors.studies.relational.statistics.slices import take_slice
from predictors.studies.relational.statistics.sweetspot import (
    best_graph,
    sweet_spot,
    sweet_spot_of_bins,
)
from predictors.studies.relational.statistics.tests import (
    Groups,
    adjust,
    p_better,
    p_worse,
    reliability,
    seed_correlations,
)


def _means(runs: np.ndarray, **columns: np.ndarray) -> GraphMeans:
    count = len(runs)
    names = {"C": np.linspace(0.1, 0.8, count), "L": np.linspace(2.6, 1.2, count)} | columns
    extra = {k: v for k, v in names.items() if k not in ("C", "L", "is_baseline")}
    return GraphMeans(
        task="made",
        seeds=np.arange(1, runs.shape[1] + 1),
        graph_id=np.array([f"n64_s0.2_p0.1_g{i}" for i in range(count)]),
        C=names["C"],
        L=names["L"],
        is_baseline=names.get("is_baseline", np.zeros(count, dtype=bool)),
        runs=runs,
        extra=extra,
    )


@pytest.mark.parametrize(("test", "equal"), [("student", True), ("welch", False)])
def test_p_values_are_those_of_scipy(test: str, equal: bool) -> None:
    runs = np.random.default_rng(0).normal(30, 1, (6, 4))
    runs[2, 1:3] = np.nan
    p = p_worse(Groups.of(runs), 1, test)
    for row in range(6):
        own = runs[row][np.isfinite(runs[row])]
        expected = stats.ttest_ind(own, runs[1], equal_var=equal, alternative="greater").pvalue
        assert p[row] == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(p_better(Groups.of(runs), 1, test), 1 - p)


def test_pooled_test_uses_the_variance_of_all_groups() -> None:
    runs = np.random.default_rng(1).normal(30, 2, (5, 3))
    squared = runs.var(1, ddof=1).mean() * (2 / 3)
    t = (runs.mean(1) - runs[0].mean()) / np.sqrt(squared)
    np.testing.assert_allclose(p_worse(Groups.of(runs), 0, "pooled"), stats.t.sf(t, 10))


def test_equal_runs_are_not_told_apart() -> None:
    p = p_worse(Groups.of(np.array([[3.0, 3.0], [3.0, 3.0], [4.0, 4.0]])), 0)
    assert not p[0] < 0.05 and not p[1] < 0.05
    assert p[2] == 0


def test_groups_of_labels() -> None:
    groups = Groups.of(np.array([[1.0, 3.0], [5.0, np.nan], [8.0, 8.0]]), np.array([7, 7, 9]))
    assert groups.mean.tolist() == [3.0, 8.0]
    assert groups.count.tolist() == [3, 2]
    assert groups.var.tolist() == [4.0, 0.0]


def test_corrections() -> None:
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.5])
    np.testing.assert_allclose(adjust(p, "holm"), [0.04, np.nan, 0.09, 0.09, 0.5])
    np.testing.assert_allclose(adjust(p, "bh"), [0.04, np.nan, 0.16 / 3, 0.16 / 3, 0.5])
    np.testing.assert_array_equal(adjust(p, "none"), p)
    with pytest.raises(ValueError, match="expected one of none, holm, bh"):
        adjust(p, "bonferroni")
    with pytest.raises(ValueError, match="expected one of student, welch, pooled"):
        p_worse(Groups.of(np.ones((2, 2))), 0, "z")


def test_holm_keeps_its_promise_without_any_difference() -> None:
    """Of 200 sweeps of equal graphs, about 5 % may have a graph that looks worse than a fixed one;
    without a correction nearly half of them have."""
    rng, wrong = np.random.default_rng(2), {"none": 0, "holm": 0}
    for _ in range(200):
        p = p_worse(Groups.of(rng.normal(30, 1, (52, 5))), 0, "pooled")[1:]
        for correction in wrong:
            wrong[correction] += bool((adjust(p, correction) < 0.05).any())
    assert wrong["holm"] <= 20 < 80 < wrong["none"]


def test_best_graph_and_its_rank() -> None:
    means = _means(np.array([[3.0, 5.0], [4.0, 4.0], [1.0, 2.0]]))
    assert [best_graph(means, rank) for rank in (0, 1, 2)] == [2, 0, 1]


def test_sweet_spot_leaves_the_complete_graph_out() -> None:
    runs = np.array(
        [[10.0, 10.1, 10.2], [10.1, 10.0, 10.2], [20.0, 20.1, 20.2], [10.0, 10.1, 10.3]]
    )
    means = _means(runs, is_baseline=np.array([False, False, False, True]))
    spot = sweet_spot(means)
    assert spot.inside.tolist() == [True, True, False, False]
    assert (spot.size, spot.total) == (2, 3)
    assert spot.c_range == (means.C[0], means.C[1])


def test_luck_of_the_best_of_equal_graphs() -> None:
    """All graphs equal: the chosen one looks better than it is, and held-out seeds show it."""
    means = _means(np.random.default_rng(3).normal(30, 1, (200, 5)))
    chosen = selection(means)
    assert chosen.chosen_error < 29
    assert chosen.fresh_error == pytest.approx(30, abs=0.9)
    assert sweet_spot(means).size < 150
    assert held_out(means).spot.size == 200


def test_held_out_finds_a_real_difference() -> None:
    runs = np.random.default_rng(4).normal(30, 0.1, (40, 5))
    runs[:20] += 2
    held = held_out(_means(runs))
    assert held.splits == 10
    assert held.spot.inside.tolist() == [False] * 20 + [True] * 20
    bins = held_out(_means(runs), binning=binning_for(64, np.array([2.0])))
    assert bins.spot.unit == "cell"
    assert bins.spot.c_range[0] > 0.4


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds(seeds: int) -> None:
    means = _means(np.random.default_rng(5).normal(30, 1, (20, seeds)))
    with pytest.raises(ValueError, match="needs a seed to choose on and two to test with"):
        held_out(means)
    if seeds == 1:
        with pytest.raises(ValueError, match="one seed"):
            selection(means)
        with pytest.raises(ValueError, match="train with at least two seeds"):
            sweet_spot(means)
        assert np.isnan(reliability(means))
        assert len(seed_correlations(means)) == 0


def test_reliability_of_known_noise() -> None:
    rng = np.random.default_rng(6)
    runs = rng.normal(30, 1, (4000, 1)) + rng.normal(0, 1, (4000, 4))
    assert reliability(_means(runs)) == pytest.approx(0.8, abs=0.02)
    assert seed_correlations(_means(runs)).mean() == pytest.approx(0.5, abs=0.03)


def _degrees(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C, L and k of graphs where denser ones have larger C and smaller L."""
    k = np.exp(rng.uniform(np.log(8), np.log(60), 300))
    C = np.clip(0.15 * np.log(k) + rng.uniform(-0.2, 0.2, 300), 0.05, 1)
    return C, 4 - 0.7 * np.log(k) + rng.uniform(0, 1, 300), k


@pytest.mark.parametrize("cause", ["degree", "clustering"])
def test_control_tells_degree_from_clustering(cause: str) -> None:
    rng = np.random.default_rng(7)
    C, L, k = _degrees(rng)
    true = (np.log(k) - 2.5) ** 2 if cause == "degree" else 10 * (C - 0.4) ** 2
    means = _means(30 + true[:, None] + rng.normal(0, 0.1, (300, 3)), C=C, L=L, k_degree=k)
    control = control_for_degree(means, sweet_spot(means))
    assert control.controls == ("log k", "log k squared")
    assert np.isnan(control.degree_width)
    if cause == "degree":
        assert control.p_cl > 0.01 and control.partial_cl < 0.06
        assert control.p_degree < 1e-16
        assert abs(control.gap_controlled) < 0.1 < abs(control.gap)
    else:
        assert control.p_cl < 1e-16 and control.partial_cl > 0.8
        assert control.p_degree > 0.01
        assert {round(b.c_minimum, 1) for b in degree_bands(means) if b.c_interior} == {0.4}


def test_control_needs_degrees_and_graphs() -> None:
    runs = np.random.default_rng(8).normal(30, 1, (20, 3))
    with pytest.raises(ValueError, match="different known degrees"):
        control_for_degree(_means(runs), sweet_spot(_means(runs)))
    few = _means(runs[:8], k_degree=np.arange(8.0) + 2)
    with pytest.raises(ValueError, match="at least 12 graphs, got 8"):
        control_for_degree(few, sweet_spot(few))
    with pytest.raises(ValueError, match="at least 16 graphs"):
        degree_bands(few)


def test_leave_one_out_equals_refitting() -> None:
    rng = np.random.default_rng(9)
    x, z, y = rng.normal(size=(3, 30))
    columns = np.stack([np.ones(30), *quadratic(x, z)], 1)
    left = []
    for i in range(30):
        keep = np.arange(30) != i
        left.append(y[i] - columns[i] @ np.linalg.lstsq(columns[keep], y[keep], rcond=None)[0])
    expected = 1 - np.square(left).sum() / ((y - y.mean()) ** 2).sum()
    assert leave_one_out_r2(quadratic(x, z), y) == pytest.approx(expected)


def test_slice_of_a_known_parabola() -> None:
    L = np.linspace(1.5, 3, 12)
    means = _means((30 + (L - 2.2) ** 2)[:, None] * np.ones(2), C=np.full(12, 0.5), L=L)
    part = take_slice(means, "L")
    assert part.minimum == pytest.approx(2.2)
    assert part.r2 == pytest.approx(1)
    assert not part.extrapolated
    with pytest.raises(ValueError, match="expected one of L, C"):
        take_slice(means, "k")
    with pytest.raises(ValueError, match="needs five graphs"):
        take_slice(means.take(np.arange(4)), "L")


def test_bins() -> None:
    binning = binning_for(64, np.array([2.0]))
    assert (len(binning.c_edges), binning.l_edges[-1]) == (16, 4.5)
    assert binning_for(16, np.array([2.0])).l_edges[-1] == 2.5
    assert binning_for(32, np.array([2.0, 3.1])).l_edges[-1] == 3.5
    labels = binning.labels(np.array([0.5, 1.0]), np.array([2.0, 1.0]))
    C, L = binning.centres(labels)
    np.testing.assert_allclose(C, [0.5, 1.0])  # C = 1 lies in an open bin of its own
    np.testing.assert_allclose(L, [1 + 4.5 * 3.5 / 15, 1 + 0.5 * 3.5 / 15])
    with pytest.raises(ValueError, match="expected one of fine, medium, coarse"):
        binning_for(64, np.array([2.0]), "huge")
    means = _means(np.random.default_rng(10).normal(30, 1, (30, 3)))
    assert sweet_spot_of_bins(means, binning).unit == "cell"
