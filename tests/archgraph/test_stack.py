"""Graphs laid end to end."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from graph2nn.archgraph import GraphStack, trace
from graph2nn.cells import nb201_cell


def test_a_stack_holds_graphs_end_to_end():
    small = trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)), view="ghn2")
    cell = nb201_cell([1, 2, 3, 4, 0, 1])
    stack = GraphStack.of([small, cell, small])
    n, m = small.num_nodes, cell.num_nodes
    assert len(stack) == 3 and stack.total == 2 * n + m
    assert stack.graphs[1] is cell
    assert stack.offsets.tolist() == [0, n, n + m, 2 * n + m]
    assert stack.node_graph().tolist() == [0] * n + [1] * m + [2] * n
    for k, graph in enumerate(stack.graphs):
        rows = stack.edge_graph == k
        np.testing.assert_array_equal(stack.pairs[:, rows] - stack.offsets[k], graph.edges)


def test_an_empty_stack_is_refused():
    with pytest.raises(ValueError, match="at least one graph to stack, got an empty sequence"):
        GraphStack.of([])
