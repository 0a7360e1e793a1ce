"""Configuration of a graph hypernetwork."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ghn.trunks.tokens import TOKENS
from graph2nn.deprecated import renamed_attribute, renamed_keywords
from graph2nn.names import check_choice
from graph2nn.runs import from_dict, option, settings_of, to_dict

__all__ = ["GHNConfig", "HYPERNETS", "DECODERS"]

HYPERNETS = ("gatedgnn", "mlp", "graphormer", "tokens")
DECODERS = ("conv", "mlp", "lowrank")


@renamed_keywords(imsize="image_size")
@dataclass(frozen=True, kw_only=True)
class GHNConfig:
    """What determines a hypernetwork's architecture, and the data it was trained for.

    Args:
        num_classes: Number K of classes of the image data; the size of every predicted
            classification layer.
        max_shape: Largest tensor decoded at once, (out channels, in channels, height, width).
            Larger tensors are tiled. Height and width must be equal.
        hypernet: Kind of trunk: `gatedgnn` (GHN-1, GHN-2), `mlp` (no edges), `graphormer` (GHN-3)
            or `tokens` (a transformer on the tokens of `archtokens`).
        decoder: Kind of decoder, `conv`, `mlp` or `lowrank` (wide layers without copies: LoGAH,
            arXiv:2405.16287).
        rank: Largest rank of the matrices of the decoder `lowrank`.
        weight_norm: Whether predicted parameters are normalised by their fan-in (GHN-2,
            arXiv:2110.13100, section 3.3).
        ve: Whether there are virtual edges, messages over shortest paths of up to `ve_cutoff`
            edges.
        layernorm: Whether there is a LayerNorm on the node states.
        hid: Width h of the node states; a multiple of 4.
        layers, heads: Number of layers of a Graphormer or token transformer, and of their heads.
        tokens: What a token transformer reads: `nodes` (attention biased by directed distance),
            `edges` (tokens of edges, too, and no bias) or `both`.
        noise: Width of the Gaussian noise that `GHN.sample` adds, through a learned projection, to
            the node states; 0 for none.
        ve_cutoff: Longest virtual edge.
        accuracy: Whether there is a head for accuracies, see `GHN.predict_accuracy`.
        dataset, in_channels, image_size: Images the hypernetwork was trained on, where known.
    """

    num_classes: int = 10
    max_shape: tuple[int, int, int, int] = (64, 64, 11, 11)
    hypernet: str = "gatedgnn"
    decoder: str = "conv"
    rank: int = 32
    weight_norm: bool = True
    ve: bool = True
    layernorm: bool = True
    hid: int = 32
    layers: int = 3
    heads: int = 8
    tokens: str = "nodes"
    noise: int = 0
    ve_cutoff: int = 50
    accuracy: bool = False
    dataset: str | None = None
    in_channels: int = 3
    image_size: int | None = option(None, name="imsize")

    imsize = renamed_attribute("image_size")

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_shape", tuple(int(s) for s in self.max_shape))
        check_choice("hypernet", self.hypernet, HYPERNETS)
        check_choice("decoder", self.decoder, DECODERS)
        check_choice("tokens", self.tokens, TOKENS)
        if len(self.max_shape) != 4 or self.max_shape[2] != self.max_shape[3]:
            raise ValueError(
                f"max_shape must be (out, in, size, size) with equal sizes, got {self.max_shape}"
            )
        if min(self.max_shape) < 1 or self.num_classes < 1:
            raise ValueError(
                "max_shape and num_classes must be positive, "
                f"got {self.max_shape} and {self.num_classes}"
            )
        if self.hid % 4 or self.hid < 4:
            raise ValueError(f"hid must be a positive multiple of 4, got {self.hid}")
        if min(self.layers, self.heads, self.in_channels) < 1:
            raise ValueError(
                "layers, heads and in_channels must be positive, got "
                f"{self.layers}, {self.heads} and {self.in_channels}"
            )
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, got {self.rank}")
        if self.noise < 0:
            raise ValueError(f"noise must not be negative, got {self.noise}: 0 is without noise")
        if self.ve and self.ve_cutoff < 2:
            raise ValueError(
                f"ve_cutoff must be at least 2, got {self.ve_cutoff}: "
                "ve=False is without virtual edges"
            )
        if self.hypernet in ("graphormer", "tokens") and self.hid % self.heads:
            raise ValueError(f"hid ({self.hid}) must be a multiple of heads ({self.heads})")

    @property
    def is_ghn3(self) -> bool:
        """Whether kernels are cropped from the centre, as in GHN-3, or from the top left."""
        return self.hypernet == "graphormer"

    @property
    def cutoff(self) -> int:
        """Longest path that counts as an edge: 1 without virtual edges."""
        return self.ve_cutoff if self.ve else 1

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values, accepted by `from_dict`."""
        return to_dict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GHNConfig:
        """Read a checkpoint's configuration; keys that this class does not know are ignored."""
        known = settings_of(cls)
        return from_dict(cls, {k: v for k, v in values.items() if k in known})
