"""Which modules does each node of a graph lie in? As recorded, or guessed from parameter names."""

from __future__ import annotations

from itertools import pairwise

from graph2nn.archgraph.graph import ArchGraph

__all__ = ["Level", "grouped_order", "module_chains"]

Level = tuple[object, str, str, str]
"""A module around a node: key, name beside its siblings, qualified name, class."""


def module_chains(graph: ArchGraph) -> list[tuple[Level, ...]]:
    """List the modules around each node, the outermost first; the network itself is left out.

    Recorded calls (`ArchGraph.scopes`) are taken as they are: a module called twice is two. Without
    them names decide: of the column `module`, or of parameters, where a node without any lies in
    what its neighbours in node order share. Cells stand in for modules where there are several.
    """
    if graph.scopes:
        return _recorded(graph)
    if "module" in graph.columns:
        names = [str(name or "") for name in graph.columns["module"]]
    else:
        names = _guessed(graph)
    if not any(names) and graph.num_nodes and graph.cell.any():
        names = [f"cell {number}" for number in graph.cell.tolist()]
        return [(((name,), name, name, ""),) for name in names]
    return [_levels(name) for name in names]


def _recorded(graph: ArchGraph) -> list[tuple[Level, ...]]:
    chains: list[tuple[Level, ...]] = []
    for number, scope in enumerate(graph.scopes):
        if scope.parent < 0 and not scope.path:
            chains.append(())
            continue
        above = graph.scopes[scope.parent].path if scope.parent >= 0 else ""
        inside = above and scope.path.startswith(f"{above}.")
        name = scope.path[len(above) + 1 :] if inside else scope.path
        outer = chains[scope.parent] if scope.parent >= 0 else ()
        chains.append((*outer, (number, name or scope.kind, scope.path, scope.kind)))
    return [chains[k] if k >= 0 else () for k in graph.scope.tolist()]


def _levels(path: str) -> tuple[Level, ...]:
    parts = path.split(".") if path else []
    paths = [".".join(parts[: k + 1]) for k in range(len(parts))]
    return tuple((full, part, full, "") for full, part in zip(paths, parts))


def _guessed(graph: ArchGraph) -> list[str]:
    """Names of the innermost modules, from parameters of the node or of those around it."""
    own = [names[0].rpartition(".")[0] if names else None for names in graph.params]
    found: list[str] = []
    following: list[str] = [""] * len(own)
    after = ""
    for k in range(len(own) - 1, -1, -1):
        following[k] = after
        name = own[k]
        after = after if name is None else name
    before = ""
    for name, after in zip(own, following):
        found.append(_shared(before, after) if name is None else name)
        before = before if name is None else name
    return found


def _shared(a: str, b: str) -> str:
    same = []
    for x, y in zip(a.split("."), b.split(".")):
        if x != y:
            break
        same.append(x)
    # an operation between two parameters of one module belongs beside that module
    return ".".join(same[:-1] if a == b else same)


def grouped_order(graph: ArchGraph, chains: list[tuple[Level, ...]]) -> list[int]:
    """Order the nodes topologically so that those of a module stand together where they can."""
    natural = list(range(graph.num_nodes))
    keys = [tuple(level[0] for level in chain) for chain in chains]
    if _runs(keys, natural) == len({key[:k] for key in keys for k in range(1, len(key) + 1)}):
        return natural
    targets: list[list[int]] = [[] for _ in natural]
    waiting = [0] * graph.num_nodes
    for u, v in graph.edges.T.tolist():
        targets[u].append(v)
        waiting[v] += 1
    ready = [v for v in natural if not waiting[v]]
    order: list[int] = []
    last: tuple = ()
    while ready:
        best = min(ready, key=lambda v: (-_common(keys[v], last), v))
        ready.remove(best)
        order.append(best)
        last = keys[best]
        for v in targets[best]:
            waiting[v] -= 1
            if not waiting[v]:
                ready.append(v)
    return order if _runs(keys, order) < _runs(keys, natural) else natural


def _common(a: tuple, b: tuple) -> int:
    return next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def _runs(keys: list[tuple], order: list[int]) -> int:
    """Number of stretches, over all levels, in which the order visits modules."""
    first = len(keys[order[0]]) if order else 0
    return first + sum(len(keys[b]) - _common(keys[a], keys[b]) for a, b in pairwise(order))
