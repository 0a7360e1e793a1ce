"""What is a network of TransNAS-Bench-101's macro space? Modules of two residual blocks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from graph2nn.cells.networks.blocks import BATCH_NORM, GlobalPool, conv_norm
from graph2nn.deepnets.networks.ops import relu_conv_norm
from graph2nn.runs import seeded

__all__ = [
    "MacroResNet",
    "MacroResNetModule",
    "macro_resnet_head",
    "macro_resnet_modules",
    "macro_resnet_stem",
]

_BASE = 64


class _BasicBlock(nn.Module):
    """Two ReLU-convolution-norm, the input added, behind a 1x1 convolution where shapes change.

    Shapes: (B, c_in, H, W) -> (B, c, ceil(H/stride), ceil(W/stride)).
    """

    def __init__(self, c_in: int, c: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            relu_conv_norm(c_in, c, 3, stride, BATCH_NORM), relu_conv_norm(c, c, 3, 1, BATCH_NORM)
        )
        same = stride == 1 and c_in == c
        self.shortcut = nn.Identity() if same else conv_norm(c_in, c, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


class MacroResNetModule(nn.Sequential):
    """A module: two basic residual blocks, the first of which changes width and resolution.

    Shapes: (B, c_in, H, W) -> (B, c, ceil(H/stride), ceil(W/stride)).
    """

    def __init__(self, c_in: int, c: int, stride: int) -> None:
        super().__init__(_BasicBlock(c_in, c, stride), _BasicBlock(c, c, 1))


def macro_resnet_modules(code: Sequence[int]) -> list[tuple[int, int, int]]:
    """List the channels before and after and the stride of each module of a code.

    Module 1 keeps both, 2 doubles the channels, 3 halves the resolution, 4 does both
    (arXiv:2105.11871, section 3.1); the first has 64 channels before it.

    Raises:
        ValueError: Not four to six codes from 1 to 4.
    """
    if not 4 <= len(code) <= 6 or not all(1 <= int(c) <= 4 for c in code):
        raise ValueError(
            f"TransNAS-Bench-101 macro: expected 4 to 6 codes from 1 to 4, got {tuple(code)}"
        )
    modules, c_in = [], _BASE
    for kind in map(int, code):
        c = c_in * (2 if kind in (2, 4) else 1)
        modules.append((c_in, c, 2 if kind in (3, 4) else 1))
        c_in = c
    return modules


def macro_resnet_stem() -> nn.Sequential:
    """Make the stem: two convolutions of stride 2."""
    return nn.Sequential(
        *conv_norm(3, _BASE // 2, 3, 2), relu_conv_norm(_BASE // 2, _BASE, 3, 2, BATCH_NORM)
    )


def macro_resnet_head(width: int, num_classes: int) -> nn.Sequential:
    """Make the head of a classifier: pooling and a linear layer."""
    return nn.Sequential(GlobalPool(), nn.Linear(width, num_classes))


class MacroResNet(nn.Module):
    """A classifier of TransNAS-Bench-101's macro space (arXiv:2105.11871).

    A stem of two convolutions of stride 2, the modules of the code, pooling, a linear layer; other
    tasks of the benchmark have other heads on the same body.

    Args:
        code: Kind of each module, see `macro_resnet_modules`.
        num_classes: Outputs of the last layer; 75 are those of object classification.
        seed: Seed of the initial weights; torch's global generator is left alone.

    Shapes:
        (N, 3, H, W) -> (N, num_classes).

    Raises:
        ValueError: Not four to six codes from 1 to 4.

    Examples:
        >>> import torch
        >>> MacroResNet([1, 2, 3, 4])(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 75])
    """

    def __init__(self, code: Sequence[int], *, num_classes: int = 75, seed: int = 0) -> None:
        super().__init__()
        modules = macro_resnet_modules(code)
        with seeded(seed):
            self.stem = macro_resnet_stem()
            self.layers = nn.Sequential(*(MacroResNetModule(*sizes) for sizes in modules))
            self.head = macro_resnet_head(modules[-1][1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.stem(x)))
