"""Which calls did a forward pass make? Tensors are replaced by where they come from."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.archgraph.calls import Call, Constant, Operand, Values, Weight
from graph2nn.archgraph.tracing.caller.finding import attributes, slots
from graph2nn.archgraph.tracing.functions import REVERSED, path_of
from graph2nn.archgraph.tracing.origins import Origins, transformed

__all__ = ["CallLog", "values_of"]


class CallLog:
    """The calls of one forward pass, filled by the recorder.

    Args:
        modules: Every module with its qualified name.
    """

    def __init__(self, modules: Iterable[tuple[str, nn.Module]]):
        self.calls: list[Call] = []
        self._paths = {id(module): path for path, module in modules}
        self._functions: dict[Any, str] = {}
        self._parameters: list[str] = []
        self._buffers: dict[int, str] = {}
        self._positions: dict[int, int] = {}
        self._made: dict[int, tuple[int, int]] = {}
        self._values: dict[int, Values | None] = {}
        self._alive: list[Any] = []
        self._before: list[Call] = []
        self._steps = 0

    def watch_params(self, names: list[str]) -> None:
        """Declare the names of parameters 0, 1, ..."""
        self._parameters = names

    def watch_buffers(self, tensors: Iterable[Tensor], names: Iterable[str]) -> None:
        """Declare buffers, of any shape, by name."""
        self._buffers = {id(t): name for t, name in zip(tensors, names, strict=True)}

    def note(self, function: Any, name: str, args: tuple, kwargs: dict, origins: Origins) -> Call:
        """Describe a call that is about to be made, without its shape.

        Args:
            function: Function that is called.
            name: Name of the function.
            args, kwargs: Its arguments.
            origins: Origins of all tensors.
        """
        raw = getattr(function, "__name__", "")
        if raw in REVERSED and len(args) == 2:
            args, path = args[::-1], f"operator.{REVERSED[raw]}"
        else:
            if function not in self._functions:
                self._functions[function] = path_of(function)
            own = any(isinstance(v, torch.Generator) for v in (*args, *kwargs.values()))
            path = "" if own or transformed() else self._functions[function]
        plain = tuple(self._plain(a, origins) for a in args)
        named = {k: self._plain(v, origins) for k, v in kwargs.items()}
        return Call(name, self._where(), (), plain, named, path)

    def add(self, call: Call, shape: torch.Size) -> None:
        """Note that a call has become an op, whose first output has this shape."""
        fields = call.name, call.module, tuple(shape), call.args, call.kwargs, call.function
        self.calls.append(Call(*fields, tuple(self._before)))
        self._before.clear()

    def add_constant(self, call: Call, outputs: Sequence[Tensor]) -> None:
        """Note that a call has become no op, and what it returned, of any shapes."""
        shape = tuple(outputs[0].shape)
        fields = call.name, call.module, shape, call.args, call.kwargs, call.function
        self._before.append(Call(*fields))
        for position, tensor in enumerate(outputs):
            self._made[id(tensor)] = self._steps, position
        self._alive.append(outputs)
        self._steps += 1

    def place(self, changed: Tensor | None, outputs: Sequence[Tensor]) -> None:
        """Declare the outputs of the last call, and the tensor that it changed through a view.

        Tensors may be of any shape.
        """
        if changed is not None:
            self._positions[id(changed)] = -1
        for position, tensor in enumerate(outputs):
            self._positions[id(tensor)] = position

    def returned(self, value: Any, origins: Origins) -> Call:
        """Describe what the network returns: objects are the dicts of their attributes."""
        plain = self._plain(value, origins, inside=True)
        return Call("return", "", (), (plain,), {}, "", tuple(self._before))

    def _plain(self, value: Any, origins: Origins, *, inside: bool = False) -> Any:
        if isinstance(value, Tensor):
            ref = origins.find(value)
            if ref is None:
                return Constant(tuple(value.shape), self._source(value))
            if ref < 0:
                return Weight(self._parameters[~ref])
            return Operand(ref, self._positions.get(id(value), 0))
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            array = torch.from_numpy(np.ascontiguousarray(value))
            return Constant(value.shape, values_of(array, -1))
        if value is None or value is ... or isinstance(value, (bool, int, float, str, slice)):
            return value
        if isinstance(value, (tuple, list)):
            kind = list if isinstance(value, list) else tuple
            return kind(self._plain(v, origins, inside=inside) for v in value)
        if isinstance(value, Mapping):
            return {k: self._plain(v, origins, inside=inside) for k, v in value.items()}
        if inside and not isinstance(value, nn.Module):
            state = dict(attributes(value) or {})
            found = [s for s in slots(type(value)) if hasattr(value, s.__name__)]
            state.update((s.__name__, s.__get__(value)) for s in found)
            return {k: self._plain(v, origins, inside=True) for k, v in state.items()}
        return str(value)

    def _source(self, tensor: Tensor) -> Any:
        if id(tensor) in self._made:
            return self._made[id(tensor)]
        if id(tensor) in self._buffers:
            return self._buffers[id(tensor)]
        if tensor.is_meta or transformed():
            return None
        if id(tensor) not in self._values:
            self._alive.append(tensor)
            self._values[id(tensor)] = values_of(tensor, len(self._values))
        return self._values[id(tensor)]

    def _where(self) -> str:
        frame = sys._getframe(2)
        while frame is not None:
            if frame.f_code.co_varnames[:1] == ("self",):
                owner = frame.f_locals.get("self")
                if id(owner) in self._paths:
                    return self._paths[id(owner)]
            frame = frame.f_back  # type: ignore[assignment]
        return ""


def values_of(tensor: Tensor, number: int) -> Values | None:
    """Return the content of a tensor of any shape as text; None of tensors without strides.

    Args:
        tensor: The tensor.
        number: Number of the tensor in its graph.
    """
    if tensor.layout != torch.strided or tensor.is_nested:
        return None
    plain = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    data = base64.b64encode(plain.numpy().tobytes()).decode()
    return Values(str(tensor.dtype).removeprefix("torch."), data, number)
