"""Graphs as arrays for a file: equal graphs come back, altered arrays are refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kinds_of_graphs import SETS
from same_graph import assert_same_graph

from graph2nn.archgraph import Call, Operand, structural_hash
from graph2nn.archgraph.storage import pack_graphs, unpack_graphs
from graph2nn.cells import nb201_cell


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


def test_numbers_of_values_are_kept_and_files_without_them_read() -> None:
    plain = nb201_cell([0] * 6)
    known = plain.replace(columns={"values": np.arange(plain.num_nodes) * 10**12})
    arrays = pack_graphs([plain, known, plain])
    first, second, third = unpack_graphs(arrays)
    assert not first.columns and not third.columns
    assert second == known
    old = {name: values for name, values in arrays.items() if name not in ("valued", "values")}
    assert unpack_graphs(old) == [plain] * 3
    arrays["values"] = arrays["values"][1:]
    with pytest.raises(ValueError, match="expected 8 numbers 'values', got 7"):
        unpack_graphs(arrays)


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
    arrays = pack_graphs([nb201_cell([1, 2, 3, 4, 0, 1]), *SETS["traced"]()])
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
