"""`TokenBatch`: token sequences of several graphs, padded at the end."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

__all__ = ["EDGE", "NODE", "PADDING", "SPECIAL", "SPECIAL_TOKENS", "TokenBatch"]

PADDING, SPECIAL, NODE, EDGE = range(4)
"""Type identifiers of tokens (`TokenBatch.kind`)."""

SPECIAL_TOKENS = ("[pad]", "[mask]", "[graph]", "[null]", "[edge]")
"""The first rows of every vocabulary, before the operations."""

_NO_DISTANCES = "these tokens have no distances: set cutoff >= 1 in the tokenizer"


@dataclass(frozen=True, eq=False, kw_only=True)
class TokenBatch:
    """Tokens of B graphs: special tokens, nodes in order, edges in order, padding.

    Args:
        token: Row of the vocabulary: an operation for a node, else one of `SPECIAL_TOKENS`.
        kind: Type identifier: `PADDING`, `SPECIAL`, `NODE` or `EDGE`.
        u, v: The node (twice) of a node token, source and target of an edge token; -1 elsewhere.
        identifiers: [P_u ; P_v] of a node or edge token, 0 elsewhere.
        features: Numbers of a node (logarithms of its sizes), 0 elsewhere.
        distance: Directed shortest-path length between nodes, 0 on the diagonal, -1 where there
            is none up to the tokenizer's cutoff, and on padding. None if not asked for.
        nodes, edges: How many tokens of each a graph has.

    Shapes:
        token, kind, u, v (B, L) int64; identifiers (B, L, 2 d_p), features (B, L, F) float32;
        distance (B, n, n) int16, n the largest number of nodes; nodes, edges (B,) int64.
    """

    token: Tensor
    kind: Tensor
    u: Tensor
    v: Tensor
    identifiers: Tensor
    features: Tensor
    distance: Tensor | None
    nodes: Tensor
    edges: Tensor

    def __len__(self) -> int:
        return len(self.token)

    @property
    def mask(self) -> Tensor:
        """True for tokens, False for padding, (B, L) bool."""
        return self.kind != PADDING

    @property
    def length(self) -> int:
        """Number of tokens of the longest sequence, which is what the others are padded to."""
        return self.token.shape[1]

    def to(self, device: torch.device | str) -> TokenBatch:
        """Copy the batch to a device."""
        return self._each(lambda tensor: tensor.to(device))

    def select(self, rows: Tensor) -> TokenBatch:
        """Select some of the graphs, without the padding that none of them needs.

        Shapes:
            rows (B',) int64.
        """
        few = self._each(lambda tensor: tensor[rows])
        return few._cut(int(few.mask.sum(1).max()), int(few.nodes.max()))

    def padded(self, length: int) -> TokenBatch:
        """Pad the token sequences to `length`: (B, L) becomes (B, length).

        Raises:
            ValueError: Shorter than the longest sequence.
        """
        more = length - self.length
        if more < 0:
            raise ValueError(f"length: expected at least {self.length}, got {length}")

        def longer(tensor: Tensor, value: float = 0) -> Tensor:
            shape = (tensor.shape[0], more, *tensor.shape[2:])
            return torch.cat([tensor, tensor.new_full(shape, value)], dim=1)

        return replace(
            self,
            **{name: longer(getattr(self, name)) for name in ("token", "kind")},
            **{name: longer(getattr(self, name), -1) for name in ("u", "v")},
            **{name: longer(getattr(self, name)) for name in ("identifiers", "features")},
        )

    def token_distances(self) -> tuple[Tensor, Tensor]:
        """Compute the path lengths from each token to each other, along and against edges.

        From token i to j: the directed shortest path from the node where i ends (v) to the node
        where j begins (u). -1 where there is no path, or a special token or padding takes part.

        Shapes:
            Two tensors (B, L, L) int64.

        Raises:
            ValueError: The tokenizer was told not to compute distances.
        """
        if self.distance is None:
            raise ValueError(_NO_DISTANCES)
        graph = torch.arange(len(self), device=self.u.device)[:, None, None]
        begin, end = self.u.clamp(min=0), self.v.clamp(min=0)
        along = self.distance[graph, end[:, :, None], begin[:, None, :]].long()
        real = self.u >= 0
        along = along.masked_fill(~(real[:, :, None] & real[:, None, :]), -1)
        return along, along.transpose(1, 2)

    def distances_from(self, graph: int, queries: slice) -> tuple[Tensor, Tensor]:
        """Compute the path lengths from some tokens of one graph to all of its tokens.

        They are those of `token_distances` there, without padding and the memory of all pairs.

        Args:
            graph: Number of the graph.
            queries: The tokens from which paths are measured.

        Shapes:
            Q queries among the L tokens of the graph -> two tensors (Q, L) int64.

        Raises:
            ValueError: The tokenizer was told not to compute distances.
        """
        if self.distance is None:
            raise ValueError(_NO_DISTANCES)
        here = self.mask[graph]
        begin, end = self.u[graph, here], self.v[graph, here]
        table, unreal = self.distance[graph], begin < 0
        first, last = begin.clamp(min=0), end.clamp(min=0)
        along = table[last[queries]][:, first].long()
        against = table[:, first[queries]].T[:, last].long()
        closed = unreal[queries, None] | unreal[None, :]
        return along.masked_fill_(closed, -1), against.masked_fill_(closed, -1)

    def _each(self, change: Any) -> TokenBatch:
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: change(v) for k, v in values.items() if v is not None})

    def _cut(self, length: int, nodes: int) -> TokenBatch:
        names = ("token", "kind", "u", "v", "identifiers", "features")
        short = {name: getattr(self, name)[:, :length] for name in names}
        distance = None if self.distance is None else self.distance[:, :nodes, :nodes]
        return replace(self, **short, distance=distance)
