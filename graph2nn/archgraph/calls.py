"""How was an operation called? Its arguments, tensors replaced by where they come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

__all__ = [
    "Call",
    "Constant",
    "Operand",
    "Scope",
    "Values",
    "Weight",
    "call_from_json",
    "call_to_json",
    "operands",
]


class Scope(NamedTuple):
    """One call of a module: a module called twice has two.

    Args:
        parent: Number of the scope of the caller, in `ArchGraph.scopes`; -1 at the network itself.
        path: Qualified name of the module; "" of the network itself.
        kind: Name of the module's class.
    """

    parent: int
    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Operand:
    """An argument that is the output of another node's operation.

    Args:
        node: Node of the graph, which has a call of its own.
        output: Number of the operation's output (`chunk`, `split`). -1 is the tensor behind a view
            that the operation changed in place, which is no output.
    """

    node: int
    output: int = 0


@dataclass(frozen=True, slots=True)
class Weight:
    """An argument that is a parameter, by qualified name."""

    name: str


@dataclass(frozen=True, slots=True)
class Values:
    """Content of a tensor, as plain text.

    Args:
        dtype: Type of the numbers, such as "float32".
        data: Bytes of the numbers in order, in base 64.
        tensor: Number of the tensor: equal numbers in a graph are one tensor.
    """

    dtype: str
    data: str
    tensor: int = 0


@dataclass(frozen=True, slots=True)
class Constant:
    """An argument that is a tensor which neither the input nor a parameter reaches, or a buffer.

    Args:
        shape: Shape of the tensor.
        source: Origin of its values: the qualified name of a buffer; step and output of the
            calls that make constants (`Call.before`), these counted over the whole graph; its
            `Values`; None where they are not known. Constants of one shape are equal.
    """

    shape: tuple[int, ...]
    source: str | tuple[int, int] | Values | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function.

    Args:
        name: Name of the function, as in `ArchGraph.ops`.
        module: Qualified name of the innermost module at work, "" for the network itself.
        shape: Shape of the (first) output.
        args, kwargs: Arguments as called, those of a reversed operator (`2 - x`) in the order they
            are written in. Tensors are `Operand`, `Weight` or `Constant`; numbers, strings, slices,
            `...` and None are themselves, in tuples, lists and dicts; what else there was (types,
            devices) is its text.
        function: Function by which `replay` repeats the call, as a text; "" where it cannot.
        before: Calls that no node stands for, since that of the node before: they make constants
            or change them.
    """

    name: str
    module: str
    shape: tuple[int, ...]
    args: tuple
    kwargs: Mapping[str, Any]
    function: str = ""
    before: tuple[Call, ...] = ()

    def operands(self) -> list[Operand]:
        """List the outputs this call reads, in order, one as often as it is given."""
        return list(operands((self.args, self.kwargs)))

    def renumbered(self, nodes: list[int]) -> Call:
        """Return the same call where operand i is node `nodes[i]`."""
        args, kwargs = (_renumbered(v, nodes) for v in (self.args, self.kwargs))
        before = tuple(call.renumbered(nodes) for call in self.before)
        return replace(self, args=args, kwargs=kwargs, before=before)


def operands(value: Any) -> Iterator[Operand]:
    """Find every `Operand` in nested tuples, lists and dicts, in order."""
    if isinstance(value, Operand):
        yield value
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from operands(v)
    elif isinstance(value, Mapping):
        for v in value.values():
            yield from operands(v)


def call_to_json(call: Call) -> list:
    """Write a call as values that JSON holds.

    Raises:
        ValueError: An argument of a kind that no recorded call has.
    """
    arguments = [_written(call.args), _written(dict(call.kwargs))]
    more = [call.function, [call_to_json(c) for c in call.before]]
    return [call.name, call.module, list(call.shape), *arguments, *more]


def call_from_json(values: list) -> Call:
    """Read a call that `call_to_json` has written."""
    name, module, shape, args, kwargs, *more = values
    function, before = more or ("", [])
    inner = tuple(call_from_json(call) for call in before)
    return Call(name, module, tuple(shape), _read(args), _read(kwargs), function, inner)


def _written(value: Any) -> Any:
    """Plain values as they are, lists too; others as an object that says their kind."""
    if isinstance(value, (Operand, Weight, Constant, Values)):
        fields = [getattr(value, name) for name in type(value).__slots__]
        return {type(value).__name__: [_written(field) for field in fields]}
    if isinstance(value, list):
        return [_written(v) for v in value]
    if isinstance(value, tuple):
        return {"tuple": [_written(v) for v in value]}
    if isinstance(value, dict):
        return {"dict": [[_written(k), _written(v)] for k, v in value.items()]}
    if isinstance(value, slice):
        return {"slice": [_written(v) for v in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"...": []}
    if isinstance(value, complex):
        return {"complex": [_written(value.real), _written(value.imag)]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": [str(value)]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"an argument of the type {type(value).__name__} cannot be kept in a file")


_KINDS: dict[str, Callable[..., Any]] = {
    "Operand": Operand,
    "Weight": Weight,
    "Constant": Constant,
    "Values": Values,
    "tuple": lambda *values: values,
    "dict": lambda *pairs: dict(pairs),
    "slice": slice,
    "...": lambda: Ellipsis,
    "complex": complex,
    "float": float,
}


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(v) for v in value]
    if isinstance(value, dict):
        ((kind, values),) = value.items()
        return _KINDS[kind](*(_read(v) for v in values))
    return value


def _renumbered(value: Any, nodes: list[int]) -> Any:
    if isinstance(value, Operand):
        return replace(value, node=nodes[value.node])
    if isinstance(value, (tuple, list)):
        return type(value)(_renumbered(v, nodes) for v in value)
    if isinstance(value, dict):
        return {k: _renumbered(v, nodes) for k, v in value.items()}
    return value
