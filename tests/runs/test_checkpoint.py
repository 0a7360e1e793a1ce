"""Checkpoints survive a round trip, refuse what is not theirs and never leave half a file."""

from __future__ import annotations

import errno
import os
import pickle
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.runs import checkpoint, load_checkpoint, save_checkpoint, sha256_file, write_atomic
from graph2nn.runs.tensors import write_tensors


def payload() -> dict:
    net = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return {
        "kind": "net",
        "state_dict": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": 7,
        "config": {"lr": 0.1, "name": "a", "sizes": [1, 2], "nothing": None, "on": True},
    }


def test_round_trip(tmp_path: Path) -> None:
    saved = payload()
    path = save_checkpoint(tmp_path / "new" / "a.pt", saved)
    loaded = load_checkpoint(path, kind="net")
    assert loaded["config"] == saved["config"] and loaded["step"] == 7
    torch.testing.assert_close(loaded["state_dict"], dict(saved["state_dict"]), rtol=0, atol=0)
    torch.testing.assert_close(
        loaded["optimizer"]["state"], saved["optimizer"]["state"], rtol=0, atol=0
    )
    assert type(loaded["state_dict"]) is dict
    assert oct(path.stat().st_mode & 0o777) != "0o600", "readable as other new files are"
    net = nn.Linear(3, 2)
    torch.optim.Adam(net.parameters()).load_state_dict(loaded["optimizer"])


def test_a_view_is_stored_without_its_base(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.pt", {"kind": "x", "t": torch.zeros(1_000_000)[:2]})
    assert path.stat().st_size < 10_000


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")


@pytest.mark.parametrize(
    "value, message",
    [
        ({"t": 1}, "needs an entry 'kind'"),
        ({"kind": "x", "a": {"b": [1, object()]}}, r"\['a'\]\['b'\]\[1\] is a object"),
        ({"kind": "x", "a": np.zeros(2)}, r"\['a'\] is a ndarray"),
        ({"kind": "x", "a": np.float64(1)}, r"\['a'\] is a float64"),
        ({"kind": "x", "a": {(1, 2): 3}}, "key .* is a tuple"),
    ],
)
def test_only_plain_values(value: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        save_checkpoint(tmp_path / "a.pt", value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files may not grow beyond 100 kB, which fails as a full disk does."""
    resource = pytest.importorskip("resource", reason="file size limits exist on Unix only")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path, small_files: None) -> None:
    path = save_checkpoint(tmp_path / "a.pt", {"kind": "x", "step": 1})
    with pytest.raises(OSError, match=r"cannot write .*a\.pt.*choose another folder"):
        save_checkpoint(path, {"kind": "x", "t": torch.randn(1_000_000)})
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]
    assert load_checkpoint(path)["step"] == 1


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="the disk is full: free some space") as caught:
        save_checkpoint(tmp_path / "a.pt", {"kind": "x"})
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write .*choose another folder"):
        save_checkpoint(tmp_path / "file" / "a.pt", {"kind": "x"})

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.mkstemp", refused)
    with pytest.raises(OSError, match="no permission to write there"):
        save_checkpoint(tmp_path / "a.pt", {"kind": "x"})


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "a", stop)
    assert list(tmp_path.iterdir()) == []


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("with_torch", [True, False])
def test_malicious_pickle_never_runs(tmp_path: Path, with_torch: bool) -> None:
    mark, path = tmp_path / "mark", tmp_path / "a.pt"
    evil = {"kind": "x", "a": Evil(mark)}
    if with_torch:
        torch.save(evil, path)
    else:
        path.write_bytes(pickle.dumps(evil, protocol=2))
    with pytest.raises(ValueError, match="refused.*nothing in it was executed"):
        load_checkpoint(path)
    assert not mark.exists()


@pytest.mark.parametrize("keep", [0, 1, 3, 100, -1, -30, -500])
def test_truncated(tmp_path: Path, keep: int) -> None:
    path = save_checkpoint(tmp_path / "a.pt", payload())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"a\.pt is"):
        load_checkpoint(path)


def test_altered(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.pt", {"kind": "x", "t": torch.arange(1000.0)})
    raw = bytearray(path.read_bytes())
    raw[raw.index(torch.arange(500.0, 520.0).numpy().tobytes())] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="is altered: the checksum of"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [b"hello, world" * 100, b"\x89HDF\r\n\x1a\n" + b"\0" * 100])
def test_not_a_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.pt is (refused|not a readable checkpoint)"):
        load_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("start", [bytes([code]) for code in range(256)])
def test_whatever_a_file_begins_with(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(start + b",b\n1,2\n")
    with pytest.raises(ValueError, match="a.pt (is|holds)"):
        load_checkpoint(tmp_path / "a.pt")


def test_a_file_of_tensors_that_was_cut_off(tmp_path: Path) -> None:
    path = write_tensors(tmp_path / "a.safetensors", {"a": torch.ones(99)}, {"kind": "net"})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match="a.safetensors is not a readable checkpoint|is refused"):
        load_checkpoint(path)


def test_another_kind(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "a.pt", {"kind": "net", "step": 1})
    with pytest.raises(ValueError, match="kind 'net', expected 'ghn'; its entries are kind, step"):
        load_checkpoint(path, kind="ghn")
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="holds a list, expected a dictionary"):
        load_checkpoint(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_checkpoint(tmp_path / "a.pt")
    with pytest.raises(FileNotFoundError, match="is a folder"):
        load_checkpoint(tmp_path)


def test_published_form_without_kind(tmp_path: Path) -> None:
    torch.save({"state_dict": OrderedDict(a=torch.ones(2)), "epoch": 3}, tmp_path / "a.pt")
    assert load_checkpoint(tmp_path / "a.pt")["epoch"] == 3
    legacy = tmp_path / "b.pt"
    torch.save({"a": torch.ones(2)}, legacy, _use_new_zipfile_serialization=False)
    with pytest.warns(RuntimeWarning, match="nothing vouches for .*b.pt: torch's older format"):
        assert load_checkpoint(legacy)["a"].sum() == 2


def test_an_old_torch_is_told_of_at_the_first_file_of_others(tmp_path: Path, monkeypatch) -> None:
    own = save_checkpoint(tmp_path / "own.pt", {"kind": "x"})
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pt")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    checkpoint._warn_of_old_torch.cache_clear()
    load_checkpoint(own)
    with pytest.warns(RuntimeWarning, match="torch 2.9.1.*known weakness, which torch 2.10 closes"):
        load_checkpoint(tmp_path / "a.pt")
    load_checkpoint(tmp_path / "a.pt")  # once a process
    checkpoint._warn_of_old_torch.cache_clear()
