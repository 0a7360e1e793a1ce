"""Edges, parameters and multiply-adds of wired networks: as published, and as executed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from graph2nn.archgraph.measures.counting import multiply_adds
from graph2nn.training.costs import count_parameters
from graph2nn.wirings.edges.layers import WiredConv, wired_layers
from graph2nn.wirings.edges.slots import Rectangle
from graph2nn.wirings.networks.continuous import ContinuousTimeWiring
from graph2nn.wirings.networks.mobilenet import WiredBlock, WiredMobileNetV1
from graph2nn.wirings.networks.tiny import StaticWiring, TinyWiring

__all__ = [
    "PublishedProfile",
    "WiringCounts",
    "count_wiring",
    "executed_macs",
    "published_profile",
]

_Applied = tuple[Rectangle, int]
"""A part of a weight, and at how many positions of an image it is applied."""


@dataclass(frozen=True, kw_only=True)
class WiringCounts:
    """What a wired network holds and costs.

    Args:
        stored: Number of all parameters, whether an edge uses them or not.
        effective: Number of parameters that outputs may depend on: edges that the network uses, and
            everything that is not wired.
        edges: Budget of all wired layers.
        used_edges: Number of edges in slots that the network uses; fewer than `edges` only where
            the published budget (`legacy_budget`) spends some on others.
        slots, legal_slots: Numbers of slots of all wired layers.
        dense_macs: Multiply-adds of convolutions and linear layers for one image, as executed with
            dense products, which multiply with the zeros, too.
        sparse_macs: Multiply-adds with products that skip what is no edge.
    """

    stored: int
    effective: int
    edges: int
    used_edges: int
    slots: int
    legal_slots: int
    dense_macs: int
    sparse_macs: int


@dataclass(frozen=True, kw_only=True)
class PublishedProfile:
    """Parameters and multiply-adds by the rules of the published tables.

    Args:
        params: Number of edges, 9 a node with a 3x3 filter and an edge out of it, the stem, the
            classifier; no biases, no normalisation.
        macs: Multiply-adds of these for one image, and one addition for each pooled value.
    """

    params: int
    macs: int


def count_wiring(model: nn.Module, input_shape: tuple[int, int, int] | None = None) -> WiringCounts:
    """Count what a network of this package holds and costs, in its present wiring.

    Args:
        model: Network with wired layers.
        input_shape: Shape (C, H, W) of an image; None means the one that the network was made for.

    Raises:
        ValueError: There is no wired layer, or nothing says how large an image is.

    Examples:
        >>> counts = count_wiring(StaticWiring("dnw"))
        >>> counts.stored, counts.edges, counts.effective
        (651058, 32000, 43058)
    """
    layers = dict(wired_layers(model))
    if not layers:
        raise ValueError(f"expected wired layers, found none in {type(model).__name__}")
    stored = count_parameters(model)
    edges = sum(layer.keep for layer in layers.values())
    used = {name: layer.edges(legal=True) for name, layer in layers.items()}
    used_edges = sum(int(mask.sum()) for mask in used.values())
    slots = sum(layer.weight.numel() for layer in layers.values())
    macs, sizes = _executed(model, input_shape)
    spared = sum(
        size * (layers[name].weight[found.part].numel() - int(used[name][found.part].sum()))
        for name, applied in sizes.items()
        for found, size in applied
    )
    return WiringCounts(
        stored=stored,
        effective=stored - slots + used_edges,
        edges=edges,
        used_edges=used_edges,
        slots=slots,
        legal_slots=sum(layer.slots.count for layer in layers.values()),
        dense_macs=macs,
        sparse_macs=macs - spared,
    )


def executed_macs(model: nn.Module, input_shape: tuple[int, int, int] | None = None) -> int:
    """Count multiply-adds of convolutions and matrix products for one image, as executed.

    Counted from the operations of a forward pass on shapes alone; an adaptive solver chooses its
    steps by values, so the continuous setting is run on one random image.

    Args:
        model: Any network that takes images.
        input_shape: Shape (C, H, W) of an image; see `count_wiring`.
    """
    return _executed(model, input_shape)[0]


def _executed(
    model: nn.Module, input_shape: tuple[int, int, int] | None
) -> tuple[int, dict[str, list[_Applied]]]:
    """Multiply-adds, and which parts of each wired layer are applied, at how many positions."""
    shape = input_shape or getattr(model, "expected_input_sz", None)
    if shape is None:
        raise ValueError(
            f"{type(model).__name__} does not say how large its images are: pass input_shape"
        )
    continuous = isinstance(model, ContinuousTimeWiring)
    device = "cpu" if continuous else "meta"
    twin = copy.deepcopy(model).to(device).eval()
    generator = torch.Generator().manual_seed(0)
    dtype = next(model.parameters()).dtype
    image = torch.randn(1, *shape, generator=generator).to(device, dtype)
    sizes: dict[str, list[_Applied]] = {}
    handles = [
        module.register_forward_hook(_recorder(name, sizes))
        for name, module in twin.named_modules()
        if isinstance(module, (TinyWiring, WiredBlock, WiredConv, WiredMobileNetV1))
    ]
    macs = multiply_adds(lambda: twin(image))
    for handle in handles:
        handle.remove()
    return macs, sizes


def _recorder(name: str, sizes: dict[str, list[_Applied]]):
    """A hook that notes what a module applies of wired layers."""
    prefix = f"{name}." if name else ""

    def note(found: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        area = int(torch.Size(output.shape[2:]).numel())
        if isinstance(found, WiredConv):
            whole = Rectangle(0, found.out_channels, 0, found.in_channels)
            sizes.setdefault(name, []).append((whole, area))
        elif isinstance(found, WiredBlock):
            parts = found.wires.slots.rectangles
            sizes[f"{prefix}wires"] = [(part, area) for part in parts]
        elif isinstance(found, WiredMobileNetV1) and isinstance(found.head, WiredConv):
            sizes[f"{prefix}head"] = [(part, 1) for part in found.head.slots.rectangles]
        elif isinstance(found, TinyWiring):
            parts = found.wires.slots.rectangles
            sizes[f"{prefix}wires"] = list(zip(parts, _tiny_positions(found, inputs[0])))

    return note


def _tiny_positions(model: TinyWiring, images: torch.Tensor) -> tuple[int, ...]:
    divisor = model.strides[0] * model.strides[1]
    height, width = (-(-size // divisor) for size in images.shape[-2:])
    if isinstance(model, StaticWiring):
        return (*[height * width] * (model.layers - 1), 1)  # the last acts on means
    rounds = model.nfe if isinstance(model, ContinuousTimeWiring) else model.layers
    return (rounds * height * width,)


def published_profile(
    model: WiredMobileNetV1, image_size: int = 224, *, alive: Mapping[int, int] | None = None
) -> PublishedProfile:
    """Count parameters and multiply-adds of a wired MobileNetV1 as the published tables do.

    A block counts the edges of its budget (not rounded up; all slots of kind `complete`, legal or
    not, and the edges of `given`), and a 3x3 filter for each node with an edge that leaves it,
    legal or not; in the first block such nodes also pay for their filter of the stem. Each output
    node of the last block with an edge pays for pooling.

    Args:
        model: Network whose edges say which nodes are alive.
        image_size: Height of the images in pixels; the tables use 224.
        alive: Numbers of nodes with an edge out, by block, instead of those of the model (the first
            block's entry counts input nodes).

    Examples:
        >>> model = WiredMobileNetV1(width=0.49, num_classes=1000, small_head=False)
        >>> published_profile(model)
        PublishedProfile(params=1823315, macs=158830289)
    """
    width = 1 - (1 - model.width)  # as it is computed from a prune rate
    size = -(-image_size // (2 if image_size > 64 else 1))
    params, macs = 0, 0.0
    for number, block in enumerate(model.wired_blocks):
        inputs, outputs, layers = block.inputs, block.outputs, block.layers
        mask = block.wires.edges().flatten(2).any(2)
        senders = int(mask.any(0).sum()) if alive is None else alive[number]
        if number == 0:
            filters = model.stem.weight[0].numel() * (
                int(mask.any(0)[:inputs].sum()) if alive is None else senders
            )
            params, macs = params + filters, macs + filters * size**2
        size = -(-size // block.stride)
        edges = width**2 * (inputs * outputs + (layers - 1) * outputs**2)
        if block.wires.kind in _BEYOND_BUDGETS:
            edges = _all_edges(block.wires)
        params += int(edges) + 9 * senders
        macs += (edges + 9 * senders) * size**2
        pooled = int(mask[-outputs:].any(1).sum()) if alive is None else outputs
    assert isinstance(model.head, (nn.Linear, WiredConv))
    head = model.head.weight.numel()
    if isinstance(model.head, WiredConv):
        wide = model.head.kind in _BEYOND_BUDGETS
        head = _all_edges(model.head) if wide else int(head * width)
    return PublishedProfile(params=params + head, macs=int(macs + pooled * size**2 + head))


_BEYOND_BUDGETS = ("complete", "given")


def _all_edges(layer: WiredConv) -> int:
    return layer.weight.numel() if layer.kind == "complete" else layer.keep
