"""The sizes of the relational networks, and each network as a list of its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from graph2nn.deprecated import renamed_keywords
from graph2nn.names import choose

__all__ = [
    "EXPANSIONS",
    "FAMILIES",
    "HEAD",
    "KERNELS",
    "SMALL_IMAGE",
    "Architecture",
    "Family",
    "Layer",
    "architecture",
    "layers",
]

SMALL_IMAGE = 64
"""Images up to this size get the stems for CIFAR, larger ones those for ImageNet."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the networks of one kind have in common.

    "Graph Structure of Neural Networks", arXiv:2007.06559, section 4.1.

    Args:
        dims: Widths of the stages of the dense baseline.
        dim_first: Width of the stem.
        depths: Number of blocks of each stage.
        strides: Stride of the first block of each stage; empty without space.
        num_nodes: Nodes of the relational graphs it was published with.
        shrinks: Whether a layer narrower than the graph takes a graph of fewer nodes.
        zero_final: Whether the last normalisation of a residual block starts as zero.
    """

    dims: tuple[int, ...]
    dim_first: int
    depths: tuple[int, ...]
    strides: tuple[int, ...] = ()
    num_nodes: int = 64
    shrinks: bool = False
    zero_final: bool = False


_RESNET = {"dim_first": 64, "depths": (3, 4, 6, 3), "strides": (1, 2, 2, 2), "zero_final": True}

FAMILIES: dict[str, Family] = {
    "mlp": Family(dims=(512,), dim_first=512, depths=(3,)),
    "cnn6": Family(dims=(64, 128, 256), dim_first=64, depths=(2, 2, 2), strides=(2, 2, 2)),
    "resnet34": Family(dims=(64, 128, 256, 512), **_RESNET),  # type: ignore[arg-type]
    "resnet34_sep": Family(dims=(64, 128, 256, 512), **_RESNET),  # type: ignore[arg-type]
    "resnet50": Family(dims=(256, 512, 1024, 2048), **_RESNET),  # type: ignore[arg-type]
    "efficientnet_b0": Family(
        dims=(16, 24, 40, 80, 112, 192, 320),
        dim_first=32,
        depths=(1, 2, 2, 3, 3, 4, 1),
        strides=(1, 2, 2, 2, 1, 2, 1),
        num_nodes=16,
        shrinks=True,
    ),
}
"""Every family by name, with the sizes of its dense baseline."""

EXPANSIONS = (1, 6, 6, 6, 6, 6, 6)
"""Expansion ratios of EfficientNet-B0, stage by stage."""
KERNELS = (3, 3, 5, 3, 5, 5, 3)
"""Kernel sizes of the depthwise convolutions of EfficientNet-B0, stage by stage."""
HEAD = 1280
"""Channels before the classifier of EfficientNet-B0."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """All sizes of one network. Made by `architecture`.

    Args:
        name: Name of the family.
        dims: Width of each stage.
        dim_first: Width of the stem.
        depths: Blocks of each stage.
        num_classes: Outputs.
        image_size: Height and width of the images.
        in_channels: Channels of the images.
        relational: Whether the stages are relational layers.
    """

    name: str
    dims: tuple[int, ...]
    dim_first: int
    depths: tuple[int, ...]
    num_classes: int
    image_size: int
    in_channels: int
    relational: bool

    @property
    def family(self) -> Family:
        """Family of networks that it belongs to."""
        return FAMILIES[self.name]

    @property
    def small(self) -> bool:
        """Whether the stem is the one for small images."""
        return self.image_size <= SMALL_IMAGE

    def expansion(self, stage: int, width: int) -> int:
        """Compute the inner width of a block of an EfficientNet stage.

        The input of the block has `width` channels. A relational network keeps the expansion of the
        published stage, whatever the matched widths; the dense one expands what comes in.
        """
        if EXPANSIONS[stage] == 1:
            return width
        return (self.family.dims[stage] if self.relational else width) * EXPANSIONS[stage]


@renamed_keywords(imsize="image_size")
def architecture(
    name: str,
    *,
    num_classes: int,
    image_size: int,
    in_channels: int = 3,
    dims: Sequence[int] | None = None,
    dim_first: int | None = None,
    depths: Sequence[int] | None = None,
    relational: bool = False,
) -> Architecture:
    """Find the sizes of a network; what is not given is that of the dense baseline.

    Raises:
        ValueError: Unknown family (lists them), or sizes that are not positive or do not fit.

    Examples:
        >>> architecture("cnn6", num_classes=10, image_size=32).dims
        (64, 128, 256)
    """
    family = choose("model", name, FAMILIES)
    found = Architecture(
        name=name,
        dims=tuple(family.dims if dims is None else dims),
        dim_first=family.dim_first if dim_first is None else dim_first,
        depths=tuple(family.depths if depths is None else depths),
        num_classes=num_classes,
        image_size=image_size,
        in_channels=in_channels,
        relational=relational,
    )
    _check(found)
    return found


def _check(found: Architecture) -> None:
    for label in ("num_classes", "image_size", "in_channels", "dim_first"):
        value = getattr(found, label)
        if value < 1:
            raise ValueError(f"{found.name}: expected {label} of at least 1, got {value}")
    if len(found.dims) != len(found.depths) or len(found.dims) > len(found.family.dims):
        raise ValueError(
            f"{found.name}: expected dims and depths of up to {len(found.family.dims)} stages, as "
            f"many of each; got dims {list(found.dims)} and depths {list(found.depths)}"
        )
    for label, values in (("dims", found.dims), ("depths", found.depths)):
        if not values or min(values) < 1:
            raise ValueError(f"{found.name}: expected positive {label}, got {list(values)}")
    if found.name == "efficientnet_b0":
        if found.depths != found.family.depths:
            raise ValueError(f"{found.name}: depths are fixed at {list(found.family.depths)}")
        if min(*found.dims, found.dim_first) < 4:  # squeezed to a quarter
            raise ValueError(
                f"{found.name}: expected widths of at least 4, got stem {found.dim_first} and dims "
                f"{list(found.dims)}"
            )


class Layer(NamedTuple):
    """One layer with parameters, for counting.

    The kind is linear, conv, depthwise, gate (the two convolutions of squeeze-and-excitation, one
    at a time) or norm; size the height and width of what it returns.
    """

    kind: str
    fan_in: int
    fan_out: int
    kernel: int = 1
    size: int = 1
    relational: bool = False
    bias: bool = False


def layers(sizes: Architecture) -> Iterator[Layer]:
    """List the layers of a network in the order in which the module registers them."""
    return _LAYERS[sizes.name](sizes)


def _norm(width: int) -> Layer:
    return Layer("norm", width, width)


def _head(sizes: Architecture, width: int) -> Layer:
    return Layer("linear", width, sizes.num_classes, bias=True)


def _mlp(sizes: Architecture) -> Iterator[Layer]:
    width, dim = sizes.dim_first, sizes.dims[0]
    yield Layer("linear", sizes.in_channels * sizes.image_size**2, width)
    yield _norm(width)
    for _ in range(sizes.depths[0]):
        yield Layer("linear", width, dim, relational=sizes.relational)
        yield _norm(dim)
        width = dim
    yield _head(sizes, width)


def _stem(sizes: Architecture, kernel: int, *, pool: bool) -> tuple[list[Layer], int]:
    """The stem's layers and the height of what it returns."""
    size = sizes.image_size if sizes.small else _half(sizes.image_size)
    stem = [
        Layer("conv", sizes.in_channels, sizes.dim_first, kernel, size),
        _norm(sizes.dim_first),
    ]
    return stem, _half(size) if pool and not sizes.small else size


def _half(size: int) -> int:
    """Height after a stride of 2, with padding (kernel - 1) / 2."""
    return (size + 1) // 2


def _cnn(sizes: Architecture) -> Iterator[Layer]:
    stem, size = _stem(sizes, 3, pool=True)
    yield from stem
    width = sizes.dim_first
    for dim, depth, stride in zip(sizes.dims, sizes.depths, sizes.family.strides):
        for block in range(depth):
            size = _half(size) if block == 0 and stride == 2 else size
            yield Layer("conv", width, dim, 3, size, sizes.relational)
            yield _norm(dim)
            width = dim
    yield _head(sizes, width)


def _resnet(block: Callable[[int, int, int, int, bool], Iterator[Layer]], masked_skip: bool):
    def walk(sizes: Architecture) -> Iterator[Layer]:
        stem, size = _stem(sizes, 7, pool=True)
        yield from stem
        width = sizes.dim_first
        for dim, depth, first in zip(sizes.dims, sizes.depths, sizes.family.strides):
            for index in range(depth):
                stride = first if index == 0 else 1
                before, size = size, _half(size) if stride == 2 else size
                if width != dim or stride != 1:
                    masked = sizes.relational and masked_skip
                    yield Layer("conv", width, dim, 1, size, masked)
                    yield _norm(dim)
                yield from block(width, dim, before, size, sizes.relational)
                width = dim
        yield _head(sizes, width)

    return walk


def _basic(width: int, dim: int, before: int, size: int, relational: bool) -> Iterator[Layer]:
    for fan_in in (width, dim):
        yield Layer("conv", fan_in, dim, 3, size, relational)
        yield _norm(dim)


def _separable(width: int, dim: int, before: int, size: int, relational: bool) -> Iterator[Layer]:
    for fan_in in (width, dim):
        yield Layer("depthwise", fan_in, fan_in, 3, size)
        yield Layer("conv", fan_in, dim, 1, size, relational)
        yield _norm(dim)


def _bottleneck(width: int, dim: int, before: int, size: int, relational: bool) -> Iterator[Layer]:
    inner = int(round(dim / 4))
    steps = ((width, inner, 1, before), (inner, inner, 3, size), (inner, dim, 1, size))
    for fan_in, fan_out, kernel, height in steps:
        yield Layer("conv", fan_in, fan_out, kernel, height, relational)
        yield _norm(fan_out)


def _efficientnet(sizes: Architecture) -> Iterator[Layer]:
    stem, size = _stem(sizes, 3, pool=False)
    yield from stem
    width, masked = sizes.dim_first, sizes.relational
    for stage, (dim, depth) in enumerate(zip(sizes.dims, sizes.depths)):
        for block in range(depth):
            inner, before = sizes.expansion(stage, width), size
            size = _half(size) if block == 0 and sizes.family.strides[stage] == 2 else size
            if EXPANSIONS[stage] != 1:
                yield Layer("conv", width, inner, 1, before, masked)
                yield _norm(inner)
            yield Layer("depthwise", inner, inner, KERNELS[stage], size)
            yield _norm(inner)
            squeezed = int(width * 0.25)
            yield Layer("gate", inner, squeezed, bias=True)
            yield Layer("gate", squeezed, inner, bias=True)
            yield Layer("conv", inner, dim, 1, size, masked)
            yield _norm(dim)
            width = dim
    yield Layer("conv", width, HEAD, 1, size)
    yield _norm(HEAD)
    yield _head(sizes, HEAD)


_LAYERS: Mapping[str, Callable[[Architecture], Iterator[Layer]]] = {
    "mlp": _mlp,
    "cnn6": _cnn,
    "resnet34": _resnet(_basic, masked_skip=True),
    "resnet34_sep": _resnet(_separable, masked_skip=True),
    "resnet50": _resnet(_bottleneck, masked_skip=False),
    "efficientnet_b0": _efficientnet,
}
