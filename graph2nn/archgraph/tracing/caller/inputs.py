"""What is a network called with? Default images, arguments by position or name, copies of them."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from graph2nn.archgraph.tracing.caller.finding import PLAIN, leaves_in

__all__ = ["call_arguments", "copied", "default_input_size", "hollow", "to_meta", "weightless"]

_META = torch.device("meta")


def default_input_size(model: nn.Module) -> tuple[int, ...]:
    """Find the shape of one input without the batch axis.

    It is (3, s, s), or what `model.expected_input_sz` says. s = 224; 299 for torchvision's
    Inception3. `expected_input_sz` is an integer (images of that side) or a full shape.
    """
    size = getattr(model, "expected_input_sz", None)
    if size is None:
        size = 299 if type(model).__name__ == "Inception3" else 224
    return (3, size, size) if isinstance(size, int) else tuple(size)


def call_arguments(input: Any, function: Callable | None = None) -> tuple[tuple, dict]:
    """Split an example input into positional and keyword arguments.

    Args:
        input: Tuple of positional arguments, dict of keyword arguments, or the only argument.
        function: Function that is called with them. A dict is its only argument where its names are
            none of the function's.
    """
    if isinstance(input, dict) and _by_name(input, function):
        return (), dict(input)
    return (input if type(input) is tuple else (input,)), {}


def _by_name(input: dict, function: Callable | None) -> bool:
    if not all(isinstance(name, str) for name in input):
        return False
    try:
        signature = inspect.signature(function)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return True
    return _fits(signature, (), input) or not _fits(signature, (input,), {})


def _fits(signature: inspect.Signature, args: tuple, kwargs: dict) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def to_meta(value: Any) -> Any:
    """Return a value, nested in containers and objects or not, with tensors that hold nothing.

    Tensors may be of any shape; sparse ones are copied with their values.
    """
    return copied(value, hollow)


def hollow(tensor: Tensor) -> Tensor:
    """Return a tensor of the same shape and strides without values; sparse ones are copied.

    It may be of any shape.
    """
    if tensor.layout != torch.strided or tensor.is_nested:
        return tensor.detach().clone()
    if _is_common(tensor):
        return torch.empty_like(tensor, device=_META)
    return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=_META)


def weightless(parameter: Tensor) -> Tensor:
    """Return a contiguous tensor of the same shape, which may be any, without values."""
    if parameter.layout == torch.strided and _is_common(parameter):
        return torch.empty_like(parameter, device=_META)  # in half the time
    return torch.empty(parameter.shape, dtype=parameter.dtype, device=_META)


def _is_common(tensor: Tensor) -> bool:
    kind = type(tensor)
    return (kind is nn.Parameter or kind is Tensor) and (
        tensor.is_contiguous() and not tensor.is_quantized
    )


def copied(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Copy a value with its tensors changed.

    Args:
        value: Tensors of any shape, nested in containers and objects. Networks stay as they are,
            and so does an object that cannot be copied.
        change: Function from a tensor to what stands for it.
    """
    memo: dict[int, Any] = {}
    for leaf in leaves_in(value):
        if id(leaf) not in memo:
            memo[id(leaf)] = change(leaf) if isinstance(leaf, Tensor) else leaf
    return _copied(value, memo)


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if id(value) in memo or type(value) in PLAIN:
        return memo.get(id(value), value)
    if type(value) in (tuple, list):
        return type(value)(_copied(v, memo) for v in value)
    if type(value) is dict:
        return {k: _copied(v, memo) for k, v in value.items()}
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # any: it is up to the class what its copy raises
        return value
