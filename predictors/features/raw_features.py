"""Features of graphs as they are given: counts, GRAF's paths and degrees, positions."""

from __future__ import annotations

import numpy as np

from predictors.features.padded import ENDS, Padded
from predictors.features.paths import op_subsets, path_statistics
from predictors.features.space import Columns, Space, named

__all__ = ["adjacency_block", "counts_block", "graf_block", "positions_block"]


def counts_block(batch: Padded, space: Space) -> Columns:
    """Count the nodes of each operation, all nodes and all edges."""
    counts = space.member(batch, [(op,) for op in space.ops]).sum(1)
    sizes = [(batch.op >= 0).sum(1), batch.adjacency.sum((1, 2))]
    names = [*(f"count {op}" for op in space.ops), "nodes", "edges"]
    return names, np.column_stack([counts, *sizes]).astype(float)


def graf_block(batch: Padded, space: Space) -> Columns:
    """Compute the features of GRAF (arXiv:2404.16551).

    These are operation counts, and for each set of operations the shortest and the longest path
    that uses no others, and how many of its nodes the input feeds and the output reads. Lengths
    count operations, identities too. Without a path the longest is 0 and the shortest one more than
    the largest graph of the space has nodes. Zeros (`Space.drop`) are in no set. For NAS-Bench-201
    these are 65 columns.
    """
    subsets = op_subsets(space.active)
    inside = space.member(batch, subsets)
    found = path_statistics(batch, inside | batch.ends[..., None], inside.astype(float))
    fed = (batch.adjacency & batch.start[:, :, None]).any(1)
    read = (batch.adjacency & batch.end[:, None, :]).any(2)
    far = space.largest + 1.0
    parts = {
        "shortest": np.where(np.isfinite(found.shortest), found.shortest, far),
        "longest": np.where(np.isfinite(found.longest), found.longest, 0.0),
        "fed": (inside & fed[..., None]).sum(1),
        "read": (inside & read[..., None]).sum(1),
    }
    names, table = named(parts, subsets)
    counts = space.member(batch, [(op,) for op in space.ops]).sum(1)
    return [*(f"number {op}" for op in space.ops), *names], np.column_stack([counts, table])


def positions_block(batch: Padded, space: Space) -> Columns:
    """Encode the operation of every node one-hot, by its number.

    Raises:
        ValueError: Graphs of different sizes.
    """
    _same_size(batch, space, "positions")
    every = [*space.ops, *ENDS]
    table = batch.op[:, :, None] == np.arange(len(every))
    names = [f"node {v} {op}" for v in range(space.nodes) for op in every]
    return names, table.reshape(len(batch), -1).astype(float)


def adjacency_block(batch: Padded, space: Space) -> Columns:
    """List the adjacency above its diagonal, bit by bit.

    Raises:
        ValueError: Graphs of different sizes.
    """
    _same_size(batch, space, "adjacency")
    rows, columns = np.triu_indices(batch.op.shape[1], k=1)
    names = [f"edge {u} to {v}" for u, v in zip(rows, columns)]
    return names, batch.adjacency[:, rows, columns].astype(float)


def _same_size(batch: Padded, space: Space, block: str) -> None:
    sizes = (batch.op >= 0).sum(1)
    if not space.nodes or (sizes != space.nodes).any():
        raise ValueError(
            f"features {block!r} need graphs of one size, got graphs of "
            f"{space.nodes or 'several'} and {int(sizes.min())} to {int(sizes.max())} nodes; use "
            "others, such as 'paths' and 'live'"
        )
