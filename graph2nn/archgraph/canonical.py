"""One form for isomorphic networks: dead nodes pruned, identities contracted, nodes in order."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from graph2nn.archgraph.calls import Call
from graph2nn.archgraph.graph import ArchGraph, structural_hash
from graph2nn.archgraph.labelling import canonical_order
from graph2nn.archgraph.paths import live_nodes, topological_levels

__all__ = ["canonical", "canonical_key", "isomorphic_variants", "pruned", "reordered"]


def canonical(
    graph: ArchGraph,
    *,
    drop: Sequence[str] = ("none",),
    contract: Sequence[str] = ("skip",),
    prune: bool = True,
    directed: bool | None = None,
) -> ArchGraph:
    """Bring a graph into its canonical form, which isomorphic graphs share.

    Graphs that only dead parts tell apart become the same arrays, too.

    1. Operations that give zeros (`drop`) go, with their edges.
    2. Nodes go that are on no path from an input to an output. Inputs are the nodes `input` and
       parameters without inputs of their own (class tokens, positions); a graph without `input`
       starts at its nodes without sources. Inputs and outputs stay even where no path joins them.
    3. Identities (`contract`) go, their sources joined to their targets. Values that meet at a node
       are added, and x + x is not x: where m > 1 identities and edges lead from u to v, the form
       has the edge and m - 1 identities beside it, so that it does not depend on how the sum was
       wired. An identity stays that has parameters, is an output, or enters a new stage (`cell`
       differs from a source's), where shapes change. Should the sums need more identities than the
       graph has nodes, all stay.
    4. Nodes are ordered by their longest path from the start, then by operation, shape, cell and
       what surrounds them (`canonical_order`).

    Not pruned: an operation all of whose inputs were dropped. It has no path from an input, so
    rule 2 takes it, though a normalisation would turn zeros into a learned constant.

    Args:
        drop: Names of operations that give zeros.
        contract: Names of identities.
        prune: Whether to do 1 to 3; without, only the order changes.
        directed: Whether an edge has a direction. Without, edges i < j stand for undirected ones,
            and nothing is pruned. None: unless all operations are `node` (relational graphs).

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> canonical(nb201_cell([1, 1, 2, 1, 1, 0])).op_names()
        ['input', 'conv_3x3', 'output']
    """
    if directed is None:
        directed = set(graph.op_names()) != {"node"}
    if prune and directed:
        graph = _contracted(pruned(graph, drop), set(contract))
    return reordered(graph, _order(graph, directed))


def canonical_key(graph: ArchGraph, **options: bool | None | Sequence[str]) -> str:
    """Return a string equal for two graphs exactly if their canonical forms are isomorphic.

    Compared are operations, shapes, parameters' shapes, cells, edges and outputs; names, attributes
    and the vocabulary are not.

    Args:
        options: Options of `canonical`.
    """
    form = canonical(graph, **options)  # type: ignore[arg-type]
    places = [tuple(f"{k}.{i}" for i in range(len(names))) for k, names in enumerate(form.params)]
    shapes = {
        place: form.param_shapes[name]
        for new, old in zip(places, form.params)
        for place, name in zip(new, old)
    }
    key = structural_hash(form.replace(params=tuple(places), param_shapes=shapes))
    return key if not form.outputs else f"{key}:{','.join(map(str, form.outputs))}"


def isomorphic_variants(
    graph: ArchGraph, count: int, seed: int | np.random.Generator
) -> list[ArchGraph]:
    """Copy a graph with its nodes in random topological orders, for augmentation.

    Every order can occur; the last node stays last where it stands for the output. The edges of an
    undirected graph (all operations `node`) follow any order.

    Args:
        seed: Seed, or a generator, which advances.

    Raises:
        ValueError: A negative count.
    """
    if count < 0:
        raise ValueError(f"count: expected at least 0 variants, got {count}")
    rng = np.random.default_rng(seed)
    if set(graph.op_names()) == {"node"}:
        return [reordered(graph, rng.permutation(graph.num_nodes).tolist()) for _ in range(count)]
    before, after = _adjacency(graph.num_nodes, graph.edges)
    variants = []
    for _ in range(count):
        priority = rng.random(graph.num_nodes)
        if not graph.outputs:
            priority[-1] = 2
        variants.append(reordered(graph, _topological(before, after, priority)))
    return variants


def reordered(graph: ArchGraph, order: Sequence[int]) -> ArchGraph:
    """Reorder a graph, node `order[k]` becoming node k; edges are turned to run forward.

    Raises:
        ValueError: Not a permutation of the nodes.
    """
    if sorted(order) != list(range(graph.num_nodes)):
        raise ValueError(f"order: expected a permutation of {graph.num_nodes} nodes, got {order}")
    index = np.asarray(order, dtype=np.int64)
    place = np.empty_like(index)
    place[index] = np.arange(len(index))
    edges = np.sort(place[graph.edges], axis=0)
    params = tuple(graph.params[k] for k in order)
    return graph.replace(
        op=graph.op[index],
        shape=graph.shape[index],
        edges=edges[:, np.lexsort((edges[1], edges[0]))],
        params=params,
        cell=graph.cell[index],
        outputs=tuple(sorted(int(place[k]) for k in graph.outputs)),
        calls=_calls_at(graph, order, place.tolist()),
        returned=None if graph.returned is None else graph.returned.renumbered(place.tolist()),
        **graph.facts_at(index),
    )


def _calls_at(graph: ArchGraph, order: Sequence[int], place: list[int]) -> tuple[Call | None, ...]:
    if not graph.calls:
        return ()
    calls = (graph.calls[k] for k in order)
    return tuple(None if call is None else call.renumbered(place) for call in calls)


def pruned(graph: ArchGraph, drop: Collection[str] = ("none",)) -> ArchGraph:
    """Do steps 1 and 2 of `canonical` only: keep the live part of a graph, in the order given."""
    n, names = graph.num_nodes, graph.op_names()
    before, _ = _adjacency(n, graph.edges)
    has_input = "input" in names
    inputs = {
        k
        for k in range(n)
        if names[k] == "input" or (not before[k] and (graph.params[k] or not has_input))
    }
    outputs = _outputs(graph)
    kept = [name not in drop or k in inputs | outputs for k, name in enumerate(names)]
    starts, ends = (np.array([k in nodes for k in range(n)]) for nodes in (inputs, outputs))
    found = live_nodes(graph.edges, starts, ends, np.array(kept)).tolist()
    stay = {k for k in range(n) if names[k] == "input"} | outputs
    live = [k for k in range(n) if found[k] or k in stay]
    if len(live) == n:
        return graph
    known = set(live)
    edges = [(u, v) for u, v in graph.edges.T.tolist() if u in known and v in known]
    return _subgraph(graph, live, edges)


def _adjacency(n: int, edges: np.ndarray) -> tuple[list[list[int]], list[list[int]]]:
    before: list[list[int]] = [[] for _ in range(n)]
    after: list[list[int]] = [[] for _ in range(n)]
    for u, v in edges.T.tolist():
        before[v].append(u)
        after[u].append(v)
    return before, after


def _topological(
    before: list[list[int]], after: list[list[int]], priority: np.ndarray
) -> list[int]:
    """The topological order that always takes the ready node of the smallest priority.

    A node that must stay last has the largest priority and nothing after it.
    """
    missing = [len(nodes) for nodes in before]
    ready = [(priority[k], k) for k, count in enumerate(missing) if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        node = heapq.heappop(ready)[1]
        order.append(node)
        for k in after[node]:
            missing[k] -= 1
            if missing[k] == 0:
                heapq.heappush(ready, (priority[k], k))
    return order


def _outputs(graph: ArchGraph) -> set[int]:
    return set(graph.outputs) or {graph.num_nodes - 1}


def _subgraph(
    graph: ArchGraph,
    nodes: list[int],
    edges: list[tuple[int, int]],
    skips: Sequence[int] = (),
    identity: str = "skip",
) -> ArchGraph:
    """The graph on some nodes, with these edges between them (numbered as in `graph`).

    Args:
        skips: sources of identities that are new; their nodes are numbered from `num_nodes` on.
        identity: the operation of those.
    """
    n = graph.num_nodes
    # An identity stands right after its source, so that the numbering stays topological.
    spots = [*((k, -1) for k in nodes), *((u, i) for i, u in enumerate(skips))]
    every = [k if i < 0 else n + i for k, i in sorted(spots)]
    place = {k: i for i, k in enumerate(every)}
    origin = np.array([k if k < n else skips[k - n] for k in every], dtype=np.int64)
    new = np.array([k >= n for k in every], dtype=bool)
    op, shape = graph.op[origin], graph.shape[origin]
    if skips:
        op[new], shape[new] = graph.ops.index(identity), 0
    pairs = sorted((place[u], place[v]) for u, v in edges)
    params = tuple(() if fresh else graph.params[k] for k, fresh in zip(origin, new))
    outputs = tuple(place[k] for k in graph.outputs)
    facts = graph.facts_at(origin)
    return graph.replace(
        op=op,
        shape=shape,
        edges=np.array(pairs, dtype=np.int64).reshape(-1, 2).T.copy(),
        params=params,
        param_shapes={name: graph.param_shapes[name] for names in params for name in names},
        cell=graph.cell[origin],
        outputs=outputs,
        calls=(),
        returned=None,
        scope=facts["scope"],
        columns={} if skips else facts["columns"],
    )


def _contracted(graph: ArchGraph, contract: set[str]) -> ArchGraph:
    """Without identities, but for those that count how often a value enters a sum."""
    n, names, cell = graph.num_nodes, graph.op_names(), graph.cell
    before, _ = _adjacency(n, graph.edges)
    outputs = _outputs(graph)
    identities = {
        k
        for k in range(n)
        if names[k] in contract
        and not graph.params[k]
        and k not in outputs
        and before[k]
        and all(cell[u] == cell[k] for u in before[k])
    }
    if not identities:
        return graph
    terms: list[Counter[int]] = []
    for k in range(n):
        total: Counter[int] = Counter()
        for u in before[k]:
            total.update(terms[u] if u in identities else (u,))
        terms.append(total)
    nodes = [k for k in range(n) if k not in identities]
    # Multiplicities can double with every identity, hence the check before anything is built.
    if sum(terms[v].total() - len(terms[v]) for v in nodes) > n:
        return graph
    edges: list[tuple[int, int]] = []
    skips: list[int] = []
    for v in nodes:
        for u, times in sorted(terms[v].items()):
            edges.append((u, v))
            for _ in range(times - 1):
                edges += [(u, n + len(skips)), (n + len(skips), v)]
                skips.append(u)
    return _subgraph(graph, nodes, edges, skips, min(names[k] for k in identities))


def _order(graph: ArchGraph, directed: bool) -> list[int]:
    n = graph.num_nodes
    before, after = _adjacency(n, graph.edges)
    depth, height = [0] * n, [0] * n
    if directed:
        depth = topological_levels(graph.edges, n).tolist()
        height = topological_levels(graph.edges, n, backward=True).tolist()
    else:
        before = after = [b + a for b, a in zip(before, after)]
    names, shapes, cells = graph.op_names(), graph.shape.tolist(), graph.cell.tolist()
    params = [[graph.param_shapes[name] for name in names] for names in graph.params]
    outputs = _outputs(graph) if directed else set()
    # An output that no path reaches has depth 0, and still comes after the inputs.
    labels = [
        (depth[k], k in outputs, names[k], tuple(shapes[k]), cells[k], tuple(params[k]), height[k])
        for k in range(n)
    ]
    return canonical_order(labels, before, after)
