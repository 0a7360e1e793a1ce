"""Is a file as it was written? A checksum in it or beside it says so, before anything reads it."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import h5py

from graph2nn.runs.checkpoint import sha256_file, write_text

__all__ = [
    "SEAL",
    "check_own",
    "check_beside",
    "check_seal",
    "remove_beside",
    "seal_file",
    "sealed",
    "warn_unvouched",
    "write_beside",
]

SEAL = 512
"""Bytes before the HDF5 part, which readers of HDF5 skip: give it to h5py as `userblock_size`."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_LINE = re.compile(rb"([\w.-]+) (\d+)\nsha256 ([0-9a-f]{64})\n\0*")


def sealed(content: bytes, format: str, version: int) -> bytes:
    """Return an HDF5 file that was made with `userblock_size=SEAL` with its seal.

    Args:
        content: The file.
        format, version: What it is; a name without spaces, and a number.
    """
    part = content[SEAL:]
    return _seal(format, version, hashlib.sha256(part).hexdigest()) + part


def _seal(format: str, version: int, digest: str) -> bytes:
    """What stands before the HDF5 part: format, version and the checksum of that part."""
    return f"{format} {version}\nsha256 {digest}\n".encode().ljust(SEAL, b"\0")


def seal_file(path: str | Path, format: str, version: int) -> None:
    """Write the seal of an HDF5 file that was made with `userblock_size=SEAL` into it.

    Args:
        path: Path of the file.
        format, version: What the file is.
    """
    with Path(path).open("r+b") as file:
        file.seek(SEAL)
        digest = _digest(file)
        file.seek(0)
        file.write(_seal(format, version, digest))


def check_seal(
    path: str | Path, kind: str, again: str, *, newest: tuple[str, int] | None = None
) -> tuple[str, int] | None:
    """Compare an HDF5 file with its seal, before HDF5 sees it: that hangs on some damaged files.

    Args:
        path: Path of the file.
        kind: What is expected, such as "sweep".
        again: What to do where it is damaged.
        newest: Format, and its newest version that is read; a newer one is told as that.

    Returns:
        Format and version of the seal; None of a file without one, which is an HDF5 file by its
        first bytes, as older versions and others write them.

    Raises:
        ValueError: It is altered, cut off, neither of the two, or of a newer version.
        OSError: It cannot be read.
    """
    with Path(path).open("rb") as file:
        head = file.read(SEAL)
        if head.startswith(_HDF5):
            return None
        found = _LINE.fullmatch(head)
        if found is None or len(head) < SEAL:
            raise ValueError(f"{path} is no {kind}, or damaged or cut off; {again}")
        format, version = found[1].decode(), int(found[2])
        if newest is not None and format == newest[0] and version > newest[1]:
            raise ValueError(
                f"{path} has version {version} of the format {format}, this package reads version "
                f"{newest[1]}: install the netwright that wrote it, or a newer one"
            )
        if _digest(file) != found[3].decode():
            raise ValueError(f"{path} is damaged or cut off (another checksum); {again}")
    return format, version


def check_own(file: h5py.File, places: Iterable[str]) -> None:
    """Check that parts of an HDF5 file are in it: links and data may lie in any other file.

    Args:
        file: The file.
        places: Names of groups or datasets; what is not there is left to who reads it.

    Raises:
        ValueError: One is not; with the path.
    """
    for place in places:
        link = file.get(place, getlink=True)
        found = None if isinstance(link, h5py.ExternalLink) else file.get(place)
        inside = not isinstance(found, h5py.Dataset) or not (found.external or found.is_virtual)
        if isinstance(link, h5py.ExternalLink) or not inside:
            raise ValueError(
                f"{file.filename}: {place} lies in another file, which is not followed; write the "
                "file again with its data inside"
            )


def write_beside(path: str | Path) -> Path:
    """Write the checksum of a file beside it, as `sha256sum` does, and return its path.

    Args:
        path: Path of the file, `NAME`; the checksum is in `NAME.sha256`.

    Raises:
        OSError: See `write_text`.
    """
    path = Path(path)
    return write_text(_beside(path), f"{sha256_file(path)}  {path.name}\n")


def remove_beside(path: str | Path) -> None:
    """Remove the checksum beside a file, if there is one, before the file is written anew.

    Args:
        path: Path of the file.
    """
    _beside(Path(path)).unlink(missing_ok=True)


def check_beside(path: str | Path) -> None:
    """Compare a file with the checksum beside it, if there is one.

    Args:
        path: Path of the file.

    Raises:
        ValueError: It has another checksum.
    """
    path, beside = Path(path), _beside(Path(path))
    if not beside.is_file():
        return
    stated = beside.read_text(encoding="utf-8", errors="replace").split()
    if not stated or stated[0] != sha256_file(path):
        raise ValueError(
            f"{path} is altered or half-written, its checksum is not that of {beside.name}: copy "
            f"or write it again, or delete {beside.name} if it was changed on purpose"
        )


def warn_unvouched(path: str | Path) -> None:
    """Warn of a table without a checksum beside it: a changed digit would go unnoticed.

    Args:
        path: Path of the file.
    """
    if _beside(Path(path)).is_file():
        return
    name = Path(path).name
    warnings.warn(
        f"nothing vouches for {path}: there is no {name}.sha256 beside it; if you trust it, make "
        f"one with: sha256sum {name} > {name}.sha256",
        RuntimeWarning,
        stacklevel=3,
    )


def _digest(file: BinaryIO) -> str:
    """Of what is left to read."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
