"""How is what a forward pass changes put back? Attributes, caches, class attributes, tensors."""

from __future__ import annotations

import enum
import functools
import itertools
import operator
import random
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.archgraph.tracing.caller.finding import PLAIN, attributes, slots, tensors_in
from graph2nn.archgraph.tracing.caller.guarding import TensorGuard

__all__ = ["Keeper", "kept"]

_PLAIN = PLAIN - {types.FunctionType, types.MethodType}  # these lead on to what they keep
_LIBRARIES = ("torch.", "builtins", "typing", "abc", "collections", "functools", "numpy", "enum")
_OWN = list(nn.Module().__dict__)
_TABLES = operator.itemgetter(
    *(k for k, v in enumerate(nn.Module().__dict__.values()) if isinstance(v, (dict, set)))
)
_CONTAINERS = (dict, list, set, deque, bytearray)
# Objects of these are no caches of a network, and may lead far away.
_FOREIGN = ("threading", "logging", "asyncio", "concurrent", "multiprocessing", "torch.fx", "io")
_MANY = 64  # tables of configurations, say; what they hold is no cache
_TENSORS = {Tensor, nn.Parameter}
_MISSING = object()
_CACHE = type(functools.lru_cache(len))


@contextmanager
def kept(*owned: Any) -> Iterator[Keeper]:
    """Put everything that is reached from some objects back after the block, errors or not."""
    keeper = Keeper(owned)
    try:
        yield keeper
    finally:
        keeper.restore()


class Keeper:
    """What networks and inputs hold at this moment, to be put back any number of times.

    Whatever is reached through attributes, containers and the classes of modules is put back
    entirely. Beyond (globals, defaults and closures of the functions of these classes, caches of
    functions), where other programs may write as well, only tensors that came since are taken out.

    Args:
        owned: Networks, inputs, or other objects of the caller.

    Attributes:
        guard: The mode under which tensors of the caller are copied before something writes to
            them.
    """

    def __init__(self, owned: Iterable[Any]):
        self._seen: set[int] = set()
        self._alive: list[Any] = []  # ids say what was seen, so nothing of it may go
        self._empty: list[Any] = []
        self._states: list[tuple[dict, dict]] = []
        self._dicts: list[tuple[dict, dict]] = []
        self._undo: list[tuple[Callable[..., Any], tuple]] = []
        self._tensors: list[Tensor] = []
        self._shared: list[tuple[Callable[..., None], tuple]] = []
        self._open: list[Any] = list(owned)
        self._classes: dict[type, None] = {}
        self._seen_kinds: set[type] = set()
        self._functions: list[types.FunctionType] = []
        self._imported: list[types.FunctionType] = []
        self._handlers: dict[type, Callable[[Any], None] | None] = dict.fromkeys(_PLAIN)
        while self._open or self._classes:
            self._walk()
            while self._classes:
                self._look_at_class(self._classes.popitem()[0])
        while self._functions:
            self._look_at_function(self._functions.pop())
        for function in self._imported:
            if not (function.__module__ or "").startswith(_LIBRARIES):
                self._share(function.__globals__)
                self._share_values([v for v in function.__globals__.values() if type(v) is _CACHE])
        self.guard = TensorGuard()
        self._handlers.clear()  # methods of this object, which would keep it alive

    def watch_tensors(self) -> None:
        """Note what every tensor is, for a run in which any of them may become another."""
        self.guard.watch(self._tensors)

    def restore(self) -> None:
        """Put everything back."""
        for container in filter(None, self._empty):
            container.clear()
        for state, content in self._states:  # other tensors stood there, or calls were watched
            state.clear()
            state.update(content)
        for container, content in self._dicts:
            _refill_dict(container, content)
        for act, args in (*self._undo, *self._shared):
            act(*args)
        self.guard.restore()

    def _walk(self) -> None:
        seen, alive, handlers = self._seen, self._alive, self._handlers
        next_value, note_tensor = self._open.pop, self._tensors.append
        while self._open:
            value = next_value()
            kind = type(value)
            if kind in _TENSORS:
                note_tensor(value)
                continue
            handler = handlers.get(kind, _MISSING)
            if handler is _MISSING:
                handler = handlers[kind] = self._handler(kind)
            if handler is not None and id(value) not in seen:
                seen.add(id(value))
                alive.append(value)
                handler(value)  # type: ignore[operator]

    def _handler(self, kind: type) -> Callable[[Any], None] | None:
        table = (
            (nn.Module, self._look_at_module),
            (Tensor, self._tensors.append),
            (OrderedDict, self._look_at_dict),
            (dict, self._look_at_dict),
            ((list, set, deque, bytearray), self._look_at_container),
            ((tuple, frozenset), self._open.extend),
            (types.FunctionType, self._functions.append),
            (types.MethodType, lambda m: self._open.extend((m.__self__, m.__func__))),
            (functools.partial, lambda p: self._open.extend((p.func, *p.args, p.keywords))),
            (np.ndarray, self._look_at_array),
            ((random.Random, np.random.RandomState), self._look_at_generator),
            ((np.random.Generator, torch.Generator), self._look_at_generator),
        )
        foreign = kind.__module__.startswith(_FOREIGN) and not issubclass(kind, nn.Module)
        if issubclass(kind, (type, enum.Enum)) or foreign:
            return None
        for known, handler in table:
            if issubclass(kind, known):  # type: ignore[arg-type]
                return handler
        if kind is _CACHE:
            return self._look_at_cache
        return self._look_at_object

    def _look_at_module(self, module: nn.Module) -> None:
        state = module.__dict__
        self._states.append((state, state.copy()))
        if type(module) not in self._seen_kinds:
            self._seen_kinds.add(type(module))
            self._classes.update(dict.fromkeys(type(module).__mro__))
        values = list(state.values())
        if list(state)[: len(_OWN)] == _OWN:  # what every module has, in tables
            tables = _TABLES(values)
            self._empty += itertools.filterfalse(None, tables)
            for table in filter(None, tables):
                if type(table) is dict:  # as `_look_at_dict`, for the many there are
                    content = table.copy()
                    changes = type(next(iter(content.values()))) in _TENSORS
                    (self._states if changes else self._dicts).append((table, content))
                    self._open += content.values()
                else:
                    self._open.append(table)
            del values[: len(_OWN)]
        self._open += [
            v
            for v in values
            if type(v) not in _PLAIN
            and (type(v) is not tuple or not _PLAIN.issuperset(map(type, v)))
        ]

    def _look_at_dict(self, value: dict) -> None:
        content = dict(dict.items(value))
        self._dicts.append((value, content))
        self._open.extend(content.values())
        if type(value) not in (dict, OrderedDict):
            self._look_at_object(value)

    def _look_at_container(self, value: Any) -> None:
        content = value.copy()
        self._undo.append((_refill, (value, content)))
        if not isinstance(value, bytearray):
            self._open.extend(content)
        if type(value) not in _CONTAINERS:
            self._look_at_object(value)

    def _look_at_array(self, array: np.ndarray) -> None:
        if array.flags.writeable:
            self._undo.append((np.copyto, (array, array.copy())))

    def _look_at_generator(self, generator: Any) -> None:
        if isinstance(generator, torch.Generator):
            self._undo.append((generator.set_state, (generator.get_state(),)))
        elif isinstance(generator, np.random.Generator):
            bits = generator.bit_generator
            self._undo.append((setattr, (bits, "state", bits.state)))
        elif isinstance(generator, random.Random):
            self._undo.append((generator.setstate, (generator.getstate(),)))
        else:
            self._undo.append((generator.set_state, (generator.get_state(),)))

    def _look_at_cache(self, cache: Any) -> None:
        """The cache of a function (`functools.lru_cache`), which may always be empty."""
        self._undo.append((_empty_if_used, ([cache, cache.cache_info()],)))

    def _look_at_object(self, value: Any) -> None:
        self._classes.update(dict.fromkeys(type(value).__mro__))
        state = attributes(value)
        if state is not None:
            self._undo.append((_refill_dict, (state, state.copy())))
            self._open.extend(state.values())
        for slot in slots(type(value)):
            content = slot.__get__(value, type(value)) if _has(slot, value) else _MISSING
            self._undo.append((_set_slot, (slot, value, content)))
            self._open.append(content)

    def _look_at_class(self, owner: type) -> None:
        if id(owner) in self._seen or owner.__module__.startswith(_LIBRARIES):
            return
        self._seen.add(id(owner))
        content = dict(vars(owner))
        self._undo.append((_put_back_class, (owner, content)))
        for value in content.values():
            value = getattr(value, "__func__", value)
            if isinstance(value, property):
                value = value.fget
            if type(value) not in _PLAIN:
                self._open.append(value)

    def _look_at_function(self, function: types.FunctionType) -> None:
        """What a function keeps outside of every object: in globals, its closure, its defaults."""
        code = function.__code__
        if id(code) in self._seen or (function.__module__ or "").startswith(_LIBRARIES):
            return
        self._seen.add(id(code))
        self._share(function.__globals__)
        for cell in function.__closure__ or ():
            self._share_cell(cell)
        for values in (function.__defaults__, (function.__kwdefaults__ or {}).values()):
            self._share_values(values or ())
        self._share_values(function.__dict__.values())
        self._look_at_names(code, function.__globals__)

    def _look_at_names(self, code: types.CodeType, content: dict) -> None:
        """The functions that code calls by name, those of other files among them."""
        for name in code.co_names:
            value: Any = content.get(name)
            kind = type(value)
            if kind is types.ModuleType and not value.__name__.startswith(_LIBRARIES):
                found = [vars(value).get(n) for n in code.co_names]
                self._imported += [f for f in found if type(f) is types.FunctionType]
            elif kind is types.FunctionType:
                own = value.__globals__ is content
                (self._functions if own else self._imported).append(value)
            elif kind is _CACHE:
                self._share_values((value,))
        for inner in code.co_consts:
            if type(inner) is types.CodeType:
                self._look_at_names(inner, content)

    def _share(self, content: dict) -> None:
        """Watch the globals of a file: what they name, and the containers and objects there."""
        home = content.get("__name__", "")
        if id(content) in self._seen or home.startswith(_LIBRARIES):
            return
        self._seen.add(id(content))
        self._shared.append((_purge_dict, (content, content.copy())))
        own = {kind for kind in set(map(type, content.values())) if kind.__module__ == home}
        shared = own.union(_CONTAINERS)
        builtin = content.get("__builtins__")
        self._share_values([v for v in content.values() if type(v) in shared and v is not builtin])

    def _share_cell(self, cell: types.CellType) -> None:
        if _cell_content(cell) is not _MISSING and id(cell) not in self._seen:
            self._seen.add(id(cell))
            self._shared.append((_purge_cell, (cell, cell.cell_contents)))
            self._share_values((cell.cell_contents,))

    def _share_values(self, values: Iterable[Any]) -> None:
        for value in values:
            if id(value) not in self._seen and type(value) not in _PLAIN:
                self._seen.add(id(value))
                self._alive.append(value)
                self._share_value(value)

    def _share_value(self, value: Any) -> None:
        if isinstance(value, (type, nn.Module, Tensor, np.ndarray)):
            return
        if isinstance(value, types.FunctionType):
            self._functions.append(value)
        elif isinstance(value, dict):
            content = dict(dict.items(value))
            self._shared.append((_purge_dict, (value, content)))
            self._share_values(content.values() if len(content) < _MANY else ())
        elif isinstance(value, (list, set, deque)):
            self._shared.append((_purge, (value, value.copy())))
            self._share_values(value if len(value) < _MANY else ())
        elif type(value) is _CACHE:
            self._look_at_cache(value)
            self._share_values((value.__wrapped__,))
        elif not type(value).__module__.startswith(_FOREIGN):
            self._share_values((attributes(value),))


def _has(slot: Any, value: Any) -> bool:
    try:
        slot.__get__(value, type(value))
    except AttributeError:
        return False
    return True


def _set_slot(slot: Any, value: Any, content: Any) -> None:
    if content is not _MISSING:
        slot.__set__(value, content)
    elif _has(slot, value):
        slot.__delete__(value)


def _same(values: Iterable[Any], others: Iterable[Any]) -> bool:
    return all(map(operator.is_, values, others))


def _refill_dict(container: dict, content: dict) -> None:
    same = len(container) == len(content) and _same(dict.keys(container), content)
    if same and _same(dict.values(container), content.values()):
        return
    kind = OrderedDict if isinstance(container, OrderedDict) else dict
    kind.clear(container)
    kind.update(container, content)


def _refill(container: Any, content: Any) -> None:
    if len(container) == len(content) and _same(container, content):
        return
    container.clear()
    add = container.update if isinstance(container, set) else container.extend
    add(content)


def _put_back_class(owner: type, content: dict) -> None:
    for name in [n for n in vars(owner) if n not in content]:
        type.__delattr__(owner, name)
    for name, value in content.items():
        if vars(owner).get(name, _MISSING) is not value:
            type.__setattr__(owner, name, value)


def _empty_if_used(noted: list) -> None:
    cache, info = noted
    if cache.cache_info() != info:
        cache.cache_clear()
        noted[1] = cache.cache_info()


def _purge_dict(container: dict, content: dict) -> None:
    if len(container) == len(content) and _same(container.values(), content.values()):
        return
    for key, value in list(container.items()):
        before = content.get(key, _MISSING)
        if value is not before and tensors_in(value):
            if before is _MISSING:
                del container[key]
            else:
                container[key] = before


def _purge(container: Any, content: Any) -> None:
    if len(container) == len(content) and _same(container, content):
        return
    known = set(map(id, content))
    if any(id(v) not in known and tensors_in(v) for v in container):
        _refill(container, content)


def _cell_content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return _MISSING


def _purge_cell(cell: types.CellType, content: Any) -> None:
    now = _cell_content(cell)
    if now is not content and tensors_in(now):
        cell.cell_contents = content
