"""`Space`: what the features of one graph must know of all graphs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.features.padded import ENDS, Padded, vocabulary

__all__ = ["Columns", "Space", "named", "space_of"]

Columns = tuple[list[str], np.ndarray]
"""Names of columns, and their values for each graph of a batch."""

_STAGES = 8


@dataclass(frozen=True, kw_only=True)
class Space:
    """A set of graphs that are described by the same columns.

    Args:
        ops: Vocabulary, in the order of the codes in `Padded.op`.
        drop: Operations that give zeros: no path leads through them.
        contract: Operations that are identities: they add nothing to the length of a path.
        stages: Numbers of the stages (`ArchGraph.cell`) that occur.
        nodes: Number of nodes where all graphs have the same, else 0.
        largest: Number of nodes of the largest graph.
        shaped: Whether any graph has parameters.
        valued: Whether all graphs know how many values their operations give out.
        levels: Number of levels of the networks, where they know.
        blocks: Number of blocks of the deepest network.
        level_blocks: Largest number of blocks on one level.
    """

    ops: tuple[str, ...]
    drop: tuple[str, ...] = ("none",)
    contract: tuple[str, ...] = ("skip",)
    stages: tuple[int, ...] = (0,)
    nodes: int = 0
    largest: int = 0
    shaped: bool = False
    valued: bool = False
    levels: int = 0
    blocks: int = 0
    level_blocks: int = 0

    @property
    def active(self) -> tuple[str, ...]:
        """Operations other than those that give zeros."""
        return tuple(op for op in self.ops if op not in self.drop)

    @property
    def working(self) -> tuple[str, ...]:
        """Operations that compute: neither zeros nor identities."""
        return tuple(op for op in self.active if op not in self.contract)

    @property
    def staged(self) -> bool:
        """Whether it matters where in a network a node sits: few stages, but more than one."""
        return 1 < len(self.stages) <= _STAGES

    def member(self, batch: Padded, subsets: Sequence[Sequence[str]]) -> np.ndarray:
        """Find the nodes that have an operation of each subset, (B, n, S) bool."""
        table = np.zeros((len(self.ops) + len(ENDS) + 1, len(subsets)), dtype=bool)
        for s, subset in enumerate(subsets):
            table[[self.ops.index(op) for op in subset], s] = True
        return table[batch.op]  # ends, and padding with its code -1, are in no subset

    def zeros(self, batch: Padded) -> np.ndarray:
        """Find the nodes that give zeros, (B, n)."""
        return self.member(batch, [[op for op in self.ops if op in self.drop]])[..., 0]

    def identities(self, batch: Padded) -> np.ndarray:
        """Find the nodes that are identities, (B, n)."""
        return self.member(batch, [[op for op in self.ops if op in self.contract]])[..., 0]


def space_of(
    graphs: Sequence[ArchGraph],
    ops: Sequence[str] = (),
    drop: Sequence[str] = ("none",),
    contract: Sequence[str] = ("skip",),
) -> Space:
    """Find the space that the graphs lie in.

    Args:
        ops: Operations besides those of the graphs.
        drop, contract: Fields of `Space`.
    """
    sizes = {graph.num_nodes for graph in graphs}
    largest = max(sizes)
    stages = sorted({int(stage) for graph in graphs for stage in np.unique(graph.cell)})
    return Space(
        ops=tuple(sorted({*vocabulary(graphs), *ops} - set(ENDS))),
        drop=tuple(drop),
        contract=tuple(contract),
        stages=tuple(stages),
        nodes=largest if len(sizes) == 1 else 0,
        largest=largest,
        shaped=any(graph.param_shapes for graph in graphs),
    )


def named(parts: dict[str, np.ndarray], subsets: Sequence[Sequence[str]]) -> Columns:
    """Name columns `part a+b`, for each part and each subset of operations.

    Shapes:
        Values of parts (B, S).
    """
    names = [f"{part} {'+'.join(subset)}" for part in parts for subset in subsets]
    return names, np.concatenate(list(parts.values()), axis=1).astype(float)
