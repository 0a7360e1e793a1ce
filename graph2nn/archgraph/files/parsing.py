"""What graph does the text of a file describe? Nothing in it is believed unchecked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graph2nn.archgraph.calls import Call, Scope, call_from_json

__all__ = ["parsed_graph"]

_HEAD = {"format", "version", "netwright"}
_PARTS = {"name", "note", "num_classes", "outputs", "attributes", "ops", "nodes"}
_MAYBE = {"calls", "columns", "other_shapes", "returned", "scopes"}
_NODE = {"op", "from", "shape", "cell", "params", "call", "columns", "scope"}
_KINDS = {"int": (int,), "float": (int, float), "bool": (bool,), "any": ()}
_LARGEST = 2**63


def parsed_graph(found: Mapping[str, Any]) -> dict[str, Any]:
    """Make the fields of an `ArchGraph` from what JSON gave.

    Returns:
        Fields by name; arrays of nodes (N,) or (N, 4), edges (2, E), all of int64.

    Raises:
        ValueError: Something is missing, of another type, out of range, or unknown.
    """
    if lost := sorted(_PARTS - found.keys()):
        raise ValueError(f"it has no {', '.join(lost)}")
    if odd := sorted(found.keys() - _PARTS - _MAYBE - _HEAD):
        raise ValueError(f"it has an unknown part {odd[0][:40]!r}")
    ops = _texts(found["ops"], "ops")
    nodes = _list(found["nodes"], "nodes")
    number = {name: k for k, name in enumerate(ops)}
    if len(number) != len(ops):
        raise ValueError("ops: expected names that differ, got one twice")
    rows = [_node(k, node, number) for k, node in enumerate(nodes)]
    shapes: dict[str, tuple[int, ...]] = {}
    for k, row in enumerate(rows):
        _add_shapes(shapes, row["params"], f"node {k}")
    _add_shapes(shapes, _shapes(found.get("other_shapes", {}), "other_shapes"), "other_shapes")
    pairs = sorted((source, k) for k, row in enumerate(rows) for source in row["from"])
    outputs = _integers(found["outputs"], "outputs")
    _check_range(outputs, 0, len(nodes), "outputs")
    classes = found["num_classes"]
    return {
        "op": np.array([row["op"] for row in rows], dtype=np.int64),
        "shape": np.array([row["shape"] for row in rows], dtype=np.int64).reshape(-1, 4),
        "edges": np.array(pairs, dtype=np.int64).reshape(-1, 2).T.copy(),
        "params": tuple(tuple(row["params"]) for row in rows),
        "param_shapes": shapes,
        "cell": np.array([row["cell"] for row in rows], dtype=np.int64),
        "ops": tuple(ops),
        "name": _text(found["name"], "name"),
        "num_classes": None if classes is None else _integer(classes, "num_classes"),
        "outputs": tuple(outputs),
        "note": _text(found["note"], "note"),
        "calls": _calls(found.get("calls", False), rows),
        "returned": _call(found.get("returned"), "returned", len(rows)),
        "attributes": _attributes(found["attributes"]),
        **_scopes(found.get("scopes", []), rows),
        "columns": _columns(found.get("columns", {}), rows),
    }


def _node(k: int, node: Any, number: Mapping[str, int]) -> dict[str, Any]:
    where = f"node {k}"
    if not isinstance(node, dict) or "op" not in node:
        raise ValueError(f"{where}: expected an object with an 'op', got {_short(node)}")
    if odd := sorted(node.keys() - _NODE):
        raise ValueError(f"{where}: unknown entry {odd[0][:40]!r}")
    if not isinstance(node["op"], str) or node["op"] not in number:
        raise ValueError(f"{where}: operation {_short(node['op'])} is not among ops")
    sources = _integers(node.get("from", []), f"{where}, from")
    _check_range(sources, 0, k, f"{where}, from (a node comes after its sources)")
    if len(set(sources)) != len(sources):
        raise ValueError(f"{where}, from: a source stands twice")
    shape = _integers(node.get("shape", [0, 0, 0, 0]), f"{where}, shape")
    if len(shape) != 4:
        raise ValueError(f"{where}, shape: expected 4 numbers, got {len(shape)}")
    return {
        "op": number[node["op"]],
        "from": sources,
        "shape": shape,
        "cell": _integer(node.get("cell", 0), f"{where}, cell"),
        "params": _shapes(node.get("params", {}), f"{where}, params"),
        "call": node.get("call"),
        "columns": node.get("columns", {}),
        "scope": _integer(node.get("scope", -1), f"{where}, scope"),
    }


def _shapes(value: Any, where: str) -> dict[str, tuple[int, ...]]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object of shapes by name, got {_short(value)}")
    found = {name: tuple(_integers(sizes, f"{where}, {name}")) for name, sizes in value.items()}
    for name, sizes in found.items():
        _check_range(sizes, 0, _LARGEST, f"{where}, {name}")
    return found


def _add_shapes(
    shapes: dict[str, tuple[int, ...]], more: Mapping[str, tuple[int, ...]], where: str
) -> None:
    for name, sizes in more.items():
        if shapes.setdefault(name, sizes) != sizes:
            raise ValueError(
                f"{where}: parameter {name!r} has the shape {sizes}, before it was {shapes[name]}"
            )


def _calls(kept: Any, rows: list[dict[str, Any]]) -> tuple[Call | None, ...]:
    if not isinstance(kept, bool):
        raise ValueError(f"calls: expected true or false, got {_short(kept)}")
    if not kept:
        odd = next((k for k, row in enumerate(rows) if row["call"] is not None), None)
        if odd is not None:
            raise ValueError(f"node {odd} has a call, but the file says that calls are not kept")
        return ()
    return tuple(_call(row["call"], f"node {k}", len(rows)) for k, row in enumerate(rows))


def _call(value: Any, where: str, nodes: int) -> Call | None:
    if value is None:
        return None
    try:
        call = call_from_json(value)
        right = isinstance(call.name, str) and isinstance(call.module, str)
        right = right and isinstance(call.args, tuple) and isinstance(call.kwargs, dict)
        read = [operand.node for one in (call, *call.before) for operand in one.operands()]
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{where}: its call cannot be read: {_short(error)}") from None
    if not right or not all(type(node) is int and 0 <= node < nodes for node in read):
        raise ValueError(f"{where}: its call reads what is no node, or has no name or arguments")
    return call


def _scopes(value: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    scopes: list[Scope] = []
    for k, item in enumerate(_list(value, "scopes")):
        where = f"scope {k}"
        if len(_list(item, where)) != 3:
            raise ValueError(f"{where}: expected caller, path and class, got {_short(item)}")
        parent = _integer(item[0], where)
        _check_range([parent], -1, k, f"{where} (a call comes after its caller)")
        scopes.append(Scope(parent, _text(item[1], where), _text(item[2], where)))
    for k, row in enumerate(rows):
        _check_range([row["scope"]], -1, len(scopes), f"node {k}, scope")
    own = [row["scope"] for row in rows] if scopes else []
    return {"scopes": tuple(scopes), "scope": np.array(own, dtype=np.int64)}


def _columns(kinds: Any, rows: list[dict[str, Any]]) -> dict[str, np.ndarray | tuple]:
    if not isinstance(kinds, dict):
        raise ValueError(f"columns: expected an object of types by name, got {_short(kinds)}")
    for k, row in enumerate(rows):
        if not isinstance(row["columns"], dict) or row["columns"].keys() != kinds.keys():
            raise ValueError(f"node {k}: expected the columns {', '.join(kinds) or 'none'}")
    return {
        name: _column(name, kind, [row["columns"][name] for row in rows])
        for name, kind in kinds.items()
    }


def _column(name: str, kind: Any, values: list) -> np.ndarray | tuple:
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"column {name!r}: unknown type {_short(kind)}; expected {sorted(_KINDS)}")
    plain = [_plain(value, name) for value in values]
    if kind == "any":
        return tuple(plain)
    for value in plain:
        if type(value) not in _KINDS[kind]:
            raise ValueError(f"column {name!r}: expected values of {kind}, got {_short(value)}")
        if kind == "int":
            _integer(value, f"column {name!r}")
    types = {"int": np.int64, "float": np.float64, "bool": np.bool_}
    try:
        return np.array(plain, dtype=types[kind])
    except OverflowError:
        raise ValueError(f"column {name!r}: a number is too large") from None


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return tuple(_plain(item, name) for item in value)
    if isinstance(value, dict):
        if list(value) != ["float"] or value["float"] not in ("nan", "inf", "-inf"):
            raise ValueError(f"column {name!r}: expected a value, got {_short(value)}")
        return float(value["float"])
    return value


def _attributes(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ValueError(f"attributes: expected an object, got {_short(value)}")
    return {name: _float(x, f"attribute {name!r}") for name, x in value.items()}


def _float(value: Any, where: str) -> float:
    if value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{where}: expected a number, got {_short(value)}")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where}: expected a text, got {_short(value)}")
    return value


def _texts(value: Any, where: str) -> list[str]:
    return [_text(item, where) for item in _list(value, where)]


def _list(value: Any, where: str) -> list:
    if not isinstance(value, list):
        raise ValueError(f"{where}: expected a list, got {_short(value)}")
    return value


def _integer(value: Any, where: str) -> int:
    if type(value) is not int:
        raise ValueError(f"{where}: expected a whole number, got {_short(value)}")
    if not -_LARGEST <= value < _LARGEST:
        raise ValueError(f"{where}: the number is too large")
    return value


def _integers(value: Any, where: str) -> list[int]:
    return [_integer(item, where) for item in _list(value, where)]


def _check_range(values: Any, low: int, high: int, where: str) -> None:
    for value in values:
        if not low <= value < high:
            raise ValueError(f"{where}: {value} is not from {low} to {high - 1}")


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, Exception) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
