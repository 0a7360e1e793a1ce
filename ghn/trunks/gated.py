"""GatedGNN: the trunk of GHN-1 and GHN-2. One pass along the data flow, one against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ghn.trunks.gated_pass import GatedPass, NodeOrder
from ghn.trunks.mlp import MLP
from graph2nn.archgraph import ArchGraph

__all__ = ["GatedGNN"]


class GatedGNN(nn.Module):
    r"""Sequential message passing with a shared GRU.

    GHN-1 (arXiv:1810.05749); GHN-2 (arXiv:2110.13100, eq. 3 and 4). Nodes are updated one after
    another, in topological order and then in the reverse order; a node reads the states that its
    neighbours have at that moment:

    .. math:: m_v = \sum_{u: d=1} MLP(h_u) + \sum_{u: 1 \le d \le s} MLP_{ve}(h_u) / d_{uv}, \quad
              h_v \leftarrow GRU(m_v, h_v)

    Real edges enter both sums, as in the official code. Nodes of one topological level do not see
    each other, so a level, over all graphs of a batch, is updated at once; `reference` keeps the
    plain loop.

    Args:
        hid: Width h of the states.
        ve: Whether there are virtual edges (the second sum).
        cutoff: Longest virtual edge.

    Shapes:
        (N, h) states of all nodes of all graphs -> (N, h).
    """

    def __init__(self, hid: int, *, ve: bool, cutoff: int = 50) -> None:
        super().__init__()
        self.cutoff = cutoff if ve else 1
        hidden = hid // 2 if ve else hid
        self.mlp = MLP(hid, hidden, hid, last_relu=True)
        self.mlp_ve = MLP(hid, hidden, hid, last_relu=True) if ve else None
        self.gru = nn.GRUCell(hid, hid)

    def forward(self, x: Tensor, graphs: Sequence[ArchGraph]) -> Tensor:
        weights = self._weights()
        for backward in (False, True):
            s = NodeOrder.of(graphs, self.cutoff, backward=backward, like=x)
            x = GatedPass.apply(x[s.order], s, *weights)[s.inverse]
        return x

    def _weights(self) -> tuple[Tensor, ...]:
        gru = self.gru
        mlps = [self.mlp] if self.mlp_ve is None else [self.mlp, self.mlp_ve]
        layers: list[Any] = [mlp.fc[i] for mlp in mlps for i in (0, 2)]
        flat = [p for layer in layers for p in (layer.weight, layer.bias)]
        return (gru.weight_ih, gru.weight_hh, gru.bias_ih, gru.bias_hh, *flat)

    def reference(self, x: Tensor, graphs: Sequence[ArchGraph]) -> Tensor:
        """Update node after node, by autograd: the plain twin of `forward`, (N, h) -> (N, h).

        Tested to agree in value and gradient.
        """
        start, out = 0, []
        for graph in graphs:
            dist = graph.distances(self.cutoff)
            states = list(x[start : start + graph.num_nodes])
            start += graph.num_nodes
            for order, table in (
                (range(len(states)), dist.T),
                (range(len(states) - 1, -1, -1), dist),
            ):
                for v in order:
                    states[v] = self._update(states, v, table[v])
            out.extend(states)
        return torch.stack(out)

    def _update(self, states: list[Tensor], v: int, dist: np.ndarray) -> Tensor:
        message = torch.zeros_like(states[v])
        for u in np.flatnonzero(dist).tolist():
            if dist[u] == 1:
                message = message + self.mlp(states[u])
            if self.mlp_ve is not None:
                message = message + self.mlp_ve(states[u]) / float(dist[u])
        return self.gru(message[None], states[v][None])[0]
