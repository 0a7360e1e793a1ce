"""The kept weights of a network, as the encodings take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from graph2nn.sparsity.masks import Masks
from graph2nn.training.probe import LAYERS, prunable

__all__ = ["KeptWeight", "kept_weights"]


@dataclass(frozen=True, eq=False)
class KeptWeight:
    """The weights of one layer and which of them are kept.

    Args:
        name: Name of the parameter (`layer1.0.conv1.weight`).
        module: The layer.
        value: Absolute values, float32, on the CPU; zero where not kept.
        mask: True for the weights that are kept.

    Shapes:
        value, mask: the shape of the parameter.
    """

    name: str
    module: nn.Module
    value: Tensor
    mask: Tensor


def kept_weights(
    model: nn.Module, masks: Mapping[str, Tensor] | None = None, *, compat: bool = False
) -> dict[str, KeptWeight]:
    """Find the kept weights of every convolution and linear layer, by the name of the module.

    Args:
        model: The network; not changed.
        masks: Masks by name of the weight, each of its shape; None keeps what is not exactly zero.
        compat: Whether to keep as published: what is exactly zero is no edge even if the mask keeps
            it, and values are rounded to half precision. Those that become zero by that are still
            kept.

    Raises:
        ValueError: Masks that do not fit the network, or a kept weight that is infinite or NaN.
    """
    names = {id(weight): name for name, weight in prunable(model).items()}
    if masks is not None:
        masks = masks if isinstance(masks, Masks) else Masks(masks)
        masks.check(model)
    found: dict[str, KeptWeight] = {}
    for layer, module in model.named_modules():
        if not isinstance(module, LAYERS) or id(module.weight) not in names:
            continue
        weight = module.weight
        name, value = names[id(weight)], weight.detach().cpu().abs()
        mask = value != 0 if masks is None else masks[name]
        if compat:
            mask, value = mask & (value != 0), value.half()
        if not value[mask].isfinite().all():
            raise ValueError(f"{name}: kept weights are expected to be finite, got infinity or NaN")
        found[layer] = KeptWeight(name, module, value.float().masked_fill(~mask, 0), mask)
    return found
