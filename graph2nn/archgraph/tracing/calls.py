"""How each operation of a graph was called: its arguments, tensors replaced by where they come
from."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Call", "CallLog", "Constant", "Operand", "Weight", "operands"]


@dataclass(frozen=True, slots=True)
class Operand:
    """An argument that is the output of another node's operation.

    Args:
        node: of the graph; it has a call of its own.
        output: which of the operation's outputs (`chunk`, `split`). -1 is the tensor behind a view
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
        name: of the function, as in `ArchGraph.ops`.
        module: qualified name of the innermost module at work, "" for the network itself.
        shape: of the (first) output.
        args, kwargs: as called. Tensors are `Operand`, `Weight` or `Constant`; numbers, strings,
            slices, `...` and None are themselves, in tuples, lists and dicts; what else there was
            (types, devices) is its text.
    """

    name: str
    module: str
    shape: tuple[int, ...]
    args: tuple
    kwargs: Mapping[str, Any]

    def operands(self) -> list[Operand]:
        """The outputs this call reads, in order, one as often as it is given."""
        return list(operands((self.args, self.kwargs)))

    def renumbered(self, nodes: list[int]) -> Call:
        """The same call where operand i is node `nodes[i]`."""
        args, kwargs = (_renumbered(v, nodes) for v in (self.args, self.kwargs))
        return replace(self, args=args, kwargs=kwargs)


class CallLog:
    """The calls of one forward pass, filled by the recorder.

    Args:
        paths: qualified name of every module.
    """

    def __init__(self, paths: Mapping[nn.Module, str]):
        self.calls: list[Call] = []
        self._paths = paths
        self._parameters: list[str] = []
        self._positions: dict[int, int] = {}

    def watch_params(self, names: list[str]) -> None:
        """Declare the names of parameters 0, 1, ..."""
        self._parameters = names

    def add(
        self, name: str, args: tuple, kwargs: dict, shape: torch.Size, producer: Mapping[int, int]
    ) -> None:
        """Notes a call; `producer` says where each tensor, by id, stood before it."""
        plain = tuple(self._plain(a, producer) for a in args)
        named = {k: self._plain(v, producer) for k, v in kwargs.items()}
        self.calls.append(Call(name, self._where(), tuple(shape), plain, named))

    def place(self, changed: Tensor | None, outputs: Sequence[Tensor]) -> None:
        """Declares the outputs of the last call, and the tensor that it changed through a view."""
        if changed is not None:
            self._positions[id(changed)] = -1
        for position, tensor in enumerate(outputs):
            self._positions[id(tensor)] = position

    def _plain(self, value: Any, producer: Mapping[int, int]) -> Any:
        if isinstance(value, Tensor):
            ref = producer.get(id(value))
            if ref is None:
                return Constant(tuple(value.shape))
            return Weight(self._parameters[~ref]) if ref < 0 else self._operand(ref, value)
        if value is None or value is ... or isinstance(value, (bool, int, float, str, slice)):
            return value
        if isinstance(value, (tuple, list)):
            kind = list if isinstance(value, list) else tuple
            return kind(self._plain(v, producer) for v in value)
        if isinstance(value, dict):
            return {k: self._plain(v, producer) for k, v in value.items()}
        return str(value)

    def _operand(self, ref: int, value: Tensor) -> Operand:
        return Operand(ref, self._positions.get(id(value), 0))

    def _where(self) -> str:
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_varnames[:1] == ("self",):
                owner = frame.f_locals.get("self")
                if isinstance(owner, nn.Module) and owner in self._paths:
                    return self._paths[owner]
            frame = frame.f_back  # type: ignore[assignment]
        return ""


def operands(value: Any) -> Iterator[Operand]:
    """Every `Operand` in nested tuples, lists and dicts, in order."""
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
