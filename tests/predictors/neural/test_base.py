"""The shared loop: determinism, presets, ensembles, early stopping, initial weights, bad input."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import fields

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from torch import nn

from graph2nn.cells import cell_graph, nb201_cell
from graph2nn.runs import save_checkpoint
from predictors.features.operations import UnknownOperationWarning
from predictors.metrics import kendall_tau
from predictors.neural import GCNPredictor
from predictors.neural.base import NeuralPredictor
from predictors.neural.loop import FitSettings
from predictors.neural.losses import LOSSES


class _Counts(nn.Module):
    def __init__(self, width, outputs, dropout):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, width), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(width, outputs)

    def forward(self, batch):
        return self.head(self.body(batch["counts"]))


class CountPredictor(NeuralPredictor):
    """Numbers of operations through a perceptron."""

    PRESETS = {"modern": {"epochs": 30, "lr": 1e-2}, "wide": {"epochs": 2, "width": 40}}

    def __init__(self, *, width=None, **settings):
        super().__init__(**settings)
        self.width = width

    def _prepare(self, graphs):
        rows = [[g.op_names().count(op) for op in self.ops_] for g in graphs]
        return {"counts": torch.tensor(rows, dtype=torch.float32)}

    def _build(self, num_targets):
        return _Counts(self.setting("width", 16), num_targets, self.fit_settings().dropout)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (60, 6))
    y = 80 + (codes == 2).sum(1) * 2.0 - (codes == 1).sum(1) + rng.normal(size=60) * 0.1
    return [nb201_cell(code) for code in codes], y


def test_learns_in_units_of_y_with_every_loss(data):
    X, y = data
    for loss in LOSSES:
        predicted = CountPredictor(loss=loss).fit(X, y).predict(X)
        assert kendall_tau(y, predicted) > 0.8, loss
        assert abs(predicted.mean() - y.mean()) < 1, loss
        assert 0.6 < predicted.std() / y.std() < 1.4, loss


def test_seed_decides_and_global_state_stays(data):
    X, y = data
    before = torch.get_rng_state()
    first = CountPredictor(seed=3).fit(X, y).predict(X)
    torch.rand(5)
    again = CountPredictor(seed=3).fit(X, y).predict(X)
    torch.set_rng_state(before)
    other = CountPredictor(seed=4).fit(X, y).predict(X)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_several_targets(data):
    X, y = data
    model = CountPredictor(ensemble=2).fit(X, np.stack([y, -y], axis=1))
    predicted = model.predict(X)
    assert predicted.shape == model.predict_std(X).shape == (60, 2)
    assert kendall_tau(y, predicted[:, 0]) > 0.8 and kendall_tau(-y, predicted[:, 1]) > 0.8


def test_ensemble_is_the_mean_of_members_and_knows_its_spread(data):
    X, y = data
    model = CountPredictor(ensemble=3, target="standard").fit(X, y)
    assert (model.predict_std(X) > 0).all()
    single = CountPredictor(ensemble=1, target="standard").fit(X, y)
    with pytest.raises(ValueError, match="no standard deviation"):
        single.predict_std(X)
    members = []
    for k in range(3):
        part = pickle.loads(pickle.dumps(model))
        part.modules_, part.scale_ = [model.modules_[k]], [model.scale_[k]]
        members.append(part.predict(X))
    assert np.allclose(model.predict(X), np.mean(members, axis=0))
    assert np.allclose(model.predict_std(X), np.std(members, axis=0, ddof=1))
    assert np.allclose(members[0], single.predict(X))


def test_scikit_learn_interface(data):
    X, y = data
    model = CountPredictor(epochs=3, width=8)
    assert repr(model) == "CountPredictor(epochs=3, width=8)"
    assert clone(model).get_params() == model.get_params()
    search = GridSearchCV(model, {"width": [4, 8], "lr": [0.1]}, cv=2).fit(X, y)
    assert search.best_params_["width"] in (4, 8)
    assert len(cross_val_score(model, X, y, cv=3)) == 3
    fitted = model.fit(X, y)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))


def test_preset_gives_way_to_what_is_passed(data):
    assert CountPredictor(preset="wide").fit_settings().epochs == 2
    assert CountPredictor(preset="wide", epochs=5).fit_settings().epochs == 5
    assert CountPredictor(preset="wide").setting("width") == 40
    assert CountPredictor().fit_settings().lr == 1e-2
    with pytest.raises(ValueError, match="preset: expected one of modern, wide, got 'best'"):
        CountPredictor(preset="best").fit(*data)


def test_early_stopping_keeps_the_best_weights(data):
    X, y = data
    model = CountPredictor(epochs=400, validation=0.3, patience=3, schedule="none").fit(X, y)
    assert len(model.history_[0]) < 400
    assert kendall_tau(y, model.predict(X)) > 0.7
    with pytest.raises(ValueError, match="validation: a share of 0.001 of 60 networks"):
        CountPredictor(validation=0.001).fit(X, y)


def test_starts_from_weights(data, tmp_path):
    X, y = data
    source = CountPredictor().fit(X, y)
    state = source.modules_[0].state_dict()
    still = CountPredictor(init=state, lr=0.0, target="standard").fit(X, y)
    assert torch.equal(still.modules_[0].body[0].weight, state["body.0.weight"])
    path = save_checkpoint(tmp_path / "a.pt", {"kind": "weights", "model": state})
    again = CountPredictor(init=path, lr=0.0, target="standard").fit(X, y)
    assert np.array_equal(still.predict(X), again.predict(X))
    two = CountPredictor(init=state, epochs=1).fit(X, np.stack([y, y + 1], axis=1))
    assert two.predict(X).shape == (60, 2)  # another head
    with pytest.raises(ValueError, match=r"2 tensors do not fit .*body.0.bias.*\(8,\).*\(16,\)"):
        CountPredictor(init=state, width=8).fit(X, y)


def test_learning_rate_warms_up(data):
    X, y = data
    start = CountPredictor(epochs=1, lr=0.5, clip=1.0, warmup=1, batch_size=60).fit(X, y)
    assert np.isfinite(start.predict(X)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"lr": -1.0}, "lr: expected a number from 0 up"),
        ({"lr": float("nan")}, "lr: expected a number from 0 up"),
        ({"dropout": 1.0}, "dropout: expected a share below 1"),
        ({"optimizer": "lion"}, "optimizer: expected one of adam, adamw, sgd, soap, got 'lion'"),
        ({"schedule": "sine"}, "schedule: expected one of"),
        ({"loss": "cube"}, "loss: expected one of"),
        ({"target": "log"}, "target: expected one of rank, standard, none, got 'log'"),
    ],
)
def test_bad_settings(data, settings, message):
    with pytest.raises(ValueError, match=message):
        CountPredictor(**settings).fit(*data)


def test_bad_data(data):
    X, y = data
    with pytest.raises(TypeError, match="depth"):
        CountPredictor(depth=3)
    with pytest.raises(NotFittedError):
        CountPredictor().predict(X)
    with pytest.raises(ValueError, match="constant"):
        CountPredictor().fit(X, np.ones(60))
    with pytest.raises(ValueError, match="NaN"):
        CountPredictor().fit(X, np.where(y > y.mean(), y, np.nan))
    strange = cell_graph(
        ["input", "tanh", "output"], [(0, 1), (1, 2)], vocabulary=("input", "tanh", "output")
    )
    with pytest.warns(UnknownOperationWarning, match="CountPredictor: 1 of 1 networks, .*tanh → "):
        CountPredictor(epochs=1).fit(X, y).predict([strange])
    with pytest.raises(ValueError, match="does not know"):
        CountPredictor(epochs=1, ops=("input", "output")).fit(X, y)


def test_settings_of_the_loop_are_keywords_of_scikit_learn() -> None:
    """Stated in `FitSettings` alone, they are parameters of every predictor."""
    model = GCNPredictor(epochs=3, dropout=0.2)
    names = {field.name for field in fields(FitSettings)}
    assert names < set(model.get_params()) and names < set(
        inspect.signature(GCNPredictor).parameters
    )
    assert model.get_params()["lr"] is None and model.get_params()["epochs"] == 3
    copy = clone(model).set_params(lr=0.01, batch_size=4)
    assert (copy.fit_settings().lr, copy.fit_settings().dropout) == (0.01, 0.2)
    with pytest.raises(TypeError, match="GCNPredictor has no setting epoch, rate"):
        GCNPredictor(epoch=3, rate=1)
    with pytest.raises(ValueError, match="Invalid parameter 'epoch'"):
        model.set_params(epoch=3)


def test_settings_of_the_loop_can_be_searched() -> None:
    graphs = [nb201_cell([k % 5, 2, k % 3, 3, 1, 2]) for k in range(12)]
    labels = [float(k % 5) for k in range(12)]
    search = GridSearchCV(GCNPredictor(epochs=1), {"lr": [1e-3, 1e-2]}, cv=2)
    assert search.fit(graphs, labels).best_params_["lr"] in (1e-3, 1e-2)


def test_what_was_fitted_on_a_gpu_loads_where_there_is_none(data):
    X, y = data
    model = CountPredictor(epochs=2).fit(X, y)
    again = CountPredictor.from_saved_state({**model.saved_state(), "device": "cuda:0"})
    assert again.device == ("cuda:0" if torch.cuda.is_available() else "cpu")
    assert np.allclose(again.predict(X), model.predict(X))
