"""The graph convolutional network of NeurPred, run along edges and against them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from predictors.neural.graph_predictor import GraphNetPredictor
from predictors.neural.graph_tensors import DenseGraphs, SparseGraphs

__all__ = ["BidirectionalGCN", "BidirectionalLayer", "GCNPredictor"]


class BidirectionalLayer(nn.Module):
    """½ ReLU(Â X W⁺) + ½ ReLU(Â' X W⁻), then dropout (arXiv:1912.00848, section 3.2).

    Â is the adjacency with self-loops, each row divided by its sum, Â' its transpose before that,
    treated likewise: one carries information along edges, the other against them. Both products
    are one matrix multiplication here.

    Shapes:
        x (B, n, d) of dense, (M, d) of sparse graphs -> the same with `width` channels.
    """

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 2 * width))
        with torch.no_grad():
            for half in self.weight.chunk(2, dim=1):
                nn.init.xavier_uniform_(half)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, graphs: DenseGraphs | SparseGraphs) -> Tensor:
        both = torch.relu(graphs.propagate(x @ self.weight))
        return self.dropout(graphs.join(both) / 2)


class BidirectionalGCN(nn.Module):
    """Layers of `BidirectionalLayer`, the mean over nodes, two linear maps.

    There is no non-linearity between the linear maps and no bias in the first, as in the PyTorch
    code that reproduces the paper (neuralpredictor.pytorch).

    Args:
        channels: Number of features of a node.
        width: Width of the layers.
        layers: Number of layers.
        readout: Width between the linear maps.
        outputs: Number of targets.
        given: Number of values of the whole graph that the readout sees beside the mean.
        dropout: Probability of dropout.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int = 144,
        layers: int = 3,
        readout: int = 128,
        outputs: int = 1,
        given: int = 0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        widths = [channels] + [width] * layers
        self.layers = nn.ModuleList(
            BidirectionalLayer(a, b, dropout) for a, b in zip(widths, widths[1:])
        )
        self.readout = nn.Linear(width + given, readout, bias=False)
        self.head = nn.Linear(readout, outputs)
        for linear in (self.readout, self.head):
            nn.init.xavier_uniform_(linear.weight)

    def forward(self, graphs: DenseGraphs | SparseGraphs) -> Tensor:
        """Predict targets: B graphs -> (B, T)."""
        x = graphs.x
        for layer in self.layers:
            x = layer(x, graphs)
        return self.head(self.readout(torch.cat([graphs.mean(x), graphs.given], dim=1)))


class GCNPredictor(GraphNetPredictor):
    """NeurPred: a graph convolutional network from the graph to its accuracy (arXiv:1912.00848).

    `preset="published"` is the recipe of neuralpredictor.pytorch, whose learning rate and targets
    leave the network short of what it can do; `modern` trains the same network on rank targets at
    ten times the rate, `hinge` on pairs, `canonical` on pairs of pruned and contracted graphs. The
    classifier that the paper puts before the regression is in none of them.

    Args:
        hidden: Width of the layers (144).
        layers: Number of layers (3).
        readout: Width of the last hidden vector (128).
        settings: Settings of `GraphNetPredictor` and `NeuralPredictor`.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> X = [nb201_cell([k % 5, 2, k % 3, 3, 1, 2]) for k in range(15)]
        >>> GCNPredictor(epochs=2).fit(X, [float(k) for k in range(15)]).predict(X).shape
        (15,)
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "modern": {},
        "hinge": {"batch_size": 32, "loss": "hinge"},
        "canonical": {"batch_size": 32, "loss": "hinge", "canonical": True},
        "published": {
            "epochs": 300,
            "batch_size": 10,
            "lr": 1e-4,
            "optimizer": "adam",
            "drop_last": True,
            "target": "standard",
            "node_features": (),
        },
    }

    def __init__(
        self,
        *,
        hidden: int | None = None,
        layers: int | None = None,
        readout: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.hidden = hidden
        self.layers = layers
        self.readout = readout

    def _build(self, num_targets: int) -> nn.Module:
        return BidirectionalGCN(
            self.features_.width,
            width=self.setting("hidden", 144),
            layers=self.setting("layers", 3),
            readout=self.setting("readout", 128),
            outputs=num_targets,
            given=len(self.scaler_.columns()),
            dropout=self.fit_settings().dropout,
        )
