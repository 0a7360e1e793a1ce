"""Families of networks, each told by a small blueprint: drawn, mixed, built, stored."""

from graph2nn.families.blueprint import (
    Blueprint,
    Net,
    build_archgraph,
    build_blueprint,
    build_network,
    run_blueprint,
    without_values,
)
from graph2nn.families.convnets import ConvNets
from graph2nn.families.mixture import DEEPNETS, FAMILIES, FamilyMix, parse_families
from graph2nn.families.relational import RelationalNet, RelationalNets, relational_net
from graph2nn.families.stored import family_of, net_from_json, net_to_json
from graph2nn.families.transformers import TransformerNets
from graph2nn.families.wirings import WiredNets

__all__ = [
    "DEEPNETS",
    "FAMILIES",
    "Blueprint",
    "ConvNets",
    "FamilyMix",
    "Net",
    "RelationalNet",
    "RelationalNets",
    "TransformerNets",
    "WiredNets",
    "build_archgraph",
    "build_blueprint",
    "build_network",
    "family_of",
    "net_from_json",
    "net_to_json",
    "parse_families",
    "relational_net",
    "run_blueprint",
    "without_values",
]
