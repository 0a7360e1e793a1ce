"""Message-passing baselines from PyTorch Geometric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.nn import (
    GATv2Conv,
    GCNConv,
    GINConv,
    MessagePassing,
    PNAConv,
    SAGEConv,
    global_add_pool,
    global_max_pool,
    global_mean_pool,
)

from graph2nn.archgraph import ArchGraph
from graph2nn.names import check_choice
from predictors.neural.graph_predictor import GraphNetPredictor
from predictors.neural.graph_tensors import SparseGraphs

__all__ = ["CONVOLUTIONS", "POOLS", "DirectedStack", "PyGPredictor"]

POOLS: Final[dict[str, Callable[..., Tensor]]] = {
    "mean": global_mean_pool,
    "sum": global_add_pool,
    "max": global_max_pool,
}
"""Ways from the states of nodes to one of the graph."""


def _gin(a: int, b: int, histogram: Tensor) -> MessagePassing:
    return GINConv(nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, b)), train_eps=True)


def _gat(a: int, b: int, histogram: Tensor) -> MessagePassing:
    heads = 4 if b % 4 == 0 else 1
    return GATv2Conv(a, b // heads, heads=heads, add_self_loops=True)


def _pna(a: int, b: int, histogram: Tensor) -> MessagePassing:
    return PNAConv(
        a,
        b,
        aggregators=["mean", "min", "max", "std"],
        scalers=["identity", "amplification", "attenuation"],
        deg=histogram,
    )


CONVOLUTIONS: Final[dict[str, Callable[[int, int, Tensor], MessagePassing]]] = {
    "gcn": lambda a, b, histogram: GCNConv(a, b),
    "gin": _gin,
    "gat": _gat,
    "sage": lambda a, b, histogram: SAGEConv(a, b),
    "pna": _pna,
}
"""Convolutions by name, from channels in, channels out and the histogram of in-degrees: GCN
(arXiv:1609.02907), GIN (arXiv:1810.00826), GATv2 (arXiv:2105.14491), GraphSAGE (arXiv:1706.02216)
and PNA (arXiv:2004.05718)."""


class DirectedStack(nn.Module):
    """Layers of two convolutions each, one along the edges and one against them.

    Layer: x ← x + dropout(ReLU(norm(½ (conv⁺(x, edges) + conv⁻(x, reversed edges))))). The graph's
    state is pooled from all nodes, then a hidden layer and the output.

    Args:
        conv: Name in `CONVOLUTIONS`.
        channels: Number of features of a node.
        width: Width of the states.
        layers: Number of layers.
        outputs: Number of targets.
        given: Number of values of the whole graph that the readout sees beside the pooled state.
        pool: Name in `POOLS`.
        dropout: Probability of dropout.
        histograms: Number of nodes of each in-degree and of each out-degree, read by PNA.
    """

    def __init__(
        self,
        conv: str,
        channels: int,
        *,
        width: int,
        layers: int,
        outputs: int,
        given: int = 0,
        pool: str,
        dropout: float,
        histograms: Sequence[Tensor],
    ) -> None:
        super().__init__()
        make = CONVOLUTIONS[conv]
        self.embed = nn.Linear(channels, width)
        self.ahead = nn.ModuleList(make(width, width, histograms[0]) for _ in range(layers))
        self.back = nn.ModuleList(make(width, width, histograms[1]) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.pool = pool
        self.readout = nn.Sequential(nn.Linear(width + given, width), nn.ReLU())
        self.head = nn.Linear(width, outputs)

    def forward(self, graphs: SparseGraphs) -> Tensor:
        """Predict targets: B graphs -> (B, T)."""
        edges, owner = graphs.joined_edges(), graphs.owner()
        real = edges[:, edges[0] != edges[1]]  # convolutions add their own self-loops
        x = self.embed(graphs.x)
        for ahead, back, norm in zip(self.ahead, self.back, self.norms):
            both = (ahead(x, real) + back(x, real.flip(0))) / 2
            x = x + self.dropout(torch.relu(norm(both)))
        pooled = POOLS[self.pool](x, owner, len(graphs))
        return self.head(self.readout(torch.cat([pooled, graphs.given], dim=1)))


class PyGPredictor(GraphNetPredictor):
    """A message-passing network of PyTorch Geometric, directed both ways.

    Reads the canonical form unless told otherwise, which matters more than the convolution.

    Args:
        conv: Convolution: gcn, gin, gat, sage or pna.
        hidden: Width of the states.
        layers: Number of layers.
        pool: Pooling over nodes: mean, sum or max.
        settings: Settings of `GraphNetPredictor` and `NeuralPredictor`.

    Raises:
        ValueError: On `fit`, an unknown convolution or pool.
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "modern": {"epochs": 100, "canonical": True},
        "hinge": {"epochs": 100, "canonical": True, "batch_size": 32, "loss": "hinge"},
    }
    DENSE: ClassVar[bool | None] = False

    def __init__(
        self,
        *,
        conv: str = "gin",
        hidden: int = 64,
        layers: int = 4,
        pool: str = "mean",
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.conv = conv
        self.hidden = hidden
        self.layers = layers
        self.pool = pool

    def _learn(self, graphs: list[ArchGraph]) -> None:
        for name, known in (("conv", CONVOLUTIONS), ("pool", POOLS)):
            check_choice(f"{name}", getattr(self, name), known)
        super()._learn(graphs)
        self.histograms_ = [_histogram(graphs, side) for side in (1, 0)]

    def _build(self, num_targets: int) -> nn.Module:
        return DirectedStack(
            self.conv,
            self.features_.width,
            width=self.hidden,
            layers=self.layers,
            outputs=num_targets,
            given=len(self.scaler_.columns()),
            pool=self.pool,
            dropout=self.fit_settings().dropout,
            histograms=self.histograms_,
        )


def _histogram(graphs: Sequence[ArchGraph], side: int) -> Tensor:
    """Number of nodes of each in-degree (side 1) or out-degree (side 0)."""
    degrees = [np.bincount(graph.edges[side], minlength=graph.num_nodes) for graph in graphs]
    return torch.from_numpy(np.bincount(np.concatenate(degrees)))
