"""What does the difference of two graphs look like? Both in one, marked where they differ."""

from __future__ import annotations

import numpy as np

from graph2nn.archgraph.calls import Scope
from graph2nn.archgraph.exchange.difference import Difference
from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.pictures.modules import Level, module_chains
from graph2nn.archgraph.pictures.picture import Picture, Status, picture_of

__all__ = ["difference_picture"]


def difference_picture(difference: Difference, *, title: str | None = None) -> Picture:
    """Describe two graphs as one: added, removed and changed nodes and edges are marked."""
    before, after = difference.before, difference.after
    order, place = _merged(difference)
    changed = {j: i for (i, j), new in zip(difference.pairs.tolist(), difference.changed) if new}
    status: list[Status] = []
    for old, new in order:
        single: Status = "removed" if new is None else "added" if old is None else ""
        status.append("changed" if new in changed else single)
    edges, marks = _edges(difference, place)
    union = _union(difference, order, edges)
    names = [graph.name or "network" for graph in (before, after)]
    counts = [f"{status.count(kind)} {kind}" for kind in ("added", "removed", "changed")]
    return picture_of(
        union,
        status=status if any(status) else (),
        edge_status=marks,
        title=" → ".join(dict.fromkeys(names)) if title is None else title,
        note="" if difference else "The two graphs are equal.",
        subtitle=f"{', '.join(counts)} of {len(order)} operations",
    )


def _merged(difference: Difference) -> tuple[list[tuple[int | None, int | None]], list[np.ndarray]]:
    """Nodes of both in an order that suits both, and the place in it of each node of either."""
    sizes = difference.before.num_nodes, difference.after.num_nodes
    order: list[tuple[int | None, int | None]] = []
    i = j = 0
    for old, new in [*difference.pairs.tolist(), sizes]:
        order += [(k, None) for k in range(i, old)]
        order += [(None, k) for k in range(j, new)]
        if (old, new) != sizes:
            order.append((old, new))
        i, j = old + 1, new + 1
    place = [np.zeros(size, dtype=np.int64) for size in sizes]
    for k, pair in enumerate(order):
        for side, node in enumerate(pair):
            if node is not None:
                place[side][node] = k
    return order, place


def _edges(difference: Difference, place: list[np.ndarray]) -> tuple[np.ndarray, list[Status]]:
    found: dict[tuple[int, int], Status] = {}
    for u, v in place[1][difference.after.edges].T.tolist():
        found[u, v] = "added"
    for u, v in place[0][difference.before.edges].T.tolist():
        found[u, v] = "" if (u, v) in found else "removed"
    pairs = sorted(found)
    edges = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return edges, [found[pair] for pair in pairs]


def _union(
    difference: Difference, order: list[tuple[int | None, int | None]], edges: np.ndarray
) -> ArchGraph:
    before, after = difference.before, difference.after
    chains = [module_chains(graph) for graph in (before, after)]
    scopes: dict[tuple[str, ...], Scope] = {(): Scope(-1, "", after.name)}
    numbers: dict[tuple[str, ...], int] = {(): 0}
    ops = tuple(dict.fromkeys((*after.ops, *before.ops)))
    index = {op: k for k, op in enumerate(ops)}
    sizes = dict(after.param_shapes)
    op, shape, params, scope, earlier = [], [], [], [], []
    for old, new in order:
        graph, node = (before, old) if new is None else (after, new)
        assert node is not None
        op.append(index[graph.ops[graph.op[node]]])
        shape.append(graph.shape[node])
        own = graph.params[node]
        if new is None:  # a name may stand for another parameter today
            own = tuple(f"{name} (before)" if name in sizes else name for name in own)
            sizes.update(zip(own, (graph.param_shapes[name] for name in graph.params[node])))
        params.append(own)
        scope.append(_scope(chains[new is not None][node], scopes, numbers))
        earlier.append(_words(before, old) if old is not None and new is not None else None)
    same = (before.ops, after.ops) == (after.ops, after.ops)
    return ArchGraph(
        op=np.array(op, dtype=np.int64),
        shape=np.array(shape, dtype=np.int64).reshape(-1, 4),
        edges=edges,
        params=tuple(params),
        param_shapes={name: sizes[name] for names in params for name in names},
        cell=np.zeros(len(order), dtype=np.int64),
        ops=after.ops if same else ops,
        name=after.name,
        scopes=tuple(scopes.values()),
        scope=np.array(scope, dtype=np.int64),
        columns={"before": tuple(earlier)},
    )


def _scope(
    chain: tuple[Level, ...],
    scopes: dict[tuple[str, ...], Scope],
    numbers: dict[tuple[str, ...], int],
) -> int:
    """Number of the scope of a node; a module of both graphs is one, whatever its calls."""
    above: tuple[str, ...] = ()
    for _, _, path, kind in chain:
        place = (*above, path)
        if place not in numbers:
            numbers[place] = len(scopes)
            scopes[place] = Scope(numbers[above], path, kind)
        above = place
    return numbers[above]


def _words(graph: ArchGraph, node: int) -> str:
    sizes = ["×".join(map(str, graph.param_shapes[name])) for name in graph.params[node]]
    return " ".join([graph.ops[graph.op[node]], *sizes])
