"""Tiny networks whose channels are the nodes of one graph, with random or with discovered edges."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from torch import nn

from graph2nn.archgraph import ArchGraph
from graph2nn.families.blueprint import without_values
from graph2nn.families.source import FamilyNets
from graph2nn.wirings import DiscreteTimeWiring, StaticWiring, TinyWiring
from graph2nn.wirings.as_archgraph import trace_wiring

__all__ = ["WiredNet", "WiredNets"]

_MAX_NODES = 300


@dataclass(frozen=True, kw_only=True)
class WiredNet:
    """Blueprint of a tiny wired network (arXiv:1906.00586).

    Args:
        setting: Setting of time: static or discrete.
        kind: Way to choose edges: random edges are part of the network; of the kind dnw are those
            whose predicted weights are largest, so that the hypernetwork finds them.
        nodes, inputs, outputs, layers, keep: Arguments of `TinyWiring`.
        seed: Seed of random edges.
        image_size, num_classes, in_channels: Side, classes and channels of the images.
    """

    setting: str
    kind: str
    nodes: int
    inputs: int
    outputs: int
    layers: int
    keep: float
    seed: int
    image_size: int
    num_classes: int
    in_channels: int

    @property
    def cell(self) -> tuple[Hashable, ...]:
        """All but the seed."""
        return self.setting, self.kind, self.nodes, self.layers, self.keep

    def skeleton(self) -> nn.Module:
        """Build the network, random edges as data."""
        return without_values(self.network())

    def archgraph(self) -> ArchGraph:
        """Make its graph, in which random edges show."""
        return trace_wiring(self.network())

    def network(self) -> TinyWiring:
        """Build the network with initial weights, of the seed of its edges."""
        make = {"static": StaticWiring, "discrete": DiscreteTimeWiring}[self.setting]
        return make(
            self.kind,
            nodes=self.nodes,
            inputs=self.inputs,
            outputs=self.outputs,
            layers=self.layers,
            keep=self.keep,
            num_classes=self.num_classes,
            in_channels=self.in_channels,
            image_size=self.image_size,
            seed=self.seed,
        )


class WiredNets(FamilyNets[WiredNet]):
    """Endless tiny networks with random and with discovered wirings (arXiv:1906.00586).

    A cell is everything but the seed of the random edges.

    Arguments and errors are those of `FamilyNets`.

    Examples:
        >>> WiredNets(seed=1, image_size=8)[0].archgraph().num_classes
        10
    """

    def draw(self, rng: np.random.Generator) -> WiredNet | None:
        setting = str(rng.choice(["static", "discrete"]))
        kind = str(rng.choice(["random", "dnw"]))
        nodes = int(rng.choice([48, 64, 80, 96, 128]))
        layers = int(rng.integers(3, 6) if setting == "static" else rng.integers(2, 5))
        keep = float(rng.choice([0.05, 0.1, 0.15, 0.2, 0.3]))
        seed = int(rng.integers(10**6))
        shown = nodes * (layers + 1 if setting == "discrete" else 2)
        if kind == "random" and shown > _MAX_NODES:
            return None
        return WiredNet(
            setting=setting,
            kind=kind,
            nodes=nodes,
            inputs=16,
            outputs=(nodes - 16) // (layers - 1) if setting == "static" else nodes // 3,
            layers=layers,
            keep=keep,
            seed=seed,
            **self.images,
        )
