"""What training begins with, and that nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ghn import GHN
from ghn.finetuning import STARTS, Start, start_network
from graph2nn.vision import Batches, ImageData, load_images


@pytest.fixture(scope="module")
def images() -> ImageData:
    return load_images("digits", split="train").subset(torch.arange(300))


@pytest.fixture(scope="module")
def test_images() -> ImageData:
    return load_images("digits", split="test")


def network(classes: int = 10, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for width, into in ((16, 3), (32, 16), (32, 32)):
            layers += [nn.Conv2d(into, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, classes))
        return nn.Sequential(*layers, *head)


def top1(net: nn.Module, images: ImageData) -> float:
    net.eval()
    with torch.no_grad():
        right = [(net(x).argmax(1) == y).sum() for x, y in Batches(images, 100, train=False)]
    return 100 * sum(right).item() / len(images)


def state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


def test_predicted_weights_classify_in_evaluation_mode(images, test_images) -> None:
    """Statistics of normalisation are measured, so running averages are of use at once."""
    net = network()
    said = start_network(net, "ghn2-digits-mixed", images, seed=1)
    assert said == "ghn2-digits-mixed: predicted weights; statistics of 256 images"
    assert top1(net, test_images) > 60
    bare = network()
    start_network(bare, Start(source="ghn2-digits-mixed", statistics=0), images)
    assert torch.equal(bare[0].weight, net[0].weight)
    assert torch.equal(bare[1].running_mean, torch.zeros(16))
    again = network(seed=5)
    start_network(again, "ghn2-digits-mixed", images, seed=1)
    assert equal(state(again), state(net))


@pytest.mark.parametrize("name", STARTS)
def test_starts_by_name(name: str, images) -> None:
    net, before = network(), state(network())
    rng = torch.get_rng_state()
    start_network(net, name, images, seed=2)
    assert torch.equal(rng, torch.get_rng_state()), "the global generator stays"
    assert equal(state(net), before) is (name == "random")
    again = network()
    start_network(again, name, images, seed=2)
    assert equal(state(again), state(net))
    weight = net[3].weight.flatten(1)
    if name == "orth":
        torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)), atol=1e-5, rtol=0)
    if name == "kaiming":
        assert weight.std().item() == pytest.approx((2 / weight.shape[1]) ** 0.5, rel=0.1)


def test_another_number_of_classes_keeps_the_classifier(images, tmp_path: Path) -> None:
    ghn = GHN(hid=8, max_shape=(8, 8, 3, 3), num_classes=7)
    mode, net = ghn.training, network()
    before = state(net)
    assert "but of the classification layer" in start_network(net, ghn, images)
    after = state(net)
    assert torch.equal(before["11.weight"], after["11.weight"])
    assert not torch.equal(before["0.weight"], after["0.weight"])
    assert ghn.training is mode
    path = tmp_path / "net.pt"
    torch.save({"state_dict": network(7, seed=3).state_dict()}, path)
    net = network()
    said = start_network(net, path, images)
    assert said == "net.pt: stored weights but of the classification layer"
    assert torch.equal(net[11].weight, before["11.weight"])
    assert torch.equal(net[0].weight, network(7, seed=3)[0].weight)


def test_stored_weights_and_hypernetworks_by_path(images, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save(network(seed=3).state_dict(), path)
    net = network()
    assert start_network(net, str(path), images) == "net.pt: stored weights"
    assert equal(state(net), state(network(seed=3)))
    ghn = GHN(hid=8, max_shape=(8, 8, 3, 3))
    start_network(net, ghn.save(tmp_path / "ghn.pt"), images)
    other = network()
    start_network(other, ghn, images)
    assert equal(state(net), state(other))


def test_what_cannot_be_started_leaves_the_network(images, tmp_path: Path) -> None:
    net = network()
    before = state(net)
    path = tmp_path / "other.pt"
    torch.save(nn.Linear(3, 3).state_dict(), path)
    with pytest.raises(ValueError, match="neither a hypernetwork .* nor weights of this network"):
        start_network(net, path, images)
    with pytest.raises(ValueError, match="no hypernetwork 'ghn2-digit'"):
        start_network(net, "ghn2-digit", images)
    with pytest.raises(ValueError, match="none from 9 on"):
        start_network(net, Start(source="ghn2-digits", orthogonal=True, first_layer=9), images)
    with pytest.raises(ValueError, match="statistics must not be negative"):
        Start(statistics=-1)
    assert equal(state(net), before)
