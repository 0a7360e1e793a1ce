"""A table of one's own as a file: what is saved comes back, by every name; others are refused."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from same_graph import assert_same_graph

from graph2nn.cells.sampling import sample_cells
from graph2nn.ground_truth import read_ground_truth, write_ground_truth
from graph2nn.runs.tables import Facts, write_packed
from predictors import load_table, read_table
from predictors.tables import NoiseReference, Table
from predictors.tables.trained import ground_truth_folder

COUNT = 12


def made(name: str = "mine", **changes: Any) -> Table:
    cells = sample_cells("nb201", COUNT, np.random.default_rng(0))
    label = np.arange(COUNT, dtype=float)
    fields: dict[str, Any] = {
        "graphs": [g.replace(attributes={"zc_a": k / 3}) for k, g in enumerate(cells)],
        "targets": {"acc": np.where(label == 3, np.nan, label / 7), "a/b ü": -label},
        "default": "acc",
        "minimise": frozenset({"a/b ü"}),
        "subsets": {"good": label > 4},
        "group": (label // 2).astype(np.int64),
        "split": label < 6,
        "test_size": 5,
        "noise": {"acc": NoiseReference(tau=0.75, meaning="one half against the other")},
        "source": "nobody (2026)",
    }
    return Table(name=name, **{**fields, **changes})


@pytest.mark.parametrize(
    "changes", [{}, {"group": None, "split": None, "subsets": {}, "noise": {}}]
)
def test_all_comes_back(tmp_path: Path, changes: dict[str, Any]) -> None:
    table = made(**changes)
    found = Table.load(table.save(tmp_path / "file.h5"))
    for one, other in zip(table.graphs, found.graphs, strict=True):
        assert_same_graph(one, other)
    for mine, its in ((table.targets, found.targets), (table.subsets, found.subsets)):
        assert list(mine) == list(its)
        for name in mine:
            np.testing.assert_array_equal(mine[name], its[name])
            assert mine[name].dtype == its[name].dtype
    for name in ("group", "split"):
        np.testing.assert_array_equal(getattr(table, name), getattr(found, name))
    for name in ("name", "default", "minimise", "test_size", "noise", "source", "checksum"):
        assert getattr(table, name) == getattr(found, name), name


def test_a_table_without_a_name_is_named_like_its_file(tmp_path: Path) -> None:
    table = Table.from_models(
        {graph.name: graph for graph in made().graphs}, np.arange(COUNT), progress=False
    )
    assert Table.load(table.save(tmp_path / "file.h5")).name == "file"


def test_the_checksum_is_of_contents(tmp_path: Path) -> None:
    table = made()
    assert replace(table, name="other", source="").checksum == table.checksum
    assert table.save(tmp_path / "a.h5").read_bytes() == made().save(tmp_path / "b.h5").read_bytes()
    others = [
        made(targets={**table.targets, "acc": table.targets["acc"] + 1}),
        made(minimise=frozenset()),
        made(default="a/b ü"),
        made(split=~table.split),
        table.with_labels({"more": np.arange(COUNT)}),
        made(graphs=table.graphs[::-1]),
    ]
    assert len({table.checksum, *(other.checksum for other in others)}) == 7


def test_loaded_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made().save(tmp_path / "file.h5")
    X, y = load_table(path)
    assert len(X) == COUNT - 1 and y[0] == 0
    assert len(load_table(str(path), target="a/b ü", subset="good")[0]) == 7
    assert read_table(path) is read_table(str(path))
    table = made()
    assert read_table(table) is table and len(load_table(table)[0]) == COUNT - 1
    monkeypatch.chdir(tmp_path)
    assert read_table("file.h5").name == "mine"


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = made().save(tmp_path / "file.h5")
    first = read_table(path)
    made(targets={"acc": np.arange(1.0, COUNT + 1)}, minimise=frozenset()).save(path)
    os.utime(path, ns=(1, 1))
    assert read_table(path).checksum != first.checksum


def test_ground_truth_by_path(tmp_path: Path) -> None:
    truth = read_ground_truth(ground_truth_folder("deepnets_cifar10") / "deepnets_cifar10.h5")
    path = tmp_path / "trained.h5"
    write_ground_truth(truth, path)
    table = read_table(path)
    assert table.name == "trained" and len(table) == len(truth)
    assert len(load_table(path, target="inference_time")[0]) == len(truth)


def change_version(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"columns 1\n", b"columns 99\n", 1))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def other_columns(path: Path) -> None:
    write_packed(path, {"acc": np.arange(3.0)}, Facts(name="x"))


def newer(path: Path) -> None:
    notes = {"kind": "networks with labels", "version": 2}
    write_packed(path, {"acc": np.arange(3.0)}, Facts(name="x", notes=notes))


def without_graphs(path: Path) -> None:
    notes = {"kind": "networks with labels", "version": 1}
    write_packed(path, {"target/acc": np.arange(3.0)}, Facts(name="x", notes=notes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_version, "file.h5 has version 99 .* this package reads version 1"),
        (cut, "file.h5 is damaged or cut off"),
        (flip, "file.h5 is damaged or cut off"),
        (other_columns, "file.h5 holds columns, not networks with labels"),
        (newer, "file.h5 has version 2 of tables, this package reads version 1"),
        (without_graphs, "file.h5 is damaged .*incomplete: no 'texts'"),
        (lambda path: path.write_text("acc\n1\n"), "file.h5 is no table of columns"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    path = made().save(tmp_path / "file.h5")
    change(path)
    for read in (Table.load, read_table):
        with pytest.raises(ValueError, match=message):
            read(path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none.h5"):
        Table.load(tmp_path / "none.h5")
    with pytest.raises(ValueError, match="none.h5 is not there; make one with .*from_models"):
        load_table(tmp_path / "none.h5")
    with pytest.raises(ValueError, match="mine.h5 is not there"):
        load_table("mine.h5")
    with pytest.raises(ValueError, match="unknown table 'mine'; .* or the path of a table"):
        load_table("mine")
    (tmp_path / "rows.csv").write_text("acc\n1\n")
    with pytest.raises(ValueError, match="rows.csv is text: .*Table.from_csv makes a table"):
        load_table(tmp_path / "rows.csv")
    with pytest.raises(ValueError, match="rows.csv is text: .*Table.from_csv makes a table"):
        Table.load(tmp_path / "rows.csv")
    for folder in (tmp_path, str(tmp_path)):
        with pytest.raises(ValueError, match="is a folder; make one with"):
            load_table(folder)


def test_ten_thousand_graphs_in_seconds(tmp_path: Path) -> None:
    cells = sample_cells("nb201", 100, np.random.default_rng(0)) * 100
    labels = {"acc": np.random.default_rng(0).normal(size=10_000)}
    table = Table(name="many", graphs=cells, targets=labels, default="acc")
    path = table.save(tmp_path / "many.h5")
    assert path.stat().st_size < 400_000
    assert Table.load(path).checksum == table.checksum
