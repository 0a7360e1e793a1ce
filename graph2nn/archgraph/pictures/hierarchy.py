"""What folds into what? The modules of a network as a tree, repeated blocks found in it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from graph2nn.archgraph.pictures.modules import Level
from graph2nn.archgraph.pictures.repetition import Repetition, repetitions

__all__ = ["Group", "Hierarchy", "Role", "make_hierarchy"]

Role = Literal["root", "module", "repeat", "part", "stretch"]

_MOST = 100  # items of a group; of more, stretches are made
_SHORTEST = 3  # repetitions of bare operations that are worth a group


@dataclass(eq=False)
class Group:
    """A stretch of the nodes' order that can be shown as one box.

    Args:
        role: What it is: a `module`; a `repeat` of equal groups one behind the other; a `part`, one
            of these where they are no modules; a `stretch` of a long list.
        label: Name beside its siblings.
        path: Qualified name of the module.
        kind: Class of the module, where known.
        start, stop: Stretch of the order of nodes.
        parent: Number of the group around it, -1 at the root.
        items: Content in order: node positions as they are, groups as ~number.
        count: Number of equal groups in a repeat, else 1.
        key: Number that equal groups share.
        plain: Whether it is a module of one operation and its parameters.
    """

    role: Role
    label: str
    path: str
    kind: str
    start: int
    stop: int
    parent: int = -1
    items: list[int] = field(default_factory=list)
    count: int = 1
    key: int = -1
    plain: bool = False


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Groups, the root first and parents before children, over nodes in an order.

    Args:
        order: Nodes in a topological order in which each group is one stretch.
        groups: The groups.
        names: Name of each position's module where the node is all that the module does, else "".

    Shapes:
        order (N,).
    """

    order: np.ndarray
    groups: list[Group]
    names: list[str]

    def levels(self) -> list[int]:
        """Count the modules around each group and itself; equal blocks are on their repeat's."""
        found: list[int] = []
        for group in self.groups:
            inside = group.parent >= 0 and self.groups[group.parent].role in ("repeat", "part")
            found.append(0 if group.parent < 0 else found[group.parent] + (not inside))
        return found


def make_hierarchy(
    order: Sequence[int],
    edges: np.ndarray,
    chains: Sequence[tuple[Level, ...]],
    signatures: Sequence[tuple],
    *,
    name: str = "",
) -> Hierarchy:
    """Make the tree of modules, with repeats and, in long lists, stretches.

    Args:
        order: Nodes in a topological order.
        edges: Edges between nodes.
        chains: Modules around each node, see `module_chains`.
        signatures: What makes two nodes equal: the operation's name first, shapes.
        name: Name of the root.

    Shapes:
        edges (2, E).
    """
    return _Builder(order, edges, chains, signatures).build(name)


class _Builder:
    def __init__(
        self,
        order: Sequence[int],
        edges: np.ndarray,
        chains: Sequence[tuple[Level, ...]],
        signatures: Sequence[tuple],
    ) -> None:
        self.order = np.asarray(order, dtype=np.int64)
        self.chains = [chains[v] for v in order]
        self.known: dict[Hashable, int] = {}
        self.operations = [str(signatures[v][0]) for v in order]
        self.node_keys = [self._key(("node", signatures[v])) for v in order]
        place = np.empty(len(order), dtype=np.int64)
        place[self.order] = np.arange(len(order))
        moved = place[edges]
        self.edges = moved[:, np.lexsort((moved[1], moved[0]))]
        self.first_edge = np.searchsorted(self.edges[0], np.arange(len(order) + 1))
        self.names = [""] * len(order)

    def build(self, name: str) -> Hierarchy:
        root = Group("root", name, "", "", 0, len(self.order))
        groups: list[Group] = []
        stack = [(root, self._content(0, len(self.order), 0), -1)]
        while stack:  # parents before children
            group, content, parent = stack.pop()
            number, group.parent = len(groups), parent
            groups.append(group)
            if parent >= 0:
                above = groups[parent]
                above.items[above.items.index(group.start)] = ~number
            group.items = [c if isinstance(c, int) else c[0].start for c in content]
            stack += [(c[0], c[1], number) for c in reversed(content) if not isinstance(c, int)]
        return Hierarchy(self.order, groups, self.names)

    def _content(self, start: int, stop: int, depth: int) -> list:
        """Items of a stretch: positions, and (group, its content)."""
        items: list = []
        k = start
        while k < stop:
            chain = self.chains[k]
            if len(chain) <= depth:
                items.append(k)
                k += 1
                continue
            end, level = k + 1, chain[depth]
            while end < stop and self.chains[end][depth : depth + 1] == (level,):
                end += 1
            items.append(self._module(k, end, depth, level))
            k = end
        return self._stretches(self._repeats(items))

    def _module(self, start: int, stop: int, depth: int, level: Level) -> int | tuple:
        _, label, path, kind = level
        content = self._content(start, stop, depth + 1)
        if len(content) == 1:  # a module around one thing is that thing
            if isinstance(content[0], int):
                inner = self.names[start]
                self.names[start] = f"{label}.{inner}" if inner else label
                return start
            group, inside = content[0]
            if group.role == "module":
                group.label = f"{label}.{group.label}"
                return group, inside
        group = Group("module", label, path, kind, start, stop)
        first, *others = self.operations[start:stop]
        parameters = all(name == "bias" or name.startswith(f"{first}.") for name in others)
        group.plain = parameters and all(isinstance(item, int) for item in content)
        return self._finish(group, content)

    def _finish(self, group: Group, content: list) -> tuple[Group, list]:
        inside = self._inner_edges(group.start, group.stop)
        group.key = self._key((group.role, group.kind, tuple(map(self._item_key, content)), inside))
        return group, content

    def _inner_edges(self, start: int, stop: int) -> bytes:
        part = self.edges[:, self.first_edge[start] : self.first_edge[stop]]
        return (part[:, part[1] < stop] - start).tobytes()

    def _item_key(self, item: int | tuple) -> int:
        return self.node_keys[item] if isinstance(item, int) else item[0].key

    def _key(self, value: Hashable) -> int:
        return self.known.setdefault(value, len(self.known))

    def _repeats(self, items: list) -> list:
        """The items, with runs of equal ones (or of equal sequences) put into repeats."""
        keys = [self._item_key(item) for item in items]
        result: list = []
        done = 0
        for found in repetitions(keys):
            result += items[done : found.start]
            done = found.stop
            result += self._repeat(items[found.start : found.stop], found)
        return result + items[done:]

    def _repeat(self, items: list, found: Repetition) -> list:
        parts = [
            items[k : k + found.period]
            for k in range(0, len(items) - found.period + 1, found.period)
        ]
        if found.period > 1:
            groups = [self._part(part) for part in parts]
        elif isinstance(items[0], int):
            return items
        else:
            groups = items
        result: list = []
        k = 0
        while k < len(groups):  # parts whose inner edges differ are not equal
            end = k + 1
            while end < len(groups) and groups[end][0].key == groups[k][0].key:
                end += 1
            bare = found.period > 1 and all(isinstance(item, int) for item in parts[k])
            if end - k >= (_SHORTEST if bare else 2):
                result.append(self._series(groups[k:end]))
            else:
                result += groups[k:end] if found.period == 1 else sum(parts[k:end], [])
            k = end
        return result

    def _part(self, items: list) -> tuple[Group, list]:
        first = items[0] if isinstance(items[0], int) else items[0][0].start
        last = items[-1] + 1 if isinstance(items[-1], int) else items[-1][0].stop
        names = [item[0].label for item in items if not isinstance(item, int)]
        group = Group("part", ", ".join(names[:3]), "", "", first, last)
        return self._finish(group, items)

    def _series(self, groups: list[tuple[Group, list]]) -> tuple[Group, list]:
        first, last = groups[0][0], groups[-1][0]
        label = _range_label(first.label, last.label)
        group = Group(
            "repeat", label, first.path, first.kind, first.start, last.stop, count=len(groups)
        )
        return self._finish(group, groups)

    def _stretches(self, items: list) -> list:
        """Long lists in stretches, cut where few edges pass."""
        if len(items) <= _MOST:
            return items
        starts = [item if isinstance(item, int) else item[0].start for item in items]
        size = max(25, int(len(items) ** 0.5))
        passing = self._passing(starts)
        cuts = [0]
        while len(items) - cuts[-1] > 1.5 * size:
            window = range(cuts[-1] + size // 2, cuts[-1] + size + size // 2)
            cuts.append(min(window, key=lambda k: (passing[k], abs(k - cuts[-1] - size))))
        result = []
        for a, b in zip(cuts, [*cuts[1:], len(items)]):
            last = items[b - 1]
            stop = last + 1 if isinstance(last, int) else last[0].stop
            label = f"nodes {starts[a]} to {stop - 1}"
            result.append(
                self._finish(Group("stretch", label, "", "", starts[a], stop), items[a:b])
            )
        return self._stretches(self._repeats(result))

    def _passing(self, starts: list[int]) -> list[int]:
        """How many edges from inside pass the gap before each item."""
        low, high = starts[0], starts[-1]
        part = self.edges[:, self.first_edge[low] : self.first_edge[high]]
        part = np.minimum(part, high)
        change = np.bincount(part[0] + 1 - low, minlength=high - low + 2)
        change -= np.bincount(part[1] + 1 - low, minlength=high - low + 2)
        return np.cumsum(change)[np.array(starts) - low].tolist()


def _range_label(first: str, last: str) -> str:
    """`layers.0 to 31` for `layers.0` and `layers.31`."""
    head, _, end = last.rpartition(".")
    if first.rpartition(".")[0] == head and end.isdecimal():
        return f"{first} to {end}" if first != last else first
    return first if first == last else f"{first} to {last}"
