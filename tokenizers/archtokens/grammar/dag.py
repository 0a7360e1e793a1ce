"""The language of labelled DAGs: cells of the NAS benchmarks, and any other `ArchGraph`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from archtokens.grammar.derivation import Choices, NotInLanguage, Picker
from archtokens.grammar.space import Space, symbols
from archtokens.grammar.vocabulary import DIGITS, Vocabulary, vocabulary_file
from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical

__all__ = ["DagRules", "DagSpace", "dag_tokens"]

_END = "[END]"


@dataclass(frozen=True, kw_only=True)
class DagRules:
    """Which graphs the language has.

    Args:
        ops: Operations of inner nodes; None means those of the NAS benchmarks, whose tokens are in
            the vocabulary file.
        max_nodes: Largest number of nodes, first and last included.
        max_inputs: Most edges into an inner node; None for no limit.
        dead: Operations that give zeros. At least one path without them joins input and output.
        first: What the first node can be.
        last: What the last node can be, which takes the output of every node that nothing reads.
        leaves: Operations that may have no input: parameters, such as a positional encoding.
        stages: Number of stages of a network (numbers in `ArchGraph.cell`, which do not fall along
            edges); None leaves stages out of the language.
        connected: False admits graphs in which `dead` operations cut every path, to tokenise
            complete tables; such graphs do not run.

    Raises:
        ValueError: No operation that passes anything on, or impossible sizes.
    """

    ops: tuple[str, ...] | None = None
    max_nodes: int = 32
    max_inputs: int | None = None
    dead: tuple[str, ...] = ("none",)
    first: tuple[str, ...] = ("input",)
    last: tuple[str, ...] = ("output",)
    leaves: tuple[str, ...] = ()
    stages: int | None = None
    connected: bool = True

    def __post_init__(self) -> None:
        if self.max_nodes < 2:
            raise ValueError(f"max_nodes: expected at least 2, got {self.max_nodes}")
        if self.max_inputs is not None and self.max_inputs < 1:
            raise ValueError(f"max_inputs: expected at least 1 or None, got {self.max_inputs}")
        if self.stages is not None and self.stages < 1:
            raise ValueError(f"stages: expected at least 1 or None, got {self.stages}")
        if self.ops is not None and not self.ops:
            raise ValueError("ops: expected at least one operation")
        for name in ("first", "last"):
            ends = getattr(self, name)
            if not ends or set(ends) & set(self.dead):
                raise ValueError(f"{name}: expected operations that pass values on, got {ends}")


def dag_tokens(ops: Iterable[str]) -> list[str]:
    """List the vocabulary for some operations: digits, the end, operations."""
    return [*DIGITS, _END, *(f"[OP:{op}]" for op in dict.fromkeys(ops))]


class DagSpace(Space):
    """DAGs with one input and one output, every node on a path from the one to the other.

    The walk: an operation, the number k of its inputs and k backward distances for one node after
    the other; `[END]` or the largest number of nodes closes the graph, and the last node reads
    every node that no other reads. What else it reads is written last: how many of the other
    nodes, and which. Numbers are digits, each the place in the list of admissible ones, so that
    `[0]` is the smallest. Distances rise, so no edge occurs twice.

    Names, shapes, parameters and attributes of a graph are not in its string; nodes keep their
    order unless the grammar is canonical.
    """

    name = "dag"

    def __init__(self, rules: DagRules | None = None) -> None:
        self.rules = r = rules or DagRules()
        self.vocabulary = Vocabulary.load(vocabulary_file(), "dag")
        ops = r.ops
        if ops is None:
            inner = [token for token in self.vocabulary.tokens if token.startswith("[OP:")]
            ops = tuple(token[4:-1] for token in inner)
        ends = [*r.first, *r.last] if len(r.first) * len(r.last) > 1 else []
        if any(f"[OP:{op}]" not in self.vocabulary.tokens for op in (*ops, *ends)):
            self.vocabulary = Vocabulary(dag_tokens([*ops, *ends]))
        v = self.vocabulary
        passing = [op for op in ops if op not in r.dead]
        ordered = [*passing, *(op for op in ops if op in r.dead)]
        self.ops = (*r.first, *r.last, *ordered)
        # The end comes first: where the tokens stop, the graph does.
        self._ops = Choices([(None, v.id(_END)), *((op, v.id(f"[OP:{op}]")) for op in ordered)])
        self._closed = Choices([(None, v.id(_END))])
        self._first, self._last = _ends(v, r.first), _ends(v, r.last)
        self._names = tuple(dict.fromkeys(self.ops))

    def derive(self, picker: Picker) -> tuple[list[str], list[tuple[int, int]], list[int]]:
        r, walk = self.rules, _Walk(self.rules)
        walk.add(picker.pick(self._first, ("op", 0)), (), 0)
        for i in range(1, r.max_nodes):
            op = picker.pick(self._ops if i < r.max_nodes - 1 else self._closed, ("op", i))
            if op is None:
                break
            most = i if r.max_inputs is None else min(i, r.max_inputs)
            counts = range(1, most + 1) if op not in r.leaves else (*range(1, most + 1), 0)
            count = picker.number(counts, ("inputs", i))
            back = 0
            sources = []
            for j in range(count):
                back = picker.number(range(back + 1, i - (count - 1 - j) + 1), ("input", i, j))
                sources.append(i - back)
            walk.add(op, sources, self._stage(picker, walk, sources))
        op = picker.pick(self._last, ("op", "last"))
        sources = self._merge(picker, walk)
        walk.add(op, sources, max(walk.stage[u] for u in sources))
        return walk.ops, walk.edges, walk.stage

    def _stage(self, picker: Picker, walk: _Walk, sources: Sequence[int]) -> int:
        if self.rules.stages is None:
            return 0
        low = max((walk.stage[u] for u in sources), default=0)
        return picker.number(range(low, self.rules.stages), ("stage", len(walk.ops)))

    def _merge(self, picker: Picker, walk: _Walk) -> list[int]:
        """Sources of the last node: all that nothing reads, and chosen ones of the others."""
        found = [u for u, used in enumerate(walk.used) if not used]
        others = [u for u, used in enumerate(walk.used) if used]
        alive = not self.rules.connected or any(walk.alive[u] for u in found)
        count = picker.number(range(0 if alive else 1, len(others) + 1), ("inputs", "last"))
        at = 0
        for j in range(count):
            left = count - 1 - j
            options = others[at : len(others) - left]
            if not alive:
                # One that carries the signal has to be among those still to come.
                last = max(u for u in others if walk.alive[u])
                options = [u for u in options if walk.alive[u] or (left and u < last)]
            source = picker.number(options, ("input", "last", j))
            alive = alive or walk.alive[source]
            at = others.index(source) + 1
            found.append(source)
        return sorted(found)

    def build(self, recipe: tuple[list[str], list[tuple[int, int]], list[int]]) -> ArchGraph:
        ops, edges, stage = recipe
        place = {op: k for k, op in enumerate(self._names)}
        n = len(ops)
        return ArchGraph(
            op=np.array([place[op] for op in ops], dtype=np.int64),
            shape=np.zeros((n, 4), dtype=np.int64),
            edges=np.array(sorted(edges), dtype=np.int64).reshape(-1, 2).T.copy(),
            params=((),) * n,
            param_shapes={},
            cell=np.array(stage, dtype=np.int64),
            ops=self._names,
        )

    def answers(self, x: ArchGraph) -> Iterable[Any]:
        ops, before, unread = _checked(x, self.rules.leaves)
        if self.rules.connected and not set(ops).isdisjoint(self.rules.dead):
            _check_signal(ops, before, self.rules.dead)
        last = len(ops) - 1
        staged = self.rules.stages is not None
        values: list[Any] = [ops[0]]
        for i in range(1, last):
            back = sorted(i - u for u in before[i])
            values += [ops[i], len(back), *back]
            if staged:
                values.append(int(x.cell[i]))
        extra = [u for u in before[last] if u not in unread]
        values += [None, ops[last], len(extra), *extra]
        if staged and x.cell[[0, last]].tolist() != [0, max(x.cell[u] for u in before[last])]:
            raise NotInLanguage(
                "stages: expected the input in stage 0 and the output in that of its latest "
                f"source, got {x.cell.tolist()}"
            )
        return values

    def canonical(self, x: ArchGraph) -> ArchGraph:
        form = canonical(x, drop=self.rules.dead)
        # Contracted identities hand their inputs on, and a sum may need more of them than it had.
        if self._fits(form):
            return form
        return canonical(x, drop=self.rules.dead, contract=())

    def _fits(self, x: ArchGraph) -> bool:
        inner = x.edges[1][x.edges[1] < x.num_nodes - 1]
        most = int(np.bincount(inner).max()) if inner.size else 0
        limit = self.rules.max_inputs
        return x.num_nodes <= self.rules.max_nodes and (limit is None or most <= limit)

    def equal(self, x: ArchGraph, y: ArchGraph) -> bool:
        stages = self.rules.stages is None or x.cell.tolist() == y.cell.tolist()
        return stages and x.op_names() == y.op_names() and np.array_equal(x.edges, y.edges)

    def graph(self, x: ArchGraph) -> ArchGraph:
        return x

    def network(self, x: ArchGraph, **options: Any) -> nn.Module:
        from graph2nn.cells.networks.network import DagNetwork

        return DagNetwork(x, **options)


class _Walk:
    """What a graph has so far: which nodes are read, and which carry the input's signal."""

    def __init__(self, rules: DagRules) -> None:
        self.dead = rules.dead
        self.ops: list[str] = []
        self.edges: list[tuple[int, int]] = []
        self.stage: list[int] = []
        self.used: list[bool] = []
        self.alive: list[bool] = []

    def add(self, op: str, sources: Sequence[int], stage: int) -> None:
        node = len(self.ops)
        alive = node == 0
        for u in sources:
            self.edges.append((u, node))
            self.used[u] = True
            alive = alive or self.alive[u]
        self.ops.append(op)
        self.stage.append(stage)
        self.used.append(False)
        self.alive.append(alive and op not in self.dead)


def _ends(vocabulary: Vocabulary, ops: Sequence[str]) -> Choices:
    """End nodes; a single possibility needs no token, hence none in the vocabulary."""
    if len(ops) == 1:
        return Choices([(ops[0], -1)])
    return symbols(vocabulary, "OP", ops)


def _checked(x: ArchGraph, leaves: Sequence[str]) -> tuple[list[str], list[list[int]], list[int]]:
    """Operations, sources of every node, and the nodes that only the last node reads.

    Raises:
        NotInLanguage: a node that is on no path from the first node to the last.
    """
    if not isinstance(x, ArchGraph):
        raise NotInLanguage(f"dag: expected an ArchGraph, got {type(x).__name__}")
    n, ops = x.num_nodes, x.op_names()
    if n < 2:
        raise NotInLanguage(f"dag: expected at least an input and an output, got {n} nodes")
    before: list[list[int]] = [[] for _ in range(n)]
    read = [False] * n
    for u, v in x.edges.T.tolist():
        before[v].append(u)
        read[u] = read[u] or v < n - 1
    for k in range(1, n):
        if not before[k] and ops[k] not in leaves:
            raise NotInLanguage(
                f"node {k} ({ops[k]}) has no input; prune the graph, or use canonical=True"
            )
    unread = [k for k in range(n - 1) if not read[k]]
    for k in unread:
        if k not in before[-1]:
            raise NotInLanguage(
                f"no path leads from node {k} ({ops[k]}) to the last node; prune the graph, or "
                "use canonical=True"
            )
    return ops, before, unread


def _check_signal(ops: Sequence[str], before: Sequence[Sequence[int]], dead: Sequence[str]) -> None:
    """Raise NotInLanguage where dead operations cut the output from the input."""
    alive = [True]
    for k in range(1, len(ops)):
        alive.append(ops[k] not in dead and any(alive[u] for u in before[k]))
    if not alive[-1]:
        raise NotInLanguage(
            f"the output does not depend on the input: every path runs through {', '.join(dead)}; "
            "connected=False admits such graphs, which do not run"
        )
