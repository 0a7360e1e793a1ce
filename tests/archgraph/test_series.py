"""Graphs of modules in series: those of tracing all at once, identities and ties included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.archgraph.series import in_series, with_prefix


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layer(x)


def _graph(module: nn.Module) -> ArchGraph:
    return trace(module, torch.zeros(2, 4), view="primitives")


def test_joined_is_traced() -> None:
    modules = [nn.Linear(4, 4), nn.Identity(), _Residual(), _Residual(), nn.LayerNorm(4)]
    parts = [with_prefix(_graph(module), str(k)) for k, module in enumerate(modules)]
    joined, traced = in_series(parts, name="Sequential"), _graph(nn.Sequential(*modules))
    assert joined.op_names() == traced.op_names()
    assert np.array_equal(joined.shape, traced.shape)
    assert np.array_equal(joined.edges, traced.edges)
    assert joined.params == traced.params and joined.outputs == traced.outputs
    assert dict(joined.param_shapes) == dict(traced.param_shapes)


def test_identities_alone_leave_the_input() -> None:
    alone = in_series([_graph(nn.Identity())] * 2)
    assert alone.num_nodes == 1 and alone.outputs == (0,)


def test_stages_are_those_of_the_parts() -> None:
    parts = [with_prefix(_graph(nn.Linear(4, 4)), str(k)) for k in range(2)]
    assert in_series(parts, stages=[2, 5]).cell.tolist() == [2, 2, 2, 5, 5]


def test_a_tied_parameter_is_carried_once() -> None:
    parts = [with_prefix(_graph(nn.Linear(4, 4)), name) for name in ("in", "out")]
    graph = in_series(parts, tied={"out.weight": "in.weight"})
    assert graph.params == ((), ("in.weight",), ("in.bias",), (), ("out.bias",))
    assert graph.num_params() == 24 and graph.shape[3].tolist() == [4, 4, 1, 1]


def test_what_cannot_be_joined() -> None:
    layer = _graph(nn.Linear(4, 4))
    with pytest.raises(ValueError, match="expected at least one graph to join"):
        in_series([])
    with pytest.raises(ValueError, match="carry a parameter of one name; give each part its own"):
        in_series([layer, layer])
    with pytest.raises(ValueError, match="need one vocabulary, .* with view='primitives'"):
        in_series([layer, trace(nn.Linear(4, 4), torch.zeros(2, 4))])
    with pytest.raises(ValueError, match="first node to be the input, got 'conv'"):
        in_series([layer.replace(op=layer.op[[1, 1, 2]])])
    with pytest.raises(ValueError, match="tied: no part carries b.weight and weight"):
        in_series([layer], tied={"b.weight": "weight"})
