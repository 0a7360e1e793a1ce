"""The token transformer: attention over node and edge tokens, biased by the structure."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
    transformer layers with GELU. To TokenGT is added a bias of attention by directed distance, as
    in Graphormer (arXiv:2106.05234, section 3.1.2) but each way of its own. Padding is masked
    everywhere: outputs do not depend on it.

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
        self.bias = DistanceBias(settings) if settings.bias == "distance" else None
        self.blocks = nn.ModuleList(_Block(settings) for _ in range(settings.layers))
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
        for block in self.blocks:
            x = block(x, bias)
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


class DistanceBias(nn.Module):
    """A number a head for each directed distance from token i to j, or from j to i.

    In a DAG there is a path one way at most, so one table holds both: rows of the distances along
    and against edges, of a token with itself, of no path (or one beyond the cutoff), and of special
    tokens. Shapes: -> (B, heads, L, L).
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.cutoff = settings.cutoff
        self.table = nn.Embedding(2 * self.cutoff + 5, settings.heads)
        nn.init.normal_(self.table.weight, std=0.1)

    def forward(self, tokens: TokenBatch) -> Tensor:
        ways = self.cutoff + 1
        along, against = (
            torch.where(way > self.cutoff, -1, way) for way in tokens.token_distances()
        )
        row = torch.where(along >= 0, along, torch.where(against >= 0, ways + against, 2 * ways))
        row = row.masked_fill((along == 0) & (against == 0), 2 * ways + 1)
        special = tokens.kind == SPECIAL
        row = row.masked_fill(special[:, :, None] | special[:, None, :], 2 * ways + 2)
        return self.table(row).permute(0, 3, 1, 2)


class _Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)). Shapes: (B, L, d) -> same."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        d, self.heads, self.dropout = settings.width, settings.heads, settings.dropout
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.grow, self.shrink = (
            nn.Linear(d, settings.widening * d),
            nn.Linear(settings.widening * d, d),
        )
        self.drop = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = x + self.drop(self.out(self._attend(self.norm1(x), bias)))
        return x + self.drop(self.shrink(self.drop(F.gelu(self.grow(self.norm2(x))))))

    def _attend(self, x: Tensor, bias: Tensor) -> Tensor:
        b, length, d = x.shape
        parts = self.qkv(x).view(b, length, 3, self.heads, d // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # (B, heads, L, d / heads) each
        p = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=p)
        return mixed.transpose(1, 2).reshape(b, length, d)
