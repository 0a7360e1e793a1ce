"""Which tensors are in a value? In containers, in attributes and slots of objects."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterator, Mapping, Set, ValuesView
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["PLAIN", "attributes", "leaves_in", "slots", "tensors_in"]

PLAIN = frozenset(
    [int, float, bool, str, bytes, complex, type(None), type, slice, range, types.ModuleType]
    + [types.BuiltinFunctionType, types.FunctionType, types.MethodType]
    + [torch.device, torch.dtype, torch.Size, torch.layout, torch.memory_format]
)
"""Types of values without tensors in them, which are looked for no further."""

_SEQUENCES = (tuple, list, deque, Set, ValuesView)


def tensors_in(value: Any) -> list[Tensor]:
    """Find every tensor, of any shape, in nested values, in order.

    Values are tuples, lists and other collections, dicts, and the attributes and slots of objects;
    those of networks are left out.
    """
    if isinstance(value, Tensor):
        return [value]
    return [leaf for leaf in leaves_in(value) if isinstance(leaf, Tensor)]


def leaves_in(value: Any) -> Iterator[Tensor | nn.Module]:
    """Iterate over the tensors, of any shape, and the networks in nested values, in order."""
    return _leaves(value, set())


def _leaves(value: Any, seen: set[int]) -> Iterator[Tensor | nn.Module]:
    if isinstance(value, (Tensor, nn.Module)):
        yield value
        return
    if type(value) in PLAIN or isinstance(value, type) or id(value) in seen:
        return
    seen.add(id(value))  # an object for good, a collection while it is looked at
    if isinstance(value, _SEQUENCES):
        inner: Any = value
    elif isinstance(value, Mapping):
        inner = value.values()
    else:
        inner = [*(attributes(value) or {}).values()]
        inner += [s.__get__(value) for s in slots(type(value)) if hasattr(value, s.__name__)]
    for v in inner:
        yield from _leaves(v, seen)
    if isinstance(value, _SEQUENCES):
        seen.discard(id(value))


def attributes(value: Any) -> dict | None:
    """Return the dictionary that holds an object's attributes, if it has one."""
    try:
        state = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return state if isinstance(state, dict) else None


def slots(kind: type) -> list[Any]:
    """List the descriptors of the slots of a class and those above it."""
    states = [vars(owner) for owner in kind.__mro__ if "__slots__" in vars(owner)]
    return [v for state in states for v in state.values() if type(v) is types.MemberDescriptorType]
