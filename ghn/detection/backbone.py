"""Which part of a classification network gives a detector its map, and which network is meant?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ghn.finetuning import NamedNetwork, named_network
from graph2nn.deepnets import Network, ViT, build_graph
from graph2nn.relational.networks.base import RelationalNetwork
from graph2nn.runs import seeded
from graph2nn.training.probe import module_modes
from graph2nn.vision import empty_images

__all__ = ["DATASET", "MapBackbone", "backbone_network"]

DATASET = "imagenet"
"""Data set whose images and classes backbones are built for, so that they have large stems; their
own classification layer is taken away again."""

_LAST = {  # of torchvision's families: the child that gives the map, those before it run in order
    "MNASNet": "layers",
    "RegNet": "trunk_output",
    "ResNet": "layer4",
    "ShuffleNetV2": "conv5",
    "SwinTransformer": "permute",
}
_HEADS = ("auxiliary_head", "avgpool", "classifier", "fc", "global_pooling", "head", "last_linear")


class MapBackbone(nn.Module):
    """The part of a classification network in front of its global pooling (arXiv:2110.13100).

    It takes networks of DeepNets-1M, relational convolutional networks, convolutional networks of
    torchvision and timm, and any other with a method `features`. The network is shared, not copied.

    Args:
        network: Classification network of images of any size.

    Attributes:
        network: The network.
        out_channels: Channels of the map.
        stride: Pixels of an image from one place of the map to the next.

    Shapes: (B, 3, H, W) → (B, out_channels, h, w).

    Raises:
        ValueError: The network gives no map.

    Examples:
        >>> from torchvision.models import resnet18
        >>> backbone = MapBackbone(resnet18())
        >>> backbone.out_channels, backbone(torch.zeros(1, 3, 64, 96)).shape
        (512, torch.Size([1, 512, 2, 3]))
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._layers = _layers_before_pooling(network)
        self.out_channels, self.stride = self._measure()

    def forward(self, x: Tensor) -> Tensor:
        for name in self._layers:
            x = getattr(self.network, name)(x)
        return F.relu(x) if type(self.network).__name__ == "DenseNet" else x

    def drop_head(self) -> None:
        """Put identities in place of what comes after the map: pooling and classification."""
        children = [name for name, _ in self.network.named_children()]
        runs = set(self._layers) <= set(children)  # else a method runs what it takes of them
        for name in set(children) - set(self._layers) if runs else set(_HEADS) & set(children):
            setattr(self.network, name, nn.Identity())

    @torch.no_grad()
    def _measure(self) -> tuple[int, float]:
        """Width and stride of the map, after a look at two sizes of images."""
        try:
            with module_modes(self.network):
                self.network.eval()
                looks = [self(torch.zeros(1, 3, *size)).shape for size in ((128, 256), (256, 128))]
        except (RuntimeError, ValueError, AttributeError, AssertionError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{_no_map(self.network)}: {reason}") from None
        wide, tall = looks
        if len(wide) != 4 or tuple(tall) != (1, wide[1], wide[3], wide[2]):
            raise ValueError(f"{_no_map(self.network)}, but {tuple(wide)} of one of 128x256 pixels")
        return int(wide[1]), 256 / wide[3]


def _layers_before_pooling(network: nn.Module) -> tuple[str, ...]:
    """Names of the children that run one after another to give the map, or of one method."""
    children = [name for name, _ in network.named_children()]
    if isinstance(network, RelationalNetwork):
        return tuple(children[:-1])
    last = _LAST.get(type(network).__name__)
    if last in children:
        return tuple(children[: children.index(last) + 1])
    for name in ("forward_features", "features"):  # timm's first, as some have both
        if hasattr(network, name):
            return (name,)
    raise ValueError(_no_map(network))


def _no_map(network: nn.Module) -> str:
    return (
        f"{type(network).__name__} gives no map (batch, channels, height, width) of images of any "
        "size; take DARTS, a number of a split, a convolutional network such as resnet50 or "
        "timm:resnet10t, ws:n=16,k=4,model=cnn6, or one with a method `features`"
    )


def backbone_network(arch: str | int, *, seed: int = 0, **how: Any) -> NamedNetwork:
    """Build the classification network that a detector's backbone is made of.

    Stems are those for large images. Networks with attention have no patches and no positional
    encoding, but the strides of the others; the genotype ViT has the stem of DARTS (published).

    Args:
        arch: Network; see `named_network`.
        seed: Seed of the initial weights.
        how: Further arguments of `named_network`.

    Raises:
        ValueError: A name that stands for nothing, or no network for images of 224 pixels.
    """
    found = named_network(arch, empty_images(DATASET), seed=seed, **how)
    if not isinstance(found.model, Network) or not found.model.config.vit:
        return found
    config = found.model.config.with_(is_vit=False)
    if config.genotype == ViT:
        config = config.with_(stem_type=1)
    with seeded(seed):
        return replace(found, model=Network(config), graph=build_graph(config))
