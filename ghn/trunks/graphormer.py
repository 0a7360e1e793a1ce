"""Graphormer: the trunk of GHN-3."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graph2nn.archgraph import ArchGraph

__all__ = ["Graphormer", "GraphormerLayer"]

MAX_PATH = 254  # the table of path lengths has 257 rows: two reserved ones, 0 and 1 to 254


class EdgeEmbedding(nn.Module):
    """Table of path lengths, a module of its own for the name `edge_embed.embed.weight`."""

    def __init__(self, hid: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(MAX_PATH + 3, hid)


class Attention(nn.Module):
    """Multi-head self-attention with an additive bias a head.

    Queries, keys and values have no bias. The first layer also owns the edge features: `edge_bias`
    turns path lengths into that bias.
    """

    def __init__(self, hid: int, heads: int, *, edges: bool) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(hid, 3 * hid, bias=False)
        self.to_out = nn.Sequential(nn.Linear(hid, hid))
        if edges:
            self.edge_embed = EdgeEmbedding(hid)
            self.proj_e = nn.Sequential(nn.Linear(2 * hid, hid), nn.ReLU(), nn.Linear(hid, heads))

    def edge_bias(self, lengths: Tensor) -> Tensor:
        """Bias of each pair from the path lengths in both directions (arXiv:2303.04143, eq. 5).

        In a DAG at most one direction has a path, so a signed length names the pair, and the small
        MLP runs over the distinct lengths instead of all pairs; `edge_bias_reference` is the plain
        twin.

        Shapes: (B, N, N) -> (B, heads, N, N).
        """
        signed = (lengths - lengths.transpose(1, 2)).clamp(-MAX_PATH, MAX_PATH)
        span = torch.arange(-MAX_PATH, MAX_PATH + 1, device=lengths.device)
        table = self._pair_features(span.clamp(min=0), (-span).clamp(min=0))
        return table[signed + MAX_PATH].permute(0, 3, 1, 2)

    def edge_bias_reference(self, lengths: Tensor) -> Tensor:
        """`edge_bias` pair by pair, for any directed graph."""
        return self._pair_features(lengths, lengths.transpose(1, 2)).permute(0, 3, 1, 2)

    def _pair_features(self, forward: Tensor, backward: Tensor) -> Tensor:
        embed = self.edge_embed.embed
        pair = torch.cat((embed(forward + 2), embed(backward + 2)), dim=-1)
        return self.proj_e(pair)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        b, n, h = x.shape
        q, k, v = self.to_qkv(x).view(b, n, 3, self.heads, h // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return self.to_out(y.transpose(1, 2).reshape(b, n, h))


class FeedForward(nn.Module):
    """Linear, GELU, Linear; indices 0 and 3 as published (1 and 2 hold no parameters)."""

    def __init__(self, hid: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(hid, 4 * hid), nn.GELU(), nn.Identity(), nn.Linear(4 * hid, hid)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class GraphormerLayer(nn.Module):
    """Pre-norm transformer block; the first one also embeds degrees and distances from the input.

    Shapes: x (B, N, h), bias (B, heads, N, N) -> (B, N, h).
    """

    def __init__(self, hid: int, heads: int, *, first: bool) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(hid), nn.LayerNorm(hid)
        self.attn = Attention(hid, heads, edges=first)
        self.ff = FeedForward(hid)
        if first:
            self.centrality_embed_in = nn.Embedding(101, hid)
            self.centrality_embed_out = nn.Embedding(101, hid)
            self.input_dist_embed = nn.Embedding(1001, hid)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x), bias)
        return x + self.ff(self.ln2(x))

    def node_features(self, lengths: Tensor) -> Tensor:
        """Embed degrees and distances of the nodes, (B, N, N) -> (B, N, h)."""
        real = lengths == 1
        return (
            self.centrality_embed_in(real.sum(1).clamp(max=100))
            + self.centrality_embed_out(real.sum(2).clamp(max=100))
            + self.input_dist_embed(lengths[:, 0].clamp(max=1000))
        )


class Graphormer(nn.Sequential):
    """Graphormer layers on padded batches of graphs (GHN-3, arXiv:2303.04143, section 4).

    Attention logits get a learned bias from the path lengths between nodes, computed once and
    shared by all layers.

    Args:
        hid: Width h of the states.
        layers, heads: Number of layers and of their heads.
        cutoff: Longest virtual edge.

    Shapes:
        (N, h) states of all nodes of all graphs -> (N, h).
    """

    def __init__(self, hid: int, *, layers: int, heads: int, cutoff: int = 50) -> None:
        super().__init__(*(GraphormerLayer(hid, heads, first=i == 0) for i in range(layers)))
        self.cutoff = cutoff

    def forward(self, x: Tensor, graphs: Sequence[ArchGraph]) -> Tensor:  # type: ignore[override]
        sizes = [g.num_nodes for g in graphs]
        mask, lengths = _padded(graphs, self.cutoff)
        mask, lengths = mask.to(x.device), lengths.to(x.device)
        dense = x.new_zeros(*mask.shape, x.shape[1])
        dense[mask] = x
        first = self[0]
        assert isinstance(first, GraphormerLayer)
        dense = dense + first.node_features(lengths) * mask[..., None]
        bias = first.attn.edge_bias(lengths)
        if min(sizes) < max(sizes):
            bias = bias.masked_fill(~(mask[:, None, :, None] & mask[:, None, None, :]), -(2.0**15))
        for layer in self:
            dense = layer(dense, bias)
        return dense[mask]


def _padded(graphs: Sequence[ArchGraph], cutoff: int) -> tuple[Tensor, Tensor]:
    """Mask of real nodes (B, N) and path lengths (B, N, N) of a batch."""
    n = max(g.num_nodes for g in graphs)
    lengths = np.zeros((len(graphs), n, n), dtype=np.int64)
    mask = np.zeros((len(graphs), n), dtype=bool)
    for b, graph in enumerate(graphs):
        k = graph.num_nodes
        lengths[b, :k, :k] = graph.distances(cutoff)
        mask[b, :k] = True
    return torch.from_numpy(mask), torch.from_numpy(lengths)
