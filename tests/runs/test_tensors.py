"""Files of tensors: what goes in comes out, as safetensors has it, and nothing damaged is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from graph2nn.runs.checkpoint import check_format, format_entries
from graph2nn.runs.tensors import is_tensor_file, read_tensors, write_tensors

TENSORS = {
    "double": torch.arange(6, dtype=torch.float64).view(2, 3).T,
    "brain": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "flags": torch.tensor([True, False, True]),
    "small": torch.tensor([2**16 - 1], dtype=torch.uint16),
    "one": torch.tensor(7, dtype=torch.int32),
    "repeated": torch.ones(1).expand(4),
    "none": torch.empty(0, 3),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_tensors(tmp_path / "new" / "x.safetensors", TENSORS, {"kind": "toy", "ä": "ß"})


def test_round_trip(file: Path) -> None:
    tensors, texts = read_tensors(file)
    assert texts == {"kind": "toy", "ä": "ß"} and is_tensor_file(file)
    assert list(tensors) == list(TENSORS)
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype and tensors[name].shape == tensor.shape
        assert torch.equal(tensors[name], tensor)


def test_safetensors_reads_it_and_is_read(file: Path, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    found = safetensors.load_file(file)
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())
    contiguous = {name: tensor.contiguous() for name, tensor in TENSORS.items()}
    theirs = tmp_path / "theirs.safetensors"
    safetensors.save_file(contiguous, theirs, {"kind": "toy"})
    tensors, texts = read_tensors(theirs, checked=False)
    assert texts == {"kind": "toy"}
    assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())
    with pytest.raises(ValueError, match="checksum is missing"):
        read_tensors(theirs)


def test_what_the_layout_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tensor 'z' is torch.complex64; files hold F64"):
        write_tensors(tmp_path / "x", {"z": torch.zeros(2, dtype=torch.complex64)}, {})
    assert not list(tmp_path.iterdir())


def hostile(header: Any, body: bytes = b"", size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + body


def entry(shape: Any = (1,), place: Any = (0, 4), dtype: Any = "F32") -> dict[str, Any]:
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": place}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "longer than the file"),
        (b"PK\x03\x04", "longer than the file"),
        (hostile({}, size=2**63), "longer than the file"),
        (hostile(b"\xff\xfe"), "not JSON"),
        (hostile(b"[" * 60_000), "recursion|not JSON"),
        (hostile([]), "no table"),
        (hostile(b'{"x": 1, "x": 2}'), "occurs twice"),
        (hostile({"x": 3}), "the entry of tensor 'x' is none"),
        (hostile(entry(dtype="PICKLE"), b"1234"), "type, shape or place"),
        (hostile(entry(shape=[-1]), b"1234"), "type, shape or place"),
        (hostile(entry(shape=[True]), b"1234"), "type, shape or place"),
        (hostile(entry(place=[0, 4.0]), b"1234"), "type, shape or place"),
        (hostile(entry(shape=[2**40]), b"1234"), "of shape .* has 4 bytes"),
        (hostile(entry(shape=[0, 2**50], place=[0, 0])), "too large"),
        (hostile(entry(place=[4, 0]), b"1234"), "outside of the file"),
        (hostile(entry(place=[0, 400], shape=[100]), b"1234"), "outside of the file"),
        (hostile(entry(), b"12345678"), "do not fill the file"),
        (hostile({**entry(), "y": entry()["x"]}, b"1234"), "do not fill the file"),
        (hostile(entry(shape=[4], dtype="BOOL"), b"\x00\x01\x02\x01"), "more than true and false"),
        (hostile({"__metadata__": {"a": 1}}), "no texts"),
        (hostile({"__metadata__": {"sha256": "0"}}), "checksum is missing or wrong"),
    ],
)
def test_hostile_files(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=rf"x is no file of tensors.*({message})"):
        read_tensors(tmp_path / "x", checked=False)


def test_every_flipped_bit_is_noticed(file: Path) -> None:
    """Each byte in turn; the spaces that fill up the header may become other white space."""
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="truncated or altered"):
            read_tensors(file)
    for end in range(0, len(whole), 7):
        file.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="truncated or altered"):
            read_tensors(file)


def test_formats() -> None:
    said = format_entries("toy", 3)
    check_format("x", said, 3)
    check_format("x", {"kind": "toy"}, 3)
    with pytest.raises(
        ValueError, match=r"x has format 3 of the kind 'toy'.* reads format 4: update"
    ):
        check_format("x", said, 4)
    with pytest.raises(ValueError, match="has format None"):
        check_format("x", {"kind": "toy"}, 3, unsaid=False)
