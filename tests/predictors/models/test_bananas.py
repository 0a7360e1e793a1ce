"""BANANAS: its published network, its loss, what canonical form does, several targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graph2nn.cells import macro_network, nb101_cell, nb201_cell
from predictors.metrics import kendall_tau
from predictors.models.bananas import ENCODINGS, BANANASPredictor


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (60, 6))
    y = 80 + 3.0 * (codes == 2).sum(1) + rng.normal(size=60) * 0.01
    return [nb201_cell(code) for code in codes], y


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("preset", BANANASPredictor.PRESETS)
def test_learns(data, encoding, preset):
    X, y = data
    model = BANANASPredictor(preset=preset, encoding=encoding, epochs=40, ensemble=2).fit(X, y)
    assert kendall_tau(y, model.predict(X)) > 0.5
    assert abs(model.predict(X).mean() - y.mean()) < 3
    assert (model.predict_std(X) >= 0).all()


def test_published_network(data):
    model = BANANASPredictor(preset="published", epochs=1).fit(*data)
    linear = [m for m in model.modules_[0].modules() if isinstance(m, torch.nn.Linear)]
    assert len(model.modules_) == 5 and len(linear) == 11
    assert {layer.out_features for layer in linear[:-1]} == {20}
    settings = model.fit_settings()
    assert settings.lr == 1e-2 and settings.loss == "mape"
    wanted = torch.tensor([[0.5], [1.75], [-1.0]])
    loss = model._objective("mape", wanted)  # bound 2
    assert loss(wanted + 0.5, wanted).item() == pytest.approx((0.5 / 1.5 + 2 + 0.5 / 3) / 3)


def test_canonical_form_hides_what_nothing_uses(data):
    X, y = data
    pair = [
        nb201_cell([1, 2, 2, 2, 2, 2]),
        nb201_cell([1, 2, 2, 3, 3, 2]),
    ]  # nothing reaches node 1
    same = BANANASPredictor(epochs=3, ensemble=1).fit(X, y).predict(pair)
    raw = BANANASPredictor(epochs=3, ensemble=1, canonical=False, encoding="adjacency")
    assert same[0] == same[1]
    assert np.ptp(raw.fit(X, y).predict(pair)) > 0


def test_several_targets_and_sizes():
    matrix = np.triu(np.ones((5, 5), dtype=int), k=1)
    X = [nb101_cell(matrix, [0, 2, 3, 4, 1]), nb101_cell(matrix[:3, :3], [0, 4, 1])] * 4
    y = np.stack([np.arange(8.0), -np.arange(8.0)], axis=1)
    model = BANANASPredictor(encoding="both", epochs=2).fit(X, y)
    assert model.predict(X).shape == model.predict_std(X).shape == (8, 2)


def test_unknown_encoding(data):
    with pytest.raises(
        ValueError, match="encoding: expected one of path, adjacency, both, got 'a'"
    ):
        BANANASPredictor(encoding="a").fit(*data)


def test_chains_that_share_no_path_are_told_apart() -> None:
    """Of networks whose one path was never seen, paths say nothing; places do."""
    rng = np.random.RandomState(0)
    codes = rng.randint(0, 3, (140, 8))
    graphs = [macro_network("".join(map(str, code))) for code in codes]
    y = codes @ np.arange(1, 9)
    model = BANANASPredictor(epochs=40, ensemble=1).fit(graphs[:80], y[:80])
    found = model.predict(graphs[80:])
    assert len(np.unique(found)) > 50 and kendall_tau(y[80:], found) > 0.5
    published = BANANASPredictor(preset="published", epochs=2, ensemble=1).fit(graphs[:80], y[:80])
    assert len(published.encoders_) == 1
