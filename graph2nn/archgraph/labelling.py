"""A canonical numbering of labelled graphs: colour refinement, then search with pruning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["canonical_order"]

Adjacency = Sequence[Sequence[int]]


def canonical_order(labels: Sequence[Any], before: Adjacency, after: Adjacency) -> list[int]:
    """Order nodes so that isomorphic labelled graphs share it, up to their automorphisms.

    Individualisation and refinement (McKay and Piperno, arXiv:1301.1493, section 2): nodes are
    coloured by label and split by the colours around them until nothing changes; where a colour
    still has several nodes, each in turn gets a colour of its own, and the numbering with the
    smallest list of edges wins. Branches that an automorphism maps to one already seen are skipped:
    equal neighbourhoods, the orbits of the automorphisms found so far, and two refined colourings
    that differ in a symmetric part only. So parallel equal branches cost polynomial time.

    Args:
        labels: Label of each node; sortable, and first in the order.
        before: Sources of each node's edges.
        after: Targets of each node's edges; the same list as `before` makes edges undirected.

    Examples:
        >>> canonical_order(["b", "a"], [[1], []], [[], [0]])
        [1, 0]
    """
    search = _Search(before, after)
    search.explore(*search.coloured(labels), [])
    assert search.best is not None
    return search.best[1]


class _Search:
    """State of one search: the leaves reached, the automorphisms found, the best numbering.

    A colouring is (`rank`, `cells`): the rank of a node is the place of its colour's first node in
    the order, so that splitting a colour leaves the others alone.
    """

    def __init__(self, before: Adjacency, after: Adjacency) -> None:
        self.before, self.after = before, after
        self.directed = before is not after
        self.around = [[*b, *a] for b, a in zip(before, after)] if self.directed else before
        self.sources = [frozenset(nodes) for nodes in before]
        self.targets = [frozenset(nodes) for nodes in after]
        self.leaves: dict[tuple[int, ...], tuple[list[int], list[int]]] = {}
        self.automorphisms: list[dict[int, int]] = []
        self.best: tuple[tuple[int, ...], list[int]] | None = None

    def coloured(self, labels: Sequence[Any]) -> tuple[list[int], dict[int, list[int]]]:
        """The colouring by labels, refined."""
        groups: dict[Any, list[int]] = {}
        for node, label in enumerate(labels):
            groups.setdefault(label, []).append(node)
        rank, cells, start = [0] * len(labels), {}, 0
        for label in sorted(groups):
            cells[start] = groups[label]
            for node in groups[label]:
                rank[node] = start
            start += len(groups[label])
        self.refine(rank, cells, list(range(len(labels))))
        return rank, cells

    def refine(self, rank: list[int], cells: dict[int, list[int]], queue: list[int]) -> None:
        """Splits colours, in place, by the ranks of neighbours; `queue`: nodes with new ranks."""
        while queue:
            touched = {rank[w] for v in queue for w in self.around[v]}
            splits = []
            for start in touched:
                if len(cells[start]) > 1:
                    groups: dict[Any, list[int]] = {}
                    for v in cells[start]:
                        groups.setdefault(self.surroundings(v, rank), []).append(v)
                    if len(groups) > 1:
                        splits.append((start, [groups[key] for key in sorted(groups)]))
            queue = []
            for start, parts in splits:
                for part in parts:
                    cells[start] = part
                    if rank[part[0]] != start:
                        queue += part
                        for v in part:
                            rank[v] = start
                    start += len(part)

    def surroundings(self, node: int, rank: list[int]) -> Any:
        sources = sorted([rank[u] for u in self.before[node]])
        if not self.directed:
            return tuple(sources)
        return tuple(sources), tuple(sorted([rank[w] for w in self.after[node]]))

    def explore(self, rank: list[int], cells: dict[int, list[int]], fixed: list[int]) -> int:
        """Searches below a colouring; returns the depth at which the search goes on.

        Args:
            fixed: the nodes that were given colours of their own.
        """
        depth = len(fixed)
        if len(cells) == len(rank):
            return self.leaf(rank, fixed)
        start = min(s for s, nodes in cells.items() if len(nodes) > 1)
        explored: list[int] = []
        first = None
        for node in cells[start]:
            if explored and self.equivalent(node, explored, fixed):
                continue
            split = self.individualised(rank, cells, start, node)
            if first is not None and self.symmetric(first, split):
                continue
            first = first or split
            explored.append(node)
            back = self.explore(*split, [*fixed, node])
            if back < depth:
                return back
        return depth

    def individualised(
        self, rank: list[int], cells: dict[int, list[int]], start: int, node: int
    ) -> tuple[list[int], dict[int, list[int]]]:
        """A copy in which the node comes after the others of its colour, refined."""
        rank, cells = rank.copy(), cells.copy()
        others = [v for v in cells[start] if v != node]
        cells[start] = others
        rank[node] = start + len(others)
        cells[rank[node]] = [node]
        self.refine(rank, cells, [node])
        return rank, cells

    def leaf(self, rank: list[int], fixed: list[int]) -> int:
        """Compares a numbering with those seen; an equal one gives an automorphism."""
        order = [0] * len(rank)
        for node, place in enumerate(rank):
            order[place] = node
        pairs = [(rank[u], rank[v]) for v, nodes in enumerate(self.before) for u in nodes]
        edges = tuple(sorted(u * len(rank) + v for u, v in pairs))
        if edges in self.leaves:
            other, path = self.leaves[edges]
            self.automorphisms.append({a: b for a, b in zip(other, order) if a != b})
            return next(i for i, (a, b) in enumerate(zip(path, fixed)) if a != b)
        self.leaves[edges] = order, fixed
        if self.best is None or edges < self.best[0]:
            self.best = edges, order
        return len(fixed)

    def equivalent(self, node: int, explored: list[int], fixed: list[int]) -> bool:
        """Whether a known automorphism that keeps `fixed` maps an explored node to this one."""
        if any(self.twins(node, other) for other in explored):
            return True
        known = [a for a in self.automorphisms if not any(v in a for v in fixed)]
        orbit, queue = set(explored), list(explored)
        while queue:
            at = queue.pop()
            for automorphism in known:
                image = automorphism.get(at, at)
                if image == node:
                    return True
                if image not in orbit:
                    orbit.add(image)
                    queue.append(image)
        return False

    def twins(self, a: int, b: int) -> bool:
        """Whether exchanging the two nodes is an automorphism."""
        return (
            self.sources[a] - {b} == self.sources[b] - {a}
            and self.targets[a] - {b} == self.targets[b] - {a}
            and (b in self.sources[a]) == (a in self.sources[b])
        )

    def symmetric(self, one: tuple, two: tuple) -> bool:
        """Whether two colourings differ by an automorphism that moves single nodes only.

        Then what is below both is the same, and the automorphism is remembered.
        """
        moved = {}
        for start, nodes in one[1].items():
            others = two[1].get(start)
            if others is None or len(others) != len(nodes):
                return False
            if len(nodes) == 1 and nodes != others:
                moved[nodes[0]] = others[0]
            elif len(nodes) > 1 and set(nodes) != set(others):
                return False
        for node, image in moved.items():
            for table in (self.sources, self.targets):
                if {moved.get(v, v) for v in table[node]} != table[image]:
                    return False
        self.automorphisms.append(moved)
        return True
