"""How was an operation called? Its arguments, tensors replaced by where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Call", "Constant", "Operand", "Weight", "operands"]


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
class Constant:
    """An argument that is a tensor which neither the input nor a parameter reaches, or a buffer."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function.

    Args:
        name: Name of the function, as in `ArchGraph.ops`.
        module: Qualified name of the innermost module at work, "" for the network itself.
        shape: Shape of the (first) output.
        args, kwargs: Arguments as called. Tensors are `Operand`, `Weight` or `Constant`; numbers,
            strings, slices, `...` and None are themselves, in tuples, lists and dicts; what else
            there was (types, devices) is its text.
    """

    name: str
    module: str
    shape: tuple[int, ...]
    args: tuple
    kwargs: Mapping[str, Any]

    def operands(self) -> list[Operand]:
        """List the outputs this call reads, in order, one as often as it is given."""
        return list(operands((self.args, self.kwargs)))

    def renumbered(self, nodes: list[int]) -> Call:
        """Return the same call where operand i is node `nodes[i]`."""
        args, kwargs = (_renumbered(v, nodes) for v in (self.args, self.kwargs))
        return replace(self, args=args, kwargs=kwargs)


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


def _renumbered(value: Any, nodes: list[int]) -> Any:
    if isinstance(value, Operand):
        return replace(value, node=nodes[value.node])
    if isinstance(value, (tuple, list)):
        return type(value)(_renumbered(v, nodes) for v in value)
    if isinstance(value, dict):
        return {k: _renumbered(v, nodes) for k, v in value.items()}
    return value
