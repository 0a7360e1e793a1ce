"""How is a column stored in few bytes such that exactly the same values come back?"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["Layout", "Stored", "pack_column", "smallest_integers", "unpack_column"]

Layout = dict[str, Any]
"""What `unpack_column` has to know of a column, JSON-able."""

Stored = dict[str, np.ndarray]
"""The arrays of a column by part: `columns`, and `distinct` where values are stored once."""

_INTEGERS = tuple(np.dtype(f"<{kind}") for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "i8"))
_WHOLE = 2.0**53  # whole numbers up to here are exact in float64
_DIGITS = range(23)  # 10**22 is the largest power of ten that is exact in float64
_SPECIAL = {"nan": np.nan, "-inf": -np.inf, "inf": np.inf}
_OVERHEAD = 300  # bytes that one more array costs in the file, about


def pack_column(values: np.ndarray) -> tuple[Layout, Stored]:
    """Choose the smallest layout that gives the values back exactly.

    Whole numbers take the smallest type of integer; decimals are whole numbers and a power of ten;
    other numbers are float32 where that is exact, else float64. Numbers and text that repeat are
    stored once, with an index; whole numbers as differences from row to row where that pays.

    Args:
        values: Whole numbers, floats (NaN and infinities too), bools or str.

    Shapes:
        values (rows,), numbers also (rows, width).

    Raises:
        ValueError: Another kind of values, or text with a zero byte.
    """
    values, kind = _canonical(np.asarray(values))
    candidates = _texts(values) if kind == "text" else _numbers(values, kind)
    best: tuple[float, Layout, Stored] | None = None
    for layout, stored in candidates:
        cost = sum(_cost(array) for array in stored.values())
        if (best is None or cost < best[0]) and _gives(layout, stored, values):
            best = cost, layout, stored
    if best is None:
        raise ValueError("text with a zero byte cannot be stored: remove the byte")
    return best[1], best[2]


def unpack_column(layout: Layout, stored: Stored) -> np.ndarray:
    """Return the values of a column: str, int64, float64 or bool.

    Args:
        layout, stored: What `pack_column` gave.

    Shapes:
        (rows,) or (rows, width), as packed.

    Raises:
        KeyError, TypeError, ValueError: They do not belong together.
    """
    array = stored["columns"]
    if layout.get("delta"):
        array = np.cumsum(array, axis=0, dtype=np.int64)
    if "distinct" in layout:
        return unpack_column(layout["distinct"], {"columns": stored["distinct"]})[array]
    if layout["kind"] == "text":
        return _text(array, joined=bool(layout.get("joined")))
    if layout["kind"] != "float":
        return array.astype({"int": np.int64, "bool": np.bool_}[layout["kind"]])
    values = array.astype(np.float64)
    if "digits" in layout:
        values /= 10.0 ** int(layout["digits"])
    for name, code in layout.get("codes", {}).items():
        values[array == code] = _SPECIAL[name]
    return values


def _canonical(values: np.ndarray) -> tuple[np.ndarray, str]:
    """The values as they will be read, and their kind."""
    if values.dtype.kind == "U" and values.ndim == 1:
        return values, "text"
    if values.dtype.kind == "b":
        return values, "bool"
    if values.dtype.kind in "iu" and values.dtype != np.uint64:
        return values.astype(np.int64), "int"
    if values.dtype.kind == "f" and values.dtype.itemsize <= 8:
        return np.where(np.isnan(values), np.nan, values.astype(np.float64)), "float"
    raise ValueError(
        f"expected whole numbers, floats, bools or str, got {values.dtype} of shape {values.shape}"
    )


def _gives(layout: Layout, stored: Stored, values: np.ndarray) -> bool:
    """Whether the very same values come back: bit for bit, so -0.0 is not 0.0."""
    found = unpack_column(layout, stored)
    if found.shape != values.shape or found.dtype.kind != values.dtype.kind:
        return False
    if values.dtype.kind == "f":
        found, values = found.view(np.int64), values.view(np.int64)
    return bool(np.array_equal(found, values))


def _cost(array: np.ndarray) -> float:
    """Bytes of an array in the file, about."""
    planes = array.reshape(-1).view(np.uint8).reshape(array.size, -1).T if array.size else array
    return _OVERHEAD + len(zlib.compress(planes.tobytes(), 1))


def _numbers(values: np.ndarray, kind: str) -> Iterator[tuple[Layout, Stored]]:
    for layout, array in _forms(values, kind):
        yield layout, {"columns": array}
        if array.dtype.kind in "iu" and len(array):
            wide = array.astype(np.int64)
            steps = np.diff(wide, axis=0, prepend=np.zeros_like(wide[:1]))
            yield {**layout, "delta": True}, {"columns": smallest_integers(steps)}
    distinct, index = np.unique(values, return_inverse=True)
    if distinct.size <= 0.7 * values.size:
        places = smallest_integers(index.reshape(values.shape))
        for layout, array in _forms(distinct, kind):
            yield {"kind": kind, "distinct": layout}, {"columns": places, "distinct": array}


def _forms(values: np.ndarray, kind: str) -> Iterator[tuple[Layout, np.ndarray]]:
    """The ways to store each number by itself."""
    if kind != "float":
        yield {"kind": kind}, smallest_integers(values.astype(np.int64))
        return
    found = _decimals(values)
    if found is not None:
        yield found
    with np.errstate(over="ignore"):
        yield {"kind": kind}, values.astype("<f4")
    yield {"kind": kind}, values.astype("<f8")


def _decimals(values: np.ndarray) -> tuple[Layout, np.ndarray] | None:
    """The values as whole numbers over a power of ten, if they are decimals of few digits."""
    finite = np.isfinite(values)
    numbers = values[finite]
    for digits in _DIGITS:
        some = numbers[:64]
        if _whole(some, digits) is None:
            continue
        whole = _whole(numbers, digits)
        if whole is not None:
            break
    else:
        return None
    codes, lowest = {}, int(whole.min(initial=0))
    array = np.zeros(values.shape, np.int64)
    array[finite] = whole
    for name, special in _SPECIAL.items():
        here = np.isnan(values) if name == "nan" else values == special
        if here.any():
            lowest -= 1
            array[here] = codes[name] = lowest
    layout: Layout = {"kind": "float", "digits": digits}
    return {**layout, "codes": codes} if codes else layout, smallest_integers(array)


def _whole(numbers: np.ndarray, digits: int) -> np.ndarray | None:
    with np.errstate(over="ignore"):
        scaled = np.rint(numbers * 10.0**digits)
    if scaled.size and not np.abs(scaled).max() < _WHOLE:
        return None
    return scaled.astype(np.int64) if np.array_equal(scaled / 10.0**digits, numbers) else None


def smallest_integers(array: np.ndarray) -> np.ndarray:
    """Return whole numbers in the smallest type of integer that holds all of them.

    Args:
        array: Numbers within int64.

    Shapes:
        Any, as given.

    Examples:
        >>> smallest_integers(np.array([-1, 100])).dtype
        dtype('int8')
    """
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    fits = (t for t in _INTEGERS if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    return array.astype(next(fits))


def _texts(values: np.ndarray) -> Iterator[tuple[Layout, Stored]]:
    for layout, array in _text_forms(values):
        yield layout, {"columns": array}
    distinct, index = np.unique(values, return_inverse=True)
    if len(distinct):
        for layout, array in _text_forms(distinct):
            stored = {"columns": smallest_integers(index), "distinct": array}
            yield {"kind": "text", "distinct": layout}, stored


def _text_forms(values: np.ndarray) -> Iterator[tuple[Layout, np.ndarray]]:
    """One after the other with a zero byte behind each, or in fields of one width."""
    joined = "".join(f"{text}\0" for text in values.tolist()).encode()
    yield {"kind": "text", "joined": True}, np.frombuffer(joined, np.uint8)
    fields = np.char.encode(values, "utf-8")
    if 0 < fields.nbytes <= 16 * len(joined):
        yield {"kind": "text"}, fields


def _text(array: np.ndarray, *, joined: bool) -> np.ndarray:
    if not joined:
        return np.char.decode(array, "utf-8")
    return np.array(array.tobytes().decode().split("\0")[:-1], dtype=str)
