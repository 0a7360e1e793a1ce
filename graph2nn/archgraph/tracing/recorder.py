"""Recording one forward pass: which function ran on the outputs of which others.

A `TorchFunctionMode` sees every call of a torch function with its arguments, so the record knows
the functions by name (`conv2d`, `multi_head_attention_forward`), frozen parameters and the input,
none of which an autograd graph shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from graph2nn.archgraph.calls import Call, Scope
from graph2nn.archgraph.tracing.attributes import ATTRIBUTES
from graph2nn.archgraph.tracing.call_log import CallLog
from graph2nn.archgraph.tracing.observing import CallObserver, Columns
from graph2nn.archgraph.tracing.scopes import Scopes
from graph2nn.archgraph.tracing.shape_rules import SHAPE_RULES, Rule

__all__ = [
    "Op",
    "ParamInfo",
    "Recorder",
    "Trace",
    "function_name",
    "makes_constants",
    "tensors_in",
]

_ALIASES = {
    "iadd": "add", "radd": "add", "isub": "sub", "rsub": "sub", "imul": "mul", "rmul": "mul",
    "multiply": "mul", "subtract": "sub", "truediv": "div", "itruediv": "div", "rtruediv": "div",
    "divide": "div", "true_divide": "div", "rdiv": "div", "concat": "cat", "concatenate": "cat",
    "rmatmul": "matmul", "ipow": "pow", "rpow": "pow",
}  # fmt: skip


class Op(NamedTuple):
    """One recorded function call.

    Args:
        name: Name of the function, without underscores: `conv2d`, `add`, `getitem`; "input" for an
            input tensor.
        refs: Origins of its tensor arguments, in order: `i >= 0` is the output of op i, `~j` is
            parameter j. Constants and buffers are left out.
        shape: Shape of the (first) output.
        attrs: Further facts: kernel size, groups, keepdim, ... where a view needs them.
        scope: Number of the innermost module call at work, see `Trace.scopes`; -1 where unknown.
    """

    name: str
    refs: tuple[int, ...]
    shape: tuple[int, ...]
    attrs: dict[str, Any]
    scope: int = -1

    @property
    def inputs(self) -> list[int]:
        """Ops whose outputs this one reads."""
        return [r for r in self.refs if r >= 0]

    @property
    def params(self) -> list[int]:
        """Parameters this op reads directly."""
        return [~r for r in self.refs if r < 0]


class ParamInfo(NamedTuple):
    """A parameter: qualified name (the first one, if tied), shape, the module that owns it."""

    name: str
    shape: tuple[int, ...]
    module: nn.Module


class Trace(NamedTuple):
    """The record of one forward pass: ops in order of execution, parameters, output ops in order.

    `note` says how it was made when not on meta tensors in the mode asked for; `calls` holds how
    each op was called, where that was asked for. `output_shapes` are those of the tensors that the
    network returns, by op: of several that one op made (`split`), `Op.shape` is that of the first.
    `scopes` are the calls of modules. `columns` are what an observer took down of each op.
    """

    ops: list[Op]
    params: list[ParamInfo]
    outputs: list[int]
    note: str = ""
    calls: list[Call] | None = None
    output_shapes: Mapping[int, tuple[int, ...]] = MappingProxyType({})
    scopes: tuple[Scope, ...] = ()
    columns: Columns | None = None


class _Entry(NamedTuple):
    name: str
    rule: Rule | None
    inplace: bool
    attrs: Callable[[tuple, dict], dict] | None


_NO_ATTRS: dict[str, Any] = {}
_INPLACE_DUNDERS = {"__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__"}
# Only the shape of their argument matters, so what they make is a constant.
_CONSTANT_MAKERS = ("new_", "zeros_like", "ones_like", "empty_like", "full_like", "rand")
_MOVES = {"to", "cuda", "cpu", "pin_memory"}


def function_name(raw: str) -> str:
    """Return the name that graphs give a function: that of `__iadd__` is `add`."""
    name = raw.strip("_")
    return _ALIASES.get(name, name)


def makes_constants(name: str) -> bool:
    """Tell whether a function reads no more than the shapes of its arguments."""
    return name.startswith(_CONSTANT_MAKERS)


def tensors_in(value: Any) -> list[Tensor]:
    """Find every tensor, of any shape, in nested values, in order.

    Values are tuples, lists, dicts, and the attributes of dataclass-like objects.
    """
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors_in(v)]
    if isinstance(value, dict):
        return [t for v in value.values() for t in tensors_in(v)]
    if hasattr(value, "__dict__") and not isinstance(value, (type, nn.Module)):
        return [t for v in vars(value).values() for t in tensors_in(v)]
    return []


class Recorder(TorchFunctionMode):
    """A mode that records every torch function called while it is on.

    Args:
        fast: Whether output shapes of common functions come from `SHAPE_RULES`; otherwise run every
            meta kernel (the plain twin: the record is the same).
        log: Log that takes down the arguments of every op, too.
        scopes: Calls of modules, so that every op knows the one it belongs to.
        meter: CallObserver that is told of every call, if any.
    """

    def __init__(
        self,
        *,
        fast: bool = True,
        log: CallLog | None = None,
        scopes: Scopes | None = None,
        meter: CallObserver | None = None,
    ):
        super().__init__()
        self.scopes = Scopes() if scopes is None else scopes
        self.ops: list[Op] = []
        self.fast = fast
        self.log = log
        self.meter = meter
        self._producer: dict[int, int] = {}
        self._buffers: set[int] = set()
        # Ids identify tensors, so every tensor seen must stay alive until the end.
        self._alive: list[Any] = []
        self._entries: dict[Any, _Entry] = {}

    def finished(
        self, params: list[ParamInfo], outputs: dict[int, tuple[int, ...]], note: str = ""
    ) -> Trace:
        """Make the record, once everything has run.

        Args:
            params: The parameters that were watched.
            outputs: Shape of each tensor returned, by the op that made it.
            note: Remark on how it was made.
        """
        calls = None if self.log is None else self.log.calls
        scopes = tuple(self.scopes.found)
        columns = None if self.meter is None else self.meter.columns()
        return Trace(self.ops, params, [*outputs], note, calls, outputs, scopes, columns)

    def observing(self) -> AbstractContextManager:
        """Return a context that is to be on during the forward pass."""
        return nullcontext() if self.meter is None else self.meter.running()

    def watch_params(self, tensors: list[Tensor], names: list[str]) -> None:
        """Declare the tensors that stand for parameters 0, 1, ... and what these are called.

        They may be of any shape.
        """
        if self.log is not None:
            self.log.watch_params(names)
        for j, t in enumerate(tensors):
            self._producer[id(t)] = ~j
        if self.meter is not None:
            self.meter.hold(tensors, names)
        self._alive.append(tensors)

    def watch_buffers(self, tensors: list[Tensor]) -> None:
        """Declare buffers, whose own updates (batch counters) are not recorded.

        They may be of any shape.
        """
        self._buffers.update(map(id, tensors))
        if self.meter is not None:
            self.meter.hold(tensors)
        self._alive.append(tensors)

    def watch_input(self, tensor: Tensor) -> None:
        """Declare an input of the network: one op named "input".

        It may be of any shape.
        """
        self._producer[id(tensor)] = len(self.ops)
        self.ops.append(Op("input", (), tuple(tensor.shape), _NO_ATTRS, self.scopes.outermost))
        if self.log is not None:
            self.log.add("input", (), {}, tensor.shape, self._producer)
        if self.meter is not None:
            self.meter.enter(tensor)
        self._alive.append(tensor)

    def producers(self, value: Any) -> dict[int, tuple[int, ...]]:
        """List the ops that made the tensors in `value`, with the shape of the first of each.

        Constants are left out.
        """
        found: dict[int, tuple[int, ...]] = {}
        for tensor in tensors_in(value):
            made = self._producer.get(id(tensor))
            if made is not None and made >= 0:
                found.setdefault(made, tuple(tensor.shape))
        return found

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        entry = self._entries.get(func)
        if entry is None:
            entry = self._entries[func] = self._describe(func)
        if entry.inplace and args and id(args[0]) in self._buffers and entry.name == "add":
            return args[0]
        before = len(self.ops)
        out = entry.rule(args, kwargs) if entry.rule is not None else None
        if out is None:
            out = self.call(func, entry.name, args, kwargs)
        if isinstance(out, Tensor) or entry.inplace or type(out) in (tuple, list):
            self._record(entry, args, kwargs, out)
        elif not isinstance(out, (int, float, bool, str, type(None), torch.Size)):
            if tensors_in(out):
                self._record(entry, args, kwargs, out)
        if self.meter is not None:
            self.meter.call(entry.name, args, kwargs, out, len(self.ops) > before)
        return out

    def _describe(self, func: Any) -> _Entry:
        raw = getattr(func, "__name__", "") or str(func)
        if raw == "__get__":  # a property such as `x.shape` or `x.mT`
            raw = getattr(getattr(func, "__self__", None), "__name__", raw)
            return _Entry(raw, None, False, None)
        inplace = raw in _INPLACE_DUNDERS or (raw.endswith("_") and not raw.endswith("__"))
        name = function_name(raw)
        rule = SHAPE_RULES.get(raw) if self.fast else None
        return _Entry(name, rule, inplace, ATTRIBUTES.get(name))

    def call(self, func: Any, name: str, args: tuple, kwargs: dict) -> Any:
        """Run the function; tensors made on another device than meta follow the meta ones."""
        if name in _MOVES and args and isinstance(args[0], Tensor) and args[0].is_meta:
            return _move_meta(args, kwargs)
        try:
            return func(*args, **kwargs)
        except (RuntimeError, NotImplementedError):
            tensors = tensors_in((args, kwargs))
            if not any(t.is_meta for t in tensors) or all(t.is_meta for t in tensors):
                raise
        return func(*self._to_meta(args), **self._to_meta(kwargs))

    def _to_meta(self, value: Any) -> Any:
        if isinstance(value, Tensor) and not value.is_meta:
            copy = value.to("meta")
            if id(value) in self._producer:
                self._producer[id(copy)] = self._producer[id(value)]
            self._alive.append(copy)
            return copy
        if type(value) in (tuple, list):
            return type(value)(self._to_meta(v) for v in value)
        if isinstance(value, dict):
            return {k: self._to_meta(v) for k, v in value.items()}
        return value

    def _collect(self, values: Any, refs: list[int]) -> None:
        producer = self._producer
        for value in values:
            ref = producer.get(id(value))
            if ref is not None:
                refs.append(ref)
            elif isinstance(value, (tuple, list)):
                self._collect(value, refs)
            elif isinstance(value, dict):
                self._collect(value.values(), refs)

    def _record(self, entry: _Entry, args: tuple, kwargs: dict, out: Any) -> None:
        refs: list[int] = []
        self._collect(args, refs)
        if kwargs:
            self._collect(kwargs.values(), refs)
        if not refs or makes_constants(entry.name):
            return  # a constant: part of no path from the input or a parameter
        inplace = entry.inplace or kwargs.get("inplace") is True
        target = args[0] if inplace and args else kwargs.get("out")
        shown = out if isinstance(out, Tensor) else next(iter(tensors_in(out)), target)
        if not isinstance(shown, Tensor):
            return
        index = len(self.ops)
        attrs = entry.attrs(args, kwargs) if entry.attrs is not None else _NO_ATTRS
        if self.log is not None:
            self.log.add(entry.name, args, kwargs, shown.shape, self._producer)
        base = target._base if isinstance(target, Tensor) else None
        if base is not None:
            # The tensor a changed view belongs to holds old content and new: both lead here.
            old = self._producer.get(id(base))
            if old is not None and old not in refs:
                refs.append(old)
            self._producer[id(base)] = index
        scope = self.scopes.current
        self.ops.append(Op(entry.name, tuple(refs), tuple(shown.shape), attrs, scope))
        if isinstance(target, Tensor):
            self._producer[id(target)] = index
            self._alive.append(target)
        outputs = (out,) if isinstance(out, Tensor) else tensors_in(out)
        for t in outputs:
            self._producer[id(t)] = index
            self._alive.append(t)
        if self.log is not None:
            self.log.place(base, outputs or (shown,))


def _move_meta(args: tuple, kwargs: dict) -> Tensor:
    """`x.to(device)` and alike on a meta tensor: it stays where it is, only its type may change."""
    wanted = [a for a in (*args[1:], *kwargs.values()) if isinstance(a, (torch.dtype, Tensor))]
    for w in wanted:
        dtype = w.dtype if isinstance(w, Tensor) else w
        if dtype != args[0].dtype:
            return torch.empty_like(args[0], dtype=dtype)
    return args[0]
