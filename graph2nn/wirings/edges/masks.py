"""Which edges the layers of a network have, and how many were exchanged since another time."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from graph2nn.wirings.edges.layers import wired_layers

__all__ = ["swap_rate", "wiring_masks"]


def wiring_masks(model: nn.Module) -> dict[str, Tensor]:
    """Copy the legal edges of every wired layer, by its name; for `swap_rate`.

    Args:
        model: Network with wired layers.

    Shapes:
        -> for each layer that of its weight, bool.
    """
    return {name: layer.edges(legal=True).clone() for name, layer in wired_layers(model)}


def swap_rate(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """Return the share of the edges that were exchanged: |S ∆ S'| / 2k, k their mean number.

    Args:
        before, after: Edges of one network at two times, from `wiring_masks`.

    Shapes:
        Masks of equal shapes, bool.

    Raises:
        ValueError: The masks are those of different networks.

    Examples:
        >>> old, new = torch.tensor([[1, 1, 0]]) > 0, torch.tensor([[1, 0, 1]]) > 0
        >>> swap_rate({"a": old}, {"a": new})
        0.5
    """
    if {n: m.shape for n, m in before.items()} != {n: m.shape for n, m in after.items()}:
        raise ValueError("swap_rate: expected masks of the same network twice")
    changed = sum(int((mask ^ after[name]).sum()) for name, mask in before.items())
    edges = sum(int(m.sum()) for masks in (before, after) for m in masks.values())
    return changed / edges if edges else 0.0
