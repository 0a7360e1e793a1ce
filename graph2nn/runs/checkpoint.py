"""Checkpoints: plain dictionaries, written whole or not at all, read without running code."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import pickle
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from graph2nn import __version__

__all__ = [
    "check_format",
    "format_entries",
    "load_checkpoint",
    "remove_leftovers",
    "replacing",
    "save_checkpoint",
    "sha256_file",
    "unwritable",
    "write_atomic",
    "write_text",
]

_PLAIN = (str, int, float, bool, type(None))
_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another folder",
    errno.EFBIG: "the file is larger than the system allows: choose another folder",
    errno.EACCES: "no permission to write there: choose another folder",
    errno.EPERM: "no permission to write there: choose another folder",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.ENOTDIR: "a part of the path is a file: choose another folder",
}


def save_checkpoint(path: str | Path, payload: Mapping[str, Any]) -> Path:
    """Write `payload` to `path`, replacing an older file only once the new one is complete.

    Args:
        path: Path of the file; missing folders are made.
        payload: Dictionaries, lists, tuples, tensors and JSON-able values; the entry `"kind"` (str)
            says what it is. Tensors are stored detached and on the CPU.

    Raises:
        ValueError: No kind, or a value of another type, named by its place.
        OSError: Full disk, no permission, ...; says what to do. No partial file stays behind.
    """
    if not isinstance(payload.get("kind"), str):
        raise ValueError("a checkpoint needs an entry 'kind' (str) saying what it is")
    plain = _plain(payload, "checkpoint")
    return write_atomic(path, lambda file: torch.save(plain, file))


def load_checkpoint(
    path: str | Path, *, kind: str | None = None, map_location: str | torch.device = "cpu"
) -> dict[str, Any]:
    """Load the dictionary stored at `path`; no code in the file is ever executed.

    Args:
        path: Path of a file of `save_checkpoint`, or any `torch.save` of a dictionary of tensors
            and plain values (published weights).
        kind: Expected entry `"kind"`; None accepts any dictionary.
        map_location: Device that the tensors go to.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Truncated or altered, no checkpoint, unsafe, or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"checkpoint {path} {what}; expected a file")
    summed = _check_archive(path)
    try:
        with warnings.catch_warnings():  # of other pickle protocols: the outcome says it all
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            payload = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is refused: it holds more than tensors and plain values, or is no checkpoint, "
            f"and nothing in it was executed ({_first_line(error)})"
        ) from None
    except Exception as error:  # bytes of another kind, read as a program, fail in any way
        raise ValueError(
            f"{path} is not a readable checkpoint ({_first_line(error)}); it may be truncated or "
            "altered: copy or download it again"
        ) from None
    if not isinstance(payload, dict):
        raise ValueError(f"{path} holds a {type(payload).__name__}, expected a dictionary")
    if kind is not None and payload.get("kind") != kind:
        raise ValueError(
            f"{path} is a checkpoint of kind {payload.get('kind')!r}, expected {kind!r}; "
            f"its entries are {', '.join(map(str, list(payload)[:8])) or 'none'}"
        )
    if not summed:
        warnings.warn(
            f"nothing vouches for {path}: torch's older format has no checksums, altered weights "
            "go unnoticed; compare it with its source, then save it again with torch.save",
            RuntimeWarning,
            stacklevel=2,
        )
    if "kind" not in payload:
        _warn_of_old_torch()
    return payload


@functools.cache
def _warn_of_old_torch() -> None:
    """Once a process, at the first file that others wrote."""
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 10):
        warnings.warn(
            f"torch {torch.__version__} reads checkpoints of strangers (weights_only=True) with a "
            "known weakness, which torch 2.10 closes: update torch",
            RuntimeWarning,
            stacklevel=3,
        )


def format_entries(kind: str, number: int) -> dict[str, Any]:
    """Return the entries of a checkpoint that say what it is and who can read it."""
    return {"kind": kind, "format": number, "netwright": __version__}


def check_format(
    path: str | Path, payload: Mapping[str, Any], number: int, *, unsaid: bool = True
) -> None:
    """Check that a file has the format that is read today.

    Args:
        path: The file.
        payload: Its entries, see `format_entries`.
        number: The format of today.
        unsaid: Whether files pass that say no format, having been written before there were any.

    Raises:
        ValueError: It has another format; the message says what to do.
    """
    found = payload.get("format")
    if found == number or (found is None and unsaid):
        return
    writer = str(payload.get("netwright", "of another version"))[:20]
    raise ValueError(
        f"{path} has format {str(found)[:20]} of the kind {str(payload.get('kind'))[:40]!r}, and "
        f"netwright {__version__} reads format {number}: update with pip install --upgrade "
        f"netwright, or load it with netwright {writer}, which wrote it"
    )


def sha256_file(path: str | Path) -> str:
    """Compute the SHA-256 of a file's contents, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_atomic(path: str | Path, write: Callable[[IO[bytes]], Any]) -> Path:
    """Let `write` fill a temporary file beside `path`, sync it and rename it to `path`.

    Whoever reads `path` sees the old contents or the new, never a part, also after a crash.

    Raises:
        OSError: With the path and what to do; the temporary file is removed.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _renamed(path) as temporary, temporary.open("wb") as file:
            recorder = _Recorder(file)
            try:
                write(recorder)  # type: ignore[arg-type]
                file.flush()
            except RuntimeError as error:  # torch reports a failed write as its own error
                raise recorder.error or error from None
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def write_text(path: str | Path, text: str) -> Path:
    """Write a file of text (UTF-8), whole or not at all.

    Raises:
        OSError: See `write_atomic`.
    """
    return write_atomic(path, lambda file: file.write(text.encode()))


def remove_leftovers(folder: str | Path) -> None:
    """Remove what `write_atomic` has left in a folder when its process was killed.

    Args:
        folder: Path of a folder in which nobody is writing.
    """
    for path in Path(folder).glob(".*.????????.tmp"):
        path.unlink(missing_ok=True)


def unwritable(path: str | Path, error: OSError) -> OSError:
    """Return an error that says what could not be written, why, and what to do.

    Args:
        path: The file.
        error: What the system said.
    """
    if error.errno is None:  # as of HDF5, which has the reason in its text
        return OSError(f"cannot write {path}: {error}; free some space or choose another folder")
    advice = _ADVICE.get(error.errno, "choose another folder")
    return OSError(error.errno, f"cannot write {path}: {os.strerror(error.errno)}; {advice}")


class _Recorder:
    """A binary file that remembers the first error, which torch's writer would hide."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self._file.flush()


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def _plain(value: Any, where: str) -> Any:
    """`value` as dictionaries, lists, tuples, CPU tensors and plain values, or a ValueError."""
    if isinstance(value, Tensor):
        tensor = value.detach().cpu()
        whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
        return tensor if whole else tensor.clone()  # a view would store all of its base
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, (str, int)):
                raise ValueError(f"{where}: key {key!r} is a {type(key).__name__}, expected a str")
        return {key: _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        kind = tuple if isinstance(value, tuple) else list
        return kind(_plain(item, f"{where}[{i}]") for i, item in enumerate(value))
    if type(value) in _PLAIN:
        return value
    raise ValueError(
        f"{where} is a {type(value).__name__}; a checkpoint holds tensors, dictionaries, lists and "
        "plain values only, convert it first"
    )


def _check_archive(path: Path) -> bool:
    """Checksums of every part, because torch reads altered tensors without noticing.

    Returns whether there are any, which torch's older format has not.
    """
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise ValueError(f"{path} is empty, expected a checkpoint; copy or download it again")
    if start[:2] != b"PK":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except Exception as error:  # names that are no text, sizes beyond the file, ...
        raise ValueError(
            f"{path} is truncated or altered ({_first_line(error)}); copy or download it again"
        ) from None
    if bad is not None:
        raise ValueError(
            f"{path} is altered: the checksum of {bad} is wrong; copy or download it again"
        )
    return True


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__


@contextmanager
def replacing(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary file that takes the place of `path` at the end of the block.

    Where the block ends with an error, `path` stays as it was.

    Raises:
        FileExistsError: `path` exists and `overwrite` is false.
        OSError: The folder is missing or cannot be written, or the disk is full; no file is left.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name or pass overwrite=True")
    if not path.parent.is_dir():
        raise OSError(
            f"cannot write to the folder {path.parent}, which is none: create it or choose another"
        )
    try:
        with _renamed(path) as temporary:
            yield temporary
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    """A temporary file that is synced and renamed to `path` at the end, and goes after an error."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
