"""Which call of which module a node belongs to."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from graph2nn.archgraph import Scope, trace


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
        self.head = nn.ModuleList([nn.Linear(6, 2)])  # a container that is never called

    def forward(self, x: Tensor) -> Tensor:
        return self.head[0](self.block(self.block(x)) + 1)


def test_a_module_called_twice_has_two_scopes() -> None:
    graph = trace(Twice(), torch.zeros(1, 6))
    block = [Scope(0, "block", "Sequential"), Scope(1, "block.0", "Linear")]
    again = [Scope(0, "block", "Sequential"), Scope(4, "block.0", "Linear")]
    assert graph.scopes[:3] == (Scope(-1, "", "Twice"), *block)
    assert graph.scopes[4:6] == tuple(again)
    assert graph.scopes[-1] == Scope(0, "head.0", "Linear")
    where = [graph.scopes[s].path for s in graph.scope]
    linear = ["block.0", "block.0", "block.1"]
    assert where == ["", *linear, *linear, "", "head.0", "head.0"]


@pytest.mark.parametrize("view", ["primitives", "ghn2", "ghn3"])
def test_nodes_of_every_view_know_their_scope(view: str) -> None:
    graph = trace(Twice(), torch.zeros(1, 6), view=view)  # type: ignore[arg-type]
    for scope, names in zip(graph.scope, graph.params):
        path = graph.scopes[scope].path
        assert all(name.startswith(path) for name in names)
    assert graph.scopes[graph.scope[0]].path == ""


def test_scopes_end_with_an_error_that_the_network_catches() -> None:
    class Catches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wrong, self.right = nn.Linear(3, 2), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.wrong(x)
            except RuntimeError:
                return self.right(x)

    graph = trace(Catches(), torch.zeros(1, 6))
    assert [s.parent for s in graph.scopes] == [-1, 0, 0]
    assert graph.scope.tolist() == [0, 2, 2]


def test_compiled_modules_are_seen_inside() -> None:
    model = Twice()
    model.block.compile()
    compiled = model.block._compiled_call_impl
    graph = trace(model, torch.zeros(1, 6))
    assert graph.op_names() == trace(Twice(), torch.zeros(1, 6)).op_names()
    assert model.block._compiled_call_impl is compiled
