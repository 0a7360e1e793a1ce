"""Edges read off a trained network: fine-tuning, and the one-shot lottery ticket."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graph2nn.wirings.edges.kinds import Fixed
from graph2nn.wirings.edges.layers import wired_layers
from graph2nn.wirings.edges.selection import top_k

__all__ = ["fine_tune_from", "inherit_edges", "lottery_from"]

_MASK = "wiring.mask"
Weights = Mapping[str, Tensor]


@torch.no_grad()
def inherit_edges(model: nn.Module, trained: nn.Module | Weights) -> None:
    """Every fixed wiring takes the slots that are strongest in a trained network, as many as it has
    edges; weights stay.

    Args:
        model: changed in place.
        trained: a network of the same sizes, or its state dict; a complete one, usually.

    Raises:
        ValueError: a wired layer that the trained network lacks, or one of another shape.
    """
    weights = _state(trained)
    for name, layer in wired_layers(model):
        wiring = layer.wiring
        if not isinstance(wiring, Fixed):
            continue
        key = f"{name}.weight" if name else "weight"
        weight = weights.get(key)
        if weight is None or weight.shape != layer.weight.shape:
            found = "none" if weight is None else str(tuple(weight.shape))
            raise ValueError(
                f"{key}: expected a trained weight of shape {tuple(layer.weight.shape)}, got "
                f"{found}; was the other network of the same kind and sizes?"
            )
        scores = wiring.slots.pack(weight.to(wiring.mask.device)).abs()
        wiring.set_mask(wiring.slots.unpack(top_k(scores, wiring.keep)))


def fine_tune_from(model: nn.Module, trained: nn.Module | Weights) -> None:
    """The strongest edges of a trained network, with their trained weights.

    Kind `fine_tune` of arXiv:1906.00586, section 4.3 (after arXiv:1506.02626).

    Args, Raises: see `inherit_edges`.
    """
    weights = _state(trained)
    inherit_edges(model, weights)
    _load(model, weights)


def lottery_from(
    model: nn.Module, trained: nn.Module | Weights, initial: nn.Module | Weights
) -> None:
    """The strongest edges of a trained network, with the weights that its training began with.

    The one-shot lottery ticket of arXiv:1906.00586, section 4.3 (after arXiv:1803.03635).

    Args:
        model: changed in place.
        trained: see `inherit_edges`.
        initial: the same network before it was trained.

    Raises:
        ValueError: see `inherit_edges`.
    """
    inherit_edges(model, trained)
    _load(model, _state(initial))


def _state(source: nn.Module | Weights) -> Weights:
    return source.state_dict() if isinstance(source, nn.Module) else source


def _load(model: nn.Module, weights: Weights) -> None:
    """All but masks, which a complete network has none of."""
    plain = {name: value for name, value in weights.items() if not name.endswith(_MASK)}
    own = model.state_dict()
    expected = {name for name in own if not name.endswith(_MASK)}
    wrong = sorted(expected ^ set(plain))
    wrong += [n for n in plain if n in expected and plain[n].shape != own[n].shape]
    if wrong:
        raise ValueError(
            f"{wrong[0]}: the weights do not fit the network ({len(wrong)} names or shapes differ);"
            " build both with the same sizes"
        )
    model.load_state_dict(plain, strict=False)
