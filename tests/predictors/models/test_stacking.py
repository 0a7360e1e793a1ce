"""`StackedEnsemble`: weights learned out of fold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from graph2nn.cells import nb201_cell
from predictors.intervals import out_of_fold
from predictors.metrics import kendall_tau
from predictors.models.classical import FeaturePredictor
from predictors.models.stacking import StackedEnsemble, standard_members
from predictors.tables import load_table

MEMBERS = [
    ("good", FeaturePredictor("gp", blocks=("counts",))),
    ("poor", FeaturePredictor("rf", blocks=("adjacency",), options={"n_estimators": 5})),
]


def labelled(count: int = 60, seed: int = 0) -> tuple[list, np.ndarray]:
    rng = np.random.default_rng(seed)
    cells = [nb201_cell(rng.integers(0, 5, 6)) for _ in range(count)]
    value = {"conv_3x3": 2.0, "conv_1x1": 1.0}
    exact = np.array([sum(value.get(op, 0) for op in g.op_names()) for g in cells])
    return cells, exact + 0.1 * rng.normal(size=count)


def test_the_better_member_gets_the_weight() -> None:
    cells, y = labelled()
    model = StackedEnsemble(MEMBERS, prior=0).fit(cells, y)
    assert model.member_scores_["good"] > model.member_scores_["poor"] + 0.3
    assert model.weights_[0, 0] > 0.9 and model.weights_.sum() == pytest.approx(1)
    shrunk = StackedEnsemble(MEMBERS, prior=60).fit(cells, y)
    assert shrunk.weights_[1, 0] == pytest.approx((model.weights_[1, 0] + 0.5) / 2)


def test_best_is_the_member_itself() -> None:
    cells, y = labelled()
    model = StackedEnsemble(MEMBERS, combine="best").fit(cells, y)
    alone = clone(MEMBERS[0][1]).fit(cells, y)
    np.testing.assert_allclose(model.predict(cells), alone.predict(cells))
    np.testing.assert_allclose(model.predict_std(cells), alone.predict_std(cells))
    assert model.fitted_[1] is None, "a member without weight is not fitted"


def test_the_mean_lies_between_and_its_deviation_covers_both() -> None:
    cells, y = labelled()
    model = StackedEnsemble(MEMBERS, combine="mean").fit(cells, y)
    each = np.stack([clone(member).fit(cells, y).predict(cells) for _, member in MEMBERS])
    mean, std = model.predict(cells), model.predict_std(cells)
    assert (mean > each.min(0) - 1e-9).all() and (mean < each.max(0) + 1e-9).all()
    assert (std > np.abs(each[0] - each[1]) / 2 - 1e-9).all()


def test_beyond_the_labels_different_predictions_stay_different() -> None:
    cells, y = labelled(80)
    low = y < np.median(y)
    inside = [cell for cell, kept in zip(cells, low) if kept]
    ridge = FeaturePredictor("ridge", blocks=("counts",), target="none")
    alone = clone(ridge).fit(inside, y[low]).predict(cells)
    model = StackedEnsemble([("ridge", ridge)], combine="mean").fit(inside, y[low])
    assert (alone > y[low].max()).sum() > 10
    assert kendall_tau(alone, model.predict(cells)) == pytest.approx(1)


def test_several_targets_have_weights_of_their_own() -> None:
    cells, y = labelled()
    noise = np.random.default_rng(0).normal(size=60)
    model = StackedEnsemble(MEMBERS, prior=0).fit(cells, np.column_stack([y, noise]))
    assert model.predict(cells).shape == model.predict_std(cells).shape == (60, 2)
    assert model.weights_.shape == (2, 2)
    np.testing.assert_allclose(model.weights_.sum(0), 1)


def test_fewer_networks_than_folds() -> None:
    cells, y = labelled(4)
    with pytest.raises(
        ValueError, match="5-fold cross-validation needs at least 5 networks, got 4"
    ):
        StackedEnsemble(MEMBERS).fit(cells, y)
    assert StackedEnsemble(MEMBERS, combine="mean").fit(cells, y).predict(cells).shape == (4,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"combine": "median"}, "combine: expected one of weights, mean, best"),
        ({"members": []}, "members: expected at least one"),
        ({"folds": 1}, "folds: expected at least 2"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    cells, y = labelled(10)
    with pytest.raises(ValueError, match=message):
        StackedEnsemble(**{"members": MEMBERS, **settings}).fit(cells, y)


def test_members_are_cloned_with_seeds_of_their_own() -> None:
    cells, y = labelled()
    a, b = (StackedEnsemble(MEMBERS, combine="mean", seed=s).fit(cells, y) for s in (0, 1))
    assert [m.seed for m in a.fitted_] == [0, 0] and [m.seed for m in b.fitted_] == [1, 1]
    assert not hasattr(MEMBERS[0][1], "features_") and MEMBERS[0][1].seed == 0


def test_the_standard_ensemble_meets_the_bar() -> None:
    pytest.importorskip("xgboost")
    pytest.importorskip("lightgbm")
    X, y = load_table("nb201", target="c10_val")
    order = np.random.RandomState(0).permutation(len(y))
    rows, left = order[:100], order[100:1100]
    model = StackedEnsemble(standard_members(), combine="mean")
    model.fit([X[k] for k in rows], y[rows])
    assert kendall_tau(y[left], model.predict([X[k] for k in left])) > 0.78


def test_shares_fall_with_the_fourth_power_of_the_error() -> None:
    cells, y = labelled()
    model = StackedEnsemble([*MEMBERS, ("again", MEMBERS[0][1])], combine="scores", prior=1e9).fit(
        cells, y
    )
    good, poor, again = model.weights_[:, 0]
    assert good == pytest.approx(again) and good + poor + again == pytest.approx(1)
    assert 0 < poor < 0.1 * good
    errors = []
    for _, member in MEMBERS:
        outside, _ = out_of_fold(member, cells, y[:, None], folds=5)
        ranks = model.transform_.transform(outside) - model.transform_.transform(y[:, None])
        errors.append(np.mean(ranks**2))
    assert poor / good == pytest.approx((errors[0] / errors[1]) ** 4, rel=0.3)  # ends are extended


def test_few_networks_and_labels_that_fall_into_one_fold_take_the_mean() -> None:
    cells, y = labelled(9)
    model = StackedEnsemble(MEMBERS, combine="scores").fit(cells, y)
    assert model.weights_[:, 0].tolist() == [0.5, 0.5]
    cells, y = labelled(20)
    equal = np.where(np.arange(20) < 3, 1.0, 0.0)
    model = StackedEnsemble(MEMBERS, combine="scores").fit(cells, equal)
    assert model.weights_[:, 0].tolist() == [0.5, 0.5]


def test_a_linear_space_is_left_to_the_lines() -> None:
    """Sums over edges, as latencies are."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (240, 6))
    cells = [nb201_cell(code) for code in codes]
    y = rng.uniform(1, 2, (6, 5))[np.arange(6), codes].sum(1)
    every = dict(standard_members(boost=False, unlike=True))
    members = {name: every[name] for name in ("rf standard", "line", "costs")}
    model = StackedEnsemble(list(members.items()), combine="scores").fit(cells[:90], y[:90])
    assert dict(zip(model.names_, model.weights_[:, 0]))["line"] > 0.9
    forest = clone(members["rf standard"]).fit(cells[:90], y[:90])
    found, trees = (kendall_tau(y[90:], m.predict(cells[90:])) for m in (model, forest))
    assert found > 0.9 > trees


def test_a_graph_network_is_among_the_members_as_long_as_graphs_are_small() -> None:
    epochs = {}
    for copies in (1, 2, 4):
        graphs = [nb201_cell([1, 2, 3, 4, 0, 1])] * (400 * copies)
        members = dict(StackedEnsemble(combine="scores")._suitable(graphs, np.ones((1, 1))))
        epochs[copies] = members["gcn"].epochs if "gcn" in members else None
    assert epochs == {1: 60, 2: 30, 4: None}
    own = StackedEnsemble(combine="scores").set_params(gcn__epochs=7)
    assert dict(own._suitable(graphs, np.ones((1, 1))))["gcn"].epochs == 7
    assert "gcn" not in dict(StackedEnsemble(combine="mean")._named())
