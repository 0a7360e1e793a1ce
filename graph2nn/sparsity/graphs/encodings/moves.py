"""Operations that only move positions, replayed with torch itself on what stands at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from graph2nn.archgraph.calls import Call

__all__ = ["MOVES", "REARRANGEMENTS", "filled", "mover"]

_SHUFFLES = "pixel_shuffle pixel_unshuffle channel_shuffle"
_ORDERS = (
    "view reshape flatten unflatten permute transpose swapaxes swapdims movedim moveaxis squeeze "
    "unsqueeze roll flip fliplr flipud rot90 t ravel view_as reshape_as T mT H mH"
)
_CHOICES = (
    "chunk split split_with_sizes tensor_split hsplit vsplit unbind narrow select repeat "
    "repeat_interleave tile expand expand_as broadcast_to diagonal unfold getitem"
)
_FUNCTIONS = f"{_SHUFFLES} cat stack hstack vstack dstack column_stack setitem".split()

REARRANGEMENTS = frozenset(f"{_ORDERS} {_SHUFFLES}".split())
"""Names of the operations after which every position is there once, as before."""

MOVES = REARRANGEMENTS.union(_CHOICES.split(), _FUNCTIONS)
"""Names of the operations that `mover` replays."""


def mover(call: Call) -> Callable[..., Any]:
    """Make a function of a call's tensor arguments in order."""
    name = {"view": "reshape", "view_as": "reshape_as", "getitem": "__getitem__"}
    if call.name == "setitem":
        act: Callable[..., Any] = _set_item
    elif call.name in _FUNCTIONS:
        act = getattr(torch, call.name)
    elif call.name in ("T", "mT", "H", "mH"):
        return lambda tensor: getattr(tensor, call.name)
    else:
        act = getattr(Tensor, name.get(call.name, call.name))

    def run(*tensors: Tensor) -> Any:
        args, kwargs = filled((call.args, dict(call.kwargs)), iter(tensors))
        for first in ("input", "tensor", "self"):
            if first in kwargs and not args:
                args = (kwargs.pop(first),)
        return act(*args, **kwargs)

    return run


def _set_item(tensor: Tensor, place: Any, value: Any) -> Tensor:
    changed = tensor.clone()
    changed[place] = value if isinstance(value, Tensor) else -1  # a number is no node
    return changed


def filled(value: Any, tensors: Any) -> Any:
    """Put tensors back where placeholders stand in nested arguments."""
    if isinstance(value, (tuple, list)):
        return type(value)(filled(v, tensors) for v in value)
    if isinstance(value, Mapping):
        return {k: filled(v, tensors) for k, v in value.items()}
    return next(tensors) if type(value).__module__ == Call.__module__ else value
