"""What is a network of FBNet's space? 22 layers, each one of nine blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from graph2nn.cells.networks.blocks import BATCH_NORM, GlobalPool, conv_norm, conv_norm_relu
from graph2nn.deepnets.networks.layers import conv2d, norm_layer
from graph2nn.runs import seeded

__all__ = ["FBNET_OPS", "FBNet", "FBNetBlock", "FBNetLayer", "fbnet_layers", "fbnet_ops"]

FBNET_OPS = (
    "k3_e1",
    "k3_e1_g2",
    "k3_e3",
    "k3_e6",
    "k5_e1",
    "k5_e1_g2",
    "k5_e3",
    "k5_e6",
    "skip",
)
"""Blocks of FBNet (arXiv:1812.03443, table 2) by their code in the tables of HW-NAS-Bench and HELP:
kernel, expansion and, where there are two, groups of the 1x1 convolutions."""

_STAGES = (1, 4, 4, 4, 4, 4, 1)
_WIDTHS = (16, 24, 32, 64, 112, 184, 352)
_STRIDES = (1, 1, 2, 2, 1, 2, 1)  # of each stage's first layer, on images of 32 pixels
_STEM, _HEAD = 16, 1504


@dataclass(frozen=True, kw_only=True)
class FBNetLayer:
    """Place of a layer in the network, the same whatever its block.

    Args:
        c_in, c: Channels before and after.
        stride: Stride of its depthwise convolution.
        stage: Number of its stage.
    """

    c_in: int
    c: int
    stride: int
    stage: int


def fbnet_layers() -> list[FBNetLayer]:
    """List the places of the 22 layers (arXiv:1812.03443, table 1).

    Strides are those on CIFAR-100, as in HW-NAS-Bench (arXiv:2103.10584).
    """
    layers, c_in = [], _STEM
    for stage, (count, c, stride) in enumerate(zip(_STAGES, _WIDTHS, _STRIDES)):
        for k in range(count):
            layers.append(FBNetLayer(c_in=c_in, c=c, stride=stride if k == 0 else 1, stage=stage))
            c_in = c
    return layers


def fbnet_ops(code: Sequence[int]) -> list[str]:
    """Name the block of each layer of a code.

    Raises:
        ValueError: Not 22 codes from 0 to 8.
    """
    if len(code) != sum(_STAGES) or not all(0 <= int(c) < len(FBNET_OPS) for c in code):
        raise ValueError(
            f"FBNet: expected {sum(_STAGES)} codes from 0 to {len(FBNET_OPS) - 1}, got "
            f"{tuple(code)}"
        )
    return [FBNET_OPS[int(c)] for c in code]


class FBNetBlock(nn.Module):
    """A block: 1x1 convolution, depthwise convolution, 1x1 convolution, the input added.

    With two groups the channels are shuffled behind the first convolution. A `skip` is an identity,
    or a 1x1 convolution where shapes change.

    Args:
        op: One of `FBNET_OPS`.
        layer: Place of the layer.

    Shapes:
        (B, c_in, H, W) -> (B, c, ceil(H/stride), ceil(W/stride)).

    Raises:
        ValueError: An unknown block.
    """

    def __init__(self, op: str, layer: FBNetLayer) -> None:
        super().__init__()
        if op not in FBNET_OPS:
            raise ValueError(f"no block {op!r}; those of FBNet are {', '.join(FBNET_OPS)}")
        same = layer.stride == 1 and layer.c_in == layer.c
        self.residual = same and op != "skip"
        self.body: nn.Module
        if op == "skip":
            change = conv_norm_relu(layer.c_in, layer.c, 1, layer.stride)
            self.body = nn.Identity() if same else change
            return
        kernel, expansion, groups = int(op[1]), int(op[4]), int(op[7]) if "g" in op else 1
        hidden = expansion * layer.c_in
        layers: list[nn.Module] = [conv2d(layer.c_in, hidden, 1, groups=groups)]
        layers += [norm_layer(BATCH_NORM, hidden), nn.ReLU()]
        if groups > 1:
            layers.append(nn.ChannelShuffle(groups))
        layers.append(
            conv2d(hidden, hidden, kernel, stride=layer.stride, padding=kernel // 2, groups=hidden)
        )
        layers += [norm_layer(BATCH_NORM, hidden), nn.ReLU()]
        layers += [conv2d(hidden, layer.c, 1, groups=groups), norm_layer(BATCH_NORM, layer.c)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


class FBNet(nn.Module):
    """A network of FBNet's space (arXiv:1812.03443) for CIFAR-100, as HW-NAS-Bench builds it.

    Args:
        code: Code of each of the 22 layers' blocks, an index into `FBNET_OPS`.
        num_classes: Outputs of the last layer.
        seed: Seed of the initial weights; torch's global generator is left alone.

    Shapes:
        (N, 3, H, W) -> (N, num_classes).

    Raises:
        ValueError: Not 22 codes from 0 to 8.

    Examples:
        >>> sum(p.numel() for p in FBNet([0] * 22).parameters())
        1170676
    """

    def __init__(self, code: Sequence[int], *, num_classes: int = 100, seed: int = 0) -> None:
        super().__init__()
        ops, layers = fbnet_ops(code), fbnet_layers()
        with seeded(seed):
            self.stem = conv_norm_relu(3, _STEM, 3)
            self.layers = nn.ModuleList(FBNetBlock(op, layer) for op, layer in zip(ops, layers))
            self.head = nn.Sequential(
                *conv_norm(_WIDTHS[-1], _HEAD, 1),
                nn.ReLU(),
                GlobalPool(),
                nn.Linear(_HEAD, num_classes),
            )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)
