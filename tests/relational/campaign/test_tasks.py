"""Tasks, divisions and the shipped sets of graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graph2nn.relational import (
    GRAPH_SETS,
    TASKS,
    clustering,
    division_entries,
    find_task,
    graph_set,
    network_specs,
    path_length,
    sweep_to_file,
)
from graph2nn.relational.campaign.results import published_results
from graph2nn.relational.graphs.graph_sets import complete_entry, entries_from_rows
from graph2nn.relational.graphs.published import published_graphs
from graph2nn.relational.graphs.sweep import SweepGrid
from graph2nn.vision import load_images

SIZES = {"n64_52": 52, "n64_449": 449, "n64_3942": 3942, "n16_48": 48, "n16_326": 326}


@pytest.mark.parametrize("name", GRAPH_SETS)
def test_shipped_sets_have_their_published_size_and_measures(name: str) -> None:
    entries = graph_set(name)
    assert len(entries) == SIZES.get(name, 2698)
    for entry in entries[:: max(1, len(entries) // 5)]:
        adjacency = entry.graph().adjacency
        assert clustering(adjacency) == pytest.approx(entry.C, abs=1e-12)
        assert path_length(adjacency) == pytest.approx(entry.L, abs=1e-12)


@pytest.mark.parametrize("name", GRAPH_SETS)
def test_shipped_sets_are_the_published_ones(name: str) -> None:
    rows = [(e.num_nodes, e.sparsity, e.p, e.seed, e.C, e.L) for e in graph_set(name)]
    assert np.array_equal(np.array(rows), published_graphs(name))


def test_graph_ids_are_those_of_the_tables() -> None:
    table = published_results()
    for task, name in (("mlp_cifar10", "n64_3942"), ("efficient_imagenet", "n16_48")):
        known = set(table["graph_id"][table["task"] == task])
        assert {e.graph_id for e in graph_set(name)} | {"complete"} == known


def test_every_task_by_both_names() -> None:
    for name, task in TASKS.items():
        assert find_task(name) is find_task(task.table_name) is task
        assert task.recipe.epochs > 0


def test_unknown_task_lists_the_tasks() -> None:
    with pytest.raises(ValueError, match="unknown task 'mlp'; choose one of mlp_cifar10, .*cnn_"):
        find_task("mlp")


@pytest.mark.parametrize(
    ("task", "graph_id"),
    [
        ("mlp_cifar10", "n64_s0.128001_p0.128063_g4"),
        ("cnn_imagenet", "n64_s0.170251_p0.120983_g13"),
        ("resnet34_imagenet", "n64_s0.138784_p0.245008_g3"),
        ("resnet34sep_imagenet", "n64_s0.168515_p0.342558_g23"),
        ("resnet50_imagenet", "n64_s0.316271_p0.073388_g8"),
        ("efficient_imagenet", "n16_s0.350341_p0.025772_g2"),
    ],
)
def test_best_graphs_are_the_published_ones(task: str, graph_id: str) -> None:
    best, dense = division_entries(find_task(task), "best")
    assert best.graph_id == graph_id
    assert dense.kind == "complete" and dense.num_nodes == best.num_nodes


def test_divisions() -> None:
    task = find_task("mlp_digits")
    assert len(division_entries(task, "all")) == 53
    assert len(division_entries(task, "all", graphs="n64_449")) == 450
    assert [e.graph_id for e in division_entries(task, "baseline")] == ["complete"]


def test_chosen_graphs() -> None:
    task, names = find_task("mlp_digits"), ["complete", graph_set("n64_52")[3].graph_id]
    found = division_entries(task, "all", only=names)
    assert [e.graph_id for e in found] == names[::-1]
    with pytest.raises(ValueError, match="no graph nix among n64_s0.40.*column graph_id"):
        division_entries(task, "all", only=["nix", "complete"])


def test_connectomes() -> None:
    entries = division_entries(find_task("mlp_cifar10_bio"), "all")
    assert [e.graph_id for e in entries] == ["mcwhole", "mcvisual", "cat", "complete"]
    assert [round(e.C, 3) for e in entries[:3]] == [0.503, 0.634, 0.666]
    assert all(e.graph().directed for e in entries[:3])


def test_graphs_from_a_sweep_file(tmp_path: Path) -> None:
    grid = SweepGrid(nodes=8, k_min=2, k_max=6, degrees=4, probabilities=4, seeds=2)
    made = sweep_to_file(tmp_path / "g.h5", 8, grid=grid, figure=False, progress=False)
    task = find_task("mlp_digits")
    found = division_entries(task, "all", graphs=str(made.path), subset="fine")
    assert len(found) == len(made.graphs("fine")) + 1
    assert all(e.num_nodes == 8 for e in found[:-1])


@pytest.mark.parametrize(
    ("task", "division", "graphs", "message"),
    [
        ("mlp_digits", "some", None, "unknown division 'some'; choose one of best, all, baseline"),
        ("mlp_digits", "all", "n64_53", "unknown graphs 'n64_53'; choose one of n64_52"),
        ("mlp_cifar10_bio", "best", None, "no published best graph; tasks with one: mlp_cifar10"),
    ],
)
def test_bad_divisions(task: str, division: str, graphs: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        division_entries(find_task(task), division, graphs=graphs)


@pytest.mark.parametrize(
    ("rows", "message"),
    [(np.zeros((2, 5)), "columns n, sparsity"), (np.full((1, 6), np.nan), "finite numbers")],
)
def test_bad_rows(rows: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        entries_from_rows(rows)


def test_specs_match_the_dense_baseline() -> None:
    task = find_task("mlp_digits")
    images = load_images("digits", split="test", channels=1)
    sparse, dense = network_specs(task, division_entries(task, "best"), images)
    assert dense.dims == (64,) and dense.transform == "linear" and dense.is_baseline
    assert sparse.transform == "talklinear" and sparse.dims[0] > 128
    assert dense.flops <= sparse.flops < 1.02 * dense.flops


@pytest.mark.usefixtures("no_reference")
def test_a_task_without_the_connectome_files_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="graph2nn.relational.download"):
        division_entries(find_task("mlp_cifar10_bio"), "all", data_dir=tmp_path)


def test_the_complete_graph_is_called_complete() -> None:
    assert complete_entry(16).graph_id == "complete"
    assert complete_entry(16).graph().num_edges == 120
