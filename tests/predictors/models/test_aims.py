"""Values instead of ranks, and members of an ensemble that are tuned through it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from graph2nn.archgraph import ArchGraph
from graph2nn.cells import nb201_cell
from predictors import MODELS, FeaturePredictor, LinearBaseline, make_predictor
from predictors.base import ArchPredictor
from predictors.models.stacking import StackedEnsemble, standard_members


def sparse(count: int, seed: int = 0) -> tuple[list[ArchGraph], np.ndarray]:
    """Cells whose labels are crowded at the top, with a long tail."""
    codes = np.random.default_rng(seed).integers(0, 5, (count, 6))
    badness = (codes == 1).sum(1) + 0.3 * (codes == 4).sum(1) + 0.01 * codes.sum(1)
    return [nb201_cell(code) for code in codes], 90 - np.exp(1.5 * badness)


def quick_members(aim: str) -> list[tuple[str, ArchPredictor]]:
    """The standard members without trees and networks, which take seconds."""
    return standard_members(aim=aim)[:2]


@pytest.mark.parametrize("name", ["gp-graph", "ensemble", "stack"])
def test_values_have_smaller_errors(name: str) -> None:
    """Over four draws: of one, the few networks in the tail decide."""
    errors: dict[str, list[float]] = {"ranks": [], "values": []}
    for aim, found in errors.items():
        members = {} if name == "gp-graph" else {"members": quick_members(aim)}
        for seed in range(4):
            X, y = sparse(160, seed)
            model = make_predictor(name, aim=aim, **members).fit(X[:100], y[:100])
            found.append(np.sqrt(np.mean((model.predict(X[100:]) - y[100:]) ** 2)))
    assert np.mean(errors["values"]) < np.mean(errors["ranks"])


def test_models_that_only_order_say_so() -> None:
    with pytest.raises(ValueError, match="model gcn orders networks only; .*ridge, gp-graph"):
        make_predictor("gcn", aim="values")
    with pytest.raises(ValueError, match="aim: expected one of ranks, values, got 'value'"):
        make_predictor("gp-graph", aim="value")
    with pytest.raises(ValueError, match="aim: expected one of ranks, values"):
        StackedEnsemble(aim="order").fit(*sparse(10))
    for name in (name for name, entry in MODELS.items() if entry.values is not None):
        make_predictor(name, aim="values")


def test_standard_members_of_values_learn_values() -> None:
    members = standard_members(aim="values", boost=False, unlike=True)
    targets = {name: m.get_params().get("target") for name, m in members}
    assert targets.pop("roofline") is None and set(targets.values()) == {"standard"}
    assert standard_members(boost=False)[0][0] == "gp rank"


def test_settings_of_members_are_settings_of_the_ensemble() -> None:
    model = StackedEnsemble([("line", LinearBaseline()), ("forest", FeaturePredictor("rf"))])
    assert model.get_params()["forest__target"] == "rank"
    again = model.set_params(forest__target="standard", combine="mean")
    assert again is model and dict(model.members)["forest"].target == "standard"
    assert clone(model).get_params()["forest__target"] == "standard"
    model.set_params(line=FeaturePredictor("svr"))
    assert [name for name, _ in model.members] == ["line", "forest"]
    assert model.get_params()["line__model"] == "svr"
    with pytest.raises(ValueError, match="unknown member 'forst'.*did you mean 'forest'"):
        model.set_params(forst__target="none")
    with pytest.raises(ValueError, match="Invalid parameter 'nothing'"):
        model.set_params(forest__nothing=1)


def test_standard_members_are_tuned_without_touching_others() -> None:
    model = StackedEnsemble(combine="mean")
    assert "gp rank__target" in model.get_params()
    other = clone(model).set_params(**{"gp rank__target": "standard"})
    assert model.members is None and dict(other.members)["gp rank"].target == "standard"


def test_a_grid_over_members() -> None:
    X, y = sparse(60)
    model = StackedEnsemble([("line", LinearBaseline()), ("gp", FeaturePredictor("gp"))])
    grid = GridSearchCV(
        model.set_params(combine="mean"), {"gp__target": ["rank", "standard"]}, cv=2
    )
    assert grid.fit(X, y).best_params_["gp__target"] in ("rank", "standard")
