"""What do transformers on graph tokens share? A layer, and a bias of attention by distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archtokens.batch import SPECIAL, TokenBatch

__all__ = ["DistanceBias", "TokenBlock"]


class DistanceBias(nn.Module):
    """A number a head for each directed distance from token i to j, or from j to i.

    Graphormer's bias (arXiv:2106.05234, section 3.1.2), but each way of its own. In a DAG there is
    a path one way at most, so one table holds both: rows of the distances along and against edges,
    of a token with itself, of no path (or one beyond the cutoff), and of special tokens.

    Args:
        cutoff: Longest distance with a number of its own.
        heads: Number of heads H.

    Shapes:
        Tokens of B graphs, L at most -> (B, H, L, L).
    """

    def __init__(self, cutoff: int, heads: int) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.table = nn.Embedding(2 * cutoff + 5, heads)
        nn.init.normal_(self.table.weight, std=0.1)

    def forward(self, tokens: TokenBatch) -> Tensor:
        row = self._rows(*tokens.token_distances())
        special = tokens.kind == SPECIAL
        row = row.masked_fill(special[:, :, None] | special[:, None, :], 2 * self.cutoff + 4)
        return self.table(row).permute(0, 3, 1, 2)

    def block(self, tokens: TokenBatch, graph: int, queries: slice) -> Tensor:
        """Compute the bias of some tokens of one graph towards all of its tokens, unpadded.

        Args:
            tokens: The tokens.
            graph: Number of the graph.
            queries: The tokens whose attention is biased.

        Shapes:
            Q queries among L tokens -> (H, Q, L): `forward` there, without the memory of the rest.
        """
        row = self._rows(*tokens.distances_from(graph, queries))
        special = tokens.kind[graph, : row.shape[1]] == SPECIAL
        if bool(special.any()):
            either = special[queries, None] | special[None, :]
            row = row.masked_fill(either, 2 * self.cutoff + 4)
        return self.table(row).permute(2, 0, 1)

    def _rows(self, along: Tensor, against: Tensor) -> Tensor:
        """Rows of the table for pairs with these distances, -1 for none."""
        ways = self.cutoff + 1
        along, against = (torch.where(way > self.cutoff, -1, way) for way in (along, against))
        row = torch.where(along >= 0, along, torch.where(against >= 0, ways + against, 2 * ways))
        return row.masked_fill((along == 0) & (against == 0), 2 * ways + 1)


class TokenBlock(nn.Module):
    """Pre-norm transformer layer: x + attention(norm(x)), then x + feed-forward(norm(x)).

    Which tokens attend to which is the caller's: `attend(q, k, v, dropout_p=p)` mixes the values,
    as `scaled_dot_product_attention` does.

    Args:
        width: Width d of the tokens.
        heads: Number of heads H.
        widening: Width of the feed-forward layer over `width`.
        dropout: Probability in attention and feed-forward layers.

    Shapes:
        x (..., L, d) -> the same; q, k, v and the result of `attend` (..., H, L, d / H).
    """

    def __init__(self, width: int, heads: int, *, widening: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.grow, self.shrink = (
            nn.Linear(width, widening * width),
            nn.Linear(widening * width, width),
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, attend: Callable[..., Any]) -> Tensor:
        x = x + self.drop(self.out(self._mixed(self.norm1(x), attend)))
        return x + self.drop(self.shrink(self.drop(F.gelu(self.grow(self.norm2(x))))))

    def _mixed(self, x: Tensor, attend: Callable[..., Any]) -> Tensor:
        parts = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # (..., L, 3, H, d / H)
        q, k, v = parts.movedim(-3, 0).transpose(-3, -2)
        mixed: Tensor = attend(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        return mixed.transpose(-3, -2).flatten(-2)
