"""Relational networks by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from graph2nn.deprecated import renamed_keywords
from graph2nn.relational.graphs.graph import RelationalGraph, as_graph
from graph2nn.relational.networks.architecture import Architecture, architecture
from graph2nn.relational.networks.base import LayerFactory, RelationalNetwork
from graph2nn.relational.networks.cnn import CNN
from graph2nn.relational.networks.efficientnet import EfficientNet
from graph2nn.relational.networks.matching import match_width
from graph2nn.relational.networks.mlp import MLP
from graph2nn.relational.networks.resnet import BottleneckResNet, ResNet, SeparableResNet

__all__ = ["MODELS", "build_model", "build_sizes", "relational_mlp"]

MODELS: dict[str, Callable[[Architecture, LayerFactory], RelationalNetwork]] = {
    "mlp": MLP,
    "cnn6": CNN,
    "resnet34": ResNet,
    "resnet34_sep": SeparableResNet,
    "resnet50": BottleneckResNet,
    "efficientnet_b0": EfficientNet,
}
"""Every network by name; sizes of the dense ones are in `FAMILIES`."""


@renamed_keywords(imsize="image_size")
def build_model(
    name: str,
    graph: RelationalGraph | np.ndarray | Any | None,
    *,
    num_classes: int,
    image_size: int,
    in_channels: int = 3,
    dims: Sequence[int] | None = None,
    dim_first: int | None = None,
    depths: Sequence[int] | None = None,
    base_dims: Sequence[int] | None = None,
    seed: int | torch.Generator = 0,
    execution: str = "masked",
    zero_final: bool | None = None,
) -> RelationalNetwork:
    """Build a network whose stages are relational, or its dense twin.

    "Graph Structure of Neural Networks", arXiv:2007.06559, section 4.1. The same graph is used in
    every layer of every stage; stem and head are dense. Images of up to 64 pixels get a stem
    without a stride or pooling.

    Args:
        name: Name in `MODELS`.
        graph: The relational graph, or what `as_graph` makes one of; None builds the dense twin.
        num_classes, image_size, in_channels: Outputs, side of the images in pixels, and their
            channels.
        dims: Width of each stage. None means, with a graph, the widths that match the dense
            network's multiply-adds (see `match_width`), else `base_dims`.
        dim_first: Width of the stem; None means the family's.
        depths: Blocks of each stage; None means the family's.
        base_dims: Widths of the dense network; None means the family's.
        seed: Seed of the initial weights, or a generator.
        execution: Execution of the relational layers, see `RelationalLayer`.
        zero_final: Whether the last normalisation of each residual block starts as zero; None
            means as published (ResNets only).

    Shapes:
        The network maps (N, in_channels, image_size, image_size) to (N, num_classes).

    Raises:
        ValueError: Unknown name (lists all), sizes that do not fit, more nodes than channels, or no
            widths that match.

    Examples:
        >>> build_model("mlp", None, num_classes=10, image_size=8, in_channels=1).dims
        (512,)
    """
    graph = None if graph is None else as_graph(graph)
    options: dict[str, Any] = {
        "num_classes": num_classes,
        "image_size": image_size,
        "in_channels": in_channels,
        "dim_first": dim_first,
        "depths": depths,
    }
    if dims is None:
        dims = base_dims
        if graph is not None:
            dims = match_width(name, graph, base_dims=base_dims, **options).dims
    sizes = architecture(name, dims=dims, relational=graph is not None, **options)
    return build_sizes(sizes, graph, seed=seed, execution=execution, zero_final=zero_final)


def build_sizes(
    sizes: Architecture,
    graph: RelationalGraph | None,
    *,
    seed: int | torch.Generator,
    execution: str = "masked",
    zero_final: bool | None = None,
) -> RelationalNetwork:
    """Build a network from an `Architecture`, which says relational exactly if there is a graph.

    Other arguments are those of `build_model`.
    """
    make = LayerFactory(
        graph,
        torch.Generator().manual_seed(seed) if isinstance(seed, int) else seed,
        execution=execution,
        shrinks=sizes.family.shrinks,
        zero_final=sizes.family.zero_final if zero_final is None else zero_final,
    )
    return MODELS[sizes.name](sizes, make)


@renamed_keywords(imsize="image_size")
def relational_mlp(
    graph: RelationalGraph | np.ndarray | Any | None,
    *,
    num_classes: int = 10,
    image_size: int = 32,
    in_channels: int = 3,
    dim: int | None = None,
    dim_first: int = 512,
    num_layers: int = 3,
    seed: int | torch.Generator = 0,
    execution: str = "masked",
) -> RelationalNetwork:
    """Build the perceptron of the paper on any graph.

    It is `build_model("mlp", ...)` with numbers for widths.

    Args:
        graph: The relational graph, or what `as_graph` makes one of; None means dense layers.
        num_classes, image_size, in_channels: Outputs, side of the images in pixels, and their
            channels.
        dim: Width of the relational layers; None matches the multiply-adds of the dense network in
            which all layers have `dim_first` channels.
        dim_first: Width of the stem.
        num_layers: Number of relational layers.
        seed, execution: Arguments of `build_model`.

    Raises:
        ValueError: Where `build_model` raises one.

    Examples:
        >>> relational_mlp(ws_flex(64, 8, 0.1, seed=1)).dims
        (1539,)
    """
    return build_model(
        "mlp",
        graph,
        num_classes=num_classes,
        image_size=image_size,
        in_channels=in_channels,
        dims=None if dim is None else (dim,),
        base_dims=(dim_first,),
        dim_first=dim_first,
        depths=(num_layers,),
        seed=seed,
        execution=execution,
    )
