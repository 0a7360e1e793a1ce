"""Token transformer: the trunk that reads a network as tokens of its nodes and edges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from archtokens.attention import DistanceBias, TokenBlock
from archtokens.batch import NODE, TokenBatch
from archtokens.tokenizer import GraphTokenizer
from graph2nn.archgraph import PRIMITIVES, ArchGraph
from graph2nn.names import check_choice

__all__ = ["TOKENS", "TokenTrunk"]

TOKENS = ("nodes", "edges", "both")
"""What a network's tokens are: its nodes, whose attention is biased by the directed distance; nodes
and edges without that bias (TokenGT, arXiv:2207.02505); or nodes and edges with it."""

_SCORES = 2**22  # attention of pairs of tokens, all heads, in memory at a time: 16 MiB, a few times


class TokenTrunk(nn.Module):
    """Transformer encoder on the tokens of `archtokens.GraphTokenizer`; its outputs at the nodes.

    See TokenGT (arXiv:2207.02505) and TART (arXiv:2501.02007), which reads accuracy from such
    tokens. Here a node's token is the state that the other trunks begin with (its primitive and
    shape) and an edge's one learned vector; a linear map of the identifiers is added to both.
    Identifiers are depths and shortest paths from the inputs and to the outputs, functions of the
    graph alone: another order of the nodes reorders the states, and nothing is drawn.

    Tokens of a batch lie end to end, without padding, and each attends to those of its graph. Up to
    some 700 tokens (with 8 heads) a graph's attention is computed at once; larger graphs go block
    after block of queries, which are computed anew for the gradient. So memory grows with the
    number of tokens, beside the table of path lengths (2 bytes a pair of nodes).

    Args:
        hid: Width h of the states.
        layers, heads: Number of layers and of their heads.
        cutoff: Longest distance with a bias of its own.
        tokens: One of `TOKENS`.

    Shapes:
        (N, h) states of all nodes of all graphs -> (N, h).
    """

    def __init__(
        self, hid: int, *, layers: int, heads: int, cutoff: int = 50, tokens: str = "nodes"
    ) -> None:
        super().__init__()
        check_choice("tokens", tokens, TOKENS)
        self.heads = heads
        edges, biased = tokens != "nodes", tokens != "edges"
        self.tokenizer = GraphTokenizer(
            ops=PRIMITIVES,
            edges=edges,
            special=(),
            features="none",
            cutoff=cutoff if biased else 0,
        )
        self.identifiers = nn.Linear(self.tokenizer.identifier_width, hid, bias=False)
        self.edge = nn.Parameter(torch.randn(hid)) if edges else None
        self.bias = DistanceBias(cutoff, heads) if biased else None
        self.blocks = nn.ModuleList(TokenBlock(hid, heads, widening=2) for _ in range(layers))

    def forward(self, x: Tensor, graphs: Sequence[ArchGraph]) -> Tensor:
        tokens = self.tokenizer(graphs).to(x.device)
        states, nodes = self._embedded(x, tokens)
        attend = _WithinGraphs(tokens, self.bias, self.heads)
        for block in self.blocks:
            states = block(states, attend)
        return states if self.edge is None else states[nodes]

    def reference(self, x: Tensor, graphs: Sequence[ArchGraph]) -> Tensor:
        """Compute a graph at a time, with all pairs at once: the plain twin of `forward`.

        Shapes: (N, h) -> (N, h).
        """
        out = []
        for graph, own in zip(graphs, x.split([g.num_nodes for g in graphs]), strict=True):
            tokens = self.tokenizer([graph]).to(x.device)
            states, nodes = self._embedded(own, tokens)
            bias = 0.0 if self.bias is None else self.bias(tokens)[0]
            for block in self.blocks:
                states = block(states, partial(_plain_attention, bias=bias))
            out.append(states[nodes])
        return torch.cat(out)

    def _embedded(self, x: Tensor, tokens: TokenBatch) -> tuple[Tensor, Tensor]:
        """Tokens of all graphs end to end, (T, h), and which of them are nodes, (T,)."""
        nodes = (tokens.kind == NODE)[tokens.mask]
        states = self.identifiers(tokens.identifiers[tokens.mask].to(x.dtype))
        if self.edge is None:
            return x + states, nodes
        content = self.edge.expand(len(states), -1).clone()
        content[nodes] = x
        return content + states, nodes


def _plain_attention(
    q: Tensor, k: Tensor, v: Tensor, *, bias: Tensor | float, **_: float
) -> Tensor:
    scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5 + bias
    return scores.softmax(dim=-1) @ v


class _WithinGraphs:
    """Attention of tokens that lie end to end, each to those of its own graph.

    The bias of a graph that is one block is computed once for all layers.

    Shapes: q, k, v (heads, T, d) -> (heads, T, d).
    """

    def __init__(self, tokens: TokenBatch, bias: DistanceBias | None, heads: int) -> None:
        self.tokens, self.bias = tokens, bias
        lengths = tokens.mask.sum(1)
        self.bounds = [0, *lengths.cumsum(0).tolist()]
        self.whole: dict[int, Tensor | None] = {}
        for graph, length in enumerate(lengths.tolist()):
            if heads * length * length <= _SCORES:
                self.whole[graph] = self._bias(graph, slice(0, length))

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, *, dropout_p: float) -> Tensor:
        assert not dropout_p
        mixed = []
        for graph, (start, end) in enumerate(pairwise(self.bounds)):
            parts = q[:, start:end], k[:, start:end], v[:, start:end]
            if graph in self.whole:
                mixed.append(_attention(*parts, self.whole[graph]))
            else:
                mixed.extend(self._blocks(graph, *parts))
        return torch.cat(mixed, dim=1)

    def _blocks(self, graph: int, q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:
        """Block after block of queries; nothing but the results is kept for the gradient."""
        size = max(1, _SCORES // (len(k) * k.shape[1]))

        def block(q: Tensor, k: Tensor, v: Tensor, first: int) -> Tensor:
            return _attention(q, k, v, self._bias(graph, slice(first, first + q.shape[1])))

        return [
            checkpoint(block, part, k, v, size * i, use_reentrant=False, preserve_rng_state=False)
            for i, part in enumerate(q.split(size, dim=1))
        ]

    def _bias(self, graph: int, queries: slice) -> Tensor | None:
        return None if self.bias is None else self.bias.block(self.tokens, graph, queries)


def _attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """For fused kernels with a batch axis, without which they are not taken."""
    mask = None if bias is None else bias[None].to(q.dtype)
    return F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask)[0]
