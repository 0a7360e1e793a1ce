"""How much work do the kernels of torch do, wherever they are called from?"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

__all__ = ["KernelCounter"]


def _attention(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> int:
    pairs = math.prod(query.shape[:-1]) * key.shape[-2]
    return pairs * (query.shape[-1] + value.shape[-1])


def _vector_product(x: Tensor, y: Tensor, *args: Any, **kwargs: Any) -> int:
    return x.numel()


def _added_vector_product(bias: Tensor, x: Tensor, y: Tensor, *args: Any, **kwargs: Any) -> int:
    return x.numel()


_FUSED = ("flash_attention", "efficient_attention", "cudnn_attention")
_MORE = ("flash_attention_for_cpu", "fused_attention_overrideable")
_OWN: dict[str, Callable[..., int]] = {
    **{f"_scaled_dot_product_{name}": _attention for name in (*_FUSED, *_MORE)},
    **dict.fromkeys(["mv", "dot", "vdot"], _vector_product),
    "addmv": _added_vector_product,
}
"""Multiply-adds of kernels that `torch.utils.flop_counter` has no formula for, or one that refuses
heads which share their keys."""


class KernelCounter(TorchDispatchMode):
    """A mode that adds up the work of all kernels that run while it is on.

    Attributes:
        multiply_adds: Number of multiply-adds of products, convolutions and attention.
        others: Number of values that all other arithmetic on floating-point numbers gave.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.multiply_adds = self.others = 0

    def take(self) -> tuple[int, int]:
        """Return both numbers, and begin again at zero."""
        found = self.multiply_adds, self.others
        self.multiply_adds = self.others = 0
        return found

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if not hasattr(func, "overloadpacket"):
            return self._of_functions(func, args, kwargs)
        name, packet = func.overloadpacket.__name__, func.overloadpacket
        if any(getattr(value, "is_nested", False) for value in args):
            return func(*args, **kwargs)  # their kernels are called with their values again
        formula = _OWN.get(name)
        if formula is None and packet not in flop_registry:
            with self:  # a function of others, which inference mode does not take apart before
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        out = func(*args, **kwargs)
        if formula is not None:
            self.multiply_adds += formula(*args, **kwargs)
        elif packet in flop_registry:
            self.multiply_adds += flop_registry[packet](*args, **kwargs, out_val=out) // 2
        elif torch.Tag.pointwise in func.tags and isinstance(out, Tensor):
            self.others += out.numel() * out.dtype.is_floating_point
        return out

    def _of_functions(self, func: Any, args: tuple, kwargs: dict) -> Any:
        """A function that is given functions: of `cond` the branch that is taken is counted."""
        if func.name() == "cond":
            taken, yes, no, operands = args
            with self:
                return (yes if taken else no)(*operands)
        out = func(*args, **kwargs)
        if func in flop_registry:
            self.multiply_adds += flop_registry[func](*args, **kwargs, out_val=out) // 2
        return out
