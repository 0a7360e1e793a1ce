"""The published networks: names and sizes of their layers, shapes, initial weights."""

from __future__ import annotations

import pytest
import torch
from published import published_rows
from torch import nn

from graph2nn.sparsity.networks.models import MODELS, build, init_weights

CLASSES = {"CIFAR-10": 10, "CIFAR-100": 100, "tinyimagenet": 200}


@pytest.fixture(scope="module")
def published() -> dict[tuple[str, str], dict[str, int]]:
    """Weights of each layer, by network and data set."""
    layers: dict[tuple[str, str], dict[str, int]] = {}
    for row in published_rows("sparse_layers", "model", "dataset", "layer_name", "numel"):
        sizes = layers.setdefault((row["model"], row["dataset"]), {})
        sizes[row["layer_name"]] = int(row["numel"])
    return layers


@pytest.mark.parametrize("dataset", CLASSES)
@pytest.mark.parametrize("name", MODELS)
def test_layers_have_the_published_names_and_sizes(published, name, dataset):
    model = build(name, num_classes=CLASSES[dataset])
    ours = {
        layer: module.weight.numel()
        for layer, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }
    assert ours == published[name, dataset]
    if dataset == "CIFAR-10":
        weights = {"CONV-6": 2261184, "Resnet-20": 270896, "Resnet-32": 464432}
        assert sum(ours.values()) == weights.get(name, 1463984)


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 20), (2, 32)])
@pytest.mark.parametrize("name", MODELS)
def test_any_image_size(name, channels, size):
    model = build(name, num_classes=7, in_channels=channels, image_size=size).eval()
    assert model(torch.zeros(2, channels, size, size)).shape == (2, 7)


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_gets_a_gradient(name):
    model = build(name, image_size=8)
    inputs = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    nn.functional.cross_entropy(model(inputs), torch.arange(4)).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        # A bias before batch normalisation has a gradient of zero.
        assert parameter.dim() == 1 or parameter.grad.abs().sum() > 0, key


def test_weights_are_kaiming_normal_and_seeded():
    state = torch.get_rng_state()
    model = build("CONV-6", seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            expected = (2 / fan_in) ** 0.5
            tolerance = 4 * expected / (2 * module.weight.numel()) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, abs=tolerance)
            assert not module.bias.any()
    first = model.convs1[0].weight.clone()
    init_weights(model, 4)
    assert not torch.equal(model.convs1[0].weight, first)
    init_weights(model, 3)
    assert torch.equal(model.convs1[0].weight, first)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet-21"}, "unknown network 'resnet-21'; choose one of CONV-6, Resnet-20"),
        ({"name": "CONV-6", "image_size": 7}, "image_size: CONV-6 .* 8 or more, got 7"),
        ({"name": "Resnet-20", "num_classes": 0}, "num_classes: .* at least 1, got 0"),
        ({"name": "Resnet-20", "in_channels": 0}, "in_channels: .* at least 1, got 0"),
        ({"name": "Resnet-20", "num_classes": 2.5}, "num_classes: expected a whole number"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(**arguments)
