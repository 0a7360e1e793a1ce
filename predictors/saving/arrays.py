"""How are arrays of numpy stored as tensors and plain values, and made again bit for bit?"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["ARRAY_TAGS", "array_from", "array_node"]

ARRAY_TAGS = ("array", "scalar", "strings", "objects", "masked")
"""What the entries of arrays are called."""

_SCALARS = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)

Keep = Callable[[Tensor], str]
Convert = Callable[[Any], Any]


def array_node(value: Any, keep: Keep, encode: Convert) -> dict[str, Any]:
    """Describe an array of any shape, or a scalar of numpy, in plain values.

    Args:
        value: The array.
        keep: Function that stores a tensor of any shape and returns its name.
        encode: Function that describes any other value.

    Raises:
        ValueError: A type that is not stored.
    """
    if isinstance(value, np.str_):
        return {"strings": [str(value)], "scalar": True}
    if isinstance(value, np.generic):
        if value.dtype.name not in _SCALARS:
            raise ValueError(f"a number of numpy's type {value.dtype} cannot be saved")
        return {"scalar": encode(value.item()), "dtype": value.dtype.name}
    if isinstance(value, np.ma.MaskedArray):
        parts = [value.data, np.ma.getmaskarray(value), value.fill_value]
        return {"masked": [encode(np.asarray(part)) for part in parts]}
    if value.dtype.kind == "U":
        return {"strings": value.ravel().tolist(), "shape": list(value.shape)}
    if value.dtype == object:
        items = [encode(item) for item in value.ravel().tolist()]
        return {"objects": items, "shape": list(value.shape)}
    if value.dtype.name not in _SCALARS:
        raise ValueError(f"an array of numpy's type {value.dtype} cannot be saved")
    # the order in memory is kept, because sums in another order differ in the last bit
    columns = value.flags.f_contiguous and not value.flags.c_contiguous
    plain = np.ascontiguousarray(value.T if columns else value, value.dtype.newbyteorder("="))
    plain = plain.reshape(value.T.shape if columns else value.shape)  # that made one axis of none
    plain = plain if plain.flags.writeable else plain.copy()
    node: dict[str, Any] = {"array": keep(torch.from_numpy(plain))}
    return {**node, "columns": True} if columns else node


def array_from(node: dict[str, Any], take: Callable[[str], Tensor], decode: Convert) -> Any:
    """Make the array, of any shape, that `array_node` has described.

    Args:
        node: The description.
        take: Function that returns the tensor of a name, of any shape.
        decode: Function that makes any other value.

    Raises:
        ValueError: A description that fits no array.
    """
    if "array" in node:
        array = take(node["array"]).numpy()
        return array.T if node.get("columns") else array
    if "masked" in node:
        data, mask, fill = map(decode, node["masked"])
        return np.ma.MaskedArray(data, mask=mask, fill_value=fill)
    if "strings" in node:
        array = np.array([str(text) for text in node["strings"]], dtype=np.str_)
        return array[0] if node.get("scalar") else array.reshape(_checked_shape(node, len(array)))
    if "objects" in node:
        items = node["objects"]
        flat = np.empty(len(items), dtype=object)
        for k, item in enumerate(items):
            flat[k] = decode(item)
        return flat.reshape(_checked_shape(node, len(items)))
    if node["dtype"] not in _SCALARS:
        raise ValueError(f"it holds a number of the unknown type {node['dtype']!r}")
    return np.dtype(node["dtype"]).type(decode(node["scalar"]))


def _checked_shape(node: dict[str, Any], count: int) -> list[int]:
    shape = node["shape"]
    if not all(type(size) is int and size >= 0 for size in shape) or math.prod(shape) != count:
        raise ValueError(f"{count} values do not have the shape {str(shape)[:60]}")
    return shape
