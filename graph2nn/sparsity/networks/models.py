"""The four networks of the published study, with the module names of its tables."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from graph2nn.names import choose
from graph2nn.runs import seeded
from graph2nn.training.probe import LAYERS

__all__ = ["MODELS", "CifarResNet", "Conv6", "WideResNet", "build", "init_weights"]


class Conv6(nn.Module):
    """Three pairs of convolutions with max pooling, then three linear layers.

    Args:
        num_classes, in_channels: Outputs, and channels of the images.
        image_size: Height and width of the images, at least 8.

    Shapes:
        (N, in_channels, image_size, image_size) to (N, num_classes).
    """

    def __init__(self, num_classes: int, in_channels: int, image_size: int) -> None:
        super().__init__()
        if image_size < 8:
            raise ValueError(
                f"image_size: CONV-6 halves images three times; 8 or more, got {image_size}"
            )
        layers: list[nn.Module] = []
        width = in_channels
        for wider in (64, 128, 256):
            for _ in range(2):
                layers += [nn.Conv2d(width, wider, 3, padding=1), nn.BatchNorm2d(wider), nn.ReLU()]
                width = wider
            layers.append(nn.MaxPool2d((2, 2)))
        self.convs1 = nn.Sequential(*layers)
        self.linear = nn.Sequential(
            *(nn.Linear(width * (image_size // 8) ** 2, 256), nn.BatchNorm1d(256), nn.ReLU()),
            *(nn.Linear(256, 256), nn.BatchNorm1d(256), nn.ReLU()),
            nn.Linear(256, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.convs1(images).flatten(1))


class _PostActivationBlock(nn.Module):
    """Two convolutions and a skip connection, rectified after the addition."""

    def __init__(self, width: int, wider: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, wider, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(wider)
        self.conv2 = nn.Conv2d(wider, wider, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wider)
        changes = stride != 1 or width != wider
        kernel = [nn.Conv2d(width, wider, 1, stride, bias=False), nn.BatchNorm2d(wider)]
        self.shortcut = nn.Sequential(*kernel if changes else ())

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(inner)) + self.shortcut(x)).relu()


class CifarResNet(nn.Module):
    """The residual network for small images, 1 x 1 convolutions where a stage begins.

    Deep Residual Learning, arXiv:1512.03385, section 4.2, with shortcuts of option B.

    Args:
        num_classes, in_channels: Outputs, and channels of the images.
        depth: Number of blocks in each of the three stages; layers are 6·depth + 2.

    Shapes:
        (N, in_channels, H, W) to (N, num_classes), any H and W.
    """

    def __init__(self, num_classes: int, in_channels: int, depth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(_PostActivationBlock, 16, 16, depth, stride=1)
        self.layer2 = _stage(_PostActivationBlock, 16, 32, depth, stride=2)
        self.layer3 = _stage(_PostActivationBlock, 32, 64, depth, stride=2)
        self.linear = nn.Linear(64, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.bn1(self.conv1(images)).relu()
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


class _PreActivationBlock(nn.Module):
    """Two convolutions and a skip connection, normalised and rectified before each convolution."""

    def __init__(self, width: int, wider: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, wider, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wider)
        self.conv2 = nn.Conv2d(wider, wider, 3, padding=1, bias=False)
        # The name is that of the published tables.
        self.convShortcut = (
            nn.Conv2d(width, wider, 1, stride, bias=False) if width != wider else None
        )

    def forward(self, x: Tensor) -> Tensor:
        active = self.bn1(x).relu()
        inner = self.conv2(self.bn2(self.conv1(active)).relu())
        return inner + (x if self.convShortcut is None else self.convShortcut(active))


class _Stage(nn.Module):
    """Blocks one after another, under the name `layer`."""

    def __init__(self, width: int, wider: int, depth: int, stride: int) -> None:
        super().__init__()
        self.layer = _stage(_PreActivationBlock, width, wider, depth, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class WideResNet(nn.Module):
    """The wide residual network with pre-activation blocks.

    Wide Residual Networks, arXiv:1605.07146, table 1.

    Args:
        num_classes, in_channels: Outputs, and channels of the images.
        depth: Number of blocks in each of the three stages; layers are 6·depth + 4.
        widen: Factor of the widths 16, 32 and 64.

    Shapes:
        (N, in_channels, H, W) to (N, num_classes), any H and W.
    """

    def __init__(self, num_classes: int, in_channels: int, depth: int, widen: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.block1 = _Stage(16, 16 * widen, depth, stride=1)
        self.block2 = _Stage(16 * widen, 32 * widen, depth, stride=2)
        self.block3 = _Stage(32 * widen, 64 * widen, depth, stride=2)
        self.bn1 = nn.BatchNorm2d(64 * widen)
        self.fc = nn.Linear(64 * widen, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.block3(self.block2(self.block1(self.conv1(images))))
        return self.fc(self.bn1(x).relu().mean((2, 3)))


def _stage(
    block: Callable[[int, int, int], nn.Module], width: int, wider: int, depth: int, stride: int
) -> nn.Sequential:
    """`depth` blocks, of which the first changes width and size."""
    rest = (block(wider, wider, 1) for _ in range(depth - 1))
    return nn.Sequential(block(width, wider, stride), *rest)


MODELS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "CONV-6": Conv6,
    "Resnet-20": lambda classes, channels, size: CifarResNet(classes, channels, depth=3),
    "Resnet-32": lambda classes, channels, size: CifarResNet(classes, channels, depth=5),
    "Wide-Resnet-28-2": lambda classes, channels, size: WideResNet(classes, channels, 4, widen=2),
}
"""The published networks by name; each takes classes, channels and image size."""


def build(
    name: str,
    num_classes: int = 10,
    in_channels: int = 3,
    image_size: int = 32,
    *,
    seed: int = 0,
) -> nn.Module:
    """Build a network of the published study, freshly initialised.

    Sparse networks as multipartite graphs, arXiv:2305.16886, section 4. Modules have the names of
    the published tables (`layer2.0.shortcut.0`). Other than published, images need not be 32 x 32:
    the first linear layer of CONV-6 follows their size, the residual networks average over all
    positions.

    Args:
        name: Name in `MODELS`, in any case.
        num_classes, in_channels: Outputs, and channels of the images.
        image_size: Height and width of the images.
        seed: Seed of the initial weights, see `init_weights`.

    Shapes:
        The network maps (N, in_channels, image_size, image_size) to (N, num_classes).

    Raises:
        ValueError: Unknown name (lists all), a number below 1, images too small for CONV-6.

    Examples:
        >>> build("resnet-20").layer2[0].shortcut[0].weight.shape
        torch.Size([32, 16, 1, 1])
    """
    names = {known.casefold(): known for known in MODELS}
    model_class = choose("network", names.get(name.casefold(), name), MODELS)
    sizes = {"num_classes": num_classes, "in_channels": in_channels, "image_size": image_size}
    for argument, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"{argument}: expected a whole number of at least 1, got {size!r}")
    with seeded(seed):  # the modules' own initial weights are drawn globally
        model = model_class(num_classes, in_channels, image_size)
    init_weights(model, seed)
    return model


def init_weights(model: nn.Module, seed: int = 0) -> None:
    """Draw the weights of convolutions and linear layers anew, and set their biases to zero.

    As published: normal with variance 2 / fan-in (arXiv:1502.01852, equation 10), module after
    module. Normalisation layers stay as they are.

    Args:
        model: Network, changed in place.
        seed: Seed of the draws, which are made on the CPU: the same on every device.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, LAYERS):
            weight = torch.empty(module.weight.shape)
            nn.init.kaiming_normal_(weight, generator=generator)
            with torch.no_grad():
                module.weight.copy_(weight)
                if module.bias is not None:
                    module.bias.zero_()
