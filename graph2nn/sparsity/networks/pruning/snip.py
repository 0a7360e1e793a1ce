"""SNIP: weights that the loss feels."""

from __future__ import annotations

from torch import Tensor

from graph2nn.sparsity.networks.pruning.batches import PruningProbe, take_batches
from graph2nn.sparsity.networks.pruning.registry import pruner
from graph2nn.sparsity.networks.pruning.selection import keep_ties
from graph2nn.training.saliency import first_order

__all__ = ["snip"]


@pruner("snip", "SNIP, arXiv:1810.02340", needs_data=True, rule=keep_ties)
def snip(probe: PruningProbe, *, batch_size: int = 128) -> dict[str, Tensor]:
    """Score weights by |w ∂L/∂w|, the change of the loss by removing a weight, to first order.

    See equations 4-6 of arXiv:1810.02340; scores have the shapes of the weights. Normalisation
    takes the statistics of the batch. The gradient of the weights that a batch does not reach is
    zero.

    Args:
        probe: Network and its data.
        batch_size: Number of images, where the data are a data set.
    """
    (batch,) = take_batches(probe, 1, batch_size)
    return probe.named((w * g).abs() for w, g in first_order(probe, batch))
