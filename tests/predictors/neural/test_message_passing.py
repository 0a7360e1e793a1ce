"""Every convolution learns, handles graphs of several sizes and does not depend on batching."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from graph2nn.cells import nb201_cell
from graph2nn.relational import message_graph, ws_flex
from predictors.metrics import kendall_tau
from predictors.models.bananas import BANANASPredictor
from predictors.neural.gcn import GCNPredictor
from predictors.neural.message_passing import CONVOLUTIONS, POOLS, PyGPredictor


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (40, 6))
    return [nb201_cell(code) for code in codes], (codes == 2).sum(1) + rng.normal(size=40) * 0.01


@pytest.mark.parametrize("conv", CONVOLUTIONS)
def test_convolution_learns(data, conv):
    X, y = data
    model = PyGPredictor(conv=conv, hidden=16, layers=2, epochs=40, lr=1e-2).fit(X, y)
    predicted = model.predict(X)
    assert kendall_tau(y, predicted) > 0.6
    alone = np.concatenate([model.predict([graph]) for graph in X[:3]])
    assert np.allclose(alone, predicted[:3], atol=1e-4)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), predicted)


@pytest.mark.parametrize("pool", POOLS)
def test_pools_and_canonical_form(data, pool):
    X, y = data
    model = PyGPredictor(pool=pool, hidden=8, layers=1, epochs=2).fit(X, np.stack([y, -y], 1))
    assert model.predict(X).shape == (40, 2)
    raw = PyGPredictor(pool=pool, hidden=8, layers=1, epochs=2, canonical=False).fit(X, y)
    pair = [
        nb201_cell([1, 2, 2, 2, 2, 2]),
        nb201_cell([1, 2, 2, 3, 3, 2]),
    ]  # nothing reaches node 1
    assert np.ptp(raw.predict(pair)) > 0
    assert np.ptp(model.predict(pair), axis=0) == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("kind", [GCNPredictor, PyGPredictor, BANANASPredictor])
def test_attributes_are_read(data, kind):
    X, _ = data
    rng = np.random.default_rng(1)
    secret = rng.normal(size=40)
    known = [replace(g, attributes={"zc_a": v}) for g, v in zip(X, secret)]
    model = kind(attributes=("zc_*",), hidden=16, layers=1, epochs=40, lr=1e-2)
    assert kendall_tau(secret, model.fit(known, secret).predict(known)) > 0.9
    with pytest.raises(ValueError, match="no graph has an attribute like 'zc_b'"):
        kind(attributes=("zc_b",)).fit(known, secret)


def test_seed_decides(data):
    X, y = data
    first, again, other = (
        PyGPredictor(hidden=8, layers=1, epochs=2, seed=s).fit(X, y).predict(X) for s in (1, 1, 2)
    )
    assert np.array_equal(first, again) and not np.allclose(first, other)


def test_relational_graphs_are_undirected():
    X = [message_graph(ws_flex(16, 4, p / 10, 0)) for p in range(10)]
    model = PyGPredictor(hidden=8, layers=2, epochs=3).fit(X, np.arange(10.0))
    assert model.undirected_ and model.features_.blocks == ("degree", "walks")
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"conv": "gps"}, "conv: expected one of gcn, gin"), ({"pool": "min"}, "pool: expected one")],
)
def test_bad_settings(data, settings, message):
    with pytest.raises(ValueError, match=message):
        PyGPredictor(**settings).fit(*data)
