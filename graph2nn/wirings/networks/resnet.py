"""ResNet-50 in which every layer keeps the same share of its weights."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from graph2nn.runs import seeded
from graph2nn.wirings.edges.kinds import KINDS, find_kind
from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.tickets import inherit_edges

__all__ = ["Bottleneck", "SparseResNet50"]

_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
_EXPANSION = 4


class SparseResNet50(nn.Module):
    """ResNet-50 v1.5 with edges chosen among single weights, a budget a layer.

    arXiv:1906.00586, section 3.4: the rule of discovered wirings prunes any network while it is
    trained; each convolution keeps a share of its weights, the classifier (a convolution without
    bias) included. Stride lies on the 3x3 convolutions. Weights are Kaiming-normal of the fan-in.

    Args:
        kind: Name in `KINDS` of the way to choose edges.
        keep: Share of the weights of each layer; 0.1 is the published `allsparse10`, the row
            "90 % sparse" of the published table.
        dense_stem: Whether the first 7x7 convolution stays dense (`ignorefirst`).
        num_classes, in_channels, image_size: Numbers of classes and channels, and height of the
            images in pixels.
        rho: Probability with which targeted dropout drops a weak slot.
        seed: Seed of initial weights and random edges.

    Shapes:
        (B, in_channels, H, W) -> (B, num_classes).

    Raises:
        ValueError: Images are below 32, the kind is unknown, or the budget is bad.

    Examples:
        >>> sum(layer.keep for _, layer in wired_layers(SparseResNet50(keep=0.1)))
        2550318
    """

    def __init__(
        self,
        kind: str = "dnw",
        *,
        keep: float = 0.1,
        dense_stem: bool = False,
        num_classes: int = 1000,
        in_channels: int = 3,
        image_size: int = 224,
        rho: float = 0.95,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if image_size < 32:
            raise ValueError(
                f"image_size: expected at least 32, as the network divides the height by 32, got "
                f"{image_size}"
            )
        self.image_size = image_size
        how: dict[str, Any] = {"keep": float(keep), "kind": kind, "rho": rho}
        self.expected_input_sz = (in_channels, image_size, image_size)  # for tracing
        with seeded(seed):
            first: dict[str, Any] = {"kind": "complete"} if dense_stem else how
            self.stem = WiredConv(in_channels, 64, 7, stride=2, padding=3, **first)
            self.stem_norm = nn.BatchNorm2d(64)
            blocks: list[nn.Module] = []
            channels = 64
            for width, depth, stride in _STAGES:
                for index in range(depth):
                    blocks.append(Bottleneck(channels, width, stride if index == 0 else 1, **how))
                    channels = width * _EXPANSION
            self.blocks = nn.Sequential(*blocks)
            self.head = WiredConv(channels, num_classes, **how)
            for module in self.modules():
                if isinstance(module, WiredConv):
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if not KINDS[find_kind(kind)].drawn:
            inherit_edges(self, self)  # those read off torch's own initial weights

    def forward(self, images: Tensor) -> Tensor:
        state = F.relu_(self.stem_norm(self.stem(images)))
        state = self.blocks(F.max_pool2d(state, 3, stride=2, padding=1))
        return self.head(state.mean((2, 3), keepdim=True)).flatten(1)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 wired convolutions around an identity (arXiv:1512.03385, figure 5).

    Args:
        inputs, width: Numbers of channels that come in, and of inner channels.
        stride: Stride of the 3x3 convolution.
        how: Arguments of every `WiredConv`.

    Shapes:
        (B, inputs, H, W) -> (B, 4 width, ⌈H/stride⌉, ⌈W/stride⌉).
    """

    def __init__(self, inputs: int, width: int, stride: int, **how: Any) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.reduce, self.norm1 = WiredConv(inputs, width, **how), nn.BatchNorm2d(width)
        self.conv = WiredConv(width, width, 3, stride=stride, padding=1, **how)
        self.norm2 = nn.BatchNorm2d(width)
        self.expand, self.norm3 = WiredConv(width, outputs, **how), nn.BatchNorm2d(outputs)
        self.project: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            short = WiredConv(inputs, outputs, stride=stride, **how)
            self.project = nn.Sequential(short, nn.BatchNorm2d(outputs))

    def forward(self, images: Tensor) -> Tensor:
        state = F.relu_(self.norm1(self.reduce(images)))
        state = F.relu_(self.norm2(self.conv(state)))
        return F.relu_(self.norm3(self.expand(state)) + self.project(images))
