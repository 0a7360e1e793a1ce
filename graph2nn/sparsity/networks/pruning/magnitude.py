"""Magnitude: large weights."""

from __future__ import annotations

from torch import Tensor

from graph2nn.sparsity.networks.pruning.batches import PruningProbe
from graph2nn.sparsity.networks.pruning.registry import pruner

__all__ = ["magnitude"]


@pruner("magnitude", "Han et al., arXiv:1506.02626")
def magnitude(probe: PruningProbe) -> dict[str, Tensor]:
    """Score weights by |w|, of their shapes.

    They compete in the network or (`scope="layer"`) in each layer.
    """
    values = probe.parameters()
    return probe.named([values[name].abs() for name in probe.weights])
