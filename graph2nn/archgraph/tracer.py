"""`trace`: the graph of any module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from torch import nn

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.measures.measuring import measured
from graph2nn.archgraph.tracing.caller.targets import as_network
from graph2nn.archgraph.tracing.failures import TraceError
from graph2nn.archgraph.tracing.recording import record
from graph2nn.archgraph.views.full import full_view
from graph2nn.archgraph.views.primitives import primitives_view
from graph2nn.archgraph.views.published import published_view
from graph2nn.names import choose

__all__ = ["View", "trace"]

View = Literal["full", "ghn2", "ghn3", "primitives"]


def trace(
    model: nn.Module | Callable,
    input: Any = None,
    *,
    view: View = "full",
    calls: bool = False,
    measures: bool = False,
    training: bool = True,
) -> ArchGraph:
    """Trace the computational graph of `model` in one forward pass that computes nothing.

    The module is run on meta tensors and left as it was, errors or not: parameters, buffers, flags
    and caches; and so are the input and the global random generators.

    Args:
        model: Any module; or a function, whose parameters are those of the modules among its
            variables; or a method of a module, which is then called in place of `forward`.
        input: Example input: a tensor, a tuple of positional arguments or a dict of keyword
            arguments, on any device; a dict whose names are none of the arguments is the only
            argument. By default images (2, 3, s, s) with s = `model.expected_input_sz` if set,
            else 224 (299 for Inception3).
        view: Kind of graph: "full", every operation under its own name and every parameter;
            "primitives", the full graph reduced to the 15 `PRIMITIVES`, with a node for every
            parameter; "ghn2" and "ghn3", exactly the graphs of the published hypernetworks, without
            the parameters these have no node for.
        calls: Whether it is also recorded how each operation was called (`ArchGraph.calls`); full
            view only.
        measures: Whether numbers at each node are recorded (`ArchGraph.columns`): work, memory,
            shapes, call sites, as `graph2nn.archgraph.measured` says; full view only. The default
            input is then one image.
        training: Whether the model runs in train mode, as the published graphs do (auxiliary heads
            are then part of it), or in eval mode.

    Raises:
        ValueError: The model is none, `view` is unknown, or `calls` or `measures` are asked of
            another view than the full one.
        TraceError: The model cannot run on the input; names the operation and the module, and holds
            the graph until there.

    Examples:
        >>> from torchvision.models import resnet50
        >>> graph = trace(resnet50(), view="ghn2")
        >>> graph.num_nodes, graph.num_edges
        (127, 142)
    """
    choose("view", view, ("full", "ghn2", "ghn3", "primitives"))
    if calls and view != "full":
        raise ValueError(f"calls are recorded in the full view only: expected 'full', got {view!r}")
    if measures and view != "full":
        raise ValueError(
            f"measures are recorded in the full view only: expected 'full', got {view!r}"
        )
    network, _ = as_network(model)
    try:
        if measures:
            return measured(model, input, training=training, calls=calls)
        recorded = record(model, input, training=training, calls=calls)
    except TraceError as error:
        error.graph = None if error.trace is None else full_view(network, error.trace)
        raise
    if view in ("ghn2", "ghn3"):
        return published_view(network, recorded, version=int(view[-1]))
    return (full_view if view == "full" else primitives_view)(network, recorded)
