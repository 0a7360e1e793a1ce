"""What belongs to a caller of the library: a network, its inputs, random states. Did it change?"""

from __future__ import annotations

import random
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Belongings", "untouched"]

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
_CODE = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)


class Belongings:
    """Everything that is reached from some objects, and the random states, as they are now.

    Tensors are kept by identity and content, containers by what they hold, other objects and the
    classes of modules by their attributes.

    Args:
        strict: Whether another container or object of equal content counts as a change.
    """

    def __init__(self, *objects: Any, strict: bool = True) -> None:
        self.strict = strict
        self.found: dict[str, Any] = {}
        self._seen: dict[int, Any] = {}
        for position, value in enumerate(objects):
            self._walk(f"object {position}", value)
        self.found["torch's random state"] = torch.get_rng_state()
        self.found["numpy's random state"] = str(np.random.get_state())
        self.found["Python's random state"] = random.getstate()

    def changes(self, *objects: Any) -> list[str]:
        """Where the same objects differ from what they were."""
        now = Belongings(*objects, strict=self.strict).found
        places = dict.fromkeys((*self.found, *now))
        return [place for place in places if not self._same(place, now)]

    def _same(self, place: str, now: Mapping[str, Any]) -> bool:
        if place not in self.found or place not in now:
            return False
        old, new = self.found[place], now[place]
        if isinstance(old, Tensor) and isinstance(new, Tensor):
            return old.shape == new.shape and bool((old == new).all())
        return type(old) is type(new) and bool(old == new)

    def _walk(self, place: str, value: Any) -> None:
        if isinstance(value, _PLAIN):
            self.found[place] = repr(value)  # nan is nan there
            return
        if id(value) in self._seen:
            self.found[place] = id(value) if self.strict else type(value).__qualname__
            return
        self._seen[id(value)] = value
        self._look(place, value)
        if not self.strict and not isinstance(value, (nn.Module, Tensor)):
            del self._seen[id(value)]  # two equal ones are as good as one that is shared

    def _look(self, place: str, value: Any) -> None:
        if isinstance(value, Tensor):
            self._tensor(place, value)
        elif isinstance(value, type):
            self.found[place] = id(value)
        elif isinstance(value, _CODE):
            self.found[place] = repr(value)
        else:
            self._inside(place, value)

    def _tensor(self, place: str, value: Tensor) -> None:
        facts = (id(value), value.dtype, value.device, value.requires_grad, value.is_leaf)
        self.found[place] = (*facts, tuple(value.shape), tuple(value.stride()))
        if not value.is_meta and value.layout is torch.strided:
            memory = value.detach().contiguous().clone()
            self.found[f"{place}, content"] = memory.view(-1).view(torch.uint8)
        self._walk(f"{place}.grad", value.grad if value.is_leaf else None)

    def _inside(self, place: str, value: Any) -> None:
        known = self.strict and not isinstance(value, (tuple, frozenset))
        self.found[place] = f"{type(value).__qualname__} {id(value) if known else ''}"
        if isinstance(value, np.ndarray):
            self.found[f"{place}, content"] = repr(value.tolist())
        elif isinstance(value, dict):
            self.found[f"{place}, keys"] = [str(key) for key in value]
            for key, item in value.items():
                self._walk(f"{place}[{key!r}]", item)
        elif isinstance(value, (list, tuple)) or type(value).__name__ == "deque":
            for position, item in enumerate(value):
                self._walk(f"{place}[{position}]", item)
        elif isinstance(value, (set, frozenset)):
            self.found[f"{place}, content"] = sorted(map(str, value))
        if isinstance(value, nn.Module):
            self._class(type(value))
        for name, item in list(getattr(value, "__dict__", {}).items()):
            if name != "__orig_class__":  # which typing writes
                self._walk(f"{place}.{name}", item)

    def _class(self, kind: type) -> None:
        """What modules keep in their class, as some do with caches."""
        for owner in kind.__mro__:
            elsewhere = owner.__module__.startswith(("torch.nn", "builtins", "abc"))
            if elsewhere or id(owner) in self._seen:
                continue
            self._seen[id(owner)] = owner
            for name, item in list(vars(owner).items()):
                if isinstance(item, (Tensor, list, dict, set)) and not name.startswith("__"):
                    self._walk(f"class {owner.__qualname__}.{name}", item)


@contextmanager
def untouched(*objects: Any) -> Iterator[None]:
    """Fail where a block changes anything of these objects, whether it raises or not.

    Raises:
        AssertionError: Lists what has changed.
    """
    before = Belongings(*objects)
    try:
        yield
    finally:
        changed = before.changes(*objects)
        assert not changed, f"changed: {'; '.join(changed[:8])} ({len(changed)} in all)"
