"""The language of relational graphs (arXiv:2007.06559): undirected, simple, connected."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
from torch import nn

from archtokens.grammar.derivation import Choices, NotInLanguage, Picker
from archtokens.grammar.space import Space
from archtokens.grammar.vocabulary import DIGITS, Vocabulary, vocabulary_file
from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical
from graph2nn.relational import RelationalGraph, relational_mlp
from graph2nn.relational.graphs.generators import ws_flex_name
from graph2nn.relational.graphs.many_graphs import ws_flex_graphs

__all__ = ["RelationalRules", "RelationalSpace", "relational_tokens"]

_UNIT = 10**6  # published density and rewiring probability have six decimals
_LARGEST = 4096
_WS_NAME = re.compile(r"n(\d+)_s([\d.e-]+)_p([\d.e-]+)_g(\d+)")
_KINDS = ("graph", "ws")


@dataclass(frozen=True, kw_only=True)
class RelationalRules:
    """Which graphs the language has.

    Args:
        nodes: Smallest and largest number of nodes.
        macro: True if graphs of the WS-flex generator are written as its arguments: their strings
            are short and their families kept (`RelationalGraph.resized`). Otherwise every graph is
            written edge by edge.
        seeds: WS-flex seeds from 0 to one less.

    Raises:
        ValueError: Impossible sizes.
    """

    nodes: tuple[int, int] = (2, 128)
    macro: bool = True
    seeds: int = 256

    def __post_init__(self) -> None:
        low, high = self.nodes
        if not 2 <= low <= high <= _LARGEST:
            raise ValueError(
                f"nodes: expected 2 <= smallest <= largest <= {_LARGEST}, got {self.nodes}"
            )
        if self.seeds < 1:
            raise ValueError(f"seeds: expected at least 1, got {self.seeds}")


def relational_tokens() -> list[str]:
    """List the vocabulary: digits, and the two ways to write a graph."""
    return [*DIGITS, *(f"[{kind.upper()}]" for kind in _KINDS)]


@dataclass(frozen=True)
class _Family:
    """Arguments of WS-flex, density and probability in millionths."""

    nodes: int
    sparsity: int
    p: int
    seed: int


class RelationalSpace(Space):
    """Undirected connected graphs, and WS-flex graphs by their arguments.

    The walk: `[GRAPH]` or `[WS]`; the number of nodes; then for `[WS]` the density k / n, the
    rewiring probability and the seed; for `[GRAPH]` for each node from the second how many earlier
    nodes it is joined to, and the distances back to them, rising. Numbers are digits, each the
    place in the list of admissible ones. All graphs are simple and symmetric.

    A node may be joined to no earlier one (last in its list); the last node then is joined to
    every part that is still apart, so that the graph is connected in the end. Where WS-flex finds
    no connected graph for its arguments, the degree is raised by one until it does.
    """

    name = "relational"

    def __init__(self, rules: RelationalRules | None = None) -> None:
        self.rules = rules or RelationalRules()
        self.vocabulary = v = Vocabulary.load(vocabulary_file(), "relational")
        kinds = _KINDS if self.rules.macro else _KINDS[:1]
        self._kinds = Choices([(kind, v.id(f"[{kind.upper()}]")) for kind in kinds])

    def derive(self, picker: Picker) -> Any:
        kind = picker.pick(self._kinds, ("kind",))
        low, high = self.rules.nodes
        n = picker.number(range(low, high + 1), ("nodes",))
        if kind == "ws":
            number = picker.number
            sparsity = number(range(math.ceil(2 * _UNIT / n), _UNIT + 1), ("sparsity",))
            p = number(range(_UNIT + 1), ("p",))
            return _Family(n, sparsity, p, number(range(self.rules.seeds), ("seed",)))
        return n, self._edges(picker, n)

    def _edges(self, picker: Picker, n: int) -> list[tuple[int, int]]:
        number = picker.number
        edges: list[tuple[int, int]] = []
        part, parts = [0], 1
        for i in range(1, n - 1):
            degree = number(_degrees(i), ("degree", i))
            back, room = 0, i - degree + 2
            sources = []
            for j in range(degree):
                back = number(range(back + 1, room + j), ("back", i, j))
                sources.append(i - back)
            edges += [(u, i) for u in sources]
            parts = _join(part, parts, sources)
        edges += [(u, n - 1) for u in self._last(picker, part, parts)]
        return edges

    def _last(self, picker: Picker, part: Sequence[int], parts: int) -> list[int]:
        """What the last node is joined to: at least one node of every part."""
        i = len(part)
        degree = picker.number(range(parts, i + 1), ("degree", i))
        found: list[int] = []
        back = 0
        for j in range(degree):
            options: Sequence[int] = range(back + 1, i - degree + j + 2)
            if parts > 1:
                options = _covering(part, {part[u] for u in found}, degree - j - 1, options)
            back = picker.number(options, ("back", i, j))
            found.append(i - back)
        return found

    def build(self, recipe: Any) -> RelationalGraph:
        if isinstance(recipe, _Family):
            return _nearest_ws_graph(recipe)
        n, edges = recipe
        table = np.zeros((n, n), dtype=bool)
        index = np.array(edges, dtype=np.int64)
        table[index[:, 0], index[:, 1]] = table[index[:, 1], index[:, 0]] = True
        return RelationalGraph(adjacency=table)

    def answers(self, x: RelationalGraph) -> Iterable[Any]:
        _check(x)
        n = x.num_nodes
        family = _family(x) if self.rules.macro else None
        if family is not None:
            return ["ws", n, family.sparsity, family.p, family.seed]
        before: list[list[int]] = [[] for _ in range(n)]
        for i, u in np.argwhere(np.tril(x.adjacency)).tolist():
            before[i].append(u)
        values: list[Any] = ["graph", n]
        part, parts = [0], 1
        for i in range(1, n):
            values.append(len(before[i]))
            values += [i - u for u in reversed(before[i])]
            parts = _join(part, parts, before[i])
        if parts > 1:
            raise NotInLanguage(f"{x}: expected a connected graph, got {parts} parts")
        return values

    def canonical(self, x: RelationalGraph) -> RelationalGraph:
        # Without its name: two sets of WS-flex arguments can give isomorphic graphs.
        edges = canonical(self.graph(x), directed=False).edges
        return self.build((x.num_nodes, edges.T.tolist()))

    def equal(self, x: RelationalGraph, y: RelationalGraph) -> bool:
        return np.array_equal(x.adjacency, y.adjacency)

    def graph(self, x: RelationalGraph) -> ArchGraph:
        n = x.num_nodes
        return ArchGraph(
            op=np.zeros(n, dtype=np.int64),
            shape=np.zeros((n, 4), dtype=np.int64),
            edges=np.argwhere(np.triu(x.adjacency)).T.copy(),
            params=((),) * n,
            param_shapes={},
            cell=np.zeros(n, dtype=np.int64),
            ops=("node",),
            name=x.name,
        )

    def network(self, x: RelationalGraph, **options: Any) -> nn.Module:
        return relational_mlp(x, **options)


@lru_cache(maxsize=_LARGEST)
def _degrees(i: int) -> tuple[int, ...]:
    return (*range(1, i + 1), 0)


def _join(part: list[int], parts: int, sources: Sequence[int]) -> int:
    """Numbers the part of a new node, joined to `sources`; returns how many parts there are."""
    if parts == 1 and sources:
        part.append(part[0])
        return 1
    if not sources:
        part.append(max(part) + 1)
        return parts + 1
    joined = {part[u] for u in sources}
    kept = min(joined)
    if len(joined) > 1:
        part[:] = [kept if k in joined else k for k in part]
    part.append(kept)
    return parts - len(joined) + 1


def _covering(
    part: Sequence[int], covered: set[int], left: int, options: Sequence[int]
) -> list[int]:
    """The distances after which `left` larger ones can still reach every part."""
    i = len(part)
    reach = {k: i - u for u, k in reversed(list(enumerate(part)))}  # farthest node of each part
    missing = set(part) - covered
    found = []
    for back in options:
        rest = missing - {part[i - back]}
        if len(rest) <= left and all(reach[k] > back for k in rest):
            found.append(back)
    return found


@lru_cache(maxsize=256)
def _ws_graph(family: _Family) -> RelationalGraph:
    """The WS-flex graph of some arguments.

    Raises:
        ValueError: There is no connected one.
    """
    n, seed, sparsity, p = family.nodes, family.seed, family.sparsity / _UNIT, family.p / _UNIT
    table = ws_flex_graphs(n, np.array([n * sparsity]), np.array(p), np.array(seed))[0]
    name = ws_flex_name(n, sparsity, p, seed)
    return RelationalGraph(adjacency=table, name=name, regrow=partial(_regrown, family))


def _regrown(family: _Family, nodes: int) -> RelationalGraph:
    return _ws_graph(replace(family, nodes=nodes))


def _nearest_ws_graph(family: _Family) -> RelationalGraph:
    """The WS-flex graph, of the next larger degree that has a connected one."""
    while True:
        try:
            return _ws_graph(family)
        except ValueError:
            denser = min(family.sparsity + _UNIT // family.nodes, _UNIT)
            family = replace(family, sparsity=denser)


def _family(x: RelationalGraph) -> _Family | None:
    """The arguments of a WS-flex graph, read from its name and confirmed by its edges."""
    match = _WS_NAME.fullmatch(x.name)
    if match is None or int(match[1]) != x.num_nodes:
        return None
    sparsity, p = (round(float(text) * _UNIT) for text in match.group(2, 3))
    family = _Family(x.num_nodes, sparsity, p, int(match[4]))
    try:
        again = _ws_graph(family)
    except ValueError:
        return None
    return family if np.array_equal(again.adjacency, x.adjacency) else None


def _check(x: RelationalGraph) -> None:
    if not isinstance(x, RelationalGraph):
        raise NotInLanguage(f"relational: expected a RelationalGraph, got {type(x).__name__}")
    if x.directed:
        raise NotInLanguage(f"{x}: expected an undirected graph; use graph.undirected()")
