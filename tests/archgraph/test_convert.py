"""Batches, other graph types, hashes, coverage."""

from __future__ import annotations

import dataclasses

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import (
    coverage,
    from_networkx,
    structural_hash,
    to_networkx,
    to_pyg,
    trace,
)


class Small(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.norm, self.pool = nn.BatchNorm2d(width), nn.MaxPool2d(2)
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = self.a(x)
        x = self.pool(x + self.norm(self.b(x)))
        return self.head(x.mean((2, 3), keepdim=True).flatten(1))


def small(width=4, view="ghn2"):
    return trace(Small(width), torch.zeros(2, 3, 8, 8), view=view)


def same(a, b):
    assert a.op_names() == b.op_names() and a.params == b.params
    assert dict(a.param_shapes) == dict(b.param_shapes)
    for field in ("shape", "edges", "cell"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


@pytest.mark.parametrize("view", ["ghn2", "full"])
def test_networkx_round_trip(view):
    graph = small(view=view)
    out = to_networkx(graph)
    assert nx.is_directed_acyclic_graph(out)
    assert out.number_of_edges() == graph.num_edges
    same(from_networkx(out), graph)
    virtual = to_networkx(graph, cutoff=50)
    assert virtual.number_of_edges() == int((graph.distances(50) > 0).sum())
    same(from_networkx(virtual), graph)


def test_from_networkx_orders_any_graph():
    graph = nx.DiGraph([("out", "end"), ("in", "out"), ("in", "end")])
    nx.set_node_attributes(graph, {"in": "input", "out": "conv", "end": "sum"}, "op")
    out = from_networkx(graph)
    assert out.op_names() == ["input", "conv", "sum"]
    assert out.edges.tolist() == [[0, 0, 1], [1, 2, 2]]


def test_from_networkx_refuses_cycles_and_unnamed_operations():
    graph = nx.DiGraph([(0, 1), (1, 0)])
    with pytest.raises(ValueError, match="acyclic.*cycle"):
        from_networkx(graph)
    with pytest.raises(ValueError, match="node 0 has no attribute 'op'"):
        from_networkx(nx.DiGraph([(0, 1)]))


def test_pyg_data_and_batches():
    data = pytest.importorskip("torch_geometric.data")
    graphs = [small(4), small(6)]
    one = to_pyg(graphs[0])
    assert one.edge_index.shape == (2, graphs[0].num_edges) and one.edge_attr is None
    both = data.Batch.from_data_list([to_pyg(g, cutoff=50) for g in graphs])
    assert both.num_nodes == 2 * graphs[0].num_nodes
    assert both.edge_attr.shape == (both.edge_index.shape[1], 1)
    assert both.edge_attr.max() == graphs[0].distances(50).max()
    assert both.batch.bincount().tolist() == [g.num_nodes for g in graphs]


def test_hash_tells_structures_apart():
    a = small(4)
    assert structural_hash(a) == structural_hash(small(4)) and len(structural_hash(a)) == 64
    others = [small(6), small(view="full"), trace(nn.Linear(3, 2), torch.zeros(1, 3), view="ghn2")]
    fewer = dataclasses.replace(a, edges=a.edges[:, 1:])
    renamed = dataclasses.replace(a, name="other", note="other")
    assert len({structural_hash(g) for g in (a, fewer, *others)}) == 5
    assert structural_hash(renamed) == structural_hash(a)


def test_coverage_names_what_is_missing():
    class Unused(Small):
        def __init__(self):
            super().__init__()
            self.spare = nn.Linear(2, 2)
            self.gamma = nn.Parameter(torch.ones(4, 1, 1))

        def forward(self, x):
            return super().forward(x * self.gamma[:3] / self.gamma[:3])

    model = Unused()
    graph = trace(model, torch.zeros(2, 3, 8, 8), view="ghn2")
    report = coverage(graph, model)
    assert report.missing == ("gamma", "spare.weight", "spare.bias") and not report.complete
    assert (report.total, report.with_node, report.reaching_output) == (11, 8, 8)
    assert "8 of 11 parameters have a node" in str(report) and "missing: gamma" in str(report)
    every = coverage(trace(model, torch.zeros(2, 3, 8, 8), view="primitives"), model)
    assert every.missing == ("spare.weight", "spare.bias")
    assert coverage(small(6), Small(4)).misshapen
    assert coverage(small(4), Small(4)).complete
