"""Torchvision networks for 32x32 images."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ghn import adjust_net

torchvision = pytest.importorskip("torchvision")


def build(name: str, **fields) -> nn.Module:
    with torch.device("meta"):
        return getattr(torchvision.models, name)(num_classes=10, **fields)


def map_side(model: nn.Module, part: nn.Module, image_size: int = 32) -> int:
    """Side of the map that `part` puts out for one image."""
    sides = []
    handle = part.register_forward_hook(lambda _, __, out: sides.append(out.shape[-1]))
    model.eval()(torch.zeros(1, 3, image_size, image_size, device="meta"))
    handle.remove()
    return sides[-1]


@pytest.mark.parametrize(
    "name, last, side, factor",
    [
        ("resnet18", "layer4", 4, 4),
        ("resnet50", "layer4", 4, 4),
        ("densenet121", "features", 4, 4),
        ("vgg11", "features", 4, 4),
        ("alexnet", "features", 5, None),
        ("mobilenet_v2", "features", 8, 8),
        ("mobilenet_v3_small", "features", 16, 16),
        ("mnasnet0_5", "layers", 2, 2),
        ("shufflenet_v2_x0_5", "conv5", 4, 4),
        ("convnext_tiny", "features", 3, 3),
    ],
)
def test_less_downsampling(name: str, last: str, side: int | None, factor: int | None) -> None:
    plain = build(name)
    model = build(name)
    assert adjust_net(model) is model and model.expected_input_sz == 32
    found = map_side(model, getattr(model, last))
    if side is not None:
        assert found == side
    if factor is not None:
        assert found == factor * map_side(plain, getattr(plain, last))


def test_the_central_weights_of_a_first_kernel_stay() -> None:
    model = torchvision.models.resnet18(num_classes=10)
    central = model.conv1.weight.detach()[:, :, 2:5, 2:5].clone()
    adjust_net(model)
    assert torch.equal(model.conv1.weight, central)
    assert isinstance(model.conv1.weight, nn.Parameter) and model.conv1.weight.requires_grad
    assert isinstance(model.maxpool, nn.Identity)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_twice_is_once() -> None:
    """A kernel of 3x3 already is not cropped further, as the original does."""
    model = adjust_net(adjust_net(build("resnet18")))
    assert model.conv1.weight.shape == (64, 3, 3, 3)


def test_large_input_changes_nothing_else() -> None:
    model = adjust_net(build("resnet18"), large_input=True)
    assert model.expected_input_sz == 224
    assert model.conv1.stride == (2, 2) and model.conv1.weight.shape[-1] == 7


def test_an_architecture_without_a_rule() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2))
    with pytest.warns(UserWarning, match="no rule adapts Sequential .*rules exist for AlexNet"):
        assert adjust_net(model) is model
    assert model[0].stride == (2, 2) and model.expected_input_sz == 32
