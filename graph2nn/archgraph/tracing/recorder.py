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
from graph2nn.archgraph.tracing.caller.finding import tensors_in
from graph2nn.archgraph.tracing.caller.guarding import TensorGuard
from graph2nn.archgraph.tracing.functions import REVERSED
from graph2nn.archgraph.tracing.observing import CallObserver, Columns
from graph2nn.archgraph.tracing.origins import Origins, transformed
from graph2nn.archgraph.tracing.scopes import Scopes
from graph2nn.archgraph.tracing.shape_rules import SHAPE_RULES, Rule

__all__ = [
    "Op",
    "ParamInfo",
    "Recorder",
    "Trace",
    "function_name",
    "makes_constants",
]

_ALIASES = {
    "iadd": "add", "isub": "sub", "imul": "mul", "multiply": "mul", "subtract": "sub",
    "truediv": "div", "itruediv": "div", "divide": "div", "true_divide": "div", "concat": "cat",
    "concatenate": "cat", "ipow": "pow",
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
    `returned` is what the network returns, see `ArchGraph`.
    """

    ops: list[Op]
    params: list[ParamInfo]
    outputs: list[int]
    note: str = ""
    calls: list[Call] | None = None
    output_shapes: Mapping[int, tuple[int, ...]] = MappingProxyType({})
    scopes: tuple[Scope, ...] = ()
    columns: Columns | None = None
    returned: Call | None = None


class _Entry(NamedTuple):
    name: str
    rule: Rule | None
    inplace: bool
    attrs: Callable[[tuple, dict], dict] | None
    constant: bool
    shares: bool


_NO_ATTRS: dict[str, Any] = {}
_INPLACE_DUNDERS = {"__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__"}
# Only the shape of their argument matters, so what they make is a constant.
_CONSTANT_MAKERS = ("new_", "zeros_like", "ones_like", "empty_like", "full_like", "rand")
# What these return shares the memory of their argument, though it is no view.
_SHARING = {"data", "detach"}
# Where a meta tensor is indexed, the values of a mask tell the shape.
_INDEXED = {"getitem", "setitem", "index_put", "masked_select"}
_MOVES = {"to", "cuda", "cpu", "pin_memory"}


def function_name(raw: str) -> str:
    """Return the name that graphs give a function: that of `__iadd__` and `__radd__` is `add`."""
    name = REVERSED.get(raw, raw).strip("_")
    return _ALIASES.get(name, name)


def makes_constants(name: str) -> bool:
    """Tell whether a function reads no more than the shapes of its arguments."""
    return name.startswith(_CONSTANT_MAKERS)


class Recorder(TorchFunctionMode):
    """A mode that records every torch function called while it is on.

    Args:
        fast: Whether output shapes of common functions come from `SHAPE_RULES`; otherwise run every
            meta kernel (the plain twin: the record is the same).
        log: Log that takes down the arguments of every op, too.
        scopes: Calls of modules, so that every op knows the one it belongs to.
        meter: CallObserver that is told of every call, if any.
        guard: Mode under which ops on tensors with values run.
        values: Device where tensors stay that have values and would be moved to the meta device,
            and where those are made that would be made there; None lets them.
    """

    def __init__(
        self,
        *,
        fast: bool = True,
        log: CallLog | None = None,
        scopes: Scopes | None = None,
        meter: CallObserver | None = None,
        guard: TensorGuard | None = None,
        values: torch.device | None = None,
    ):
        super().__init__()
        self._values = values
        self._guard = guard
        self._originals: set[int] = set()
        self.scopes = Scopes() if scopes is None else scopes
        self.ops: list[Op] = []
        self.fast = fast
        self.log = log
        self.meter = meter
        self._origins = Origins()
        self._returned: Call | None = None
        self._buffers: set[int] = set()
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
        made = self.ops, params, [*outputs], note, calls, outputs, scopes, columns
        return Trace(*made, self._returned)

    def observing(self) -> AbstractContextManager:
        """Return a context that is to be on during the forward pass."""
        return nullcontext() if self.meter is None else self.meter.running()

    def watch_params(self, tensors: list[tuple[Tensor, ...]], names: list[str]) -> None:
        """Declare the tensors that stand for parameters 0, 1, ... and what these are called.

        They may be of any shape.

        Args:
            tensors: Tensors that stand for each parameter, its own first.
            names: Name of each parameter.
        """
        if self.log is not None:
            self.log.watch_params(names)
        for j, group in enumerate(tensors):
            self._originals.add(id(group[0]))
            for t in group:
                self._origins.declare(t, ~j)
        if self.meter is not None:
            for group in zip(*tensors):
                self.meter.hold(group, names)

    def watch_buffers(self, tensors: list[Tensor], names: list[str]) -> None:
        """Declare buffers, whose own updates (batch counters) are not recorded, by name.

        They may be of any shape.
        """
        if self.log is not None:
            self.log.watch_buffers(tensors, names)
        self._buffers.update(map(id, tensors))
        if self.meter is not None:
            self.meter.hold(tensors)
        self._origins.declare_constants(tensors)

    def watch_input(self, tensor: Tensor) -> None:
        """Declare an input of the network: one op named "input".

        It may be of any shape.
        """
        self._origins.declare(tensor, len(self.ops))
        self.ops.append(Op("input", (), tuple(tensor.shape), _NO_ATTRS, self.scopes.outermost))
        if self.log is not None:
            self.log.add(Call("input", "", (), (), {}), tensor.shape)
        if self.meter is not None:
            self.meter.enter(tensor)

    def producers(self, value: Any) -> dict[int, tuple[int, ...]]:
        """List the ops that made the tensors in `value`, with the shape of the first of each.

        Constants are left out; a parameter that is returned has an op "output".
        """
        found: dict[int, tuple[int, ...]] = {}
        for tensor in tensors_in(value):
            refs: list[int] = []
            self._origins.collect((tensor,), refs)
            for made in refs:
                if made < 0:
                    made = self._return(tensor, made)
                found.setdefault(made, tuple(tensor.shape))
        if self.log is not None:
            self._returned = self.log.returned(value, self._origins)
        return found

    def _return(self, parameter: Tensor, ref: int) -> int:
        index = len(self.ops)
        self.ops.append(
            Op("output", (ref,), tuple(parameter.shape), _NO_ATTRS, self.scopes.outermost)
        )
        if self.log is not None:
            call = self.log.note(None, "output", (parameter,), {}, self._origins)
            self.log.add(call, parameter.shape)
        if self.meter is not None:
            self.meter.enter(parameter)
        self._origins.declare(parameter, index)
        return index

    def note_failure(self, name: str, args: tuple, kwargs: dict) -> None:
        """Record a call that has failed, whose shape is not known.

        Without any tensor it stands behind the last op.
        """
        refs: list[int] = []
        self._origins.collect((*args, *kwargs.values()), refs)
        if not refs and self.ops:
            refs.append(len(self.ops) - 1)
        self.ops.append(Op(name, tuple(refs), (), _NO_ATTRS, self.scopes.failed))
        if self.log is not None:
            self.log.add(self.log.note(None, name, args, kwargs, self._origins), torch.Size())
        if self.meter is not None:
            self.meter.enter(torch.empty(0, device="meta"))

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        entry = self._entries.get(func)
        if entry is None:
            entry = self._entries[func] = self._describe(func)
        if entry.inplace and args and id(args[0]) in self._buffers and args[0].is_meta:
            if entry.name == "add" and not any(isinstance(a, Tensor) for a in args[1:]):
                return args[0]
        before, out, call = len(self.ops), None, None
        if self.log is not None:
            call = self.log.note(func, entry.name, args, kwargs, self._origins)
        if entry.rule is not None and not (torch.is_grad_enabled() or transformed()):
            out = entry.rule(args, kwargs)
        if out is None:
            out = self.call(func, entry.name, args, kwargs)
        if isinstance(out, Tensor) or entry.inplace or type(out) in (tuple, list):
            self._record(entry, args, kwargs, out, call)
        elif not isinstance(out, (int, float, bool, str, type(None), torch.Size)):
            if tensors_in(out):
                self._record(entry, args, kwargs, out, call)
        if self.meter is not None:
            self.meter.call(entry.name, args, kwargs, out, len(self.ops) > before)
        return out

    def _describe(self, func: Any) -> _Entry:
        raw = getattr(func, "__name__", "") or str(func)
        raw = raw.partition(".")[0]  # `set_.source_Tensor` of `torch.ops.aten`
        if raw in ("__get__", "__set__"):  # a property such as `x.shape` or `x.mT`
            name = getattr(getattr(func, "__self__", None), "__name__", raw)
            inplace = raw == "__set__" and name == "data"
            return _Entry(name, None, inplace, None, False, name in _SHARING)
        inplace = raw in _INPLACE_DUNDERS or (raw.endswith("_") and not raw.endswith("__"))
        name = function_name(raw)
        rule = SHAPE_RULES.get(raw) if self.fast else None
        facts = ATTRIBUTES.get(name)
        return _Entry(name, rule, inplace, facts, makes_constants(name), name in _SHARING)

    def call(self, func: Any, name: str, args: tuple, kwargs: dict) -> Any:
        """Run the function; tensors made on another device than meta follow the meta ones."""
        if name in _MOVES and args and isinstance(args[0], Tensor) and args[0].is_meta:
            return _move_meta(args, kwargs)
        if self._values is not None:
            args, kwargs = _with_values(name, args, kwargs, self._values)
        try:
            for a in (*args, *kwargs.values()) if kwargs else args:
                if isinstance(a, Tensor) and (not a.is_meta or id(a) in self._originals):
                    return self._guarded(func, name, args, kwargs)
            return func(*args, **kwargs)
        except (RuntimeError, NotImplementedError):
            tensors = tensors_in((args, kwargs))
            if not any(t.is_meta for t in tensors) or all(t.is_meta for t in tensors):
                raise
        return func(*self._to_meta(args), **self._to_meta(kwargs))

    def _guarded(self, func: Any, name: str, args: tuple, kwargs: dict) -> Any:
        kinds = {t.is_meta for t in tensors_in((args, kwargs))}
        if len(kinds) == 2 and not (name in _INDEXED and args[0].is_meta):
            # Not left to torch, which may compute with the memory that a meta tensor has not.
            return func(*self._to_meta(args), **self._to_meta(kwargs))
        if self._guard is None:
            return func(*args, **kwargs)
        self._guard.watch(a for a in args if isinstance(a, Tensor))
        with self._guard:
            return func(*args, **kwargs)

    def _to_meta(self, value: Any) -> Any:
        if isinstance(value, Tensor) and not value.is_meta:
            copy = value.to("meta")
            if id(value) in self._origins.of:
                self._origins.declare(copy, self._origins.of[id(value)])
            return copy
        if type(value) in (tuple, list):
            return type(value)(self._to_meta(v) for v in value)
        if isinstance(value, dict):
            return {k: self._to_meta(v) for k, v in value.items()}
        return value

    def _record(
        self, entry: _Entry, args: tuple, kwargs: dict, out: Any, call: Call | None
    ) -> None:
        refs: list[int] = []
        origins = self._origins
        origins.collect(args, refs)
        if kwargs:
            origins.collect(kwargs.values(), refs)
        inplace = entry.inplace or (kwargs and kwargs.get("inplace") is True)
        target = args[0] if inplace and args else kwargs.get("out") if kwargs else None
        targets = [] if target is None else tensors_in(target)
        outputs = [out] if isinstance(out, Tensor) else tensors_in(out)
        made = outputs or targets
        if not made:
            return
        shown = made[0]
        if not refs or entry.constant:
            # A constant: part of no path from the input or a parameter.
            if self.log is not None and call is not None:
                self.log.add_constant(call, made)
            return
        index = len(self.ops)
        attrs = entry.attrs(args, kwargs) if entry.attrs is not None else _NO_ATTRS
        if self.log is not None and call is not None:
            self.log.add(call, shown.shape)
        owners = [origins.write(t, index, refs) for t in targets]
        scope = self.scopes.current
        self.ops.append(Op(entry.name, tuple(refs), tuple(shown.shape), attrs, scope))
        origins.of.update([(id(t), index) for t in outputs])
        origins.made += outputs
        if entry.shares and outputs and outputs[0]._base is None and outputs[0] is not args[0]:
            origins.share(outputs[0], args[0])
        if transformed():
            for t in outputs:
                origins.declare_wrapped(t, index)
        if self.log is not None:
            self.log.place(owners[0] if owners else None, made)


def _with_values(name: str, args: tuple, kwargs: dict, home: torch.device) -> tuple[tuple, dict]:
    """Arguments of a call that would move a tensor to the meta device or make one there."""
    if name == "to" and args and isinstance(args[0], Tensor):
        args = tuple(args[0] if isinstance(a, Tensor) and a.is_meta else a for a in args)
        args = tuple(home if _is_meta_device(a) else a for a in args)
    if "device" in kwargs and _is_meta_device(kwargs["device"]):
        kwargs = {**kwargs, "device": home}
    return args, kwargs


def _is_meta_device(value: Any) -> bool:
    return isinstance(value, (str, torch.device)) and str(value) == "meta"


def _move_meta(args: tuple, kwargs: dict) -> Tensor:
    """`x.to(device)` and alike on a meta tensor: it stays where it is, only its type may change."""
    wanted = [a for a in (*args[1:], *kwargs.values()) if isinstance(a, (torch.dtype, Tensor))]
    for w in wanted:
        dtype = w.dtype if isinstance(w, Tensor) else w
        if dtype != args[0].dtype:
            return torch.empty_like(args[0], dtype=dtype)
    return args[0]
