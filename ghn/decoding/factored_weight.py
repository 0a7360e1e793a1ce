"""How does a network run with weights whose products are never taken?"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ghn.decoding.lowrank import Factors
from ghn.decoding.parameter_targets import ParameterTarget
from ghn.decoding.tiling import tile_to

__all__ = ["FactoredWeight", "weight_of"]


def weight_of(block: Tensor | Factors, target: ParameterTarget) -> Tensor:
    """Return a weight that stays a product where a layer can run so, otherwise as `tile_to` does.

    Shapes: block as in `tile_to` -> `target.shape`.
    """
    plain = target.view is not None and not target.stack and not target.table
    if isinstance(block, Factors) and plain and len(target.shape) < 5:
        return FactoredWeight(block, target.shape)
    return tile_to(block, target)


class FactoredWeight(Tensor):
    """A weight kept as two factors, for `torch.func.functional_call`.

    `linear`, `embedding` and convolutions without groups run factor by factor: no tensor of the
    weight's size is made, neither in the forward nor in the backward pass, which reaches the
    factors. Any other function gets the product, which is not kept for the backward pass but taken
    again there.

    Args:
        factors: The factors, with their gradient history.
        shape: Shape of the weight: (out, in), (out, in, k) or (out, in, kh, kw).
    """

    factors: Factors

    @staticmethod
    def __new__(cls, factors: Factors, shape: tuple[int, ...]) -> FactoredWeight:
        # one number stands for all entries: what would read them shows
        made = factors.left.new_full((1,), math.nan).expand(shape).as_subclass(cls)
        made.factors = factors
        return made

    def dense(self) -> Tensor:
        """Multiply the factors, (out, in, ...)."""
        return self.factors.product().reshape(self.shape)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        rank = self.factors.left.shape[1]
        return f"FactoredWeight(shape={tuple(self.shape)}, rank={rank})"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _ABOUT or func in _ABOUT:
            return super().__torch_function__(func, types, args, kwargs)
        run = _BY_FACTORS.get(func)
        found = NotImplemented if run is None else run(*args, **kwargs)
        return _with_products(func, args, kwargs) if found is NotImplemented else found


_ABOUT = {
    *("dim", "size", "numel", "is_floating_point", "is_complex", "stride", "__repr__"),
    *(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device", "requires_grad")),
    *(getattr(Tensor, name).__get__ for name in ("ndim", "layout", "is_cuda", "is_nested")),
}
"""What is asked about a weight without reading it."""


def _linear(x: Any, weight: Any, bias: Tensor | None = None) -> Tensor:
    if not isinstance(weight, FactoredWeight) or isinstance(x, FactoredWeight):
        return NotImplemented
    f = weight.factors
    return F.linear(F.linear(x, f.right.flatten(1)), f.left, bias)


def _embedding(
    input: Any, weight: Any, padding_idx: int | None = None, max_norm: float | None = None, *_: Any,
    **__: Any,
) -> Tensor:  # fmt: skip
    if max_norm is not None or not isinstance(weight, FactoredWeight):
        return NotImplemented
    rows = F.embedding(input, weight.factors.left) @ weight.factors.right.flatten(1)
    if padding_idx is None:
        return rows
    padded = (input == padding_idx % weight.shape[0])[..., None]
    return torch.where(padded, rows.detach(), rows)  # no gradient, as of the whole weight


def _convolution(convolve: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A convolution to as many channels as the rank, then one of single pixels."""

    def run(
        x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        if groups > 1 or not isinstance(weight, FactoredWeight):
            return NotImplemented
        left, right = weight.factors.left, weight.factors.right
        kernel = right.reshape(len(right), *weight.shape[1:])
        y = convolve(x, kernel, None, stride, padding, dilation)
        return convolve(y, left.reshape(*left.shape, *[1] * (weight.dim() - 2)), bias)

    return run


_BY_FACTORS: dict[Any, Callable[..., Tensor]] = {
    F.linear: _linear,
    F.embedding: _embedding,
    F.conv1d: _convolution(F.conv1d),
    F.conv2d: _convolution(F.conv2d),
}


def _with_products(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """Call a function with products in place of factored weights, none kept for the backward."""
    owners: dict[int, FactoredWeight] = {}

    def product(value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return type(value)(map(product, value))
        if not isinstance(value, FactoredWeight):
            return value
        made = value.dense()
        owners[made.untyped_storage().data_ptr()] = value
        return made

    def pack(saved: Tensor) -> Any:
        owner = owners.get(saved.untyped_storage().data_ptr())
        if owner is None:
            return saved
        return owner, saved.size(), saved.stride(), saved.storage_offset()

    def unpack(kept: Any) -> Tensor:
        if isinstance(kept, Tensor):
            return kept
        owner, *place = kept
        with torch.no_grad():
            return owner.dense().as_strided(*place)

    args, kwargs = product(args), {name: product(value) for name, value in kwargs.items()}
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        return func(*args, **kwargs)
