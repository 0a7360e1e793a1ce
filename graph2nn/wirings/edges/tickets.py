"""Lottery tickets: edges read off a trained network, with its trained or initial weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graph2nn.training.top_k import top_k
from graph2nn.wirings.edges.layers import wired_layers
from graph2nn.wirings.edges.wiring import Fixed

__all__ = ["fine_tune_from", "inherit_edges", "lottery_from"]

_MASK = "wiring.mask"
Weights = Mapping[str, Tensor]


@torch.no_grad()
def inherit_edges(model: nn.Module, trained: nn.Module | Weights) -> None:
    """Give every fixed wiring the slots that are strongest in a trained network.

    Each gets as many as it has edges; weights stay.

    Args:
        model: Network, changed in place.
        trained: Network of the same sizes, or its state dict; a complete one, usually.

    Raises:
        ValueError: The trained network lacks a wired layer, or has it in another shape.
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
    """Take the strongest edges of a trained network, with their trained weights.

    Kind `fine_tune` of arXiv:1906.00586, section 4.3 (after arXiv:1506.02626).

    Args:
        model, trained: See `inherit_edges`.

    Raises:
        ValueError: See `inherit_edges`.
    """
    weights = _state(trained)
    inherit_edges(model, weights)
    _load(model, weights)


def lottery_from(
    model: nn.Module, trained: nn.Module | Weights, initial: nn.Module | Weights
) -> None:
    """Take the strongest edges of a trained network, with the weights its training began with.

    The one-shot lottery ticket of arXiv:1906.00586, section 4.3 (after arXiv:1803.03635).

    Args:
        model, trained: See `inherit_edges`.
        initial: The same network before it was trained, or its state dict.

    Raises:
        ValueError: See `inherit_edges`.
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
