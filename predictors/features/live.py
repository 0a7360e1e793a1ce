"""Features of what a graph computes: dead parts pruned, identities contracted.

They are equal for isomorphic graphs and for graphs that only dead parts tell apart, which matters
more than the model that reads them: on NAS-Bench-201 with 100 networks for training, tau rises
from .72 (GRAF's features of the graph as given) to .81.
"""

from __future__ import annotations

import numpy as np

from graph2nn.archgraph.paths import topological_levels
from predictors.features.padded import ENDS, Padded, end_to_end
from predictors.features.paths import op_subsets, path_statistics
from predictors.features.space import Columns, Space, named

__all__ = [
    "Living",
    "depth_block",
    "flow_block",
    "live_block",
    "living",
    "merge_block",
    "pairs_block",
    "paths_block",
    "stages_block",
]

_MOST = 1e300  # of a sum in `flow_block`; twice as much is still a number


class Living:
    """The living part of a batch of graphs.

    Args:
        batch: The graphs.
        space: Space that says which operations give zeros and which are identities.

    Shapes:
        live: nodes on a path from input to output without zeros (B, n); keep: those of them that
        are not identities (B, n); edges: between kept nodes (B, n, n); real: kept nodes that are
        not ends (B, n); first, last: kept inputs and outputs (B, n).
    """

    def __init__(self, batch: Padded, space: Space) -> None:
        self.live = batch.live((batch.op >= 0) & ~space.zeros(batch))
        through = self.live & space.identities(batch)
        self.keep = self.live & ~through
        self.edges = batch.contracted(self.keep, through)
        self.real = self.keep & ~batch.ends
        self.first, self.last = batch.start & self.keep, batch.end & self.keep


def living(batch: Padded, space: Space) -> Living:
    """Find the living part, once for all blocks."""
    if "living" not in batch.memory:
        batch.memory["living"] = Living(batch, space)
    return batch.memory["living"]


def paths_block(batch: Padded, space: Space) -> Columns:
    """Measure, for each set of operations, the live paths.

    Columns are the least, the largest and the mean number of nodes of the set on a live path, and
    the number of live paths that use no others (log2). Where no path leads from input to output,
    the first three are -1.
    """
    subsets = op_subsets(space.active)
    inside = space.member(batch, subsets)
    live = living(batch, space).live[..., None]
    found = path_statistics(batch, live, inside.astype(float))
    only = path_statistics(batch, live & (inside | batch.ends[..., None]), inside.astype(float))
    there = found.count > 0
    parts = {
        "least": np.where(there, found.shortest, -1.0),
        "most": np.where(there, found.longest, -1.0),
        "mean": np.where(there, found.total / np.maximum(found.count, 1), -1.0),
        "paths": np.log2(1 + only.count),
    }
    names, table = named(parts, subsets)
    return [*names, "paths"], np.column_stack([table, np.log2(1 + found.count[:, 0])])


def flow_block(batch: Padded, space: Space) -> Columns:
    """Compute the size of the output when every node adds its inputs.

    Columns are its log2, one for each set of operations whose nodes double or halve their sum.
    Where a sum passes 1e300, as in networks of a thousand layers, logarithms are added up instead.
    """
    subsets = op_subsets(space.working)
    live = living(batch, space).live[..., None]
    inside = space.member(batch, subsets)
    gains = [live * np.where(inside, gain, 1.0) for gain in (2.0, 0.5)]
    gain = np.concatenate(gains, axis=2)
    value = np.zeros((batch.op.shape[1], len(batch), gain.shape[2]))
    for v in range(len(value)):
        value[v] = batch.start[:, v, None]
        for u in np.flatnonzero(batch.adjacency[:, :, v].any(0)):
            value[v] += value[u] * batch.adjacency[:, u, v, None]
        value[v] *= gain[:, v]
        np.minimum(value[v], _MOST, out=value[v])
    found = np.log2(0.01 + np.where(batch.end.T[:, :, None], value, 0).sum(0))
    for b in np.flatnonzero((value >= _MOST).any((0, 2))):
        found[b] = _log_flow(batch, int(b), gain[b])
    names = [f"{verb} {'+'.join(subset)}" for verb in ("doubled", "halved") for subset in subsets]
    return names, found


def _log_flow(batch: Padded, graph: int, gain: np.ndarray) -> np.ndarray:
    """What `flow_block` computes of one graph, without its largest number.

    Shapes: gain (n, S) -> (S,).
    """
    with np.errstate(divide="ignore"):
        log_gain = np.log2(gain)
    value = np.full(gain.shape, -np.inf)
    for v in range(len(value)):
        sources = np.flatnonzero(batch.adjacency[graph, :, v])
        begin = 0.0 if batch.start[graph, v] else -np.inf
        value[v] = np.logaddexp2.reduce(value[sources], axis=0, initial=begin) + log_gain[v]
    ends = np.flatnonzero(batch.end[graph])
    return np.logaddexp2(np.logaddexp2.reduce(value[ends], axis=0), np.log2(0.01))


def live_block(batch: Padded, space: Space) -> Columns:
    """Count the sizes of the living graph, in total and by operation.

    For each operation: its number, how many nodes of it the input feeds and the output reads before
    and after contraction, and its largest degrees.
    """
    part = living(batch, space)
    singles = [(op,) for op in space.active]
    each = space.member(batch, singles) & part.live[..., None]
    incoming, outgoing = part.edges.sum(1), part.edges.sum(2)

    def count(mask: np.ndarray) -> np.ndarray:
        return (each & mask[..., None]).sum(1)

    parts = {
        "live": each.sum(1),
        "fed": count((batch.adjacency & batch.start[:, :, None]).any(1)),
        "read": count((batch.adjacency & batch.end[:, None, :]).any(2)),
        "fed through": count((part.edges & part.first[:, :, None]).any(1)),
        "read through": count((part.edges & part.last[:, None, :]).any(2)),
        "largest in-degree": (each * incoming[..., None]).max(1),
        "largest out-degree": (each * outgoing[..., None]).max(1),
    }
    direct = part.edges & part.first[:, :, None] & part.last[:, None, :]
    whole = {
        "live nodes": (part.live & ~batch.ends).sum(1),
        "working nodes": part.real.sum(1),
        "working edges": part.edges.sum((1, 2)),
        "live edges": (batch.adjacency & part.live[:, :, None] & part.live[:, None]).sum((1, 2)),
        "input to output": direct.any((1, 2)),
        "out of input": (outgoing * part.first).sum(1),
        "into output": (incoming * part.last).sum(1),
    }
    names, table = named(parts, singles)
    return [*names, *whole], np.column_stack([table, *whole.values()]).astype(float)


def merge_block(batch: Padded, space: Space) -> Columns:
    """Measure how the living graph branches and merges.

    Columns are nodes of in- and out-degree above 1, levels, the widest level, and each operation's
    number a branch into the output. NAS-Bench-101 divides the channels of a cell among the branches
    that its output joins, so that width goes with 1 / branches and parameters with its square.
    """
    part = living(batch, space)
    incoming, outgoing = part.edges.sum(1), part.edges.sum(2)
    level = _levels(part.edges)
    size = np.maximum(part.real.sum(1), 1)
    branches = np.maximum((incoming * part.last).sum(1), 1)
    each = space.member(batch, [(op,) for op in space.working]) & part.real[..., None]
    number = each.sum(1)
    widths = [((level == d) & part.real).sum(1) for d in range(1, batch.op.shape[1])]
    whole = {
        "merging nodes": (part.real & (incoming > 1)).sum(1),
        "branching nodes": (part.real & (outgoing > 1)).sum(1),
        "mean level": (level * part.real).sum(1) / size,
        "widest level": np.max(widths, axis=0, initial=0),
        "nodes a branch": part.real.sum(1) / branches,
        "branches": np.log(branches),
    }
    parts = {
        "mean level": (each * level[..., None]).sum(1) / np.maximum(number, 1),
        "a branch": number / branches[:, None],
        "a squared branch": number / branches[:, None] ** 2,
    }
    names, table = named(parts, [(op,) for op in space.working])
    return [*whole, *names], np.column_stack([*whole.values(), table])


def pairs_block(batch: Padded, space: Space) -> Columns:
    """Count the edges of the living graph from one operation to another, ends included."""
    part = living(batch, space)
    codes = [*(space.ops.index(op) for op in space.working), len(space.ops), len(space.ops) + 1]
    kinds = [*space.working, *ENDS]
    each = np.stack([(batch.op == code) & part.keep for code in codes], axis=2).astype(float)
    hits = np.einsum("bui,buv,bvj->bij", each, part.edges.astype(float), each, optimize=True)
    return [f"{a} to {b}" for a in kinds for b in kinds], hits.reshape(len(batch), -1)


def stages_block(batch: Padded, space: Space) -> Columns:
    """Count the live nodes of each operation in each stage, where stages matter."""
    if not space.staged:
        return [], np.zeros((len(batch), 0))
    return _numbers(batch, space, batch.cell, space.stages, "stage")


def depth_block(batch: Padded, space: Space) -> Columns:
    """Count the live nodes of each operation at each depth, where stages matter.

    The depth is the number of edges on the longest path from a start. For a chain of layers this
    is the one-hot code. Depths from 24 on are left out.
    """
    if not space.staged:
        return [], np.zeros((len(batch), 0))
    depth = _levels(batch.adjacency)
    return _numbers(batch, space, depth, range(1, min(space.nodes or 24, 24)), "depth")


def _numbers(batch: Padded, space: Space, place: np.ndarray, values, label: str) -> Columns:
    each = space.member(batch, [(op,) for op in space.active])
    each = each & living(batch, space).live[..., None]
    columns = [(each & (place == value)[..., None]).sum(1) for value in values]
    names = [f"{label} {value} {op}" for value in values for op in space.active]
    return names, np.concatenate(columns, axis=1).astype(float)


def _levels(edges: np.ndarray) -> np.ndarray:
    """Edges on the longest path to each node. Shapes: (B, n, n) -> (B, n)."""
    count, n, _ = edges.shape
    return topological_levels(end_to_end(edges), count * n).reshape(count, n)
