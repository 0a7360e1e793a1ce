"""`diff` and `to_dot`: what changed between two graphs, and graphs for Graphviz."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from kinds_of_graphs import SETS
from torch import nn

from graph2nn.archgraph import ArchGraph, diff, isomorphic_variants, to_dot, trace
from graph2nn.cells import nb201_cell


def chain(widths: list[int], norm: int | None = None) -> ArchGraph:
    layers: dict[str, nn.Module] = {}
    for k, (a, b) in enumerate(zip(widths, widths[1:])):
        layers[f"fc{k}"], layers[f"relu{k}"] = nn.Linear(a, b), nn.ReLU()
        if k == norm:
            layers["norm"] = nn.LayerNorm(b)
    net = nn.Sequential()
    for name, layer in layers.items():
        net.add_module(name, layer)
    return trace(net, torch.zeros(2, widths[0]), calls=True)


@pytest.mark.parametrize("kind", SETS)
def test_a_graph_does_not_differ_from_itself(kind: str) -> None:
    for graph in SETS[kind]()[:10]:
        found = diff(graph, graph.replace())
        assert not found and str(found) == "equal" and len(found.pairs) == graph.num_nodes
        assert not found.changed.any() and not found.parts


def test_a_layer_put_in_between_moves_nothing() -> None:
    found = diff(chain([4, 8, 8, 2]), chain([4, 8, 8, 2], norm=1))
    assert found and found.removed == () and not found.changed.any()
    assert [found.after.op_names()[k] for k in found.added] == ["layer_norm"]
    assert (found.removed_edges.shape[1], found.added_edges.shape[1]) == (1, 2)
    assert "+ 7 layer_norm 8x1x1x1 norm.weight norm.bias" in str(found)
    back = diff(found.after, found.before)
    assert back.removed == found.added and np.array_equal(back.added_edges, found.removed_edges)


def test_a_wider_layer_is_changed() -> None:
    found = diff(chain([4, 8, 2]), chain([4, 16, 2]))
    assert found.removed == found.added == () and not found.removed_edges.size
    changed = [found.before.op_names()[i] for i in found.pairs[found.changed][:, 0]]
    assert changed == ["linear", "bias", "relu", "linear"]  # calls have the shape of the output
    assert "~ 1 linear 8x4x1x1 fc0.weight -> 1 linear 16x4x1x1 fc0.weight" in str(found)


class Subtraction(nn.Module):
    def __init__(self, turned: bool) -> None:
        super().__init__()
        self.fc, self.turned = nn.Linear(4, 4), turned

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.fc(x)
        return torch.sub(x, y) if self.turned else torch.sub(y, x)


def test_turned_operands_are_a_change_that_edges_do_not_show() -> None:
    one, other = (trace(Subtraction(t), torch.zeros(2, 4), calls=True) for t in (True, False))
    found = diff(one, other)
    assert [found.before.op_names()[i] for i in found.pairs[found.changed][:, 0]] == ["sub"]
    assert not found.removed_edges.size and not found.added_edges.size


def test_parts_of_the_whole_graph() -> None:
    graph = chain([4, 8, 2])
    other = graph.replace(name="other", num_classes=3, outputs=(0,), attributes={"flops": 1.0})
    found = diff(graph, other)
    assert found and set(found.parts) == {"name", "num_classes", "outputs", "attributes"}
    assert not found.changed.any() and "other: name, num_classes" in str(found)


def test_columns_and_scopes_are_parts() -> None:
    one, two, three = SETS["columns"]()
    assert diff(one, two).parts == ("scopes", "columns")
    assert diff(two, three).parts == ("columns",)
    assert diff(one, one.replace(ops=(*one.ops, "more"))).parts == ("ops",)


def test_every_node_is_accounted_for() -> None:
    cells = [nb201_cell([a, 1, 2, 3, b, 1]) for a in range(5) for b in range(5)]
    cells += isomorphic_variants(cells[7], 5, 0)
    for one in cells[::3]:
        for other in cells:
            found = diff(one, other)
            assert sorted([*found.pairs[:, 0], *found.removed]) == list(range(one.num_nodes))
            assert sorted([*found.pairs[:, 1], *found.added]) == list(range(other.num_nodes))
            assert (np.diff(found.pairs, axis=0) > 0).all()  # no crossing
            number = dict(found.pairs.tolist())
            kept = {(number.get(u), number.get(v)) for u, v in one.edges.T.tolist()}
            lost = {(number.get(u), number.get(v)) for u, v in found.removed_edges.T.tolist()}
            new = set(map(tuple, found.added_edges.T.tolist()))
            assert (kept - lost) | new == set(map(tuple, other.edges.T.tolist()))
            assert bool(found) == (one != other)


def test_large_graphs_take_no_time() -> None:
    one, other = chain([8] * 1500, norm=700), chain([8] * 1490, norm=3)
    start = time.perf_counter()
    found = diff(one, other)
    assert time.perf_counter() - start < 5
    assert len(found.removed) == 30 + 1 and len(found.added) == 1
    unlike = diff(nb201_cell([1] * 6), one)
    assert len(unlike.pairs) <= 1


def test_dot(tmp_path: Path) -> None:
    graph = chain([4, 8, 2], norm=0).replace(name='a "net"\n', cell=np.arange(8) // 4)
    text = to_dot(graph, tmp_path / "net.dot")
    assert (tmp_path / "net.dot").read_text() == f"{text}\n"
    assert text.startswith('digraph "a \\"net\\"\\n" {') and text.endswith("}")
    assert len(re.findall(r"^  +\d+ \[label=", text, re.M)) == graph.num_nodes
    edges = [tuple(map(int, pair)) for pair in re.findall(r"(\d+) -> (\d+);", text)]
    assert edges == [tuple(pair) for pair in graph.edges.T.tolist()]
    assert text.count("subgraph") == 2 and "fc0.weight (8 x 4)" in text
    assert text.count("{") == text.count("}")
