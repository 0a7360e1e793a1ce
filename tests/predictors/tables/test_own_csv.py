"""A table of a CSV file of one's own: columns, separators, gaps, and errors with their line."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from graph2nn.cells import nb201_cell
from predictors.tables import Table

TEXT = """arch,width,code,acc,ms,seed,note
a,4,012,90.5,1e-3,0,fine
b,5,021,91,2,1,
a,4,012,,3,1,"two, words"
c,6,100,93,nan,0,fine
"""
QUIET: dict[str, Any] = {"inputs": (1, 8), "progress": False}


def net(row: dict[str, Any]) -> nn.Module:
    assert isinstance(row["width"], int) and isinstance(row["code"], str)
    assert isinstance(row["acc"], float | None)
    return nn.Linear(8, row["width"])


def write(folder: Path, text: str = TEXT, name: str = "mine.csv") -> Path:
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_five_lines(tmp_path: Path) -> None:
    table = Table.from_csv(write(tmp_path), net, ignore=["seed", "width", "code"], **QUIET)
    assert table.name == "mine" and list(table.targets) == ["acc", "ms"]
    np.testing.assert_array_equal(table.label("acc"), [90.5, 91, np.nan, 93])
    np.testing.assert_array_equal(table.label("ms"), [1e-3, 2, 3, np.nan])
    assert [graph.num_params() for graph in table.graphs] == [36, 45, 36, 54]
    assert table.graphs[3].name == "mine 4"
    assert table.group is not None and table.group.tolist() == [0, 1, 0, 2]  # equal graphs


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["mine.csv", "mine.csv.gz"])
def test_separators_and_compression(tmp_path: Path, separator: str, name: str) -> None:
    plain = TEXT.replace('"two, words"', "words").replace(",", separator)
    path = write(tmp_path, "\ufeff" + plain, name)  # as spreadsheets begin a file
    how: dict[str, Any] = {"labels": ["acc"], **QUIET}
    table = Table.from_csv(path, net, **how)
    assert table.name == "mine" and table.label()[0] == 90.5
    same = Table.from_csv(path, net, delimiter=separator, **how)
    assert same.checksum == table.checksum


def test_a_function_of_one_column(tmp_path: Path) -> None:
    seen = []

    def arch(text: str) -> nn.Module:
        seen.append(text)
        return nn.Linear(8, int(text[0]) + 3)

    path = write(tmp_path)
    table = Table.from_csv(path, arch, column="code", labels=("ms", "acc"), default="acc", **QUIET)
    assert seen == ["012", "021", "100"]  # as written, each once
    assert [graph.name for graph in table.graphs] == ["012", "021", "012", "100"]
    assert list(table.targets) == ["ms", "acc"] and table.default == "acc"


def test_strings_of_cells_groups_and_attributes(tmp_path: Path) -> None:
    cells = [nb201_cell([k, 1, 2, 3, 0, 1]) for k in range(4)]
    rows = [f"{cell.name},{k // 2},{k * 0.5},{70 + k}" for k, cell in enumerate(cells)]
    path = write(tmp_path, "\n".join(["cell,family,zc_x,acc", *rows, ""]))
    how: dict[str, Any] = {"groups": "family", "attributes": ["zc_x"], "progress": False}
    table = Table.from_csv(path, lambda text: text, column="cell", minimise=["acc"], **how)
    assert [graph.name for graph in table.graphs] == [cell.name for cell in cells]
    assert np.array_equal(table.graphs[2].op, cells[2].op)
    assert list(table.targets) == ["acc"] and not table.higher_is_better()
    assert table.group is not None and table.group.tolist() == [0, 0, 1, 1]
    assert table.graphs[3].attributes == {"zc_x": 1.5}


def failing(row: dict[str, Any]) -> nn.Module:
    if row["arch"] == "b":
        raise KeyError("depth")
    return net(row)


@pytest.mark.parametrize(
    ("text", "arch", "options", "message"),
    [
        (TEXT, net, {"column": "cell"}, "mine.csv: unknown column 'cell'; choose one of arch, wi"),
        (TEXT, net, {"labels": ["accc"]}, r"unknown column 'accc'.*did you mean 'acc'"),
        (TEXT, net, {"ignore": ["x"]}, "unknown column 'x'"),
        (TEXT, net, {"groups": "x"}, "unknown column 'x'"),
        (TEXT, net, {"attributes": ["x"]}, "unknown column 'x'"),
        (TEXT, net, {"labels": ["note"]}, "line 2, column note: expected a number, got 'fine'"),
        (TEXT.replace("91,", "91%,"), net, {}, "line 3, column acc: expected a number, got '91%'"),
        (TEXT, failing, {}, "mine.csv, line 3: the function that makes it failed, KeyError: 'dep"),
        (TEXT, lambda row: 7, {}, "mine.csv, line 2: expected a model .* got int"),
        (TEXT, lambda row: "conv", {}, "line 2: NAS-Bench-201: expected a string .* got 'conv'"),
        (TEXT, lambda t: nn.Linear(9, 2), {"column": "arch"}, "line 2, column arch: cannot "),
        (TEXT + "d,1\n", net, {}, "mine.csv, line 6: expected 7 values, got 2"),
        (TEXT.rstrip(), net, {}, "line 5: the line has no end"),
        ("", net, {}, "mine.csv is empty"),
        ("acc,arch\n", net, {}, "expected rows below the header line, got none"),
        ("acc,acc\n1,2\n", net, {}, "column 'acc' is there twice"),
        ("arch,note\na,b\n", net, {}, "no column of numbers to predict; it has arch, note"),
        ("arch;acc\na;91,5\n", net, {}, "it has arch, acc .numbers have a decimal point"),
    ],
)
def test_bad_input(
    tmp_path: Path, text: str, arch: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Table.from_csv(write(tmp_path, text), arch, **QUIET, **options)


def test_files_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none.csv does not exist"):
        Table.from_csv(tmp_path / "none.csv", net)
    (tmp_path / "bad.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(ValueError, match="bad.csv.gz is half-written or altered"):
        Table.from_csv(tmp_path / "bad.csv.gz", net)
