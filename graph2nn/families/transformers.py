"""Small transformers of images, and mixers, which have a perceptron in place of attention."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.families.source import FamilyNets

__all__ = ["TransformerNet", "TransformerNets"]


@dataclass(frozen=True, kw_only=True)
class TransformerNet:
    """Blueprint of a small vision transformer or mixer.

    ViT, arXiv:2010.11929; MLP-Mixer, arXiv:2105.01601. Blocks normalise first; the head reads the
    mean of the patches, or the class token.

    Args:
        kind: Kind of blocks: vit or mixer.
        patch: Side of a patch in pixels.
        dim, depth: Width, and number of blocks.
        heads: Heads of attention.
        ratio: Width of the perceptron in a block by that of the block.
        class_token: Whether there is a class token (transformers only).
        image_size, num_classes, in_channels: Side, classes and channels of the images.
    """

    kind: str
    patch: int
    dim: int
    depth: int
    heads: int
    ratio: int
    class_token: bool
    image_size: int
    num_classes: int
    in_channels: int

    @property
    def cell(self) -> tuple[Hashable, ...]:
        """All settings but the number of heads."""
        return self.kind, self.patch, self.dim, self.depth, self.ratio, self.class_token

    def skeleton(self) -> nn.Module:
        """Build the network on the meta device."""
        with torch.device("meta"):
            return _PatchNetwork(self)

    def network(self) -> nn.Module:
        """Build the network with torch's initial weights."""
        return _PatchNetwork(self)

    def archgraph(self) -> ArchGraph:
        """Trace the graph."""
        images = torch.empty(2, self.in_channels, self.image_size, self.image_size, device="meta")
        return trace(self.skeleton(), images, view="primitives")


class TransformerNets(FamilyNets[TransformerNet]):
    """Endless small transformers and mixers: 2 to 6 blocks of width 16 to 64, 16 to 64 patches.

    Arguments and errors are those of `FamilyNets`; images need 4 pixels a side.

    Examples:
        >>> TransformerNets(seed=1, image_size=8)[0].archgraph().num_classes
        10
    """

    def draw(self, rng: np.random.Generator) -> TransformerNet | None:
        side = self.images["image_size"]
        kind = str(rng.choice(["vit", "mixer"], p=[0.7, 0.3]))
        patches, heads = int(rng.choice([4, 8])), int(rng.choice([1, 2, 4]))
        dim, depth = int(rng.choice([16, 24, 32, 48, 64])), int(rng.integers(2, 7))
        ratio, token = int(rng.choice([1, 2, 4])), bool(rng.random() < 0.3)
        if side % patches or dim * dim * depth * patches**2 * (4 + 2 * ratio) > 3e7:
            return None
        return TransformerNet(
            kind=kind,
            patch=side // patches,
            dim=dim,
            depth=depth,
            heads=heads if kind == "vit" else 1,
            ratio=ratio,
            class_token=token and kind == "vit",
            **self.images,
        )


class _PatchNetwork(nn.Module):
    def __init__(self, net: TransformerNet) -> None:
        super().__init__()
        length = (net.image_size // net.patch) ** 2
        self.embed = nn.Conv2d(net.in_channels, net.dim, net.patch, net.patch)
        self.token: nn.Parameter | None = None
        self.pos: nn.Parameter | None = None
        if net.class_token:
            self.token = nn.Parameter(torch.zeros(1, 1, net.dim))
        if net.kind == "vit":
            self.pos = nn.Parameter(torch.zeros(1, length + net.class_token, net.dim))
        self.blocks = nn.Sequential(*(_Block(net, length) for _ in range(net.depth)))
        self.norm = nn.LayerNorm(net.dim)
        self.head = nn.Linear(net.dim, net.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(images).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat((self.token.expand(len(x), -1, -1), x), dim=1)
        if self.pos is not None:
            x = x + self.pos
        x = self.norm(self.blocks(x))
        return self.head(x.mean(1) if self.token is None else x[:, 0])


class _Block(nn.Module):
    def __init__(self, net: TransformerNet, length: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(net.dim), nn.LayerNorm(net.dim)
        self.mix = _Attention(net.dim, net.heads) if net.kind == "vit" else _Mix(length, net.ratio)
        self.mlp = _perceptron(net.dim, net.ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class _Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, dim = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        heard = F.scaled_dot_product_attention(q, k, v)
        return self.proj(heard.transpose(1, 2).reshape(batch, length, dim))


class _Mix(nn.Module):
    """A perceptron along the patches, the same for every channel."""

    def __init__(self, length: int, ratio: int) -> None:
        super().__init__()
        self.mlp = _perceptron(length, ratio)

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x.transpose(1, 2)).transpose(1, 2)


def _perceptron(width: int, ratio: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width)
    )
