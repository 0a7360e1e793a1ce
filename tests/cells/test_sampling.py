"""Enumeration, sampling and mutation in the cell spaces."""

from __future__ import annotations

import ast
import itertools

import numpy as np
import pytest
from published import published_rows

from graph2nn.archgraph.canonical import canonical, canonical_key
from graph2nn.cells import cell_graph, nb101_cell, nb201_cell
from graph2nn.cells.as_archgraph import NB201_OPS, nb201_string
from graph2nn.cells.sampling import (
    SPACES,
    cell_code,
    cell_of,
    enumerate_space,
    mutate_cell,
    sample_cells,
)


@pytest.mark.parametrize(
    ("space", "size"), [("nb201", 15625), ("tnb101_micro", 4096), ("nas_bench_macro", 6561)]
)
def test_enumeration_is_complete(space: str, size: int) -> None:
    assert len({graph.name for graph in enumerate_space(space)}) == size


def test_enumeration_is_the_published_table() -> None:
    codes = [ast.literal_eval(row["arch"]) for row in published_rows("nb201", "arch")]
    names = {nb201_string([NB201_OPS[c] for c in code]) for code in codes}
    assert names == {graph.name for graph in enumerate_space("nb201")}


@pytest.mark.parametrize("space", SPACES)
def test_samples_are_seeded_and_differ(space: str) -> None:
    one, two = sample_cells(space, 40, 3, distinct=True), sample_cells(space, 40, 3, distinct=True)
    keys = [canonical_key(g) for g in one]
    assert keys == [canonical_key(g) for g in two] and len(set(keys)) == 40
    assert keys != [canonical_key(g) for g in sample_cells(space, 40, 4, distinct=True)]


def test_nas_bench_101_samples_are_valid_and_pruned() -> None:
    graphs = sample_cells("nb101", 400, 0)
    assert all(g.num_nodes <= 7 and g.num_edges <= 9 for g in graphs)
    assert all(canonical(g).num_nodes == g.num_nodes for g in graphs)
    assert np.mean([g.num_nodes == 7 for g in graphs]) == pytest.approx(359082 / 423624, abs=0.06)


def test_nas_bench_101_samples_look_like_the_benchmark() -> None:
    rows = itertools.islice(published_rows("nb101_unlabelled", "arch"), 500)
    edges = []
    for row in (ast.literal_eval(row["arch"]) for row in rows):
        n = next(k for k in range(2, 8) if k * k + k == len(row))
        edges.append(nb101_cell(np.reshape(row[: n * n], (n, n)), row[n * n :]).num_edges)
    ours = [g.num_edges for g in sample_cells("nb101", 500, 1)]
    assert np.mean(ours) == pytest.approx(np.mean(edges), abs=0.3)


@pytest.mark.parametrize("space", SPACES[:3])
def test_a_mutation_changes_one_operation(space: str) -> None:
    rng = np.random.default_rng(0)
    for graph in sample_cells(space, 30, 0):
        other = mutate_cell(space, graph, rng)
        assert (graph.op != other.op).sum() == 1
        assert sum(a != b for a, b in zip(cell_code(space, graph), cell_code(space, other))) == 1


def test_codes_come_back() -> None:
    assert cell_code("nb201", nb201_cell([0, 1, 2, 3, 4, 0])) == (0, 1, 2, 3, 4, 0)
    for space in SPACES[:3]:
        for graph in sample_cells(space, 5, 0):
            assert cell_of(space, cell_code(space, graph)).name == graph.name


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="space: expected one of nb201, .*got 'darts'"):
        sample_cells("darts", 1, 0)
    with pytest.raises(ValueError, match="at least 0, got -1"):
        sample_cells("nb201", -1, 0)
    with pytest.raises(ValueError, match="cannot enumerate 'nb101'"):
        enumerate_space("nb101")
    with pytest.raises(ValueError, match="not a network of nb201 as stored"):
        cell_code("nb201", cell_graph(["input", "conv_1x1", "output"], [(0, 1), (1, 2)]))


def test_more_distinct_networks_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph2nn.cells.sampling.canonical_key", lambda graph: "one")
    with pytest.raises(ValueError, match="found only 1 of 3 distinct networks"):
        sample_cells("nb201", 3, 0, distinct=True)
