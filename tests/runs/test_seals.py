"""Checksums in files and beside them, and HDF5 files whose parts lie elsewhere."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from graph2nn.deepnets import eval_nets, load_nets, save_nets
from graph2nn.runs.seals import SEAL, check_beside, check_own, check_seal, seal_file, write_beside


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = tmp_path / "own.h5"
    with h5py.File(path, "w", userblock_size=SEAL) as file:
        file["a"] = np.arange(100)
    seal_file(path, "test-format", 3)
    return path


def test_every_byte_counts(sealed: Path) -> None:
    assert check_seal(sealed, "file", "again") == ("test-format", 3)
    with h5py.File(sealed, "r") as file:
        assert file["a"][99] == 99, "HDF5 skips the seal"
    whole = sealed.read_bytes()
    for place in range(0, len(whole), 37):
        changed = bytearray(whole)
        changed[place] ^= 1
        sealed.write_bytes(bytes(changed))
        if place >= len("test-format"):  # a format of another name is for who asked for it to see
            with pytest.raises(ValueError, match="own.h5 is (no file, or )?damaged.*again"):
                check_seal(sealed, "file", "again")
    for cut in (0, 1, SEAL - 1, SEAL, len(whole) - 1):
        sealed.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="own.h5 is (no file, or )?damaged"):
            check_seal(sealed, "file", "again")


def test_files_of_others_have_no_seal(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = 1
    assert check_seal(tmp_path / "other.h5", "file", "again") is None


@pytest.mark.parametrize("kind", ["link", "storage", "virtual"])
def test_parts_in_other_files_are_not_read(tmp_path: Path, kind: str) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["a"] = np.arange(3)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        if kind == "link":
            file["a"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "a")
        elif kind == "storage":
            where = [(str(tmp_path / "secret.h5"), 0, 24)]
            file.create_dataset("a", (3,), np.int64, external=where)
        else:
            layout = h5py.VirtualLayout((3,), np.int64)
            layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "a", (3,))
            file.create_virtual_dataset("a", layout)
        file["b"] = 1
    with h5py.File(tmp_path / "f.h5", "r") as file:
        with pytest.raises(ValueError, match="f.h5: a lies in another file, which is not followed"):
            check_own(file, ("b", "none", "a"))


def test_a_store_with_a_part_elsewhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nets.h5"
    save_nets(eval_nets("val", 3).table, path)
    other = tmp_path / "linked.h5"
    with h5py.File(path, "r") as old, h5py.File(other, "w") as new:
        new.attrs.update(old.attrs)
        for name in ("edges", "settings"):
            old.copy(name, new)
        new["sizes"] = h5py.ExternalLink(str(path), "sizes")
    with pytest.raises(ValueError, match="linked.h5: sizes lies in another file"):
        load_nets(other)


def test_a_checksum_beside_a_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")
    check_beside(path)
    assert write_beside(path) == tmp_path / "t.csv.sha256"
    check_beside(path)
    path.write_text("a\n2\n")
    with pytest.raises(ValueError, match=r"t\.csv is altered.*delete t\.csv\.sha256"):
        check_beside(path)
    (tmp_path / "t.csv.sha256").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"t\.csv is altered"):
        check_beside(path)
