"""Where do two graphs differ? Nodes are matched in order, by name and by what they are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from graph2nn.archgraph.graph import ArchGraph

__all__ = ["Difference", "diff"]

_SHOWN = 20  # lines of one kind in a text
_LARGEST_GAP = 1_000_000  # pairs of nodes that are compared one by one

_Key = Callable[[ArchGraph, int, str], Hashable]


@dataclass(frozen=True, eq=False, kw_only=True)
class Difference:
    """What tells two graphs apart; false where they are equal.

    Args:
        before, after: The graphs.
        pairs: Nodes that match: in `before`, in `after`; ascending in both.
        changed: Whether the two nodes of a pair differ in operation, shape, parameters, cell or
            call.
        removed, added: Nodes of `before`, and of `after`, that match none.
        removed_edges, added_edges: Edges of `before`, and of `after`, that the other one lacks.
        parts: Names of fields of the whole graph that differ (`name`, `outputs`, `attributes`).

    Shapes:
        pairs (K, 2), changed (K,), removed_edges and added_edges (2, E).
    """

    before: ArchGraph
    after: ArchGraph
    pairs: np.ndarray
    changed: np.ndarray
    removed: tuple[int, ...]
    added: tuple[int, ...]
    removed_edges: np.ndarray
    added_edges: np.ndarray
    parts: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.before != self.after

    def __str__(self) -> str:
        if not self:
            return "equal"
        changed = int(self.changed.sum())
        counts = (len(self.removed), len(self.added), changed, len(self.pairs) - changed)
        lines = ["nodes: {} removed, {} added, {} changed, {} as before".format(*counts)]
        edges = (self.removed_edges.shape[1], self.added_edges.shape[1])
        lines.append("edges: {} removed, {} added".format(*edges))
        if self.parts:
            lines.append(f"other: {', '.join(self.parts)}")
        lines += _listed([f"- {_node(self.before, k)}" for k in self.removed])
        lines += _listed([f"+ {_node(self.after, k)}" for k in self.added])
        pairs = self.pairs[self.changed].tolist()
        lines += _listed([f"~ {_node(self.before, i)} -> {_node(self.after, j)}" for i, j in pairs])
        return "\n".join(lines)


def diff(before: ArchGraph, after: ArchGraph) -> Difference:
    """Compare two graphs node by node.

    Nodes match that have the same operation, shape and parameters' names; between those, nodes of
    the same names, then of the same operation and shape, then of the same operation. Matches never
    cross, so that a layer put in between moves nothing.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> one, other = nb201_cell([1, 2, 3, 4, 0, 1]), nb201_cell([1, 2, 3, 3, 0, 1])
        >>> str(diff(one, other)).splitlines()[-1]
        '~ 4 avg_pool_3x3 -> 4 conv_1x1'
    """
    found = dict(_matches(before, after))
    pairs = np.array(sorted(found.items()), dtype=np.int64).reshape(-1, 2)
    back = {j: i for i, j in found.items()}
    theirs = {(u, v) for u, v in after.edges.T.tolist()}
    removed = [
        (u, v) for u, v in before.edges.T.tolist() if (found.get(u), found.get(v)) not in theirs
    ]
    ours = {(u, v) for u, v in before.edges.T.tolist()}
    added = [(u, v) for u, v in after.edges.T.tolist() if (back.get(u), back.get(v)) not in ours]
    return Difference(
        before=before,
        after=after,
        pairs=pairs,
        changed=_changed(before, after, pairs),
        removed=tuple(k for k in range(before.num_nodes) if k not in found),
        added=tuple(k for k in range(after.num_nodes) if k not in back),
        removed_edges=_edges(removed),
        added_edges=_edges(added),
        parts=tuple(_parts(before, after, found)),
    )


def _matches(a: ArchGraph, b: ArchGraph) -> Iterator[tuple[int, int]]:
    """Pairs of nodes that match; each way of matching looks between the pairs of those before."""
    if a.num_nodes == b.num_nodes and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("edges", "shape")
    ):
        yield from ((k, k) for k in range(a.num_nodes))
        return
    gaps = [(0, a.num_nodes, 0, b.num_nodes)]
    near_a, near_b = _nearest(a), _nearest(b)
    ways: tuple[_Key, ...] = (_by_all, _by_name, _by_kind, _by_op)
    for way in ways:
        keys = [way(a, k, near_a[k]) for k in range(a.num_nodes)]
        other = [way(b, k, near_b[k]) for k in range(b.num_nodes)]
        left = []
        for i0, i1, j0, j1 in gaps:
            blocks = _blocks(keys[i0:i1], other[j0:j1])
            for i, j, size in blocks:
                yield from ((i0 + i + k, j0 + j + k) for k in range(size))
            left += _between(i0, i1, j0, j1, blocks)
        gaps = left


def _blocks(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int, int]]:
    """Runs of equal keys (start, start, length), in order and without crossing."""
    if not a or not b:
        return []
    if len(a) * len(b) <= _LARGEST_GAP or len({*a, *b}) > 0.5 * max(len(a), len(b)):
        found = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
        return [(i, j, n) for i, j, n in found if n]
    shorter = min(len(a), len(b))
    head = next((k for k in range(shorter) if a[k] != b[k]), shorter)
    rest = shorter - head
    tail = next((k for k in range(rest) if a[-1 - k] != b[-1 - k]), rest)
    ends = [(0, 0, head), (len(a) - tail, len(b) - tail, tail)]
    return [(i, j, n) for i, j, n in ends if n]


def _between(
    i0: int, i1: int, j0: int, j1: int, blocks: Sequence[tuple[int, int, int]]
) -> list[tuple[int, int, int, int]]:
    """The gaps that runs leave in a gap, where both graphs have nodes."""
    gaps, i, j = [], i0, j0
    for start, other, size in [*blocks, (i1 - i0, j1 - j0, 0)]:
        if i < i0 + start and j < j0 + other:
            gaps.append((i, i0 + start, j, j0 + other))
        i, j = i0 + start + size, j0 + other + size
    return gaps


def _nearest(graph: ArchGraph) -> list[str]:
    """The last parameter before each node, which tells one addition from another."""
    found, last = [], ""
    for names in graph.params:
        last = names[0] if names else last
        found.append(last)
    return found


def _by_all(graph: ArchGraph, k: int, near: str) -> Hashable:
    return graph.ops[graph.op[k]], tuple(graph.shape[k].tolist()), near, graph.params[k]


def _by_name(graph: ArchGraph, k: int, near: str) -> Hashable:
    return graph.ops[graph.op[k]], near, graph.params[k]


def _by_kind(graph: ArchGraph, k: int, near: str) -> Hashable:
    return graph.ops[graph.op[k]], tuple(graph.shape[k].tolist())


def _by_op(graph: ArchGraph, k: int, near: str) -> Hashable:
    return graph.ops[graph.op[k]]


def _changed(a: ArchGraph, b: ArchGraph, pairs: np.ndarray) -> np.ndarray:
    number = np.full(a.num_nodes, -1, dtype=np.int64)
    number[pairs[:, 0]] = pairs[:, 1]
    numbers = number.tolist()
    differ = [
        _facts(a, i) != _facts(b, j) or _call_differs(a, i, b, j, numbers)
        for i, j in pairs.tolist()
    ]
    return np.array(differ, dtype=bool)


def _facts(graph: ArchGraph, k: int) -> tuple[Any, ...]:
    names = graph.params[k]
    sizes = tuple(tuple(graph.param_shapes[name]) for name in names)
    shape = tuple(graph.shape[k].tolist())
    return graph.ops[graph.op[k]], shape, names, sizes, int(graph.cell[k])


def _call_differs(a: ArchGraph, i: int, b: ArchGraph, j: int, numbers: list[int]) -> bool:
    """Whether arguments do, or the order of operands; which operands there are, edges tell."""
    one = a.calls[i] if a.calls else None
    other = b.calls[j] if b.calls else None
    if one is None or other is None:
        return one is not other
    one = one.renumbered(numbers)
    mine, theirs = ([operand.node for operand in call.operands()] for call in (one, other))
    if sorted(mine) != sorted(theirs):
        one, other = (call.renumbered([0] * b.num_nodes) for call in (one, other))
    return one != other


def _parts(a: ArchGraph, b: ArchGraph, found: dict[int, int]) -> Iterator[str]:
    for name in ("name", "num_classes", "note", "attributes"):
        if getattr(a, name) != getattr(b, name):
            yield name
    if tuple(found.get(k) for k in a.outputs) != b.outputs:
        yield "outputs"
    if a.num_nodes == b.num_nodes:
        if a.ops != b.ops:
            yield "ops"
        if a.scopes != b.scopes or not np.array_equal(a.scope, b.scope):
            yield "scopes"
        if a.replace(columns=b.columns) != a:
            yield "columns"


def _edges(pairs: list[tuple[int, int]]) -> np.ndarray:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2).T.copy()


def _node(graph: ArchGraph, k: int) -> str:
    names = graph.params[k]
    size = "x".join(str(s) for s in graph.shape[k].tolist()) if graph.shape[k].any() else ""
    return " ".join(part for part in (f"{k}", graph.ops[graph.op[k]], size, *names) if part)


def _listed(lines: list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return lines if more <= 0 else [*lines[:_SHOWN], f"  and {more} more"]
