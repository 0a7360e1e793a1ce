"""How is a network of any family written to a file, and made again from it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graph2nn.deepnets import NetConfig
from graph2nn.families.blueprint import Net
from graph2nn.families.convnets import ConvNet
from graph2nn.families.mixture import DEEPNETS
from graph2nn.families.relational import RelationalNet
from graph2nn.families.transformers import TransformerNet
from graph2nn.families.wirings import WiredNet
from graph2nn.names import choose
from graph2nn.runs import from_dict, to_dict

__all__ = ["family_of", "net_from_json", "net_to_json"]

_BLUEPRINTS: dict[str, type] = {
    "relational": RelationalNet,
    "wirings": WiredNet,
    "transformers": TransformerNet,
    "convnets": ConvNet,
}


def family_of(net: Net) -> str:
    """Name the family of a network.

    Raises:
        ValueError: A blueprint of somebody else's.
    """
    if isinstance(net, NetConfig):
        return DEEPNETS
    for family, kind in _BLUEPRINTS.items():
        if isinstance(net, kind):
            return family
    raise ValueError(
        f"{type(net).__name__} is no blueprint of a family that can be stored: expected a "
        f"NetConfig or a network of {', '.join(_BLUEPRINTS)}"
    )


def net_to_json(net: Net) -> dict[str, Any]:
    """Return what rebuilds a network, JSON-able; networks of DeepNets-1M as `NetConfig.to_json`.

    Raises:
        ValueError: A blueprint of somebody else's.
    """
    if isinstance(net, NetConfig):
        return net.to_json()
    return {"family": family_of(net), **to_dict(net)}


def net_from_json(values: Mapping[str, Any]) -> Net:
    """Make the network that `net_to_json` was given.

    Raises:
        ValueError: An unknown family, or values of no network.

    Examples:
        >>> from graph2nn.families import RelationalNets
        >>> net = RelationalNets(image_size=8)[0]
        >>> net_from_json(net_to_json(net)) == net
        True
    """
    if "family" not in values:
        return NetConfig.from_json(values)
    kind = choose("family", values["family"], _BLUEPRINTS)
    return from_dict(kind, {name: v for name, v in values.items() if name != "family"})
