"""The studies of sparse networks on made-up tables."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from sparse_table import PRUNERS, made_up_table

from graph2nn.sparsity.campaign.results import SparseTable
from predictors.studies.sparsity.comparison_groups import blend, relative_drops, relative_features
from predictors.studies.sparsity.importance import (
    METRIC_GROUPS,
    correlated_groups,
    permutation_importance,
    shap_importance,
)
from predictors.studies.sparsity.ranking import baseline_taus, metric_taus
from predictors.studies.sparsity.regression import IN_SAMPLE, difference, plan_trials, run_trials
from predictors.studies.sparsity.regressors import DROP_REGRESSORS, DropRegressor
from predictors.studies.sparsity.report import write_report
from predictors.studies.sparsity.scoring import adjusted_r2, ceiling, comparison_taus, r_squared
from predictors.studies.sparsity.studies import study
from predictors.studies.sparsity.task import PROTOCOLS, drop_task, drop_tasks, splits


@pytest.fixture(scope="module")
def task():
    return drop_task(made_up_table(datasets=("d", "e")), "both")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_network_is_predicted_once(task, protocol):
    parts = splits(task, protocol, seed=3)
    tested = np.concatenate([test for _, test in parts])
    assert sorted(tested) == list(range(task.table.num_rows))
    for learn, test in parts:
        assert not set(learn) & set(test) and len(learn) + len(test) == task.table.num_rows


def test_what_protocols_keep_apart(task):
    for learn, test in splits(task, "grouped 5-fold"):
        assert not set(task.configuration[learn]) & set(task.configuration[test])
    columns = {"pruner": "pruning", "model": "model", "dataset": "dataset"}
    for short, column in columns.items():
        for learn, test in splits(task, f"leave-{short}-out"):
            values = task.table[column]
            assert not set(values[learn]) & set(values[test]) and len(set(values[test])) == 1
    random = splits(task, "random 10-fold")
    assert any(set(task.configuration[a]) & set(task.configuration[b]) for a, b in random)


def test_seeds_change_random_folds_only(task):
    def tests_of(protocol, seed):
        return [test.tolist() for _, test in splits(task, protocol, seed=seed)]

    for protocol in PROTOCOLS:
        assert tests_of(protocol, 0) == tests_of(protocol, 0)
        assert (tests_of(protocol, 0) != tests_of(protocol, 1)) == ("fold" in protocol)


def test_dense_and_incomplete_networks_are_left_out():
    table = made_up_table(seeds=1)
    motif = table["motif"].copy()
    motif[3] = np.nan
    pruning = np.where(np.arange(table.num_rows) == 7, "dense", table["pruning"])
    changed = SparseTable({**table, "motif": motif, "pruning": pruning})
    task = drop_task(changed, "d")
    assert task.left_out == 1 and task.table.num_rows == table.num_rows - 2


def test_taus_average_seeds_and_keep_infinities_in_order(task):
    assert np.nanmean(comparison_taus(task, task.drop)) == 1
    mean = np.bincount(task.configuration, task.drop) / np.bincount(task.configuration)
    best = mean[task.configuration]
    np.testing.assert_allclose(comparison_taus(task, -best), -1)
    group = task.comparison_group == 0
    worst = task.configuration == task.configuration[group][best[group].argmax()]
    np.testing.assert_allclose(comparison_taus(task, np.where(worst, np.inf, best)), 1)
    two = np.isin(task.table["pruning"], PRUNERS[:2])
    assert np.isnan(comparison_taus(task, np.where(two, np.nan, best))).all()


def test_r_squared_and_its_adjustment():
    truth = np.array([1.0, 2, 3, 4, 5, 6])
    assert r_squared(truth, np.full(6, 3.5)) == 0 and r_squared(truth, truth) == 1
    assert adjusted_r2(truth, np.full(6, 3.5), 2) == pytest.approx(1 - 5 / 3)
    with pytest.raises(ValueError, match="more networks than features"):
        adjusted_r2(truth, truth, 5)


def test_ceiling_falls_with_noise_and_needs_seeds():
    quiet, loud = (ceiling(drop_task(made_up_table(noise=n), "d")) for n in (0.001, 0.03))
    assert quiet.r2 > loud.r2 and quiet.tau > loud.tau and quiet.seed_tau > loud.seed_tau
    assert quiet.r2 > 0.99 and quiet.tau > 0.9
    assert np.isnan(ceiling(drop_task(made_up_table(seeds=1), "d")).r2)


def test_relative_numbers_know_nothing_of_the_network_held_out(task):
    learn, test = splits(task, "leave-pruner-out")[0]
    found = relative_drops(task, learn)
    for group in np.unique(task.comparison_group):
        here = task.comparison_group[learn] == group
        assert found[here].mean() == pytest.approx(0, abs=1e-12)
        assert found[here].std() == pytest.approx(1)
    changed = task.drop.copy()
    changed[test] += 0.3
    other = drop_task(task.table.with_column("drop", changed), "both")
    np.testing.assert_array_equal(relative_drops(other, learn), found)
    table = task.features("density8").values
    centred = relative_features(task, table)
    np.testing.assert_allclose(centred[task.comparison_group == 2].mean(axis=0), 0, atol=1e-12)


def test_blends_listen_to_every_member_alike(task):
    best = np.bincount(task.configuration, task.drop) / np.bincount(task.configuration)
    good = best[task.configuration]
    np.testing.assert_allclose(blend(task, [good, 1000 * good]), 2 * blend(task, [good]))
    np.testing.assert_allclose(blend(task, [good, -1000 * good]), 0, atol=1e-9)
    assert comparison_taus(task, blend(task, [good, good + 5])).mean() == 1


@pytest.mark.parametrize("name", DROP_REGRESSORS)
def test_every_regressor_learns(task, name):
    if name == "xgboost":
        pytest.importorskip("xgboost")
    table = task.features("density8").values
    half = np.arange(len(table)) % 2 == 0
    model = DropRegressor(name, seed=0).fit(table[half], task.drop[half])
    found = model.predict(table[~half])
    assert r_squared(task.drop[~half], found) > 0.8
    again = DropRegressor(name, seed=0).fit(table[half], task.drop[half])
    np.testing.assert_array_equal(again.predict(table[~half]), found)


def test_trials_are_repeated_where_something_is_random(task):
    trials = plan_trials(
        [task], ["density8"], ["ols", "extra trees"], ["leave-model-out"], repeats=2
    )
    assert [trial.repeats for trial in trials] == [1, 2]
    scores = run_trials([task], trials, progress=False)
    assert [len(score.r2s) for score in scores] == [1, 2]
    assert np.isnan(scores[0].r2_error) and scores[1].r2_error > 0
    assert scores[1].tau == pytest.approx(np.mean(scores[1].taus))
    mean, error = difference(scores[1:], scores[:1])
    assert mean == pytest.approx(scores[1].tau - scores[0].tau) and error >= 0


def test_jobs_change_nothing(task):
    trials = plan_trials([task], ["density8"], ["ridge"], ["grouped 5-fold"], repeats=3)
    one = run_trials([task], trials, progress=False)
    two = run_trials([task], trials, jobs=2, backend="threading", progress=False)
    np.testing.assert_array_equal(one[0].r2s, two[0].r2s)
    assert len(set(one[0].r2s)) == 3


def test_protocols_without_groups_are_left_out():
    tasks = drop_tasks(made_up_table(models=("A",)))
    trials = plan_trials(tasks, ["density8"], ["ols"], ["leave-model-out", "leave-pruner-out"])
    assert [trial.protocol for trial in trials] == ["leave-pruner-out"]


def test_metrics_and_copied_rankings():
    tasks = drop_tasks(made_up_table(datasets=("d", "e"), noise=0.0005))
    rows = metric_taus(tasks, ["density8", "sparsity"])
    names = [row.name for row in rows]
    assert rows[0].tau > 0.9 and "log geometric mean density" in names[:3]
    assert next(row for row in rows if row.name == "sparsity").tau == 0  # the same in a group
    assert list(rows[0].by_task()) == ["d", "e"] and list(rows[0].by_sparsity()) == [0.6, 0.9, 0.98]
    pool = drop_task(made_up_table(datasets=("d", "e")), "all")
    assert [row.name for row in baseline_taus(pool)] == [
        "ranking of the other data sets",
        "ranking of the other models",
    ]
    one = drop_task(made_up_table(models=("A",)), "one")
    assert baseline_taus(one) == []


def test_importance_finds_what_matters(task):
    density = task.features("density8").names
    groups = {"layer densities": density, **METRIC_GROUPS}
    table = task.table
    rng = np.random.default_rng(0)
    for name in METRIC_GROUPS["expansion"]:
        table = table.with_column(name, rng.random(table.num_rows))
    noisy = drop_task(table, "noisy")
    found = permutation_importance(
        noisy, "density8+mge16", groups, regressor="ridge", repeats=4, progress=False
    )
    loss = dict(zip(found.groups, found.r2_loss.mean(axis=1)))
    assert max(loss, key=loss.get) == "layer densities"
    assert abs(loss["expansion"]) < 0.02 < loss["layer densities"]
    assert found.error_gain.shape == (6, table.num_rows)
    for shares in found.shares("sparsity").values():
        assert shares.sum() == pytest.approx(1) and (shares >= 0).all()
    again = permutation_importance(
        noisy, "density8+mge16", groups, regressor="ridge", repeats=4, progress=False
    )
    np.testing.assert_array_equal(found.tau_loss, again.tau_loss)


def test_permuting_within_groups_leaves_the_level_alone(task):
    """Sparsity is the same in a comparison group, so permuting it there changes nothing."""
    settings = {"regressor": "ridge", "repeats": 2, "progress": False}
    found = permutation_importance(task, "log_density+sparsity", **settings)
    assert found.r2_loss.max() > 0.1
    found = permutation_importance(task, "sparsity", within_comparison_groups=True, **settings)
    np.testing.assert_allclose(found.r2_loss, 0, atol=1e-12)


def test_correlated_features_form_groups(task):
    twin = task.table["motif"] * 2 + 1
    table = task.table.with_column("k-core", twin)
    rng = np.random.default_rng(0)
    for name in ("r-in", "r-out"):
        table = table.with_column(name, rng.random(table.num_rows))
    groups = correlated_groups(drop_task(table, "twins"), "mge16")
    assert any({"motif", "k-core"} <= set(members) for members in groups.values())
    assert groups["r-in"] == ("r-in",) and groups["r-out"] == ("r-out",)
    assert sorted(n for members in groups.values() for n in members) == sorted(
        task.features("mge16").names
    )


def test_shap_values_add_up(task):
    pytest.importorskip("shap")
    small = drop_task(task.table.take(np.arange(0, task.table.num_rows, 3)), "small")
    values = shap_importance(small, "density8", protocol="leave-model-out")
    table = small.features("density8").values
    learn, test = splits(small, "leave-model-out")[0]
    model = DropRegressor(seed=0).fit(table[learn], small.drop[learn])
    gap = model.predict(table[test]) - values[test].sum(axis=1)
    np.testing.assert_allclose(gap, gap[0], atol=1e-6)  # the mean prediction


def test_report(tmp_path):
    found = study(made_up_table(), quick=True, progress=False)
    page = write_report(found, tmp_path / "out", title="Made up")
    text = page.read_text()
    for heading in ("In sample", "Extra trees", "Learnt within contests", "Single metrics"):
        assert f"## {heading}" in text
    for part in text.split("](")[1:]:
        assert (tmp_path / "out" / part.split(")")[0]).is_file()
    lines = (tmp_path / "out" / "regression.csv").read_text().splitlines()
    rows = list(csv.DictReader(lines))
    assert len(rows) == len(found.scores)
    density = [r for r in rows if r["features"] == "density8" and r["protocol"] == "in sample"]
    assert float(density[0]["r2"]) > 0.9


def test_a_table_of_one_model_and_one_seed_is_enough(tmp_path):
    found = study(made_up_table(models=("A",), seeds=1), quick=True, progress=False)
    text = write_report(found, tmp_path).read_text()
    assert np.isnan(found.ceilings["d"].r2) and "leave-model-out" not in text
    fitted = {s.trial.features for s in found.scores if s.trial.protocol == IN_SAMPLE}
    assert "density8" in fitted and "mge16" not in fitted  # sixteen numbers of twelve networks


def test_report_says_what_a_table_lacks(tmp_path):
    table = made_up_table(missing=("motif", "spectral_gap"))
    found = study(table, quick=True, progress=False)
    text = write_report(found, tmp_path).read_text()
    assert "no columns motif, spectral_gap" in text and "importance: the table lacks" in text


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda t: study(made_up_table(), parts=["sorting"]), "expected some of regression"),
        (lambda t: study(made_up_table(), repeats=0), "expected at least 1"),
        (lambda t: splits(t, "leave-one-out"), "protocol: expected one of random"),
        (lambda t: plan_trials([t], ["density8"], ["ols"], ["none"]), "protocol: expected in"),
        (lambda t: DropRegressor("forest"), "regressor: expected one of ols"),
        (lambda t: shap_importance(t, "density8", regressor="svr"), "expected extra trees or"),
        (
            lambda t: permutation_importance(t, "density8", {"a": ("motif",)}, progress=False),
            "no feature motif; there are mean density",
        ),
        (
            lambda t: drop_task(t.table.take(np.arange(1)), "one"),
            "one has 1 pruned networks .* nothing to compare",
        ),
        (lambda t: write_report(study(made_up_table(), parts=[]), "x", formats=("gif",)), "gif"),
    ],
)
def test_bad_input(task, call, message):
    with pytest.raises(ValueError, match=message):
        call(task)
