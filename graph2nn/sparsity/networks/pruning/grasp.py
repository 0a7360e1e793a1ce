"""GraSP: weights that keep gradients flowing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graph2nn.sparsity.networks.pruning.batches import PruningProbe, images_per_class
from graph2nn.sparsity.networks.pruning.registry import pruner
from graph2nn.sparsity.networks.pruning.selection import keep_unremoved
from graph2nn.training.saliency import second_order

__all__ = ["grasp"]


@pruner("grasp", "GraSP, arXiv:2002.07376", needs_data=True, rule=keep_unremoved)
def grasp(
    probe: PruningProbe, *, samples_per_class: int = 25, temperature: float = 200.0, parts: int = 2
) -> dict[str, Tensor]:
    """Score weights by w (H g): how much gradient norm goes with a weight.

    H is the loss's Hessian, g its gradient; scores have the shapes of the weights. The paper's
    score is -w (H g) and removes the largest (equation 8); here, as for all methods, the largest
    are kept. As published, batches are parts of a sample of every class, with the statistics of
    each part in normalisation. Here parts are mixed; `compat` cuts the sample class by class, and
    scores weights drawn anew (Kaiming normal) instead of the network's own.

    Args:
        probe: Network and its data.
        samples_per_class: Number of images of each class.
        temperature: Number that logits are divided by.
        parts: Number of batches that the sample is cut into; more take less memory.

    Raises:
        ValueError: A class with fewer images; options out of range.
    """
    if temperature <= 0 or parts < 1:
        raise ValueError(
            f"grasp needs temperature > 0 and parts >= 1, got {temperature} and {parts}"
        )
    images, labels = images_per_class(probe, samples_per_class)
    leaves = probe.leaves()
    if probe.compat:
        _draw(leaves[1], probe.generator())
    batches = list(zip(_split(images, parts), _split(labels, parts)))
    # equal parts as published: sums of their means, so the total is parts times the mean
    factors = [1.0 if probe.compat else len(part) / len(labels) for _, part in batches]
    found = second_order(probe, batches, leaves=leaves, temperature=temperature, factors=factors)
    return probe.named(found)


def _split(tensor: Tensor, parts: int) -> tuple[Tensor, ...]:
    return tensor.tensor_split(min(parts, len(tensor)))


def _draw(weights: list[Tensor], generator: torch.Generator) -> None:
    with torch.no_grad():
        for weight in weights:
            weight.copy_(nn.init.kaiming_normal_(torch.empty(weight.shape), generator=generator))
