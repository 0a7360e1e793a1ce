"""Where do the networks of a family come from? An endless list, drawn on the fly."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from graph2nn.archgraph import ArchGraph
from graph2nn.families.blueprint import Blueprint

__all__ = ["FamilyNet", "FamilyNets", "is_held_out"]

_KEPT = 256  # graphs; those of small families recur
_HELD_OUT = 5  # one cell in so many
_TRIES = 1000


class FamilyNet(Blueprint, Protocol):
    """A blueprint that says to which part of its family it belongs."""

    @property
    def cell(self) -> tuple[Hashable, ...]:
        """Part of the family: whole parts are held out from training."""
        ...


NetT = TypeVar("NetT", bound=FamilyNet)


class FamilyNets(ABC, Generic[NetT]):
    """An endless list of networks of one family, with their graphs: a `NetSource`.

    Network i depends only on the arguments and i, so that a stream can be resumed anywhere and
    shared between processes. The family is divided into cells by the settings of its networks; one
    in five, by a checksum of the settings, is held out: training draws from the others,
    evaluation from these. Objects can be pickled.

    Args:
        seed: Number of the stream.
        held_out: Whether networks are drawn from the cells for evaluation.
        image_size, num_classes, in_channels: Side, classes and channels of the images the networks
            are for.

    Raises:
        ValueError: No network of the family fits the images.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        held_out: bool = False,
        image_size: int = 32,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        if seed < 0:
            raise ValueError(f"seed: expected a number from 0, got {seed}")
        self.seed, self.held_out = seed, held_out
        self.images = {
            "image_size": image_size,
            "num_classes": num_classes,
            "in_channels": in_channels,
        }
        self._graphs: OrderedDict[NetT, ArchGraph] = OrderedDict()

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> NetT | None:
        """Draw a network; None where what was drawn is too large or does not fit."""

    def __getitem__(self, index: int) -> NetT:
        if index < 0:
            raise IndexError(f"expected an index >= 0, got {index}")
        key = np.random.SeedSequence([self.seed, self.held_out, index])
        rng = np.random.Generator(np.random.PCG64(key))
        for _ in range(_TRIES):
            net = self.draw(rng)
            if net is not None and is_held_out(net.cell) == self.held_out:
                return net
        raise ValueError(
            f"{type(self).__name__}: {_TRIES} draws gave no network for images of {self.images}; "
            "take larger images, or another family"
        )

    def item(self, index: int, rng: Any = None) -> tuple[NetT, ArchGraph]:
        """Return network `index` and its graph; `rng` is not used."""
        net = self[index]
        return net, self._graph(net)

    def num_nodes(self, index: int) -> int:
        """Count the nodes of the graph of network `index`."""
        return self._graph(self[index]).num_nodes

    def _graph(self, net: NetT) -> ArchGraph:
        if net not in self._graphs:
            self._graphs[net] = net.archgraph()
            if len(self._graphs) > _KEPT:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(net)
        return self._graphs[net]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_graphs": OrderedDict()}


def is_held_out(cell: tuple[Hashable, ...]) -> bool:
    """Tell whether networks of a cell are for evaluation, the same on every machine."""
    return zlib.crc32(repr(cell).encode()) % _HELD_OUT == 0
