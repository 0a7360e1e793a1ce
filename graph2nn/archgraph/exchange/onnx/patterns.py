"""Which operations of a record are parts of one that was written out? Activations, norms.

ONNX has no sign for SiLU or group normalisation, say: exporters write `x * sigmoid(x)`. Where they
did not note what it was, it is found by its form.
"""

from __future__ import annotations

from graph2nn.archgraph.exchange.records import Recording
from graph2nn.archgraph.tracing.recorder import Op

__all__ = ["fused"]

_GATES = {"sigmoid": "silu", "hardsigmoid": "hardswish", "erf": "gelu", "clamp": "hardswish"}
_UNARY = {*_GATES, "tanh", "softplus", "add", "mul", "div", "pow", "neg", "exp", "log", "sub"}
_MOVES = {"reshape", "view"}
_LONGEST = 20  # operations of which an activation is written


def fused(record: Recording) -> Recording:
    """Return the record with the last operation of each such form named after the whole.

    A product of x with what only element-wise functions make of x is an activation. A product and
    a sum with weights behind `instance_norm` without any are a group normalisation.
    """
    ops = list(record.ops)
    for i, op in enumerate(record.ops):
        if op.name == "mul" and len(op.refs) == 2 and not op.params:
            kind = _activation(record.ops, *op.refs) or _activation(record.ops, *op.refs[::-1])
            if kind:
                ops[i] = op._replace(name=kind)
        elif op.name == "add" and len(op.params) == 1 and len(op.inputs) == 1:
            scaled = ops[op.inputs[0]]
            if scaled.name == "mul" and len(scaled.params) == 1 and _normalised(ops, scaled):
                refs = (*scaled.inputs, ~scaled.params[0], ~op.params[0])
                ops[i] = op._replace(name="group_norm", refs=refs)
    return _without(record, ops)


def _activation(ops: list[Op], x: int, gate: int) -> str:
    """The activation that `x * gate` is, "" if it is none."""
    names: set[str] = set()
    seen, stack = {x}, [gate]
    while stack:
        k = stack.pop()
        if k in seen:
            continue
        op = ops[k]
        if k < x or len(seen) > _LONGEST or op.name not in _UNARY or op.params or not op.refs:
            return ""
        seen.add(k)
        names.add(op.name)
        stack.extend(op.refs)
    if {"tanh", "softplus"} <= names:
        return "mish"
    if "tanh" in names:
        return "gelu" if "pow" in names or "mul" in names else ""
    return next((name for part, name in _GATES.items() if part in names), "")


def _normalised(ops: list[Op], op: Op) -> bool:
    """Whether an operation reads a normalisation that has no weights."""
    for ref in op.inputs:
        while ops[ref].name in _MOVES and ops[ref].inputs:
            ref = ops[ref].inputs[0]
        if ops[ref].name == "instance_norm" and not ops[ref].params:
            return True
    return False


def _without(record: Recording, ops: list[Op]) -> Recording:
    """The record without products that a normalisation has taken in."""
    taken = set()
    for i, op in enumerate(ops):
        if op.name == "group_norm" and op is not record.ops[i]:
            taken |= {r for r in record.ops[i].inputs if ops[r].name == "mul"}
    read = {r for op in ops for r in op.inputs} | set(record.outputs)
    gone = taken - read
    number: dict[int, int] = {}
    for i in range(len(ops)):
        if i not in gone:
            number[i] = len(number)
    kept = [op for i, op in enumerate(ops) if i not in gone]
    return record.changed(
        [op._replace(refs=tuple(number[r] if r >= 0 else r for r in op.refs)) for op in kept],
        [number[i] for i in record.outputs],
    )
