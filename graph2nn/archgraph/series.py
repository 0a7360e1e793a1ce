"""What is the graph of modules that run one after another? Their graphs, joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from graph2nn.archgraph.graph import ArchGraph

__all__ = ["in_series", "with_prefix"]


def with_prefix(graph: ArchGraph, prefix: str) -> ArchGraph:
    """Return the graph of a module as part of another: parameters are called `prefix.name`."""
    names = {name: f"{prefix}.{name}" for name in graph.param_shapes}
    return graph.replace(
        params=tuple(tuple(names[name] for name in node) for node in graph.params),
        param_shapes={names[name]: shape for name, shape in graph.param_shapes.items()},
    )


def in_series(
    parts: Sequence[ArchGraph],
    *,
    stages: Sequence[int] | None = None,
    tied: Mapping[str, str] | None = None,
    name: str = "",
    num_classes: int | None = None,
) -> ArchGraph:
    """Join graphs of modules that run one after another, each on the output of the one before.

    The graph is that of tracing all of them at once, so that thousands of networks made of a few
    blocks need few traces. The first node of each part is its input; what it feeds is fed by the
    last nodes of the part before. A part without other nodes is an identity. The column `values` is
    theirs, so that each part should have been traced on what the one before gives out.

    Args:
        parts: Graphs of one vocabulary, in order; parameters have their full names (`with_prefix`).
        stages: Number to store as `cell` of each part's nodes; None for 0. The input is in the
            first part's.
        tied: Parameters that are another one, carried by an earlier part: name to that one's name.
        name, num_classes: Fields of the graph.

    Raises:
        ValueError: No part, different vocabularies, a part whose first node is no input, or a
            parameter that two parts carry.

    Examples:
        >>> import torch
        >>> from graph2nn.archgraph import trace
        >>> layer = trace(torch.nn.Linear(8, 8), torch.zeros(1, 8), view="primitives")
        >>> two = in_series([with_prefix(layer, "0"), with_prefix(layer, "1")])
        >>> two.op_names()
        ['input', 'conv', 'bias', 'conv', 'bias']
    """
    _check(parts)
    tied = tied or {}
    edges, ends = _edges(parts)
    numbers = list(stages) if stages is not None else [0] * len(parts)
    sizes = [graph.num_nodes - 1 for graph in parts]
    return ArchGraph(
        op=np.concatenate([parts[0].op[:1], *(graph.op[1:] for graph in parts)]),
        shape=np.concatenate([parts[0].shape[:1], *(graph.shape[1:] for graph in parts)]),
        edges=edges,
        params=((), *chain.from_iterable(_own_params(graph, tied) for graph in parts)),
        param_shapes=_joined(parts, tied),
        cell=np.repeat([numbers[0], *numbers], [1, *sizes]).astype(np.int64),
        ops=parts[0].ops,
        name=name,
        num_classes=num_classes,
        outputs=ends,
        columns=_values(parts),
    )


def _edges(parts: Sequence[ArchGraph]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Edges of all parts in the numbers of the whole, sorted, and the nodes it ends in."""
    edges: list[np.ndarray] = []
    ends: tuple[int, ...] = (0,)
    offset = 0
    for graph in parts:
        fed = graph.edges[0] == 0
        own = graph.edges + offset
        own[0, fed] = ends[0]
        edges.append(own)
        for end in ends[1:]:
            more = own[:, fed]
            more[0] = end
            edges.append(more)
        last = graph.outputs or (graph.num_nodes - 1,)
        ends = (*(ends if 0 in last else ()), *(k + offset for k in last if k))
        offset += graph.num_nodes - 1
    pairs = np.concatenate(edges, axis=1).astype(np.int64)
    order = np.lexsort((pairs[1], pairs[0]))
    return np.ascontiguousarray(pairs[:, order]), tuple(sorted(ends))


def _values(parts: Sequence[ArchGraph]) -> dict[str, np.ndarray]:
    """The column `values`, where all parts have it."""
    if not all("values" in graph.columns for graph in parts):
        return {}
    each = [graph.numbers("values") for graph in parts]
    return {"values": np.concatenate([each[0][:1], *(values[1:] for values in each)])}


def _check(parts: Sequence[ArchGraph]) -> None:
    if not parts:
        raise ValueError("expected at least one graph to join, got an empty sequence")
    for graph in parts:
        if graph.ops != parts[0].ops:
            raise ValueError(
                f"graphs in series need one vocabulary, got {', '.join(graph.ops)} beside "
                f"{', '.join(parts[0].ops)}; trace all of them with view='primitives'"
            )
        first = graph.ops[graph.op[0]]
        if first != "input":
            raise ValueError(f"{graph}: expected the first node to be the input, got {first!r}")


def _own_params(graph: ArchGraph, tied: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Parameters of the nodes behind the input, without those that another part carries."""
    nodes = graph.params[1:]
    if tied.keys().isdisjoint(graph.param_shapes):
        return nodes
    return tuple(tuple(name for name in node if name not in tied) for node in nodes)


def _joined(parts: Sequence[ArchGraph], tied: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    expected = 0
    for graph in parts:
        shapes.update(graph.param_shapes)
        expected += len(graph.param_shapes)
    if len(shapes) != expected:
        raise ValueError(
            "two graphs in series carry a parameter of one name; give each part its own prefix "
            "with with_prefix"
        )
    for name, owner in tied.items():
        if shapes.pop(name, None) is None or owner not in shapes:
            raise ValueError(f"tied: no part carries {name} and {owner}")
    return shapes
