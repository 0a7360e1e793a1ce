"""Neural predictors and proxies on a GPU: fitted there, they rank networks as on the CPU."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import predictors
from ghn import GHN
from graph2nn.archgraph import ArchGraph
from graph2nn.cells import nb201_cell
from predictors.metrics import kendall_tau
from predictors.models.bananas import BANANASPredictor
from predictors.models.embeddings import GHNEmbedding
from predictors.neural import GCNPredictor
from predictors.neural.base import NeuralPredictor
from predictors.neural.losses import LOSSES
from predictors.neural.message_passing import PyGPredictor
from predictors.proxies import PROXIES, compute_proxies
from predictors.tart import TART

pytestmark = pytest.mark.gpu

QUICK: dict[str, Any] = {"epochs": 6, "batch_size": 16, "seed": 1}
PREDICTORS: dict[str, Callable[..., NeuralPredictor]] = {
    "gcn": lambda **how: GCNPredictor(hidden=16, layers=2, **QUICK, **how),
    "bananas": lambda **how: BANANASPredictor(hidden=16, layers=2, loss="mape", **QUICK, **how),
    "gin": lambda **how: PyGPredictor(hidden=16, layers=2, **QUICK, **how),
    "tart": lambda **how: TART(encoder="none", width=16, layers=1, heads=2, **QUICK, **how),
    "tart, pre-trained": lambda **how: TART(head="both", **{**QUICK, "epochs": 1}, **how),
}


@pytest.fixture(scope="module")
def data() -> tuple[list[ArchGraph], np.ndarray]:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (48, 6))
    y = 80 + (codes == 2).sum(1) * 2.0 - (codes == 1).sum(1) + rng.normal(size=48) * 0.1
    return [nb201_cell(code) for code in codes], y


@pytest.mark.parametrize("name", PREDICTORS)
def test_predictions_equal_those_of_the_cpu(device, name: str, data, tolerance, tmp_path: Path):
    X, y = data
    still = {"dropout": 0.0}  # draws differ between devices
    found = PREDICTORS[name](device=str(device), validation=0.2, ensemble=2, **still).fit(X, y)
    expected = PREDICTORS[name](device="cpu", validation=0.2, ensemble=2, **still).fit(X, y)
    mine, theirs = found.predict(X), expected.predict(X)
    assert np.abs(mine - theirs).max() <= max(tolerance(0.2), 1e-4) * theirs.std()
    assert kendall_tau(mine, theirs) > 0.9
    assert all(not p.is_cuda for module in found.modules_ for p in module.parameters())
    if device.type != "pretend":  # its name is unknown to whoever loads the file
        again = predictors.load(found.save(tmp_path / "p.pt"))
        assert np.allclose(again.predict(X), mine, rtol=1e-4)
        assert np.allclose(pickle.loads(pickle.dumps(found)).predict(X), mine, rtol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses(device, loss: str, data, tolerance) -> None:
    X, y = data
    how = {"hidden": 8, "layers": 1, **QUICK, "epochs": 2, "loss": loss, "dropout": 0.0}
    found = GCNPredictor(device=str(device), **how).fit(X, y)
    expected = GCNPredictor(**how).fit(X, y)
    assert found.history_[0] == pytest.approx(expected.history_[0], rel=max(tolerance(1e-3), 1e-5))


def test_dropout_on_the_device_repeats_and_leaves_its_generator(device, data, random_state) -> None:
    X, y = data
    state, runs = random_state(), []
    for _ in range(2):
        model = GCNPredictor(hidden=16, layers=2, device=str(device), dropout=0.3, **QUICK).fit(
            X, y
        )
        runs.append(model.predict(X))
        assert torch.equal(random_state(), state)
        torch.rand(3, device=device)
        state = random_state()
    assert np.allclose(runs[0], runs[1], rtol=1e-3)


def test_embeddings_of_a_hypernetwork(device, data) -> None:
    from graph2nn.deepnets import EndlessNets, build_graph

    graphs = [build_graph(EndlessNets("train", seed=1)[k]) for k in range(8)]
    ghn = GHN.from_pretrained("ghn2-digits")
    expected = GHNEmbedding(ghn).fit_transform(graphs)
    found = GHNEmbedding(ghn.to(device)).fit_transform(graphs)
    assert np.allclose(found, expected, rtol=0.02, atol=0.02)


def test_proxies_equal_those_of_the_cpu(device, tolerance) -> None:
    torch.manual_seed(2)
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10)),
    )
    images, labels = torch.randn(20, 3, 8, 8), torch.arange(20) % 10
    ghn = GHN(hid=8, max_shape=(8, 8, 3, 3)).eval()
    expected = compute_proxies(model, images, labels, ghn=ghn)
    found = compute_proxies(model.to(device), images.to(device), labels.to(device), ghn=ghn)
    mixed = compute_proxies(model, images, labels, ghn=ghn.to(device))
    assert set(found) == set(PROXIES)
    for name, value in expected.items():
        for other in (found, mixed):
            assert name not in other.reasons, other.reasons
            same = pytest.approx(value, rel=max(tolerance(5e-3), 1e-4), abs=1e-6)
            assert other[name] == same, name
