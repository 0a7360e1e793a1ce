"""Tables of results: columns, reading, writing, means, bad files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from graph2nn.relational.campaign.results import (
    COLUMNS,
    ResultTable,
    published_results,
    read_results,
    write_results,
)
from graph2nn.runs import sha256_file

_HEADER = "task,seed,epoch,top1_error,C,L,is_baseline,graph_id\n"


def _row(**values) -> dict:
    base = {"task": "t", "seed": 1, "epoch": 2, "top1_error": 10.0, "C": 0.5, "L": 2.0}
    return {**base, "is_baseline": 0, "graph_id": "n64_s0.2_p0.1_g1", **values}


def _table() -> ResultTable:
    rows = [_row(seed=s, epoch=e, top1_error=20.0 - e + s, dim0=7) for s in (1, 2) for e in (1, 2)]
    rows.append(_row(graph_id="complete", is_baseline=1, C=1, L=1, top1_error=30.0))
    rows.append(_row(seed=3, epoch=1))  # stopped early
    return ResultTable.from_rows(rows)


def test_missing_values_and_types() -> None:
    table = _table()
    assert table["dim0"].tolist() == [7, 7, 7, 7, -1, -1]
    assert table["is_baseline"].dtype == bool
    assert table["seed"].dtype == np.int64
    assert list(table)[:3] == ["task", "seed", "epoch"]  # the published order


@pytest.mark.parametrize("name", ["results.csv", "results.csv.gz"])
def test_reading_gives_what_was_written(tmp_path: Path, name: str) -> None:
    table = ResultTable.from_rows([_row(top1_error=1 / 3, L=np.pi, p=np.nan, remark="a, b")])
    write_results(tmp_path / name, table)
    for source in (tmp_path / name, tmp_path):
        again = read_results(source)
        assert list(again) == list(table)
        for column in table:
            np.testing.assert_array_equal(again[column], table[column])
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"{name}.sha256"]


def test_a_table_is_read_against_the_checksum_beside_it(tmp_path: Path) -> None:
    path = write_results(tmp_path / "results.csv", _table())
    stated = tmp_path / "results.csv.sha256"
    assert stated.read_text() == f"{sha256_file(path)}  results.csv\n", "as sha256sum writes it"
    whole = path.read_text()
    path.write_text(whole.replace("7", "8", 1))
    with pytest.raises(ValueError, match="results.csv is altered or half-written.*delete"):
        read_results(path)
    stated.unlink()
    with pytest.warns(RuntimeWarning, match="nothing vouches for .*results.csv.*sha256sum"):
        read_results(path)
    write_results(path, _table())
    assert path.read_text() == whole and read_results(path).num_rows == _table().num_rows


def test_missing_whole_numbers_are_empty_as_published(tmp_path: Path) -> None:
    path = write_results(tmp_path / "results.csv", _table())
    lines = [line.split(",") for line in path.read_text().splitlines()]
    column = [row[lines[0].index("dim0")] for row in lines[1:]]
    assert column == ["7", "7", "7", "7", "", ""]
    assert read_results(path)["dim0"].tolist() == [7, 7, 7, 7, -1, -1]


def test_final_leaves_out_runs_that_stopped_early() -> None:
    final = _table().final()
    assert final["epoch"].tolist() == [2, 2, 2]
    assert final["seed"].tolist() == [1, 2, 1]


def test_select() -> None:
    table = _table()
    assert table.select(seed=[2, 3]).num_rows == 3
    assert table.select(is_baseline=True)["graph_id"].tolist() == ["complete"]
    with pytest.raises(ValueError, match="no rows of task u; its tasks are t"):
        table.select(task="u")


def test_means_over_seeds() -> None:
    means = _table().graph_means()
    assert means.graph_id.tolist() == ["n64_s0.2_p0.1_g1", "complete"]
    assert means.mean.tolist() == [19.5, 30.0]
    assert means.count.tolist() == [2, 1]
    assert means.std().tolist() == [0.5, 0.0]
    assert means.std(ddof=1)[0] == pytest.approx(np.sqrt(0.5))
    assert np.isnan(means.std(ddof=1)[1])
    assert means.filled().runs.tolist() == [[19.0, 20.0], [30.0, 30.0]]


def test_several_tasks_must_be_named() -> None:
    table = ResultTable.from_rows([_row(), _row(task="u")])
    with pytest.raises(ValueError, match="name one of its tasks, t, u"):
        table.graph_means()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("task,seed\nt,1\n", "missing epoch, top1_error"),
        (_HEADER + "t,1,2,10,0.5,2,0,a\nt,1,2\n", "line 3: expected 8 values, got 3"),
        (_HEADER + "t,1,2,10,0.5,2,0,a\nt,2,2,10,0.5,2,0,n64_s0.", "line 3: the line has no end"),
        (_HEADER + "t,1,2,1x,0.5,2,0,a\n", "line 2: top1_error should be a number, got '1x'"),
        (_HEADER + "t,1.5,2,10,0.5,2,0,a\n", "line 2: seed should be a whole number"),
        (_HEADER + "t,1,2,10,0.5,2,3,a\n", "line 2: is_baseline should be 0 or 1"),
        (_HEADER + "t,1,2,,0.5,2,0,a\n", "line 2: top1_error is empty"),
        (_HEADER + "t,1,2,110,0.5,2,0,a\n", "expected 0 to 100, got 110"),
        (_HEADER + "t,1,2,9,0.5,2,0,a\nt,1,2,9,0.5,2,0,a\n", "row 1 repeats row 0"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "results.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_results(path)
    assert str(path) in str(caught.value)


def test_truncated_gzip(tmp_path: Path) -> None:
    path = tmp_path / "results.csv.gz"
    path.write_bytes(gzip.compress((_HEADER + "t,1,2,9,0.5,2,0,a\n" * 50).encode())[:-9])
    with pytest.raises(ValueError, match="half-written or altered"):
        read_results(path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected results.csv or results.csv.gz"):
        read_results(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_results(tmp_path / "other.csv")
    with pytest.raises(ValueError, match=r"written as \.csv"):
        write_results(tmp_path / "results.json", _table())


def test_bad_tables() -> None:
    with pytest.raises(ValueError, match="row 0 lacks top1_error"):
        ResultTable.from_rows([{k: v for k, v in _row().items() if k != "top1_error"}])
    with pytest.raises(ValueError, match="unequal lengths"):
        ResultTable({**_table(), "C": np.zeros(2)})
    with pytest.raises(KeyError, match="no column gflops"):
        _table()["gflops"]


def test_published_tables(tmp_path: Path) -> None:
    table = published_results()
    assert tuple(table) == COLUMNS
    assert table.num_rows == 20496
    assert table.graph_means("mlp_cifar10").runs.shape == (3943, 5)
    again = read_results(write_results(tmp_path / "results.csv.gz", table))
    for column in table:
        np.testing.assert_array_equal(again[column], table[column])
