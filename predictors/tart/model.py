"""The token transformer: attention over node and edge tokens, biased by the structure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archtokens.attention import DistanceBias, TokenBlock
from archtokens.batch import SPECIAL, TokenBatch
from graph2nn.names import check_choice

__all__ = ["READOUTS", "ModelSettings", "TokenTransformer"]

READOUTS = ("token", "mean", "all")
"""The vector of a graph: its [graph] token, the mean over tokens, or both and the sum."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Sizes of a `TokenTransformer`.

    Args:
        width: Width of the tokens.
        layers, heads: Number of layers and heads of the transformer.
        widening: Width of the feed-forward layers over `width`.
        bias: Bias of attention: "distance" adds to attention, a head, a learned number for the
            directed shortest-path distance each way (so also for adjacency and reachability);
            "none" does not.
        cutoff: Longest distance with a number of its own.
        readout: One of `READOUTS`.
        dropout: Probability in attention and feed-forward layers.

    Raises:
        ValueError: A setting out of range.
    """

    width: int = 64
    layers: int = 3
    heads: int = 4
    widening: int = 2
    bias: str = "distance"
    cutoff: int = 8
    readout: str = "all"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("width", "layers", "heads", "widening", "cutoff"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.bias not in ("distance", "none"):
            raise ValueError(f"bias: expected distance or none, got {self.bias!r}")
        check_choice("readout", self.readout, READOUTS)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: expected a share below 1, got {self.dropout}")


class TokenTransformer(nn.Module):
    """Tokens to one vector a graph and one a token.

    See TokenGT (arXiv:2207.02505) and TART (arXiv:2501.02007). Embeddings of a token's operation
    and type and linear maps of its identifiers and features are summed; then follow pre-norm
    transformer layers with GELU (`archtokens.attention`). To TokenGT is added a bias of attention
    by directed distance. Padding is masked everywhere: outputs do not depend on it.

    Args:
        vocabulary: Number of rows that `TokenBatch.token` counts in.
        identifiers, features: Columns of `TokenBatch.identifiers` and `.features`.
        settings: Sizes of the transformer.

    Shapes:
        A batch of B graphs, L tokens -> (B, d) and (B, L, d).
    """

    def __init__(
        self, vocabulary: int, identifiers: int, features: int, settings: ModelSettings
    ) -> None:
        super().__init__()
        self.settings = settings
        d = settings.width
        self.token = nn.Embedding(vocabulary, d)
        self.kind = nn.Embedding(4, d)
        self.identifiers = nn.Linear(identifiers, d, bias=False) if identifiers else None
        self.features = nn.Linear(features, d, bias=False) if features else None
        for table in (self.token, self.kind):
            nn.init.normal_(table.weight, std=0.5 / d**0.5)
        self.bias = (
            DistanceBias(settings.cutoff, settings.heads) if settings.bias == "distance" else None
        )
        self.blocks = nn.ModuleList(
            TokenBlock(d, settings.heads, widening=settings.widening, dropout=settings.dropout)
            for _ in range(settings.layers)
        )
        self.norm = nn.LayerNorm(d)
        self.merge = nn.Linear({"token": 1, "mean": 1, "all": 3}[settings.readout] * d, d)

    def forward(self, tokens: TokenBatch) -> tuple[Tensor, Tensor]:
        x = self.token(tokens.token) + self.kind(tokens.kind)
        if self.identifiers is not None:
            x = x + self.identifiers(tokens.identifiers)
        if self.features is not None:
            x = x + self.features(tokens.features)
        closed = ~tokens.mask[:, None, None, :]
        bias = torch.zeros_like(closed, dtype=x.dtype) if self.bias is None else self.bias(tokens)
        bias = bias.masked_fill(closed, float("-inf"))
        attend = partial(F.scaled_dot_product_attention, attn_mask=bias)
        for block in self.blocks:
            x = block(x, attend)
        x = self.norm(x)
        return self._read(x, tokens), x

    def _read(self, x: Tensor, tokens: TokenBatch) -> Tensor:
        real = (tokens.mask & (tokens.kind != SPECIAL))[..., None]
        total = (x * real).sum(1)
        mean = total / real.sum(1).clamp(min=1)
        if self.settings.readout == "mean":
            return self.merge(mean)
        first = x[:, 0]  # special tokens come first
        if self.settings.readout == "token":
            return self.merge(first)
        return self.merge(torch.cat([first, mean, total / 8], dim=1))
