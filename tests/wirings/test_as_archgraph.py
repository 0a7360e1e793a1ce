"""The graph of a tiny wired network in which fixed edges show beside its layers."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from graph2nn.archgraph import PRIMITIVE_ID, trace
from graph2nn.wirings import DiscreteTimeWiring, StaticWiring, wiring_archgraph, wiring_graph
from graph2nn.wirings.as_archgraph import trace_wiring

SMALL = {"nodes": 48, "inputs": 16, "outputs": 16, "layers": 3, "keep": 0.1, "image_size": 8}


@pytest.mark.parametrize("make", [StaticWiring, DiscreteTimeWiring])
def test_random_edges_show(make) -> None:
    model = make("random", seed=1, **SMALL)
    plain, graph = trace(model, view="primitives"), trace_wiring(model)
    inside = wiring_archgraph(wiring_graph(model))
    assert graph.num_nodes == plain.num_nodes + inside.num_nodes - 2
    assert dict(graph.param_shapes) == dict(plain.param_shapes)
    wires = next(n for n, names in enumerate(graph.params) if "wires.weight" in names)
    first = wires - (inside.num_nodes - 2)
    edges = graph.edges[:, (graph.edges >= first).all(0) & (graph.edges < wires).all(0)]
    inner = inside.edges[
        :, (inside.edges > 0).all(0) & (inside.edges < inside.num_nodes - 1).all(0)
    ]
    assert (edges - first == inner - 1).all()
    assert (graph.op[first : first + 16] == PRIMITIVE_ID["sep_conv"]).all()
    assert np.isin(np.arange(first, first + 16), graph.edges[1]).all()


def test_edges_differ_by_their_seed() -> None:
    one, other = (trace_wiring(StaticWiring("random", seed=seed, **SMALL)) for seed in (1, 2))
    assert one.num_nodes == other.num_nodes
    assert one.edges.shape != other.edges.shape or (one.edges != other.edges).any()


def test_edges_that_depend_on_weights_do_not_show() -> None:
    model = StaticWiring("dnw", **SMALL)
    assert trace_wiring(model).num_nodes == trace(model, view="primitives").num_nodes


def test_other_networks() -> None:
    with pytest.raises(ValueError, match="expected a tiny wired network, got Linear"):
        trace_wiring(nn.Linear(2, 2))
