"""The compact files of tables: exactly the same values, or a message."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from graph2nn.runs.tables import Facts, read_packed, write_packed
from graph2nn.runs.tables.layouts import pack_column

FACTS = Facts(
    name="small",
    title="Three networks",
    source="somebody/something: data/file.csv",
    cite="A paper (arXiv:0000.00000)",
    licence="MIT",
    units={"acc": "percent"},
    notes={"default": "acc"},
)
FACTS_OF_NONE = Facts(name="none")
COLUMNS = {
    "arch/name": np.array(["a", "", "ü"]),
    "acc": np.array([93.25, np.nan, -np.inf]),
    "params": np.array([1, 2**40, -1]),
    "ok": np.array([True, False, True]),
    "curve": np.array([[0.1, 0.2], [0.3, np.nan], [np.inf, 1e300]]),
}


def _random(kind: str, rows: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=rows)
    return {
        "float64": numbers,
        "float32": numbers.astype(np.float32).astype(np.float64),
        "decimals": np.round(numbers, 3),
        "small decimals": np.round(numbers * 1e-9, 12),
        "few": rng.choice(numbers[:7], rows),
        "missing": np.where(numbers > 0, np.round(numbers, 2), np.nan),
        "signed zero": np.where(numbers > 0, 0.0, -0.0),
        "infinite": np.where(numbers > 0, np.inf, -np.inf),
        "huge": numbers * 1e300,
        "whole": rng.integers(-(2**62), 2**62, rows),
        "rising": np.cumsum(rng.integers(0, 3, rows)),
        "bool": numbers > 0,
        "words": rng.choice(["mlp", "resnet", ""], rows),
        "lines": np.array([f"net {k} {'x' * (k % 50)}" for k in range(rows)]),
        "fields": np.array([f"({k % 5}, {k // 5 % 5})" for k in range(rows)]),
        "curves": np.round(rng.normal(size=(rows, 4)), 2),
    }[kind]


@pytest.mark.parametrize("rows", [0, 1, 500])
@pytest.mark.parametrize(
    "kind",
    [
        *("float64", "float32", "decimals", "small decimals", "few", "missing", "signed zero"),
        *("infinite", "huge", "whole", "rising", "bool", "words", "lines", "fields", "curves"),
    ],
)
def test_same_values_come_back(kind: str, rows: int, tmp_path: Path) -> None:
    values = _random(kind, 500)[:rows]
    path = write_packed(tmp_path / "t.h5", {"c": values}, FACTS_OF_NONE)
    found = read_packed(path).columns["c"]
    assert found.dtype.kind == values.dtype.kind and found.shape == values.shape
    if values.dtype.kind == "f":
        assert np.array_equal(np.signbit(found), np.signbit(values))
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("decimals", {"kind": "float", "digits": 3}),
        ("float32", {"kind": "float"}),
        ("whole", {"kind": "int"}),
        ("rising", {"kind": "int", "delta": True}),
        ("few", {"kind": "float", "distinct": {"kind": "float"}}),
        ("fields", {"kind": "text"}),
        ("words", {"kind": "text", "distinct": {"kind": "text", "joined": True}}),
    ],
)
def test_layouts_that_pay(kind: str, expected: dict) -> None:
    rows = 5000 if kind == "words" else 500
    layout, stored = pack_column(_random(kind, rows))
    assert layout == expected
    assert stored["columns"].nbytes <= 8 * rows


def test_facts_and_bytes(tmp_path: Path) -> None:
    one = write_packed(tmp_path / "one.h5", COLUMNS, FACTS)
    other = write_packed(tmp_path / "other.h5", COLUMNS, FACTS)
    assert one.read_bytes() == other.read_bytes()
    table = read_packed(one)
    assert table.facts == FACTS and table.num_rows == 3 and list(table.columns) == list(COLUMNS)
    for name, values in COLUMNS.items():
        np.testing.assert_array_equal(table.columns[name], values)


@pytest.mark.parametrize(
    ("columns", "facts", "message"),
    [
        ({"a": np.zeros(2), "b": np.zeros(3)}, FACTS_OF_NONE, "unequal lengths"),
        ({"a": np.array([object()])}, FACTS_OF_NONE, "column a: expected whole numbers, floats"),
        ({"a": np.array(["x\0", "y"])}, FACTS_OF_NONE, None),
        ({"a": np.array(["x\0y"])}, FACTS_OF_NONE, None),
        ({"a": np.zeros(2)}, Facts(name="t", units={"b": "ms"}), "units of unknown columns b"),
    ],
)
def test_what_cannot_be_written(columns, facts, message, tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    if message is None:  # numpy itself may cut zero bytes; if not, they come back or are refused
        try:
            write_packed(path, columns, facts)
        except ValueError as error:
            assert "zero byte" in str(error)
            return
        assert read_packed(path).columns["a"].tolist() == columns["a"].tolist()
        return
    with pytest.raises(ValueError, match=message):
        write_packed(path, columns, facts)
    assert not path.exists()


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    path = write_packed(tmp_path / "t.h5", COLUMNS, FACTS)
    content = path.read_bytes()
    with pytest.raises(FileNotFoundError, match="none.h5 does not exist; expected a table"):
        read_packed(tmp_path / "none.h5")
    with pytest.raises(FileNotFoundError, match="is a folder; expected a table") as caught:
        read_packed(tmp_path)
    assert caught.value.filename == str(tmp_path)
    for other in (b"", b"text", b"\x89HDF\r\n\x1a\n" + bytes(600)):
        path.write_bytes(other)
        with pytest.raises(ValueError, match="no table of columns: expected a file of the format"):
            read_packed(path)
    for damaged in (content[:600], content[:-1], content + b" "):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged or cut off .*install netwright again"):
            read_packed(path)
    path.write_bytes(content.replace(b"netwright-columns 1\n", b"netwright-columns 2\n", 1))
    with pytest.raises(ValueError, match="version 2 of the format .* reads version 1"):
        read_packed(path)


def test_no_flipped_bit_goes_unnoticed(tmp_path: Path) -> None:
    path = write_packed(tmp_path / "t.h5", COLUMNS, FACTS)
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, 8 * len(content), 300).tolist():
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="install netwright|install the netwright"):
            read_packed(path)


def test_altered_values(tmp_path: Path) -> None:
    path = write_packed(tmp_path / "t.h5", COLUMNS, FACTS)
    with h5py.File(path, "r+") as file:  # other readers of HDF5 read it, too
        assert file["columns/ok"][0] == 1
        file["columns/ok"][0] = 0
    with pytest.raises(ValueError, match="another checksum"):
        read_packed(path)


def test_arrays_of_other_lengths(tmp_path: Path) -> None:
    arrays = {
        "acc": np.arange(7, dtype=np.uint8),
        "pairs": np.ones((2, 5), np.int16),
        "none": np.zeros(0, np.float32),
    }
    path = write_packed(tmp_path / "t.h5", COLUMNS, FACTS, arrays)
    found = read_packed(path)
    assert list(found.columns) == list(COLUMNS) and list(found.arrays) == list(arrays)
    for name, values in arrays.items():
        assert found.arrays[name].dtype == values.dtype
        np.testing.assert_array_equal(found.arrays[name], values)
    np.testing.assert_array_equal(found.columns["acc"], COLUMNS["acc"])
    with h5py.File(path, "a") as file:
        file["arrays/pairs"][0, 0] = 9
    with pytest.raises(ValueError, match="damaged .*another checksum"):
        read_packed(path)
