"""Torchvision networks for 32x32 images: first layers without the early downsampling."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

__all__ = ["adjust_net"]


def adjust_net(model: nn.Module, large_input: bool = False) -> nn.Module:
    """Adapt a torchvision classifier, in place, to small images.

    As in the CIFAR-10 experiments of arXiv:2110.13100, first convolutions lose their stride (7x7
    kernels shrink to their central 3x3), early max-pooling goes. The expected input size, 32 or
    with `large_input` 224, is stored as `model.expected_input_sz`, where tracing looks for it. With
    `large_input` nothing else changes. An architecture without a rule keeps its layers, with a
    warning.

    Examples:
        >>> from torchvision.models import resnet18
        >>> adjust_net(resnet18(num_classes=10)).conv1.stride
        (1, 1)
    """
    model.expected_input_sz = 224 if large_input else 32  # type: ignore[assignment]
    if large_input:
        return model
    rule = _RULES.get(type(model).__name__)
    if rule is None:
        warnings.warn(
            f"no rule adapts {type(model).__name__} to 32x32 images; its layers stay as they are "
            f"(rules exist for {', '.join(sorted(_RULES))})",
            stacklevel=2,
        )
    else:
        rule(model)
    return model


def _small_first_conv(conv: nn.Conv2d) -> nn.Conv2d:
    """Stride 1 and the central 3x3 of the kernel; smaller kernels are kept."""
    k = conv.kernel_size[0]
    if k > 3:
        start = (k - 3) // 2
        central = conv.weight.detach()[:, :, start : start + 3, start : start + 3].clone()
        conv.weight = nn.Parameter(central)
        conv.kernel_size = (3, 3)
    conv.stride, conv.padding = (1, 1), (1, 1)
    return conv


def _stride_one(modules: Iterable[nn.Module]) -> None:
    for module in modules:
        for conv in module.modules():
            if isinstance(conv, nn.Conv2d):
                conv.stride = (1, 1)


def _resnet(model: Any) -> None:
    _small_first_conv(model.conv1)
    model.maxpool = nn.Identity()


def _densenet(model: Any) -> None:
    _small_first_conv(model.features[0])
    model.features[3] = nn.Identity()


def _mobilenet(model: Any) -> None:
    _stride_one(model.features[:5])


def _vgg(model: Any) -> None:
    for i, layer in enumerate(model.features[:10]):
        if isinstance(layer, nn.MaxPool2d):
            model.features[i] = nn.Identity()


def _alexnet(model: Any) -> None:
    _stride_one([model.features[0]])
    model.features[2] = nn.Identity()


def _mnasnet(model: Any) -> None:
    _stride_one([model.layers[0]])


def _shufflenet(model: Any) -> None:
    _stride_one([model.conv1])
    model.maxpool = nn.Identity()


def _googlenet(model: Any) -> None:
    _stride_one([model.conv1])
    model.maxpool1 = nn.Identity()


def _convnext(model: Any) -> None:
    _stride_one([model.features[0]])


_RULES: dict[str, Callable[[nn.Module], None]] = {
    "ResNet": _resnet,
    "DenseNet": _densenet,
    "MobileNetV2": _mobilenet,
    "MobileNetV3": _mobilenet,
    "VGG": _vgg,
    "AlexNet": _alexnet,
    "MNASNet": _mnasnet,
    "ShuffleNetV2": _shufflenet,
    "GoogLeNet": _googlenet,
    "ConvNeXt": _convnext,
}
