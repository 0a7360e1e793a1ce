"""Families of networks that a hypernetwork is trained on, and what it needs to know of each."""

from ghn.families.blueprint import (
    Blueprint,
    Net,
    build_blueprint,
    build_network,
    run_blueprint,
    without_values,
)
from ghn.families.convnets import ConvNets
from ghn.families.mixture import FAMILIES, FamilyMix, parse_families
from ghn.families.relational import RelationalNet, RelationalNets, relational_net
from ghn.families.transformers import TransformerNets
from ghn.families.wirings import WiredNets

__all__ = [
    "FAMILIES",
    "Blueprint",
    "ConvNets",
    "FamilyMix",
    "Net",
    "RelationalNet",
    "RelationalNets",
    "TransformerNets",
    "WiredNets",
    "build_blueprint",
    "build_network",
    "parse_families",
    "relational_net",
    "run_blueprint",
    "without_values",
]
