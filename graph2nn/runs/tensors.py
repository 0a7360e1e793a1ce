"""How are tensors and texts kept in one file that holds no code? In the layout of safetensors.

Eight bytes say how long the header is; the header is JSON (texts under `__metadata__`, and each
tensor's type, shape and place); the rest is the tensors' bytes, one after another. The package
`safetensors` reads these files, and what it writes is read here; it need not be installed. Files
written here carry a SHA-256 of everything else in them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from graph2nn.runs.checkpoint import write_atomic

__all__ = ["is_tensor_file", "read_tensors", "write_tensors"]

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LARGEST_HEADER = 100_000_000  # bytes, as safetensors has it
_METADATA, _CHECKSUM = "__metadata__", "sha256"


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> Path:
    """Write tensors by name, of any shape, and texts by name to one file, whole or not at all.

    Args:
        path: Path of the file; missing folders are made.
        tensors: Tensors, stored detached, contiguous and on the CPU.
        metadata: Texts; `sha256` is taken.

    Raises:
        ValueError: A tensor of a type that the layout does not have.
        OSError: See `write_atomic`.
    """
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    blocks, place = [], 0
    for name, tensor in tensors.items():
        if tensor.dtype not in _NAMES:
            raise ValueError(f"tensor {name!r} is {tensor.dtype}; files hold {', '.join(_DTYPES)}")
        block = _bytes(tensor)
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [place, place + len(block)],
        }
        blocks.append(block)
        place += len(block)
    header[_METADATA][_CHECKSUM] = _checksum(header, blocks)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight

    def write(file: IO[bytes]) -> None:
        for part in (len(text).to_bytes(8, "little"), text, *blocks):
            file.write(part)

    return write_atomic(path, write)


def read_tensors(
    path: str | Path, *, checked: bool = True
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors, of any shape, and the texts of a file; nothing in it is executed.

    Args:
        path: Path of the file.
        checked: Whether a file without a checksum is refused; other programs write none.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Truncated, altered, or no such file of tensors.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"{path} {what}; expected a file of tensors")
    content = path.read_bytes()
    try:
        header, body = _header(content)
        tensors = {
            name: _tensor(name, entry, body) for name, entry in header.items() if name != _METADATA
        }
        metadata = header.get(_METADATA, {})
        _check_texts(metadata)
        _check_layout(header, len(body))
        if checked or _CHECKSUM in metadata:
            expected = metadata.pop(_CHECKSUM, None)
            if expected != _checksum(header, [body]):
                raise ValueError("its checksum is missing or wrong")
    except (ValueError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(
            f"{path} is no file of tensors, or truncated or altered ({reason[:200]}); copy or "
            "download it again"
        ) from None
    return tensors, metadata


def is_tensor_file(path: str | Path) -> bool:
    """Tell whether a file begins as a file of tensors does."""
    with Path(path).open("rb") as file:
        start = file.read(9)
    return (
        len(start) == 9
        and int.from_bytes(start[:8], "little") <= _LARGEST_HEADER
        and (start[8:] == b"{")
    )


def _bytes(tensor: Tensor) -> bytes:
    """The bytes of a tensor in the order of its elements, on a little-endian machine."""
    # a copy: one element may have any stride and pass for contiguous
    flat = tensor.detach().cpu().clone(memory_format=torch.contiguous_format).reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()


def _checksum(header: Mapping[str, Any], blocks: list[Any]) -> str:
    """SHA-256 of the header, however it is spelt, and of the bytes behind it."""
    said = {k: v for k, v in header.get(_METADATA, {}).items() if k != _CHECKSUM}
    text = json.dumps({**header, _METADATA: said}, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode())
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def _header(content: bytes) -> tuple[dict[str, Any], memoryview]:
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(_LARGEST_HEADER, len(content) - 8):
        raise ValueError("its header is longer than the file")
    try:
        header = json.loads(content[8 : 8 + size].decode(), object_pairs_hook=_once)
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise ValueError("its header is not JSON") from None
    if not isinstance(header, dict):
        raise ValueError("its header is no table")
    return header, memoryview(content)[8 + size :]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice in its header")
    return found


def _tensor(name: str, entry: Any, body: memoryview) -> Tensor:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"the entry of tensor {name!r} is none")
    dtype, shape, place = _DTYPES.get(str(entry["dtype"])), entry["shape"], entry["data_offsets"]
    if dtype is None or not _counts(shape) or not _counts(place) or len(place) != 2:
        raise ValueError(f"type, shape or place of tensor {name!r} is none")
    first, last = place
    if not first <= last <= len(body):
        raise ValueError(f"tensor {name!r} lies outside of the file")
    if math.prod(shape) * dtype.itemsize != last - first or len(shape) > 32:
        raise ValueError(f"tensor {name!r} of shape {str(shape)[:60]} has {last - first} bytes")
    if first == last:
        return torch.empty(_small(name, shape), dtype=dtype)
    # a copy, which is aligned as torch likes it and does not hold the whole file
    values = torch.frombuffer(bytearray(body[first:last]), dtype=torch.uint8)
    if dtype is torch.bool and int(values.max()) > 1:
        raise ValueError(f"tensor {name!r} holds more than true and false")
    return values.view(dtype).reshape(shape)


def _small(name: str, shape: list[int]) -> list[int]:
    if max(shape, default=0) >= 2**31:
        raise ValueError(f"tensor {name!r} of shape {str(shape)[:60]} is too large")
    return shape


def _counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**60 for v in values)


def _check_texts(metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its metadata are no texts")


def _check_layout(header: Mapping[str, Any], size: int) -> None:
    """Tensors lie one after another, without gaps, overlaps or a rest."""
    places = sorted(entry["data_offsets"] for name, entry in header.items() if name != _METADATA)
    ends = [0, *(last for _, last in places)]
    if [first for first, _ in places] != ends[:-1] or ends[-1] != size:
        raise ValueError("its tensors do not fill the file")
