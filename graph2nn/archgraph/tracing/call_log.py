"""Which calls did a forward pass make? Tensors are replaced by where they come from."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graph2nn.archgraph.calls import Call, Constant, Operand, Weight

__all__ = ["CallLog"]


class CallLog:
    """The calls of one forward pass, filled by the recorder.

    Args:
        modules: Every module with its qualified name.
    """

    def __init__(self, modules: Iterable[tuple[str, nn.Module]]):
        self.calls: list[Call] = []
        self._paths = {id(module): path for path, module in modules}
        self._parameters: list[str] = []
        self._positions: dict[int, int] = {}

    def watch_params(self, names: list[str]) -> None:
        """Declare the names of parameters 0, 1, ..."""
        self._parameters = names

    def add(
        self, name: str, args: tuple, kwargs: dict, shape: torch.Size, producer: Mapping[int, int]
    ) -> None:
        """Note a call; `producer` says where each tensor, by id, stood before it."""
        plain = tuple(self._plain(a, producer) for a in args)
        named = {k: self._plain(v, producer) for k, v in kwargs.items()}
        self.calls.append(Call(name, self._where(), tuple(shape), plain, named))

    def place(self, changed: Tensor | None, outputs: Sequence[Tensor]) -> None:
        """Declare the outputs of the last call, and the tensor that it changed through a view.

        Tensors may be of any shape.
        """
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
                if id(owner) in self._paths:
                    return self._paths[id(owner)]
            frame = frame.f_back  # type: ignore[assignment]
        return ""
