"""Tables of results: what is written comes back, what is damaged is refused with its place."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from graph2nn.runs.tables import (
    ColumnTable,
    Schema,
    cell_text,
    read_columns,
    read_csv,
    read_rows,
    write_csv,
    write_rows,
)

SCHEMA = Schema(
    kinds={"name": str, "seed": int, "tau": float, "baseline": bool, "width": int},
    required=("name", "seed"),
    filled=("seed", "baseline"),
)
HEADER = "name,seed,tau,baseline,width\n"


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_what_is_written_comes_back_exactly(tmp_path: Path, name: str) -> None:
    rows = [
        {"name": 'a, "b"\nc', "seed": 1, "tau": 1 / 3, "baseline": 1, "width": 7},
        {"name": "", "seed": np.int64(2), "tau": float("nan"), "baseline": 0, "width": None},
        {"name": "ü", "seed": 3, "tau": np.float32(0.1), "baseline": 0, "note": "12"},
    ]
    table = read_csv(write_rows(tmp_path / name, rows), SCHEMA)
    assert table["name"].tolist() == ['a, "b"\nc', "", "ü"]
    assert table["seed"].dtype == np.int64 and table["seed"].tolist() == [1, 2, 3]
    assert table["tau"][0] == 1 / 3 and np.isnan(table["tau"][1])
    assert table["baseline"].dtype == bool and table["width"].tolist() == [7, -1, -1]
    assert table["note"].dtype == np.float64, "another column of numbers"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    again = write_csv(tmp_path / f"again_{name}", {k: v for k, v in table.items() if k == "tau"})
    np.testing.assert_array_equal(read_csv(again)["tau"], table["tau"])


def test_bytes_of_a_file(tmp_path: Path) -> None:
    rows = [{"a": 0.1 + 0.2, "b": None}, {"b": "x,y", "c": 10**20}]
    path = write_rows(tmp_path / "t.csv", rows)
    assert path.read_bytes() == b'a,b,c\n0.30000000000000004,,\n,"x,y",100000000000000000000\n'
    assert write_rows(path, rows, ["c", "a"], digits=3).read_bytes() == (
        b"c,a\n,0.3\n100000000000000000000,\n"
    )
    packed = write_rows(tmp_path / "t.csv.gz", rows).read_bytes()
    assert packed == write_rows(tmp_path / "t.csv.gz", rows).read_bytes(), "no time in it"
    assert read_rows(path) == [{"c": "", "a": "0.3"}, {"c": "1" + 20 * "0", "a": ""}]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (np.nan, ""), (np.float64(0.1), "0.1"), (np.int64(3), "3"), (1.0, "1.0"),
     (1e300, "1e+300"), (float("inf"), "inf"), ("a", "a"), (np.bool_(True), "True")],
)  # fmt: skip
def test_text_of_a_cell(value: object, text: str) -> None:
    assert cell_text(value) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: expected a header line with name, seed"),
        ("\n\n", "is empty"),
        ("name\n", "expected the columns name, seed, missing seed; it has name"),
        ("name,seed,seed\na,1,2\n", "column 'seed' is there twice"),
        (HEADER + "a,1,0.5,0\n", "line 2: expected 5 values, got 4"),
        (HEADER + "a,1,0.5,0,1\n\n", "line 3: expected 5 values, got 0"),
        (HEADER + "a,1,0.5,0,1\nb,2,0.25,0,1", "line 3: the line has no end"),
        (HEADER + '"a,1,0.5,0,1\n', "line 2: unexpected end of data"),
        (HEADER + "a,1,0.5,0,1\nb,2,0.2.5,0,1\n", "line 3: tau should be a number, got '0.2.5'"),
        (HEADER + "a,1.5,0.5,0,1\n", "line 2: seed should be a whole number, got '1.5'"),
        (HEADER + "a,inf,0.5,0,1\n", "line 2: seed should be a whole number, got 'inf'"),
        (HEADER + "a,,0.5,0,1\n", "line 2: seed is empty"),
        (HEADER + "a,nan,0.5,0,1\n", "line 2: seed is empty"),
        (HEADER + "a,1,0.5,2,1\n", "line 2: baseline should be 0 or 1, got '2'"),
    ],
)
def test_damaged_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_csv(path, SCHEMA)
    assert str(path) in str(caught.value)


def test_every_cut_of_a_file_is_noticed(tmp_path: Path) -> None:
    whole = write_rows(tmp_path / "t.csv", [{"name": "abc", "seed": 12, "tau": 0.5}] * 3)
    data = whole.read_bytes()
    lines = {k for k in range(len(data) + 1) if data[:k].endswith(b"\n")}
    for size in set(range(len(data))) - lines:
        whole.write_bytes(data[:size])
        with pytest.raises(ValueError, match="is empty|has no end|expected . values|missing"):
            read_csv(whole, SCHEMA)
    packed = gzip.compress(data, mtime=0)
    path = tmp_path / "t.csv.gz"
    for size in range(1, len(packed)):
        path.write_bytes(packed[:size])
        with pytest.raises(ValueError, match="half-written or altered"):
            read_columns(path)


def test_not_utf8_and_not_there(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"name\n\xff\n")
    with pytest.raises(ValueError, match="half-written or altered.*write or copy the file again"):
        read_columns(tmp_path / "t.csv")
    with pytest.raises(FileNotFoundError, match="u.csv does not exist; expected a table"):
        read_columns(tmp_path / "u.csv")
    with pytest.raises(FileNotFoundError, match="is a folder; expected a table"):
        read_columns(tmp_path)
    (tmp_path / "t.csv").write_text("name\né\n", encoding="latin-1")
    with pytest.raises(ValueError, match="no text in UTF-8, .*save it as UTF-8"):
        read_columns(tmp_path / "t.csv")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "t.csv", [{"a": 1}])
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        write_csv(path, {"a": [1, 2], "b": [1]})
    assert path.read_text() == "a\n1\n" and os.listdir(tmp_path) == ["t.csv"]


def test_kinds_of_columns_that_nobody_named() -> None:
    free = ColumnTable({"a": ["1", "", "nan"], "b": ["1", "x", ""], "c": np.array([1, 2, 3])})
    assert [free[k].dtype.kind for k in "abc"] == ["f", "U", "f"] and free.num_rows == 3
    with pytest.raises(ValueError, match="table, line 3: b should be a number, got 'x'"):
        Schema(others=float).arrays({"b": ["1", "x"]})
    assert Schema(others=str).arrays({"b": ["007", None]})["b"].tolist() == ["007", ""]


def test_a_table_is_a_mapping_of_its_own() -> None:
    table = ColumnTable({"a": [1, 2], "b": ["x", "y"]}, where="mine")
    assert list(table) == ["a", "b"] and len(table) == 2 and "a" in table and "c" not in table
    assert table.rows() == [{"a": 1.0, "b": "x"}, {"a": 2.0, "b": "y"}]
    assert table == table and table != ColumnTable(table) and len({table}) == 1
    assert ColumnTable({}).num_rows == 0
    with pytest.raises(KeyError, match="mine has no column c; it has a, b"):
        table["c"]
    with pytest.raises(ValueError, match="columns of unequal lengths, {'a': 2, 'b': 1}"):
        ColumnTable({"a": [1, 2], "b": [1]})
    with pytest.raises(ValueError, match="column a must be one-dimensional"):
        ColumnTable({"a": np.zeros((2, 2))})


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_separator_where_asked_for(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"\ufeffa{separator}b\n1{separator}x y\n".encode())
    assert read_columns(path, delimiter=None) == {"a": ["1"], "b": ["x y"]}
    assert read_columns(path, delimiter=separator) == read_columns(path, delimiter=None)
