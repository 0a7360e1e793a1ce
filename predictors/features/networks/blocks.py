"""Where in a network does what stand? By size of the map, by block, by place from either end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.features.networks.nodes import KINDS, all_valued, node_sizes
from predictors.features.operations import factors_of
from predictors.features.space import Columns, Space

__all__ = ["Trunk", "blocks_columns", "levels_columns", "trunk_of"]

_MOST = 96  # blocks from either end
_LAYERS = 6  # of a block, whose own widths are told
_NUMBERS = (
    *("work", "width", "peak width", "kernel", "level", "wider"),
    *(f"width {k}" for k in range(_LAYERS)),
)
_PRODUCTS = KINDS[:4]
_SUMS = ("layers", "blocks", "work", "values", "params", "width", "kernel")


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """The layers of a network, its nodes with weights, and the blocks that they form.

    A block ends where branches are joined (a residual sum, a concatenation); in a network without
    joins each layer is one. A level is how often the map has shrunk to a half since it was largest.
    Layers beside the trunk, which read one value a channel (gates, heads), are left out where
    others do not.

    Args:
        layer: Nodes of the layers.
        block: Number of the block of each layer.
        level: Level of each layer.
        numbers: `_NUMBERS` of each block.
        block_level: Level of each block.

    Shapes:
        layer, block, level (L,) int64; numbers (K, 12), block_level (K,).
    """

    layer: np.ndarray
    block: np.ndarray
    level: np.ndarray
    numbers: np.ndarray
    block_level: np.ndarray


def trunk_of(graph: ArchGraph) -> Trunk:
    """Find the blocks of a network; remembered."""
    return graph.remember("trunk", lambda: _trunk(graph))


def with_levels(space: Space, graphs: Sequence[ArchGraph]) -> Space:
    """Return the space with what `levels_columns` and `blocks_columns` must know of all networks.

    Nothing is added where a graph does not know how many values its operations give out.
    """
    if not all_valued(graphs):
        return space
    found = [trunk_of(graph).block_level for graph in graphs]
    most = [np.bincount(levels).max(initial=0) for levels in found]
    return replace(
        space,
        valued=True,
        levels=1 + max(int(levels.max(initial=0)) for levels in found),
        blocks=max(len(levels) for levels in found),
        level_blocks=min(int(max(most)), _MOST),
    )


def levels_columns(graphs: Sequence[ArchGraph], space: Space) -> Columns:
    """Summarise the layers of each level: their number, costs, widths, kernels and kinds.

    Costs are logarithms to the base of 2. Then, for each block of a level, counted from the first
    one, the numbers of `blocks_columns`.

    Shapes:
        (B, F).
    """
    if not space.valued:
        return [], np.zeros((len(graphs), 0))
    labels = [*_SUMS, *_PRODUCTS]
    names = [f"level {k} {label}" for k in range(space.levels) for label in labels]
    places = range(space.level_blocks)
    for k in range(space.levels):
        names += [f"level {k} block {p} {label}" for p in places for label in _NUMBERS]
    return names, np.array([_by_level(graph, space) for graph in graphs])


def blocks_columns(graphs: Sequence[ArchGraph], space: Space) -> Columns:
    """List numbers of each block, counted from the first one and, once more, from the last one.

    Numbers are logarithms (to the base of 2) of work, of the width of its last layer and of its
    widest one, of the largest kernel, the level, by how much the block widens the network, and the
    widths of its first layers. Networks with fewer blocks have zeros.

    Shapes:
        (B, F).
    """
    if not space.valued:
        return [], np.zeros((len(graphs), 0))
    count = min(space.blocks, _MOST)
    table = np.zeros((len(graphs), 2, count, len(_NUMBERS)))
    for b, graph in enumerate(graphs):
        numbers = trunk_of(graph).numbers
        for end, rows in enumerate((numbers[:count], numbers[::-1][:count])):
            table[b, end, : len(rows)] = rows
    names = [f"{e} {k} {n}" for e in ("first", "last") for k in range(count) for n in _NUMBERS]
    return names, table.reshape(len(graphs), -1)


def _trunk(graph: ArchGraph) -> Trunk:
    sizes = node_sizes(graph)
    layer = np.flatnonzero((sizes.kind < len(_PRODUCTS)) & (graph.shape[:, 0] > 0))
    if len(layer) and (sizes.positions[layer] > sizes.positions[layer].min()).any():
        layer = layer[sizes.positions[layer] > sizes.positions[layer].min()]
    level = _levels(sizes.positions[layer])
    _, block = np.unique(_joins_before(graph)[layer], return_inverse=True)
    count = int(block.max(initial=-1)) + 1
    width = np.log2(np.maximum(sizes.width[layer], 1))
    kernel = np.log2(np.maximum(sizes.kernel[layer], 1))
    work = np.log2(1 + np.bincount(block, sizes.work[layer], count))
    last = np.searchsorted(block, np.arange(count), side="right") - 1  # blocks are in order
    peaks = [np.zeros(count), np.zeros(count)]
    for peak, values in zip(peaks, (width, kernel)):
        np.maximum.at(peak, block, values)
    wider = np.diff(width[last], prepend=width[last][:1])
    first = np.searchsorted(block, np.arange(count))
    place = np.arange(len(layer)) - first[block]
    own = np.zeros((_LAYERS, count))
    few = place < _LAYERS
    own[place[few], block[few]] = width[few]
    numbers = [work, width[last], *peaks, level[last], wider, *own]
    return Trunk(
        layer=layer,
        block=block,
        level=level,
        numbers=np.stack(numbers, axis=1),
        block_level=level[last],
    )


def _joins_before(graph: ArchGraph) -> np.ndarray:
    """How many joins come before each node; in a network without any, how many nodes. (N,)."""
    joins = np.array([factors_of(op).kind in ("sum", "concat") for op in graph.ops], dtype=bool)
    incoming = np.bincount(graph.edges[1], minlength=graph.num_nodes)
    there = joins[graph.op] & (incoming > 1)
    return np.cumsum(there) if there.any() else np.arange(graph.num_nodes)


def _levels(positions: np.ndarray) -> np.ndarray:
    """Halvings of the side of a map since it was largest. Shapes: (L,) -> (L,) int64."""
    if not len(positions):
        return np.zeros(0, dtype=np.int64)
    positions = np.maximum(positions, 1)
    shrunk = np.log2(positions.max() / positions) / 2
    return np.round(shrunk).astype(np.int64)


def _by_level(graph: ArchGraph, space: Space) -> np.ndarray:
    trunk, sizes = trunk_of(graph), node_sizes(graph)
    level = np.minimum(trunk.level, space.levels - 1)
    means = [np.log2(np.maximum(part[trunk.layer], 1)) for part in (sizes.width, sizes.kernel)]
    count = np.bincount(level, minlength=space.levels)
    blocks = np.bincount(np.minimum(trunk.block_level, space.levels - 1), minlength=space.levels)
    columns: list[np.ndarray] = [count, blocks]
    for part in (sizes.work, sizes.values, sizes.params):
        columns.append(np.log2(1 + np.bincount(level, part[trunk.layer], space.levels)))
    columns += [np.bincount(level, m, space.levels) / np.maximum(count, 1) for m in means]
    for kind in range(len(_PRODUCTS)):
        columns.append(np.bincount(level, sizes.kind[trunk.layer] == kind, space.levels))
    placed = np.zeros((space.levels, space.level_blocks, len(_NUMBERS)))
    for k in range(space.levels):
        rows = trunk.numbers[trunk.block_level == k][: space.level_blocks]
        placed[k, : len(rows)] = rows
    return np.concatenate([np.stack(columns, axis=1).ravel(), placed.ravel()])
