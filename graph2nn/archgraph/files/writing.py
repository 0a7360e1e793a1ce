"""Which lines does the file of a graph have?"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from graph2nn.archgraph.calls import call_to_json

__all__ = ["graph_lines"]


def graph_lines(head: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[str]:
    """Write the fields of a graph as lines of JSON, a node each.

    Args:
        head: What stands first in the file.
        fields: Fields of an `ArchGraph`; arrays of nodes (N,) or (N, 4), edges (2, E).

    Raises:
        ValueError: A value that JSON does not hold.
    """
    shown = {name for names in fields["params"] for name in names}
    other = {n: list(s) for n, s in fields["param_shapes"].items() if n not in shown}
    columns = fields["columns"]
    parts: dict[str, Any] = {
        **head,
        "name": fields["name"],
        "note": fields["note"],
        "num_classes": _whole(fields["num_classes"]),
        "outputs": [int(node) for node in fields["outputs"]],
        "attributes": {name: _number(name, x) for name, x in fields["attributes"].items()},
        **({"other_shapes": other} if other else {}),
        **({"calls": True} if fields["calls"] else {}),
        **({"returned": call_to_json(fields["returned"])} if fields["returned"] else {}),
        **({"scopes": _scopes(fields)} if fields["scopes"] else {}),
        **({"columns": {n: _kind(n, c) for n, c in columns.items()}} if columns else {}),
        "ops": list(fields["ops"]),
    }
    for k, (name, value) in enumerate(parts.items()):
        yield f"{'' if k else '{'}{_json(name)}: {_json(value)},"
    yield '"nodes": ['
    nodes = list(_nodes(fields))
    for k, node in enumerate(nodes):
        yield _json(node) + ("," if k + 1 < len(nodes) else "")
    yield "]}"


def _nodes(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    sources: list[list[int]] = [[] for _ in fields["op"]]
    for source, target in fields["edges"].T.tolist():
        sources[target].append(source)
    columns = {name: _values(column) for name, column in fields["columns"].items()}
    rows = zip(fields["op"].tolist(), fields["shape"].tolist(), fields["cell"].tolist())
    for k, (op, shape, cell) in enumerate(rows):
        node: dict[str, Any] = {"op": fields["ops"][op]}
        if sources[k]:
            node["from"] = sources[k]
        if any(shape):
            node["shape"] = shape
        if cell:
            node["cell"] = cell
        if names := fields["params"][k]:
            node["params"] = {n: [int(s) for s in fields["param_shapes"][n]] for n in names}
            if len(node["params"]) != len(names):
                raise ValueError(f"node {k} names a parameter twice: {', '.join(names)}")
        if fields["calls"] and fields["calls"][k] is not None:
            node["call"] = call_to_json(fields["calls"][k])
        if fields["scopes"] and fields["scope"][k] >= 0:
            node["scope"] = int(fields["scope"][k])
        if columns:
            node["columns"] = {name: values[k] for name, values in columns.items()}
        yield node


def _scopes(fields: Mapping[str, Any]) -> list[list]:
    return [[scope.parent, scope.path, scope.kind] for scope in fields["scopes"]]


def _kind(name: str, column: Any) -> str:
    """What a column is made of: numbers of one type, or anything else."""
    if not isinstance(column, np.ndarray):
        return "any"
    kinds = {"i": "int", "u": "int", "f": "float", "b": "bool"}
    if column.dtype.kind not in kinds or column.ndim != 1:
        raise ValueError(f"column {name!r}: expected numbers, one a node, got {column.dtype}")
    return kinds[column.dtype.kind]


def _values(column: Any) -> list:
    return [_value(x) for x in (column.tolist() if isinstance(column, np.ndarray) else column)]


def _value(value: Any) -> Any:
    """A value of a column; numbers that JSON does not have are objects."""
    if isinstance(value, (tuple, list)):
        return [_value(x) for x in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"a column holds a {type(value).__name__}, which cannot be kept in a file")


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _number(name: str, value: Any) -> int | float | str:
    """A number, or the text of one that JSON does not have."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        raise ValueError(f"attribute {name!r}: expected a number, got {value!r}")
    plain = value.item() if isinstance(value, np.number) else value
    return plain if math.isfinite(plain) else str(float(plain))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
