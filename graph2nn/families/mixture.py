"""Which family is each network of? Endless networks of several families, mixed by weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets.dataset import NetSource
from graph2nn.families.convnets import ConvNets
from graph2nn.families.relational import RelationalNets
from graph2nn.families.source import FamilyNets
from graph2nn.families.transformers import TransformerNets
from graph2nn.families.wirings import WiredNets
from graph2nn.names import check_choice

__all__ = ["DEEPNETS", "FAMILIES", "FamilyMix", "choose_family", "parse_families"]

DEEPNETS = "deepnets"
"""Name of the family of DeepNets-1M, whose networks are `NetConfig`s."""

FAMILIES: dict[str, Callable[..., FamilyNets[Any]]] = {
    "relational": RelationalNets,
    "wirings": WiredNets,
    "transformers": TransformerNets,
    "convnets": ConvNets,
}
"""Families beside that of DeepNets-1M, by the names that commands know."""

_MIX = 20_206  # beside a seed, the key of the stream of families


def parse_families(text: str) -> dict[str, float]:
    """Read families with their weights: `deepnets:0.6,relational:0.3,wirings:0.1`.

    Weights are divided by their sum; a family without one has weight 1.

    Raises:
        ValueError: An unknown family (lists all), one that is named twice, or a weight that is not
            positive.

    Examples:
        >>> parse_families("deepnets:3,relational")
        {'deepnets': 0.75, 'relational': 0.25}
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition(":")
        check_choice("families", name, (DEEPNETS, *FAMILIES))
        if name in found:
            raise ValueError(f"families: {name} is named twice in {text!r}")
        try:
            weight = float(number) if number else 1.0
        except ValueError:
            weight = -1.0
        if not 0 < weight < float("inf"):
            raise ValueError(
                f"families: expected a positive weight of {name}, got {number!r} in {text!r}; "
                "write deepnets:0.6,relational:0.4"
            )
        found[name] = weight
    total = sum(found.values())
    return {name: weight / total for name, weight in found.items()}


def choose_family(weights: Mapping[str, float], seed: int, index: int) -> str:
    """Choose the family of network `index`, the same in every process.

    Args:
        weights: Shares of the families, which sum up to 1.
        seed: Number of the stream.
        index: Number of the network.
    """
    key = np.random.SeedSequence([seed, _MIX, index])
    place = np.random.Generator(np.random.PCG64(key)).random()
    bounds = np.cumsum(list(weights.values()))
    return list(weights)[min(int(np.searchsorted(bounds, place, "right")), len(bounds) - 1)]


class FamilyMix:
    """Endless networks of several families: a `NetSource`.

    Network i is network i of one of the sources, which one a function of the seed and i.

    Args:
        sources: Networks of each family.
        weights: Shares of the families, which sum up to 1.
        seed: Number of the stream.

    Examples:
        >>> weights = parse_families("relational,wirings")
        >>> sources = {name: FAMILIES[name](image_size=8) for name in weights}
        >>> nets = FamilyMix(sources, weights)
        >>> [nets.family(index) for index in range(4)]
        ['relational', 'wirings', 'relational', 'wirings']
    """

    def __init__(
        self, sources: Mapping[str, NetSource], weights: Mapping[str, float], seed: int = 0
    ) -> None:
        self.sources, self.weights, self.seed = dict(sources), dict(weights), seed

    def family(self, index: int) -> str:
        """Name the family of network `index`."""
        return choose_family(self.weights, self.seed, index)

    def item(self, index: int, rng: np.random.Generator | None = None) -> tuple[Any, ArchGraph]:
        """Return network `index` and its graph; `rng` is for a source that draws on access."""
        return self.sources[self.family(index)].item(index, rng)

    def num_nodes(self, index: int) -> int:
        """Count the nodes of the graph of network `index`."""
        return self.sources[self.family(index)].num_nodes(index)

    def __iter__(self) -> Iterator[tuple[Any, ArchGraph]]:
        index = 0
        while True:
            yield self.item(index)
            index += 1
