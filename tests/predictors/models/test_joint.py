"""`ghn-joint`: a hypernetwork and a head, on labels with and without weights to generate."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import Tensor

from ghn import GHN
from graph2nn.archgraph import ArchGraph
from graph2nn.cells import nb201_cell
from graph2nn.deepnets import build_graph, eval_nets
from predictors import JointGHNPredictor, load, make_predictor
from predictors.metrics import kendall_tau

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def graphs() -> list[ArchGraph]:
    return [build_graph(config) for config in eval_nets("val", 24, seed=5, image_size=4)]


@pytest.fixture(scope="module")
def sizes(graphs: list[ArchGraph]) -> np.ndarray:
    return np.array([float(graph.num_nodes) for graph in graphs])


@pytest.fixture(scope="module")
def ghn() -> GHN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GHN(hid=8, max_shape=(8, 8, 3, 3), dataset="digits", image_size=4).eval()


def quick(ghn: GHN, **options: Any) -> JointGHNPredictor:
    return JointGHNPredictor(**{"checkpoint": ghn, "epochs": 2, "images": 8, **options})


def changed(model: JointGHNPredictor, ghn: GHN) -> set[str]:
    """Parts of the hypernetwork that a fit has changed."""
    fitted, start = model.modules_[0].ghn.state_dict(), ghn.state_dict()
    return {n.partition(".")[0] for n, v in start.items() if not torch.equal(v, fitted[n])}


def test_learns_and_knows_its_uncertainty(
    graphs: list[ArchGraph], sizes: np.ndarray, ghn: GHN
) -> None:
    model = quick(ghn, generation=0.0, epochs=30, lr=1e-2).fit(graphs, sizes)
    found, std = model.predict(graphs), model.predict_std(graphs)
    assert found.shape == std.shape == (24,) and (std > 0).all()
    assert kendall_tau(sizes, found) > 0.6
    assert np.allclose(found[5:7], model.predict(graphs[5:7]), atol=1e-3)
    several = quick(ghn, ensemble=2, generation=0.0).fit(graphs, np.stack([sizes, -sizes], 1))
    assert several.predict(graphs).shape == several.predict_std(graphs).shape == (24, 2)


def test_what_each_variant_trains(graphs: list[ArchGraph], sizes: np.ndarray, ghn: GHN) -> None:
    before = {name: value.clone() for name, value in ghn.state_dict().items()}
    trunk, decoders = {"embed", "gnn", "ln", "shape_enc"}, {"decoder", "decoder_1d", "bias_class"}
    joint = quick(ghn).fit(graphs, sizes)
    assert changed(joint, ghn) == trunk | decoders
    assert changed(quick(ghn, preset="labels").fit(graphs, sizes), ghn) == trunk
    assert not changed(quick(ghn, preset="frozen").fit(graphs, sizes), ghn)
    for name, value in ghn.state_dict().items():
        assert torch.equal(value, before[name])  # the one that was given stays as it is
    state = torch.get_rng_state()
    again = clone(joint).fit(graphs, sizes)
    assert np.array_equal(again.predict(graphs), joint.predict(graphs))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("weight", [0.05, 1e9])
def test_the_auxiliary_gradient_is_no_longer_than_said(
    graphs: list[ArchGraph], sizes: np.ndarray, ghn: GHN, weight: float
) -> None:
    model = quick(ghn, generation=weight)
    model.config_, model.count_ = ghn.config.to_dict(), 24
    with torch.random.fork_rng():
        module = model._build(1)

    def gradients() -> dict[str, Tensor]:
        return {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}

    module(graphs[:4])[:, 0].sum().backward()
    labels = gradients()
    module.task.add_gradients(module)
    total = gradients()
    extra = [(total[name] - value).square().sum() for name, value in labels.items()]
    length = torch.stack([value.square().sum() for value in labels.values()]).sum().sqrt()
    ratio = (torch.stack(extra).sum().sqrt() / length).item()
    assert 0 < ratio <= weight + 1e-4
    if weight < 1:
        assert ratio == pytest.approx(weight, rel=0.05)
    assert any(name.startswith("ghn.decoder") for name in set(total) - set(labels))


def test_files_and_copies(
    graphs: list[ArchGraph], sizes: np.ndarray, ghn: GHN, tmp_path: Path
) -> None:
    model = quick(ghn, ensemble=2).fit(graphs, sizes)
    found = model.predict(graphs)
    for again in (load(model.save(tmp_path / "model")), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(again.predict(graphs), found)
        assert np.array_equal(again.predict_std(graphs), model.predict_std(graphs))


def test_few_labels_are_seen_often(graphs: list[ArchGraph], ghn: GHN) -> None:
    model = quick(ghn, epochs=None)
    assert model.fit_settings().epochs == 20
    model.count_ = 25
    assert model.fit_settings().epochs == 70  # of two steps
    model.count_ = 400
    assert model.fit_settings().epochs == 20


def test_other_losses(graphs: list[ArchGraph], sizes: np.ndarray, ghn: GHN) -> None:
    model = quick(ghn, loss="hinge", generation=0.0).fit(graphs, sizes)
    assert np.isfinite(model.predict(graphs)).all()
    with pytest.raises(ValueError, match="no standard deviation"):
        model.predict_std(graphs)


@pytest.mark.parametrize("name", ["ghn-joint", "ghn-labels", "ghn-frozen"])
def test_by_name_from_the_shipped_hypernetwork(name: str) -> None:
    X = [build_graph(config) for config in eval_nets("val", 6, seed=5, image_size=8)]
    model = make_predictor(name, seed=1, epochs=1).fit(X, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert np.isfinite(model.predict(X)).all()


def test_bad_input(graphs: list[ArchGraph], sizes: np.ndarray, ghn: GHN) -> None:
    with pytest.raises(ValueError, match="generation: expected a weight from 0 up, got -1"):
        quick(ghn, generation=-1.0).fit(graphs, sizes)
    with pytest.raises(ValueError, match="own: expected a weight from 0 up"):
        quick(ghn, own=float("nan")).fit(graphs, sizes)
    with pytest.raises(ValueError, match="networks: expected at least 1, got 0"):
        quick(ghn, networks=0).fit(graphs, sizes)
    cells = [nb201_cell((0, 1, 2, 3, 4, k % 5)) for k in range(4)]
    with pytest.raises(ValueError, match=r"X\[0\].*15 primitives.*trace"):
        quick(ghn).fit(cells, [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match=r"X\[0\].*15 primitives.*trace"):
        quick(ghn, generation=0.0).fit(graphs, sizes).predict(cells)
    with pytest.raises(ValueError, match="no hypernetwork 'ghn9'"):
        JointGHNPredictor(checkpoint="ghn9").fit(graphs, sizes)
