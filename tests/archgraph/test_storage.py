"""Graphs as arrays for a file: equal graphs come back, altered arrays are refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from same_graph import assert_same_graph
from torch import nn

from graph2nn.archgraph import ArchGraph, Call, Operand, structural_hash, trace
from graph2nn.archgraph.storage import pack_graphs, unpack_graphs
from graph2nn.cells import nb201_cell
from graph2nn.cells.sampling import SPACES, sample_cells
from graph2nn.deepnets import EndlessNets, build_graph
from graph2nn.relational.as_archgraph import message_graph
from graph2nn.relational.graphs.generators import ws_flex


class Odd(nn.Module):
    """Calls with every kind of argument."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.register_buffer("mask", torch.ones(4))

    def forward(self, x: torch.Tensor) -> Any:
        x = x[..., 1:5] * self.scale + self.mask
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a, b.clamp(min=float("-inf"), max=2.5)], dim=-1).to(torch.float32), a


def drawn(space: str) -> Callable[[], list[ArchGraph]]:
    return lambda: list(sample_cells(space, 20, np.random.default_rng(0)))


def deepnets() -> list[ArchGraph]:
    nets = EndlessNets("train", seed=3)
    return [build_graph(nets[k], name=f"net {k}") for k in range(6)]


def relational() -> list[ArchGraph]:
    return [message_graph(ws_flex(16, k, 0.3, 1)) for k in (2, 4, 7)]


def traced() -> list[ArchGraph]:
    views = ("full", "ghn2", "ghn3", "primitives")
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
    attention = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    images, words = torch.zeros(2, 3, 8, 8), torch.zeros(2, 5, 16)
    found = [trace(net, images, view=view) for view in views]
    return [
        *found,
        trace(attention, words, calls=True),
        trace(Odd(), torch.zeros(2, 6), calls=True),
    ]


def special() -> list[ArchGraph]:
    cell = nb201_cell([1, 2, 3, 4, 0, 1])
    return [
        cell.replace(name="ü \0 '", note="remark", outputs=(3, 7), num_classes=0),
        cell.replace(attributes={"flops": 1e300, "zc": -0.5}),
        cell.replace(attributes={}, ops=(*cell.ops, "more")),
        cell.replace(edges=cell.edges[:, :0]),
    ]


SETS = {
    **{space: drawn(space) for space in SPACES},
    "deepnets": deepnets,
    "relational": relational,
    "traced": traced,
    "special": special,
    "none": list,
}


@pytest.mark.parametrize("kind", SETS)
def test_equal_graphs_come_back(kind: str) -> None:
    graphs = SETS[kind]()
    found = unpack_graphs(pack_graphs(graphs))
    assert len(found) == len(graphs)
    for one, other in zip(graphs, found):
        assert_same_graph(one, other)
        assert structural_hash(one) == structural_hash(other)


def test_all_kinds_together_and_texts_once() -> None:
    graphs = list(itertools.chain.from_iterable(make() for make in SETS.values()))
    packed = pack_graphs(graphs * 2)
    for one, other in zip(graphs * 2, unpack_graphs(packed)):
        assert_same_graph(one, other)
    assert packed["texts"].size == pack_graphs(graphs)["texts"].size
    assert packed["op"].dtype.itemsize < 8


def test_missing_attributes_stay_missing_and_nan_stays() -> None:
    cell = nb201_cell([0] * 6)
    graphs = [cell.replace(attributes={"a": float("nan")}), cell.replace(attributes={"b": 1.0})]
    first, second = unpack_graphs(pack_graphs(graphs))
    assert np.isnan(first.attributes["a"]) and "b" not in first.attributes
    assert second.attributes == {"b": 1.0}


def test_what_was_not_stored_is_not_shared() -> None:
    one, other = unpack_graphs(pack_graphs([nb201_cell([0] * 6)] * 2))
    one.op[:] = 3
    assert not (other.op == 3).all()


def test_a_call_that_cannot_be_kept() -> None:
    graph = nb201_cell([0] * 6)
    call = Call("add", "", (1,), (Operand(0), object()), {})
    with pytest.raises(ValueError, match=r"graph 1 \(odd\): an argument of the type object"):
        pack_graphs([graph, graph.replace(name="odd", calls=(call, *[None] * 7))])


def altered(name: str, change: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
    arrays = pack_graphs([nb201_cell([1, 2, 3, 4, 0, 1]), *traced()])
    return {**arrays, name: change(arrays[name].copy())}


def put(place: Any, value: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        wide = array.astype(np.int64)
        wide[place] = value
        return wide

    return change


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "incomplete: no 'texts'"),
        (altered("op", lambda a: a[:-1]), r"expected \d+ numbers 'op', got"),
        (altered("nodes", put(0, 9)), "expected .* numbers 'op'"),
        (altered("edges", put(0, 90)), "numbers 'edge' out of range"),
        (altered("op", put(3, 99)), "numbers 'op' out of range"),
        (altered("edge", put((1, 0), 90)), "numbers 'edge' out of range"),
        (altered("edge", lambda a: a[::-1]), "numbers 'source' out of range"),
        (altered("name", put(0, -1)), "numbers 'name' out of range"),
        (altered("param", put(0, 10**6)), "numbers 'param' out of range"),
        (altered("vocabulary", put(0, 77)), "altered"),
        (altered("texts", lambda a: a[:-3]), "altered"),
        (altered("shape", lambda a: a[:, :3]), "numbers 'shape' out of range"),
        (altered("size", lambda a: a[:-1]), "numbers 'size'"),
    ],
)
def test_arrays_that_do_not_fit(arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpack_graphs(arrays)


def test_graphs_of_read_only_arrays_can_be_changed() -> None:
    arrays = pack_graphs([nb201_cell([4, 3, 2, 1, 0, 1])])
    for array in arrays.values():
        array.setflags(write=False)
    unpack_graphs(arrays)[0].op[0] = 0
