"""Can a hypernetwork be used on this? Networks, their graphs, and images to evaluate on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ghn.config import GHNConfig
from graph2nn.archgraph import ArchGraph
from graph2nn.deprecated import renamed_keywords
from graph2nn.vision import DATASETS

__all__ = ["check_network", "check_shapes", "check_trained_on"]


@renamed_keywords(imsize="image_size")
def check_trained_on(
    config: GHNConfig,
    dataset: str,
    image_size: int | None = None,
    *,
    name: str = "the hypernetwork",
    force: bool = False,
) -> None:
    """Complain where accuracy on a data set would mean nothing.

    Args:
        config: Configuration of the hypernetwork; what it does not record is not checked.
        dataset: One of `graph2nn.vision.DATASETS`.
        image_size: Side of the images in pixels; None means the data set's own.
        name: Name of the hypernetwork, for messages.
        force: Whether other images of the same number of classes and channels pass.

    Raises:
        ValueError: Another number of classes or channels, another data set or image size.
    """
    info = DATASETS[dataset]
    on = f" on {config.dataset}" if config.dataset else ""
    channels = len(info.mean)
    if config.num_classes != info.num_classes:
        raise ValueError(
            f"{name} was trained{on} for {config.num_classes} classes, but {dataset} has "
            f"{info.num_classes}: choose its own data set, or another checkpoint"
        )
    if config.in_channels != channels and not (channels == 1 and config.in_channels == 3):
        raise ValueError(
            f"{name} was trained{on} for images of {config.in_channels} channel(s), but {dataset} "
            f"has {channels}: choose its own data set, or another checkpoint"
        )
    if config.dataset not in (None, dataset) and not force:
        raise ValueError(
            f"{name} was trained on {config.dataset}, evaluated on {dataset}: it would predict "
            "at chance; choose its own data set, or pass force to see it anyway"
        )
    used = image_size or info.image_size
    if config.image_size not in (None, used) and not force:
        raise ValueError(
            f"{name} was trained{on} at {config.image_size} pixels, evaluated at {used}: choose "
            f"image_size={config.image_size} (--imsize), or pass force to see it anyway"
        )


def check_shapes(graph: ArchGraph, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a graph of another network, whose parameters would not fit into this one's.

    Args:
        graph: The graph.
        shapes: Shapes of the network's parameters by name.

    Raises:
        ValueError: A parameter of both has another shape in the graph.
    """
    for name, shape in graph.param_shapes.items():
        if tuple(shape) != shapes.get(name, tuple(shape)):
            raise ValueError(
                f"the graph {graph.name or ''} says that {name} has the shape {tuple(shape)}, the "
                f"network has {shapes[name]}: trace this network, or leave the graph out"
            )


def check_network(model: Any) -> None:
    """Refuse what is no network.

    Raises:
        ValueError: Not a `torch.nn.Module`.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"expected a network (torch.nn.Module), got {type(model).__name__}; "
            "`predict_graphs` takes graphs"
        )
