"""Training of sparse networks: pruned weights stay exactly zero; published and short recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from graph2nn.sparsity.masks import Masks
from graph2nn.training import Recipe, Record, train_networks
from graph2nn.training.masking import MaskedGradients, hold_at_zero
from graph2nn.training.probe import LAYERS, prunable
from graph2nn.vision import ImageData

__all__ = [
    "SHORT_RECIPES",
    "find_recipe",
    "mask_gradients",
    "published_recipe",
    "train_sparse",
]

_PUBLISHED = Recipe(
    epochs=160,
    schedule="step",
    milestones=(80, 120),
    nesterov=False,
    weight_decay=1e-4,
    precise_bn=0,
    drop_last=False,
)
_TINY_MILESTONES = {"CONV-6": (20, 60, 80)}  # of the residual networks: 30, 60, 80

_SHORT = replace(
    _PUBLISHED, schedule="cosine", milestones=(), lr_per_step=True, warmup_epochs=1, eval_every=100
)
SHORT_RECIPES: dict[str, Recipe] = {
    "digits": replace(_SHORT, epochs=10, batch_size=64, lr=0.05, test_batch_size=500),
    "cifar10": replace(_SHORT, epochs=4, batch_size=64, lr=0.05, test_batch_size=500),
}
"""Recipes that a CPU trains many networks with, by data set: of our own tables, not published."""


def mask_gradients(
    model: nn.Module, masks: Mapping[str, Tensor], freeze_bias: bool = False
) -> MaskedGradients:
    """Keep the pruned weights of a network at zero in any training by gradients.

    Sparse networks as multipartite graphs, arXiv:2305.16886, section 4; see `hold_at_zero`. An
    optimiser that has momentum from before pruning does not move them either.

    Args:
        model: Network whose pruned weights are zero already (`masks.apply_`).
        masks: Masks of its weights, of their shapes.
        freeze_bias: Whether to leave the biases of convolutions and linear layers as they are, as
            published; those of normalisation learn either way.

    Returns:
        A handle whose `remove` undoes it, also at the end of a `with` block: gradients are whole
        again and biases trainable; the weights are not touched.

    Raises:
        ValueError: Masks that do not fit, or a pruned weight that is not zero.

    Examples:
        >>> model = build("CONV-6", image_size=8)
        >>> masks = prune(model, "uniform", sparsity=0.9)
        >>> masks.apply_(model)
        >>> with mask_gradients(model, masks):
        ...     model(torch.rand(2, 3, 8, 8)).sum().backward()
        >>> name, mask = next(iter(masks.items()))
        >>> int((model.get_parameter(name).grad[mask == 0] != 0).sum())
        0
    """
    masks = masks if isinstance(masks, Masks) else Masks(masks)
    masks.check(model)
    weights = prunable(model)
    for name, weight in weights.items():
        if weight.detach()[~masks[name].to(weight.device)].any():
            raise ValueError(
                f"mask_gradients: {name} has pruned weights that are not zero and would stay so; "
                "call masks.apply_(model) first"
            )
    handle = hold_at_zero((weight, masks[name]) for name, weight in weights.items())
    if freeze_bias:
        for module in model.modules():
            bias = module.bias if isinstance(module, LAYERS) else None
            if bias is not None and bias.requires_grad:
                # Without a gradient the optimiser passes it over, decay included.
                bias.requires_grad_(False)
                handle.callback(bias.requires_grad_, True)
    return handle


def train_sparse(
    model: nn.Module,
    masks: Masks,
    train: ImageData,
    test: ImageData,
    recipe: Recipe,
    *,
    seed: int,
    freeze_bias: bool = True,
    name: str = "net",
    **how: Any,
) -> list[Record]:
    """Train what is left of a pruned network with the common trainer, in place.

    Args:
        model, masks: The network, and the masks of its weights; the others are set to zero.
        train, test, recipe, seed: Arguments of `train_networks`.
        freeze_bias: Whether biases stay as they are, as published, see `mask_gradients`.
        name: Name of the network in the records.
        how: Further arguments of `train_networks` (`device`, `folder`, `augment`, `progress`, ...).

    Returns:
        Records, one an evaluated epoch, see `train_networks`.

    Raises:
        ValueError: Masks that do not fit; networks trained as one (`stacked`), whose gradients pass
            no hooks; see also `train_networks`.
    """
    if how.get("stacked") is not None:
        raise ValueError("train_sparse: stacked networks have no masks; leave out `stacked`")
    masks.apply_(model)
    with mask_gradients(model, masks, freeze_bias):
        return train_networks({name: model}, train, test, recipe, seed=seed, **how)


def published_recipe(model: str, dataset: str) -> Recipe:
    """Return how the published tables were trained (arXiv:2305.16886, appendix; its code).

    SGD with momentum .9 and learning rate .1, batches of 128, decay 1e-4 (Wide-Resnet-28-2: 5e-4);
    160 epochs, a tenth of the rate after 80 and 120 (Tiny ImageNet: 100 epochs, after 30, 60 and
    80; CONV-6 after 20, 60 and 80).

    Args:
        model: Name of a published network (`graph2nn.sparsity.networks.models`).
        dataset: One of `graph2nn.vision.DATASETS`.
    """
    recipe = _PUBLISHED
    if dataset == "tiny_imagenet":
        recipe = replace(recipe, epochs=100, milestones=_TINY_MILESTONES.get(model, (30, 60, 80)))
    return replace(recipe, weight_decay=5e-4) if model == "Wide-Resnet-28-2" else recipe


def find_recipe(name: str, model: str, dataset: str) -> Recipe:
    """Find the recipe `published` or `short`.

    Raises:
        ValueError: Another name, or no short recipe for the data set.
    """
    if name == "published":
        return published_recipe(model, dataset)
    if name != "short":
        raise ValueError(f"recipe: expected published or short, got {name!r}")
    if dataset not in SHORT_RECIPES:
        raise ValueError(
            f"recipe: no short one for {dataset}, only for {', '.join(SHORT_RECIPES)}; use "
            "published, or give a Recipe"
        )
    return SHORT_RECIPES[dataset]
