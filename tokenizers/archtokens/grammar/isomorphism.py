"""One form for DeepNets-1M networks that only names, orders and dead parts tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from graph2nn.archgraph.labelling import canonical_order
from graph2nn.deepnets import Genotype, NetConfig
from graph2nn.deepnets.graphs.layout import layout

__all__ = ["canonical_config"]

Edge = tuple[str, int]
Steps = list[tuple[Edge | None, Edge | None]]  # None: an operation that never runs


def canonical_config(x: NetConfig, *, min_steps: int, filler: str, **inert: Any) -> NetConfig:
    """Find the representative of the networks isomorphic to x.

    Operations that no cell runs become `filler`; steps that nothing reads go, where both cells
    have one; the steps of a cell are numbered, and the two inputs of a step ordered, canonically.
    The order of steps says which channels of a concatenation come first: networks that differ in
    it are the same up to a permutation of weights. The two cells are numbered independently, but
    concatenate the same states, as the language wants it: the first of the bit patterns that both
    admit. Where only an operation that never runs makes a network a vision transformer, the dead
    operations stay as they are.

    Args:
        min_steps: Fewest steps of a cell.
        filler: Operation in the place of dead ones.
        inert: Fields without effect here, and their values; see `DeepNetsSpace.canonical`.
    """
    g = x.genotype
    halves = [(g.normal, g.normal_concat), (g.reduce, g.reduce_concat)]
    live = [_live(x, reduce=False), _live(x, reduce=True)]
    if x.vit and not any(
        op == "msa"
        for (edges, _), runs in zip(halves, live)
        for (op, _), on in zip(edges, runs)
        if on
    ):
        live = [[True] * len(g.normal), [True] * len(g.reduce)]
    flags = [2 + s in g.normal_concat for s in range(len(g.normal) // 2)]
    tables = [_steps(edges, runs) for (edges, _), runs in zip(halves, live)]
    idle = [_idle(table, flags) for table in tables]
    surplus = min(len(idle[0]), len(idle[1]), len(flags) - min_steps)
    common: frozenset = frozenset()
    while not common:  # with all steps, the order of x itself is common
        cells = [_without(table, flags, gone[:surplus]) for table, gone in zip(tables, idle)]
        one, two = (_patterns(_needs(steps), tuple(bits)) for steps, bits in cells)
        common, surplus = one & two, surplus - 1
    pattern = min(common)
    found = [_ordered(steps, bits, pattern, filler) for steps, bits in cells]
    concat = tuple(2 + s for s, bit in enumerate(pattern) if bit)
    return x.with_(genotype=Genotype(found[0], concat, found[1], concat), **inert)


def _live(x: NetConfig, *, reduce: bool) -> list[bool]:
    """Which edges of a half of the genotype some cell runs."""
    where = {x.n_cells // 3, 2 * x.n_cells // 3} - {0}
    runs = [False] * len(x.genotype.reduce if reduce else x.genotype.normal)
    for k, spec in enumerate(layout(x).cells):
        if (k in where) == reduce and spec.plan is not None:
            runs = [a or b for a, b in zip(runs, spec.plan.live)]
    return runs


def _steps(edges: Sequence[Edge], runs: Sequence[bool]) -> Steps:
    kept = [edge if on else None for edge, on in zip(edges, runs)]
    return list(zip(kept[::2], kept[1::2]))


def _idle(steps: Steps, flags: Sequence[bool]) -> list[int]:
    """Steps without operations that are no part of the output."""
    return [s for s, step in enumerate(steps) if step == (None, None) and not flags[s]]


def _without(steps: Steps, flags: Sequence[bool], gone: Sequence[int]) -> tuple[Steps, list[bool]]:
    kept = [s for s in range(len(steps)) if s not in gone]
    place = {0: 0, 1: 1, **{2 + s: 2 + k for k, s in enumerate(kept)}}

    def moved(edge: Edge | None) -> Edge | None:
        return None if edge is None else (edge[0], place[edge[1]])

    return [(moved(steps[s][0]), moved(steps[s][1])) for s in kept], [flags[s] for s in kept]


def _needs(steps: Steps) -> tuple[int, ...]:
    """For each step the set of steps that it reads, as bits."""
    return tuple(
        sum({1 << (edge[1] - 2) for edge in step if edge is not None and edge[1] >= 2})
        for step in steps
    )


@lru_cache(maxsize=1024)
def _patterns(needs: tuple[int, ...], flags: tuple[bool, ...], done: int = 0) -> frozenset:
    """The sequences of flags of all topological orders of the steps not yet done, the last step
    of an order being part of the output."""
    if done == (1 << len(needs)) - 1:
        return frozenset({()})
    found = set()
    for s, (need, flag) in enumerate(zip(needs, flags)):
        if not done >> s & 1 and need & ~done == 0:
            found |= {(flag, *rest) for rest in _patterns(needs, flags, done | 1 << s)}
    if done == 0:
        found = {pattern for pattern in found if pattern[-1]}
    return frozenset(found)


def _ordered(
    steps: Steps, flags: Sequence[bool], pattern: Sequence[bool], filler: str
) -> tuple[Edge, ...]:
    """The steps in their canonical order among those that follow the pattern."""
    rank, needs = _ranks(steps, flags), _needs(steps)
    order: list[int] = []
    done = 0
    for k, flag in enumerate(pattern):
        rest = tuple(pattern[k + 1 :])
        ready = [
            s
            for s in range(len(steps))
            if flags[s] == flag
            and not done >> s & 1
            and needs[s] & ~done == 0
            and rest in _patterns(needs, tuple(flags), done | 1 << s)
        ]
        order.append(min(ready, key=lambda s: rank[s]))
        done |= 1 << order[-1]
    place = {0: 0, 1: 1, **{2 + s: 2 + k for k, s in enumerate(order)}}
    return tuple(edge for s in order for edge in _filled(steps[s], place, filler))


def _filled(
    step: tuple[Edge | None, Edge | None], place: dict[int, int], filler: str
) -> list[Edge]:
    """The two edges of a step: those that run by their input, then fillers on the first free."""
    found = sorted(((op, place[i]) for op, i in filter(None, step)), key=lambda edge: edge[1])
    while len(found) < 2:
        taken = {i for _, i in found}
        found.append((filler, min({0, 1} - taken)))
    return found


def _ranks(steps: Steps, flags: Sequence[bool]) -> list[int]:
    """The place of each step in a numbering that isomorphic cells share."""
    n = 2 + len(steps)
    labels: list[tuple[int, str]] = [(0, ""), (1, ""), *((2 + flag, "") for flag in flags)]
    before: list[list[int]] = [[] for _ in range(n)]
    after: list[list[int]] = [[] for _ in range(n)]
    for s, step in enumerate(steps):
        for op, source in filter(None, step):
            node = len(labels)
            labels.append((4, op))
            before.append([source])
            after.append([2 + s])
            after[source].append(node)
            before[2 + s].append(node)
    place = {node: k for k, node in enumerate(canonical_order(labels, before, after))}
    return [place[2 + s] for s in range(len(steps))]
