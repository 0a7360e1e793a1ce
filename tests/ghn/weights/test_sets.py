"""Weights of one network from several sources, and their pictures."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
import torch
from torch import nn

from ghn import GHN
from ghn.finetuning import NamedNetwork
from ghn.weights import WeightSet, compare_weights, plot_weights, weight_matrices
from graph2nn.training import DivergedWarning, Recipe
from graph2nn.vision import load_images


@pytest.fixture(scope="module")
def images():
    data = load_images("digits", split="test")
    return data.subset(torch.arange(64)), data.subset(torch.arange(64, 128))


@pytest.fixture(scope="module")
def ghn() -> GHN:
    torch.manual_seed(0)
    return GHN(hid=8, max_shape=(8, 8, 11, 11), image_size=8, dataset="digits")


def network() -> NamedNetwork:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 12, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return NamedNetwork(name="net", model=nn.Sequential(*layers, nn.Linear(12, 10)))


def test_each_set_is_what_it_says(images, ghn):
    net = network()
    before = weight_matrices(net.model)
    recipe = Recipe(epochs=1, batch_size=16, precise_bn=0)
    sets = compare_weights(net, images, recipe, ghn, fine_tuned=True, progress=False)
    initial, predicted, trained, tuned = (s.matrices["0.weight"] for s in sets)
    assert [s.name for s in sets] == ["initial", "predicted", "trained", "fine-tuned"]
    assert torch.equal(initial, before["0.weight"])
    assert torch.equal(weight_matrices(net.model)["0.weight"], before["0.weight"])  # left alone
    example = torch.zeros(2, 3, 8, 8)
    assert torch.equal(predicted, ghn.predict(net.model, example)["0.weight"].detach().flatten(1))
    assert not torch.equal(trained, initial) and not torch.equal(tuned, predicted)
    # one epoch leaves both near what they began with
    assert (trained - initial).norm() < (trained - predicted).norm()
    assert (tuned - predicted).norm() < (tuned - initial).norm()


def test_a_folder_without_weights(images, ghn, tmp_path):
    with pytest.raises(FileNotFoundError, match="no trained weights at .*network.pt or last.pt"):
        compare_weights(network(), images, Recipe(), ghn, trained=tmp_path)


def test_a_training_that_diverges(images, ghn):
    recipe = Recipe(epochs=1, batch_size=8, lr=1e30, precise_bn=0)
    with (
        pytest.warns(DivergedWarning),
        pytest.raises(ValueError, match="net, trained: .*not finite"),
    ):
        compare_weights(network(), images, recipe, ghn, progress=False)


@pytest.fixture
def sets() -> list[WeightSet]:
    one = WeightSet(name="initial", accuracy=10.0, matrices=weight_matrices(network().model))
    return [one, replace(one, name="mine", accuracy=90.0)]


def test_tables_of_weights(sets, tmp_path):
    made = plot_weights(sets, tmp_path / "w.svg", layers=1)
    assert all(path.stat().st_size for path in made)
    with open(tmp_path / "w_histograms.csv", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["weights"] == "mine"]
    for name in sets[0].matrices:
        own = [r for r in rows if r["layer"] == name]
        share = sum(float(r["density"]) * (float(r["to"]) - float(r["from"])) for r in own)
        assert share == pytest.approx(1, rel=1e-4)  # six digits
    with open(tmp_path / "w_layers.csv", newline="") as file:
        assert [r["layer"] for r in csv.DictReader(file)] == ["0.weight"] * 2 + ["4.weight"] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "w.gif"}, "ends in .png"),
        ({"layers": 0}, "layers: expected at least 1"),
        ({"sets": []}, "at least one set"),
        ({"sets": [WeightSet(name="none", accuracy=0.0, matrices={})]}, "no weight"),
    ],
)
def test_wrong_pictures(sets, tmp_path, change, message):
    how = {"sets": sets, "path": "w.png", **change}
    with pytest.raises(ValueError, match=message):
        plot_weights(how.pop("sets"), tmp_path / how.pop("path"), **how)
    assert not list(tmp_path.iterdir())


def test_sets_of_different_networks(sets, tmp_path):
    other = replace(sets[1], matrices={"1.weight": torch.eye(3)})
    with pytest.raises(ValueError, match="all of the same network"):
        plot_weights([sets[0], other], tmp_path / "w.png")
