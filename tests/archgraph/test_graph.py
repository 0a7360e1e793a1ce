"""`ArchGraph` remembers what was computed of it; its copies start afresh."""

from __future__ import annotations

import pickle

import pytest

from graph2nn.cells import nb201_cell


def test_a_result_is_made_once():
    graph, made = nb201_cell([1, 2, 3, 4, 0, 1]), []

    def make() -> str:
        made.append(1)
        return "found"

    assert graph.recall("key") is None
    assert [graph.remember("key", make) for _ in range(3)] == ["found"] * 3
    assert len(made) == 1 and graph.recall("key") == "found"
    assert graph.distances(3) is graph.distances(3)
    assert graph.recall(("distances", 3)) is graph.distances(3)


def test_a_changed_copy_remembers_nothing():
    graph = nb201_cell([1, 2, 3, 4, 0, 1])
    graph.distances(3)
    copy = graph.replace(name="other", edges=graph.edges[:, :1])
    assert copy.name == "other" and copy.recall(("distances", 3)) is None
    assert copy.distances(3).sum() == 1 < graph.distances(3).sum()
    assert graph.name != "other"


def test_what_is_remembered_travels_with_the_graph():
    graph = nb201_cell([1, 2, 3, 4, 0, 1])
    graph.distances(3)
    assert pickle.loads(pickle.dumps(graph)).recall(("distances", 3)) is not None


def test_unknown_fields_are_refused():
    with pytest.raises(TypeError, match="colour"):
        nb201_cell([0] * 6).replace(colour="red")
