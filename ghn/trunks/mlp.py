"""Node-wise multilayer perceptrons: a part of the GatedGNN, and the edge-free hypernetwork."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from graph2nn.archgraph import ArchGraph

__all__ = ["MLP", "NodeMLP"]


class MLP(nn.Module):
    """Linear, ReLU, Linear and, if `last_relu`, ReLU. Shapes: (..., in) -> (..., out)."""

    def __init__(
        self, in_features: int, hidden: int, out_features: int, *, last_relu: bool
    ) -> None:
        super().__init__()
        layers = [nn.Linear(in_features, hidden), nn.ReLU(), nn.Linear(hidden, out_features)]
        self.fc = nn.Sequential(*layers, *([nn.ReLU()] if last_relu else []))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class NodeMLP(MLP):
    """The MLP hypernetwork's trunk: each node by itself, edges unused (arXiv:2110.13100, 5.1).

    Shapes: (N, h) -> (N, h).
    """

    def __init__(self, hid: int) -> None:
        super().__init__(hid, hid, hid, last_relu=True)

    def forward(self, x: Tensor, graphs: Sequence[ArchGraph] = ()) -> Tensor:  # noqa: ARG002
        return self.fc(x)
