"""MobileNetV1 with its layers dissolved into wired blocks, and the dense original."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from graph2nn.runs import seeded
from graph2nn.wirings.edges.layers import WiredConv
from graph2nn.wirings.edges.selection import edge_budget
from graph2nn.wirings.edges.slots import Rectangle, Slots

__all__ = ["BLOCKS", "MobileNetV1", "WiredBlock", "WiredMobileNetV1", "width_budget"]

BLOCKS = ((32, 64, 1, 1), (64, 128, 2, 2), (128, 256, 2, 2), (256, 512, 2, 6), (512, 1024, 2, 2))
"""Input nodes, output nodes, stride and layers of each block."""

_SMALL_IMAGES = 64  # up to here the stem keeps the height


def width_budget(inputs: int, outputs: int, layers: int, width: float) -> int:
    """Return the edges of a block, as many as pointwise weights of MobileNetV1 of that width.

    arXiv:1906.00586, section 3.2: d² (inputs · outputs + (layers - 1) outputs²), rounded up as a
    share of all slots is in `edge_budget`.

    Examples:
        >>> [width_budget(i, o, n, 0.225) for i, o, _, n in BLOCKS]
        [104, 1245, 4977, 72991, 79627]
    """
    slots = outputs * layers * (inputs + outputs * (layers - 1))
    edges = width**2 * (inputs * outputs + (layers - 1) * outputs**2)
    return slots - int((1 - edges / slots) * slots)


class WiredBlock(nn.Module):
    """The layers of one resolution: every node may send to all nodes of later layers.

    A node is a channel: batch normalisation, ReLU and a 3x3 filter, then its edges. The stride is
    that of the input nodes' filters. Output nodes carry no operation; they are the next block's
    input nodes.

    Args:
        inputs, outputs: Numbers of input nodes, and of nodes of each layer; the last are the output
            nodes.
        stride: Stride of the input nodes' filters.
        layers: Number of layers of nodes.
        keep: Number of edges.
        kind, legacy_budget, mask, rho: See `WiredConv`.

    Shapes:
        (B, inputs, H, W) -> (B, outputs, ⌈H/stride⌉, ⌈W/stride⌉).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        layers: int,
        *,
        keep: int | float,
        kind: str = "dnw",
        legacy_budget: bool = False,
        mask: Tensor | None = None,
        rho: float = 0.95,
    ) -> None:
        super().__init__()
        self.inputs, self.outputs, self.stride, self.layers = inputs, outputs, stride, layers
        senders, receivers = inputs + outputs * (layers - 1), outputs * layers
        # The published random graph obeys the order of the nodes, whatever the others do.
        legacy_budget = legacy_budget and kind != "random"
        self.wires = WiredConv(
            senders,
            receivers,
            keep=keep,
            kind=kind,
            slots=self._slots(),
            legacy_budget=legacy_budget,
            mask=mask,
            rho=rho,
        )
        self.depthwise = nn.Conv2d(senders, senders, 3, padding=1, groups=senders, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in self.sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of nodes of each layer that sends."""
        return (self.inputs, *[self.outputs] * (self.layers - 1))

    def _slots(self) -> Slots:
        rows, found, start = self.outputs * self.layers, [], 0
        for layer, size in enumerate(self.sizes):
            found.append(Rectangle(layer * self.outputs, rows, start, start + size))
            start += size
        return Slots((rows, start, 1, 1), found)

    def forward(self, images: Tensor) -> Tensor:
        pieces, filters = self.wires.pieces(), self.depthwise.weight.split(self.sizes)
        layer, rest = images, None
        for k, size in enumerate(self.sizes):
            stride = self.stride if k == 0 else 1
            layer = F.relu_(self.norms[k](layer))
            layer = F.conv2d(layer, filters[k], stride=stride, padding=1, groups=size)
            heard = F.conv2d(layer, pieces[k])
            rest = heard if rest is None else rest + heard
            if rest.shape[1] > self.outputs:
                layer, rest = rest.split((self.outputs, rest.shape[1] - self.outputs), dim=1)
        assert rest is not None
        return rest

    def forward_reference(self, images: Tensor) -> Tensor:
        """Compute `forward` by the letter of the specification, with slices.

        Shapes:
            (B, inputs, H, W) -> (B, outputs, ⌈H/stride⌉, ⌈W/stride⌉).
        """
        weight, first = self.wires.effective_weight(), self.depthwise.weight[: self.inputs]
        state = F.relu(self.norms[0](images))
        state = F.conv2d(state, first, stride=self.stride, padding=1, groups=self.inputs)
        state = F.conv2d(state, weight[:, : self.inputs])
        for i in range(self.layers - 1):
            part = slice(self.inputs + i * self.outputs, self.inputs + (i + 1) * self.outputs)
            sent = F.relu(self.norms[i + 1](state[:, : self.outputs]))
            filters = self.depthwise.weight[part]
            sent = F.conv2d(sent, filters, padding=1, groups=self.outputs)
            heard = F.conv2d(sent, weight[(i + 1) * self.outputs :, part])
            state = state[:, self.outputs :] + heard
        return state


class WiredMobileNetV1(nn.Module):
    """MobileNetV1 whose pointwise layers are five wired blocks.

    arXiv:1906.00586, section 3.2 and appendix. A stem of one convolution (its stride is 2 for
    images above 64), the blocks of `BLOCKS`, normalisation, ReLU, mean over the image, classifier.
    Every block may keep as many edges as MobileNetV1 of that width has pointwise weights.

    Args:
        kind: Name in `KINDS` of the way to choose edges.
        width: Multiplier d of the budget, `width_budget`; published are .15 to .49. Not looked at
            where all slots are kept.
        small_head: Whether the classifier is wired too (no bias), with a share `width` of its
            weights.
        num_classes, in_channels, image_size: Numbers of classes and channels, and height of the
            images in pixels.
        legacy_budget: Whether slots that the network cannot use compete, as published.
        masks: Edges of kind "given": one mask a block, then one for a wired head.
        rho: Probability with which targeted dropout drops a weak slot.
        seed: Seed of initial weights and random edges.

    Shapes:
        (B, in_channels, H, W) -> (B, num_classes).

    Raises:
        ValueError: The width is out of range, masks do not fit, or there is no image.

    Examples:
        >>> model = WiredMobileNetV1("dnw", width=0.225)
        >>> sum(block.wires.keep for block in model.blocks)
        158944
    """

    def __init__(
        self,
        kind: str = "dnw",
        *,
        width: float = 0.225,
        small_head: bool = False,
        num_classes: int = 10,
        in_channels: int = 3,
        image_size: int = 32,
        legacy_budget: bool = False,
        masks: tuple[Tensor, ...] | None = None,
        rho: float = 0.95,
        seed: int = 0,
    ) -> None:
        super().__init__()
        stride = _stem_stride(image_size)
        _check_sizes(width, num_classes, in_channels)
        wired = len(BLOCKS) + small_head
        if masks is not None and len(masks) != wired:
            raise ValueError(f"masks: expected {wired}, one for each wired layer, got {len(masks)}")
        given = iter(masks or ())
        self.width, self.image_size, self.small_head = width, image_size, small_head
        self.expected_input_sz = (in_channels, image_size, image_size)  # for tracing
        how: dict[str, Any] = {"kind": kind, "legacy_budget": legacy_budget, "rho": rho}
        with seeded(seed):
            self.stem = nn.Conv2d(in_channels, 32, 3, stride=stride, padding=1, bias=False)
            self.blocks = nn.ModuleList(
                WiredBlock(*sizes, keep=_budget(sizes, width), mask=next(given, None), **how)
                for sizes in BLOCKS
            )
            features = BLOCKS[-1][1]
            self.norm = nn.BatchNorm2d(features)
            self.head: nn.Module = nn.Linear(features, num_classes)
            if small_head:
                mask, slots = next(given, None), features * num_classes
                self.head = WiredConv(
                    features, num_classes, keep=edge_budget(float(width), slots), mask=mask, **how
                )

    @property
    def wired_blocks(self) -> list[WiredBlock]:
        """The blocks."""
        return [block for block in self.blocks if isinstance(block, WiredBlock)]

    def forward(self, images: Tensor) -> Tensor:
        state = self.stem(images)
        for block in self.blocks:
            state = block(state)
        pooled = F.relu(self.norm(state)).mean((2, 3))
        if isinstance(self.head, WiredConv):
            return F.linear(pooled, self.head.effective_weight().flatten(1))
        return self.head(pooled)


class MobileNetV1(nn.Sequential):
    """The dense MobileNetV1 (arXiv:1704.04861) for small images, the baseline at width .25.

    Each of thirteen layers is a 3x3 depthwise and a 1x1 convolution, each with batch normalisation
    and ReLU. Images above 64 are halved by the stem, as in the paper.

    Args:
        width: Multiplier of all channels.
        num_classes, in_channels, image_size, seed: See `WiredMobileNetV1`.

    Shapes:
        (B, in_channels, H, W) -> (B, num_classes).

    Raises:
        ValueError: The width is out of range, or there is no image.
    """

    def __init__(
        self,
        width: float = 0.25,
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        image_size: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__()
        stride = _stem_stride(image_size)
        _check_sizes(width, num_classes, in_channels)
        self.expected_input_sz = (in_channels, image_size, image_size)  # for tracing
        with seeded(seed):
            channels = max(1, int(32 * width))
            self.add_module("stem", _unit(in_channels, channels, 3, stride))
            for index, (outputs, stride) in enumerate(_dense_layers()):
                outputs = max(1, int(outputs * width))
                name, groups = f"layer{index + 1}", channels
                self.add_module(f"{name}_depthwise", _unit(channels, channels, 3, stride, groups))
                self.add_module(f"{name}_pointwise", _unit(channels, outputs, 1))
                channels = outputs
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.flatten = nn.Flatten()
            self.head = nn.Linear(channels, num_classes)


def _dense_layers() -> Iterator[tuple[int, int]]:
    """Output channels and stride of each layer of the dense network."""
    for _, outputs, stride, layers in BLOCKS:
        for layer in range(layers):
            yield outputs, stride if layer == 0 else 1


def _unit(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Module:
    conv = nn.Conv2d(
        inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
    )
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _budget(sizes: tuple[int, int, int, int], width: float) -> int:
    inputs, outputs, _, layers = sizes
    return width_budget(inputs, outputs, layers, width)


def _stem_stride(image_size: int) -> int:
    stride = 1 if image_size <= _SMALL_IMAGES else 2
    if image_size < 1:
        raise ValueError(f"image_size: expected at least 1, got {image_size}")
    return stride


def _check_sizes(width: float, num_classes: int, in_channels: int) -> None:
    if not 0 < width <= 1:
        raise ValueError(f"width: expected a multiplier above 0 and at most 1, got {width}")
    for name, size in {"num_classes": num_classes, "in_channels": in_channels}.items():
        if size < 1:
            raise ValueError(f"{name}: expected at least 1, got {size}")
