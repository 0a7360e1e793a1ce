"""What does each recorded operation cost, and what does it make? Numbers taken while it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from torch import Tensor
from torch._C._functorch import is_batchedtensor

from graph2nn.archgraph.measures.elements import ELEMENTS
from graph2nn.archgraph.measures.kernels import KernelCounter
from graph2nn.archgraph.measures.products import PRODUCTS, Count
from graph2nn.archgraph.measures.windows import NO_WINDOW, axes_of, window_of
from graph2nn.archgraph.tracing.caller.finding import tensors_in
from graph2nn.archgraph.tracing.observing import Columns

__all__ = ["FACTS", "WORK", "Meter", "work_of"]

WORK = ("multiply_adds", "flops", "activation_bytes", "allocated_bytes")
"""Columns that add up over nodes."""

FACTS = (
    *("memory", "output_shape", "dtype", "site"),
    *("kernel", "stride", "dilation", "padding", "axes"),
)
"""Columns that describe a node, as those of its parameters do."""


def work_of(
    name: str, args: tuple, kwargs: dict, out: Tensor | None, kernels: KernelCounter
) -> tuple[int, int]:
    """Return multiply-adds and floating-point operations of a call that has just been made.

    Args:
        name: Name of the function, without underscores.
        args, kwargs: Arguments as called.
        out: First output, of any shape; None where there is none.
        kernels: Counter that was on during the call. What it found counts where nothing is known
            of the function, and is forgotten.
    """
    multiply_adds, others = kernels.take()
    tensors = [] if out is None else [out, *tensors_in(args)]
    if out is None or any(is_batchedtensor(t) for t in tensors):
        return multiply_adds, 2 * multiply_adds + others  # under `vmap` shapes hide an axis
    parts = [(args, out)]
    if any(t.is_nested for t in tensors):
        parts = [(_part(args, k), _part(out, k)) for k in range(_number_of_parts(tensors))]
    known = _by(PRODUCTS, name, parts, kwargs)
    more = _by(ELEMENTS, name, parts, kwargs)
    if known is not None or more is not None:
        multiply_adds = multiply_adds if known is None else known
        others = more or 0
    return multiply_adds, 2 * multiply_adds + others


def _by(
    rules: dict[str, Count], name: str, parts: list[tuple[tuple, Tensor]], kwargs: dict
) -> int | None:
    rule = rules.get(name)
    if rule is None:
        return None
    try:
        return sum(int(rule(args, kwargs, out)) for args, out in parts)
    except (AttributeError, IndexError, StopIteration, TypeError):
        return None  # another function of this name, or called as no rule knows: by its kernels


def _number_of_parts(tensors: list[Tensor]) -> int:
    """Length of the first nested tensor: it holds so many tensors of several shapes."""
    return len(next(t for t in tensors if t.is_nested).unbind())


def _part(value: Any, k: int) -> Any:
    """A value with one of the tensors of each nested one in its place."""
    if isinstance(value, Tensor):
        return value.unbind()[k] if value.is_nested else value
    if isinstance(value, (tuple, list)):
        return type(value)(_part(v, k) for v in value)
    return value


class Meter:
    """The numbers of one forward pass, which a recorder tells of every call.

    What the network computes without its input and its parameters (tables of positions) has no
    operation in the record; its work counts at the operation that is recorded next.

    Attributes:
        parameter_bytes: Bytes of each parameter, by qualified name.
        module_shapes: Shape of the first tensor that each call of a module returned, by the number
            of its scope.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list] = {name: [] for name in (*WORK, *FACTS)}
        self.parameter_bytes: dict[str, int] = {}
        self.module_shapes: dict[int, tuple[int, ...]] = {}
        self._kernels = KernelCounter()
        self._pending = [0, 0]
        self._blocks: dict[int, int] = {}
        self._alive: list[Any] = []
        self._count = 0

    def columns(self) -> Columns:
        """Return the numbers of every operation; those that add up (`WORK`) in arrays.

        Shapes: (number of operations,).
        """
        kept = self._columns.items()
        return {n: np.array(v, dtype=np.int64) if n in WORK else v for n, v in kept}

    def running(self) -> AbstractContextManager:
        """Return a context that is to be on during the forward pass."""
        return self._kernels

    def hold(self, tensors: Sequence[Tensor], names: Sequence[str] = ()) -> None:
        """Declare parameters (with their names) or buffers, whose memory is the network's.

        Tensors may be of any shape.
        """
        for tensor in tensors:
            self._blocks[self._storage(tensor)[0]] = -1
        for tensor, name in zip(tensors, names):
            self.parameter_bytes[name] = _bytes(tensor)

    def enter(self, tensor: Tensor) -> None:
        """Note an input of the network, of any shape."""
        self._note((0, 0), [tensor], "", NO_WINDOW, ())

    def call(self, name: str, args: tuple, kwargs: dict, out: Any, recorded: bool) -> None:
        """Note a call that has just been made.

        Args:
            name: Name of the function, without underscores.
            args, kwargs: Arguments as called.
            out: What it returned.
            recorded: Whether it is an operation of the record.
        """
        outputs = [out] if isinstance(out, Tensor) else tensors_in(out)
        work = work_of(name, args, kwargs, outputs[0] if outputs else None, self._kernels)
        if not recorded:
            self._pending = [a + b for a, b in zip(self._pending, work)]
            return
        outputs = outputs or tensors_in((args, kwargs))[:1]
        if "dropout" in name and ELEMENTS[name](args, kwargs, outputs[0]) == 0:
            self._alias(outputs[0], args[0])
        work = (work[0] + self._pending[0], work[1] + self._pending[1])
        self._pending = [0, 0]
        window = window_of(name, args, kwargs)
        self._note(work, outputs, _site(), window, axes_of(name, args, kwargs))

    def returned(self, scope: int, out: Any) -> None:
        """Note what the call of a module, by its number, returned."""
        found = next(iter(tensors_in(out)), None)
        if found is not None:
            self.module_shapes[scope] = tuple(found.shape)

    def _note(
        self, work: tuple[int, int], outputs: list[Tensor], site: str, window: tuple, axes: tuple
    ) -> None:
        shown, fresh, block = outputs[0], 0, None
        for tensor in outputs:
            key, size = self._storage(tensor)
            if key not in self._blocks:
                if block is None:
                    block, self._count = self._count, self._count + 1
                self._blocks[key], fresh = block, fresh + size
            block = self._blocks[key] if block is None else block
        total = sum(_bytes(tensor) for tensor in outputs)
        dtype = str(shown.dtype).removeprefix("torch.")
        shape = tuple(n if isinstance(n, int) else -1 for n in shown.shape)  # -1: of nested ones
        facts = (block, shape, dtype, site, *window, axes)
        for column, value in zip(self._columns.values(), (*work, total, fresh, *facts)):
            column.append(value)

    def _alias(self, tensor: Tensor, source: Tensor) -> None:
        """Dropout that does nothing gives its argument, whatever the recorder gave for it."""
        key = self._storage(source)[0]
        if key in self._blocks:
            self._blocks[self._storage(tensor)[0]] = self._blocks[key]

    def _storage(self, tensor: Tensor) -> tuple[int, int]:
        """Which memory a tensor is in, and its bytes."""
        try:
            storage: Any = tensor.untyped_storage()
            size = storage.nbytes()
        except (NotImplementedError, RuntimeError):  # sparse tensors, and those inside of `vmap`
            storage, size = tensor, _bytes(tensor)
        self._alive.append(storage)
        return id(storage), size


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _site() -> str:
    """Module and line of the innermost code outside of torch; without one, of torch itself."""
    frame, inner = sys._getframe(2), ""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name == "graph2nn.archgraph.tracing.recording":
            break
        if not name.startswith("graph2nn.archgraph."):
            place = f"{name}:{frame.f_lineno}"
            if name != "torch" and not name.startswith("torch."):
                return place
            inner = inner or place
        frame = frame.f_back  # type: ignore[assignment]
    return inner
