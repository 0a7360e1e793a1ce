"""The full view: every operation under its own name, every parameter."""

from __future__ import annotations

import math

import numpy as np
from torch import nn

from graph2nn.archgraph.calls import Call
from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.tracing.observing import Columns
from graph2nn.archgraph.tracing.recorder import Op, Trace
from graph2nn.archgraph.views.builder import Draft, Node, count_cells
from graph2nn.archgraph.views.published import carriers, output_classes, union

__all__ = ["NORMS", "full_view"]

NORMS = {
    "batch_norm": "bn",
    "instance_norm": "bn",
    "layer_norm": "ln",
    "group_norm": "ln",
    "rms_norm": "ln",
    "local_response_norm": "ln",
}
"""Normalising functions → primitive; their weight and bias share a node."""


def full_view(model: nn.Module, trace: Trace) -> ArchGraph:
    """Make a graph with one node for every recorded operation, named after its function.

    Names are `conv2d`, `gelu`, `getitem`, ... The node carries the first parameter the operation
    reads; a normalisation its weight and bias. The column `values` is the number of values of the
    (first) output. Further parameters follow as nodes of their own:
    `bias`, or `<operation>.<parameter>` (a recurrent layer's matrices, the output projection of
    attention). A parameter read twice (tied, reused) is carried by the first reader only, of those
    that lead to an output.
    """
    draft = Draft()
    carrier = carriers(trace)
    entries: list[int] = []
    exits: list[int] = []
    for i, op in enumerate(trace.ops):
        preds = union([(exits[r],) for r in op.inputs])
        entries.append(len(draft.nodes))
        draft.scope, draft.values = op.scope, math.prod(op.shape)
        exits.append(draft.chain(_nodes(op, trace, carrier, i), preds))
    draft.ends = dict.fromkeys(exits[i] for i in trace.outputs)
    graph = draft.finish(
        name=type(model).__name__,
        param_shapes={p.name: p.shape for p in trace.params},
        ops=None,
        num_cells=count_cells(model),
        num_classes=output_classes(trace),
        note=trace.note,
        scopes=trace.scopes,
    )
    if trace.columns is not None:
        columns = _columns(trace.columns, entries, len(draft.nodes))
        graph = graph.replace(columns={**columns, **graph.columns})
    if trace.calls is None:
        return graph
    calls: list[Call | None] = [None] * len(draft.nodes)
    for entry, call in zip(entries, trace.calls):  # no node has moved: ops run in order
        calls[entry] = call.renumbered(entries)
    returned = None if trace.returned is None else trace.returned.renumbered(entries)
    return graph.replace(calls=tuple(calls), returned=returned)


def _columns(recorded: Columns, entries: list[int], total: int) -> dict[str, np.ndarray | tuple]:
    """Values of nodes: what adds up is at an operation's own, what describes it at all of them."""
    owner = np.repeat(np.arange(len(entries)), np.diff([*entries, total]))
    own = np.zeros(total, dtype=np.int64)
    own[entries] = 1
    return {
        name: values[owner] * own
        if isinstance(values, np.ndarray)
        else tuple(values[k] for k in owner)
        for name, values in recorded.items()
    }


def _nodes(op: Op, trace: Trace, carrier: dict[int, int], index: int) -> list[Node]:
    """The nodes of op number `index`; a parameter's name stands at the op that carries it."""
    nodes = [Node(op.name, (1, 1, *op.attrs["kernel"]) if "kernel" in op.attrs else None)]
    params = op.params
    for k, j in enumerate(params):
        info = trace.params[j]
        names = (info.name,) if carrier[j] == index and j not in params[:k] else ()
        if k == 0:
            nodes[0].shape, nodes[0].params = info.shape, names
        elif op.name in NORMS:
            nodes[0].params += names
        else:
            local = info.name.rpartition(".")[2]
            kind = "bias" if local == "bias" else f"{op.name}.{local}"
            nodes.append(Node(kind, info.shape, names))
    return nodes
