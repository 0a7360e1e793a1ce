"""Names of networks, and names that stand for nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ghn.finetuning import named_network, replace_classes
from graph2nn.archgraph import structural_hash
from graph2nn.deepnets import Network, eval_net, split_rules
from graph2nn.vision import ImageData, empty_images, load_images


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_images("digits")


@pytest.fixture(scope="module")
def digits32() -> ImageData:
    return load_images("digits", image_size=32).subset(torch.arange(8))


NAMES = [
    ("0", {"split": "test"}, "test-0"),
    ("35133", {"split": "search"}, "search-35133"),
    ("wide-3", {"split": "test"}, "wide-3"),
    ("1", {}, "predefined-1"),
    ("2", {"split": "convnets"}, "convnets-2"),
    ("DARTS", {"n_cells": 4, "channels": 8, "auxiliary": True}, "DARTS"),
    ("ViT", {"n_cells": 3, "channels": 32}, "ViT"),
    ("ResNet18", {}, "resnet18"),
    ("ws:n=16,k=4,p=0.1,model=cnn6,dims=16-32,depths=1-1", {}, None),
    ("small/static_dnw", {}, "small-static_dnw"),
]


@pytest.mark.parametrize("arch, how, name", NAMES)
def test_every_kind_of_name(digits32: ImageData, arch: str, how: dict, name: str | None) -> None:
    found = named_network(arch, digits32, **how)
    again = named_network(arch, digits32, **how)
    assert name is None or found.name == name
    assert not set(found.name) & set('/\\:*?"<>| ')
    for (key, value), other in zip(
        found.model.state_dict().items(), again.model.state_dict().values()
    ):
        assert torch.equal(value, other), key
    if found.graph is not None:
        named = {
            n for node in found.graph.params for n in ([node] if isinstance(node, str) else node)
        }
        assert named <= {n for n, _ in found.model.named_parameters()}


def test_networks_of_a_split_are_those_that_are_evaluated(digits: ImageData) -> None:
    kind = {"image_size": 8, "num_classes": 10, "in_channels": 3}
    config = eval_net("deep", 3, rules=split_rules("deep", image_size=8), **kind)
    model = named_network(3, digits, split="deep").model
    assert isinstance(model, Network)
    assert model.config == config.with_(norm="bn-track" if config.has_norm else None)


def test_predefined_is_in_the_published_order(digits32: ImageData) -> None:
    assert named_network(0, digits32).name == "resnet50"
    model = named_network(1, digits32).model
    assert isinstance(model, Network) and model.config.vit


def test_timm(digits32: ImageData) -> None:
    pytest.importorskip("timm")
    found = named_network("timm:resnet10t", digits32)
    assert found.name == "timm-resnet10t"
    with pytest.raises(ValueError, match="unknown model of timm 'resnet10x'.*did you mean"):
        named_network("timm:resnet10x", digits32)


def test_files(digits: ImageData, tmp_path: Path) -> None:
    config = eval_net("test", 0, rules=split_rules("test", image_size=8), image_size=8)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(config.to_json()))
    found = named_network(str(path), digits)
    assert isinstance(found.model, Network) and found.model.config.n_cells == config.n_cells
    path.write_text("{}")
    with pytest.raises(ValueError, match="mine.json does not hold the configuration of one net"):
        named_network(str(path), digits)
    code = tmp_path / "nets.py"
    code.write_text(
        "from torch import nn\n"
        "def net(num_classes, image_size, in_channels):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes))\n"
        "def wrong(num_classes, image_size, in_channels):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, 3))\n"
    )
    assert named_network(f"{code}:net", digits).name == "net"
    with pytest.raises(ValueError, match=r"expected logits of shape \[2, 10\].*got \[2, 3\]"):
        named_network(f"{code}:wrong", digits)
    with pytest.raises(ValueError, match="unknown function 'nett'.*did you mean 'net'"):
        named_network(f"{code}:nett", digits)
    with pytest.raises(FileNotFoundError, match="missing.py does not exist"):
        named_network(f"{tmp_path}/missing.py:net", digits)


@pytest.mark.parametrize(
    "arch, how, message",
    [
        ("resnet19", {}, "arch: unknown network 'resnet19'.*did you mean"),
        ("-1", {"split": "test"}, "expected a number from 0 up, got -1"),
        ("2", {}, "predefined has 0 resnet50, 1 vit, got 2"),
        ("0", {"split": "tset"}, "unknown split 'tset'.*did you mean 'test'"),
        ("squeezenet1_0", {}, "squeezenet1_0 cannot take images of 3 channels and 8x8 pixels"),
        ("ws:n=16,k=4,model=cnn5", {}, "unknown relational network 'cnn5'"),
        ("ws:n=16,k=4,dims=a", {}, "cannot read 'dims=a'"),
        ("ws:k=4", {}, "does not say how many nodes"),
        ("small/static_rigl", {}, "unknown network 'small/static_rigl'"),
        ("DARTS", {"pretrained": True}, "nobody publishes weights of DARTS"),
        ("resnet18", {"auxiliary": True}, "auxiliary heads are there for DeepNets-1M networks"),
    ],
)
def test_what_stands_for_nothing(digits: ImageData, arch: str, how: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        named_network(arch, digits, **how)


def test_a_layer_for_other_classes() -> None:
    from torchvision.models import resnet18, squeezenet1_0

    model = resnet18()
    assert replace_classes(model, 7) and model.fc.out_features == 7
    assert not replace_classes(model, 7)
    model = squeezenet1_0()
    assert replace_classes(model, 7)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    odd = nn.Sequential(nn.Linear(3, 3), nn.ConvTranspose2d(3, 3, 1))
    with pytest.raises(ValueError, match="no rule replaces its last layer 1, a ConvTranspose2d"):
        replace_classes(odd, 7)


def test_published_weights(digits32: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights as torchvision would download them, for 1000 classes."""
    from torchvision.models import resnet18

    with torch.random.fork_rng([]):
        torch.manual_seed(5)
        state = resnet18().state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *a, **k: state)
    model = named_network("resnet18", digits32, pretrained=True).model
    own = model.state_dict()
    assert torch.equal(own["layer4.0.conv1.weight"], state["layer4.0.conv1.weight"])
    assert torch.equal(own["conv1.weight"], state["conv1.weight"][:, :, 2:5, 2:5])
    assert own["fc.weight"].shape == (10, 512)


def test_graph_of_a_named_network(digits: ImageData) -> None:
    """Under its name, as hypernetworks read it, traced where it is not at hand."""
    images = empty_images("digits")
    known, traced = (named_network(name, images) for name in ("test-1", "resnet18"))
    assert (known.archgraph(images).name, traced.archgraph(images).name) == ("test-1", "resnet18")
    assert structural_hash(known.archgraph(images)) == structural_hash(
        named_network("test-1", digits).graph
    )
    assert traced.archgraph(images).num_nodes == 52
    assert known.archgraph(images, "full").num_nodes > known.archgraph(images).num_nodes
