"""On-disk layouts of image sets read into tensors, without running anything a file asks for."""

from __future__ import annotations

import gzip
import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "find_folder",
    "list_class_folders",
    "read_cifar_pickle",
    "read_cifar_python",
    "read_idx",
    "read_npz",
]


def _bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it wants the codec {encoding}, which no CIFAR file needs")
    return text.encode("latin1")


class _StoredType:
    """The numbers of a stored array, by numpy's code (`u1`); objects and records are refused."""

    def __init__(self, code: str | bytes, *_: Any) -> None:
        text = code.decode("ascii") if isinstance(code, bytes) else code
        self.dtype = np.dtype(text)
        if self.dtype.kind not in "uifb" or self.dtype.shape:
            raise pickle.UnpicklingError(f"it wants an array of {text[:20]!r}, expected numbers")

    def __setstate__(self, state: tuple) -> None:
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        if order == ">":
            self.dtype = self.dtype.newbyteorder(">")
        elif order not in ("<", "|", "="):
            raise pickle.UnpicklingError(f"it wants numbers in the order {order!r}")


class _StoredArray:
    """What a pickle says of an array. Numpy itself would believe it, memory addresses included."""

    array: np.ndarray

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, by_column, content = state
        if not isinstance(kind, _StoredType) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("it holds an array that is not made of bytes")
        flat = np.frombuffer(content, kind.dtype)
        self.array = flat.reshape(shape, order="F" if by_column else "C")


class _ArraysOnly(pickle.Unpickler):
    """CIFAR's published pickles hold numpy arrays in dictionaries; nothing else may be built."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _StoredArray
        if (module, name) == ("_codecs", "encode"):
            return _bytes  # how Python 3 writes bytes in Python 2's protocol
        if module == "numpy" and name in ("ndarray", "dtype"):
            return _StoredArray if name == "ndarray" else _StoredType
        raise pickle.UnpicklingError(f"it wants {module}.{name}, which no CIFAR file needs")


def read_cifar_pickle(file: BinaryIO, where: str) -> dict[bytes, Any]:
    """Read one of CIFAR's `data_batch_1`, `train`, ... as a dictionary with `bytes` keys.

    Raises:
        ValueError: Anything but a dictionary of arrays of numbers, lists and strings. Nothing in
            the file is executed, and arrays are made here from their bytes.
    """
    try:
        value = _ArraysOnly(file, encoding="bytes").load()
    except Exception as error:  # a hostile or cut file may raise nearly anything
        raise ValueError(f"{where} is not a CIFAR batch ({error}); nothing was executed") from None
    if not isinstance(value, dict) or b"data" not in value:
        raise ValueError(f"{where} is not a CIFAR batch: expected a dictionary with b'data'")
    return {
        k: getattr(v, "array", None) if isinstance(v, _StoredArray) else v for k, v in value.items()
    }


def read_cifar_python(
    opened: Callable[[str], BinaryIO], names: list[str], label_key: bytes
) -> tuple[np.ndarray, np.ndarray]:
    """Read images (N, 3, 32, 32) uint8 and labels (N,) int64 of some batches.

    Batches are called `names` and opened by `opened`.
    """
    images, labels = [], []
    for name in names:
        with opened(name) as file:
            where = str(getattr(file, "name", name))
            batch = read_cifar_pickle(file, where)
        pixels, classes = batch[b"data"], batch.get(label_key)
        if (
            getattr(pixels, "dtype", None) != np.uint8
            or pixels.ndim != 2
            or pixels.shape[1] != 3072
        ):
            raise ValueError(f"{where} holds no images: expected b'data' of (N, 3072) bytes")
        whole = isinstance(classes, list) and len(classes) == len(pixels)
        if not whole or any(type(one) is not int or not 0 <= one < 100 for one in classes or ()):
            raise ValueError(f"{where}: expected {label_key!r} to be the class of each image")
        images.append(pixels.reshape(-1, 3, 32, 32))
        labels.append(np.array(classes, dtype=np.int64))
    return np.concatenate(images), np.concatenate(labels)


def read_npz(path: Path, part: str) -> tuple[Tensor, Tensor]:
    """Read `{part}_images` and `{part}_labels` of a file written by the downloader.

    Shapes: images (N, C, H, W) uint8, labels (N,) int64.

    Raises:
        ValueError: A truncated or altered file, or one with other contents.
    """
    try:
        # Opened here: numpy forgets to close a file that is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
    except FileNotFoundError:
        raise
    except Exception as error:  # of archives, of arrays in them, of what they unpack to
        raise ValueError(
            f"{path} is truncated or altered ({error}); delete it and run "
            f"python -m graph2nn.vision.download {path.stem}"
        ) from None
    return torch.from_numpy(images), torch.from_numpy(labels).long()


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of MNIST's format (unsigned bytes), plain or gzip-compressed.

    The array has the shape that the file's header says, (N, H, W) for images.

    Raises:
        ValueError: Another kind of file, or one whose length contradicts its header.
    """
    raw = path.read_bytes()
    try:
        data = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} is a truncated or altered gzip file ({error})") from None
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 4:
        raise ValueError(f"{path} is not an IDX file of unsigned bytes")
    head = 4 + 4 * data[3]
    if len(data) < head:
        raise ValueError(f"{path} is cut off in its header")
    shape = tuple(np.frombuffer(data[4:head], dtype=">u4").tolist())
    if len(data) - head != math.prod(shape):
        raise ValueError(f"{path} holds {len(data) - head} bytes, its header says {shape}")
    return np.frombuffer(io.BytesIO(data).getbuffer(), dtype=np.uint8, offset=head).reshape(shape)


def find_folder(data_dir: Path, names: tuple[str, ...], needed: tuple[str, ...]) -> Path | None:
    """Find the first of `names` under `data_dir` that holds everything in `needed`.

    Files may be plain or `.gz`.
    """
    for name in names:
        folder = data_dir / name
        if all((folder / n).exists() or (folder / f"{n}.gz").exists() for n in needed):
            return folder
    return None


def list_class_folders(
    folder: Path, extensions: tuple[str, ...]
) -> tuple[list[str], list[list[Path]]]:
    """List class names (sorted folder names) and the sorted image files of each.

    Raises:
        ValueError: No class folders, or one without images.
    """
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    if not classes:
        raise ValueError(f"{folder} has no class folders; expected {folder}/<class>/<image>")
    files = []
    for name in classes:
        found = sorted(p for p in (folder / name).rglob("*") if p.suffix.lower() in extensions)
        if not found:
            raise ValueError(f"{folder / name} has no images ({', '.join(extensions)})")
        files.append(found)
    return classes, files
