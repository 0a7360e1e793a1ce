"""`ArchGraph` remembers what was computed of it; its copies start afresh."""

from __future__ import annotations

import pickle

import networkx as nx
import pytest

from graph2nn.archgraph import ArchGraph, to_networkx
from graph2nn.archgraph import paths as paths_module
from graph2nn.cells import nb201_cell
from graph2nn.deepnets import DARTS, NetConfig, build_graph


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


@pytest.mark.parametrize("sources", [1, 7, 256])
@pytest.mark.parametrize("cells", [1, 3])
def test_properties_are_those_of_networkx(cells: int, sources: int, monkeypatch) -> None:
    """As the original computes them, however many distances are taken at a time."""
    monkeypatch.setattr(paths_module, "_SOURCES", sources)
    graph = build_graph(NetConfig(genotype=DARTS, n_cells=cells, C=8))
    plain = nx.Graph(to_networkx(graph).to_undirected())
    degrees = [degree for _, degree in plain.degree()]
    found = graph.properties()
    assert list(found) == ["avg_degree", "avg_path"]
    assert found["avg_degree"] == pytest.approx(sum(degrees) / len(degrees))
    assert found["avg_path"] == pytest.approx(nx.average_shortest_path_length(plain))


def nodes_of(graph: ArchGraph, count: int) -> ArchGraph:
    """The first nodes of a graph, without edges."""
    return graph.replace(
        op=graph.op[:count],
        shape=graph.shape[:count],
        edges=graph.edges[:, :0],
        params=graph.params[:count],
        cell=graph.cell[:count],
    )


def test_properties_of_graphs_that_fall_apart() -> None:
    graph = nb201_cell([1, 2, 3, 4, 0, 1])
    assert nodes_of(graph, 2).properties() == {"avg_degree": 0.0, "avg_path": float("inf")}
    assert nodes_of(graph, 1).properties() == {"avg_degree": 0.0, "avg_path": 0.0}
    assert graph.properties(["avg_degree"]).keys() == {"avg_degree"}
    with pytest.raises(ValueError, match="has no nodes, so its properties are not defined"):
        nodes_of(graph, 0).properties()
    with pytest.raises(ValueError, match="unknown property 'degree'; choose one of avg_degree, av"):
        graph.properties(["degree"])
