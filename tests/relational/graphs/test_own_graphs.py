"""Any graph in sweeps: families, adjacencies, networkx graphs, files."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from graph2nn.relational import (
    GraphEntry,
    division_entries,
    find_task,
    make_graph,
    own_entry,
    read_graph,
)
from graph2nn.relational.graphs.graph import load_graphs

TABLE = np.array([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]])


def test_an_entry_gives_its_graph_back() -> None:
    for source in (TABLE, nx.path_graph(4), make_graph("star", 6), "grid:n=12", TABLE.tolist()):
        entry = own_entry(source, "mine")
        assert entry.kind == "own" and entry.graph_id.startswith("mine_")
        again = entry.graph()
        assert again.num_nodes == entry.num_nodes and again.name == entry.name
        assert again.sparsity == entry.sparsity
    assert (own_entry(TABLE, "mine").graph().adjacency == TABLE.astype(bool)).all()
    assert own_entry(nx.path_graph(4), "mine") == own_entry(TABLE, "mine")


def test_names_tell_graphs_apart() -> None:
    assert own_entry("hypercube:n=16").graph_id == "hypercube_n16"
    assert own_entry("ws:n=16,k=4,p=0.2,seed=3").name != own_entry("ws:n=16,k=4,p=0.2,seed=4").name
    assert own_entry(TABLE, "a b/c").name.startswith("a_b_c_")
    assert own_entry(TABLE, "x").name != own_entry(nx.cycle_graph(4), "x").name


def test_directed_graphs_keep_their_directions() -> None:
    cycle = np.roll(np.eye(5, dtype=int), 1, axis=0)
    entry = own_entry(cycle, "ring")
    assert (entry.graph().adjacency == cycle.astype(bool)).all() and entry.graph().directed
    assert entry.L == own_entry(nx.cycle_graph(5), "ring").L


def test_measures_of_the_star() -> None:
    star = own_entry("star:n=9")
    assert star.C == 0 and star.L == pytest.approx((8 + 8 * (1 + 7 * 2)) / 72)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".graphml", ".gml"])
def test_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"own{suffix}"
    if suffix == ".npy":
        np.save(path, TABLE)
    elif suffix == ".npz":
        np.savez(path, TABLE)
    else:
        getattr(nx, f"write_{suffix[1:]}")(nx.path_graph(4), path)
    assert (read_graph(str(path)).adjacency == TABLE.astype(bool)).all()
    (entry, baseline) = division_entries(find_task("mlp_digits"), "all", graphs=str(path))
    assert entry.name.startswith("own_") and baseline.kind == "complete"
    path.write_bytes(path.read_bytes()[:10])
    with pytest.raises(ValueError, match=f"own{suffix} cannot be read as {suffix}"):
        load_graphs(path)


def test_several_graphs_of_a_file_and_of_a_text(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", TABLE, nx.to_numpy_array(nx.cycle_graph(4)))
    task = find_task("mlp_digits")
    found = division_entries(task, "all", graphs=str(tmp_path / "two.npz"))
    assert [entry.name[:6] for entry in found[:2]] == ["two_0_", "two_1_"]
    with pytest.raises(ValueError, match="two.npz holds 2 graphs, expected one"):
        read_graph(str(tmp_path / "two.npz"))
    named = division_entries(task, "all", graphs="star:n=64 grid:n=64")
    assert [entry.graph_id for entry in named] == ["star_n64", "grid_n64", "complete"]
    with pytest.raises(ValueError, match="file of graphs, or star:n=64"):
        division_entries(task, "all", graphs="none")


def test_what_is_no_entry() -> None:
    with pytest.raises(ValueError, match="unknown kind of entry 'hypercube'"):
        GraphEntry(kind="hypercube", num_nodes=8, sparsity=0.4, p=0, seed=1, C=0, L=1.7)
    with pytest.raises(ValueError, match="own_entry.graph. makes the entry of any graph"):
        GraphEntry(kind="own", name="x", num_nodes=8, sparsity=0.4, p=0, seed=1, C=0, L=1.7)
    with pytest.raises(ValueError, match="has no name"):
        own_entry(TABLE)
    with pytest.raises(ValueError, match="in parts that no path connects"):
        own_entry(np.zeros((4, 4)), "none")
    with pytest.raises(FileNotFoundError, match=r"none\.gml does not exist"):
        own_entry("none.gml")
