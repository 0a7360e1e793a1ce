"""How do weights outside a mask stay zero while the others are trained?"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

__all__ = ["MaskedGradients", "hold_at_zero", "mask_gradient", "zero_outside"]


_BITS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}
"""Whole numbers as wide as a floating-point type."""


def zero_outside(values: Tensor, mask: Tensor) -> Tensor:
    """Return the values where the mask is true, zero elsewhere, even where they are not finite.

    Shapes:
        values (out, in, ...), mask the same or with ones for further axes, bool → as values.
    """
    bits = _BITS.get(values.dtype)
    if bits is None or values.requires_grad:  # second derivatives do not pass through bits
        return torch.where(mask, values, 0)
    # All bits or none: several times as fast on a CPU as a product, which lets NaN through, and
    # forty times as fast as `where` and `masked_fill` on a random mask.
    return (values.view(bits) & -mask.view(torch.int8)).view(values.dtype)


def mask_gradient(weight: Tensor, mask: Tensor) -> Tensor:
    """Return the weight itself, whose gradient will be zero outside the mask.

    For layers that know their mask; `hold_at_zero` is for parameters of any layer.

    Shapes:
        weight (out, in, ...), mask (out, in, ...) with ones for further axes → as weight.
    """
    if not torch.is_grad_enabled():
        return weight
    return _MaskGradient.apply(weight, mask)


class _MaskGradient(torch.autograd.Function):
    """The identity, with the gradient masked."""

    generate_vmap_rule = True

    @staticmethod
    def forward(weight: Tensor, mask: Tensor) -> Tensor:
        return weight.view_as(weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return zero_outside(grad, mask), None


class MaskedGradients(ExitStack):
    """What `hold_at_zero` returns: a handle, and a context that removes its hooks at the end."""

    def remove(self) -> None:
        """Make gradients whole again; the weights are not touched."""
        self.close()


def hold_at_zero(masks: Iterable[tuple[nn.Parameter, Tensor]]) -> MaskedGradients:
    """Keep the masked entries of parameters at zero in any training by gradients.

    A hook on each parameter sets the gradient of what is masked to zero, also where it is not
    finite. An entry that begins at zero then stays exactly zero under momentum and weight decay;
    what an optimiser remembers from before (momentum, averages) is undone after each of its steps.
    The hooks follow the parameters to any device and survive `load_state_dict`.

    Args:
        masks: Parameters, each with what is kept of it.

    Shapes:
        each mask as its parameter, bool.
    """
    handle = MaskedGradients()
    held = [(weight, _Kept(mask)) for weight, mask in masks]
    for weight, kept in held:
        if weight.requires_grad:
            handle.callback(weight.register_hook(kept.of).remove)
    after = register_optimizer_step_post_hook(_Rezero(held))
    handle.callback(after.remove)
    if held:
        # who drops the network without the handle drops the hook
        weakref.finalize(held[0][0], after.remove).atexit = False
    return handle


class _Kept:
    """A mask, with a copy for every device seen."""

    def __init__(self, mask: Tensor) -> None:
        self.masks = {mask.device: mask}

    def of(self, values: Tensor) -> Tensor:
        """What is kept of a gradient or a weight, of any shape."""
        mask = self.masks.get(values.device)
        if mask is None:
            mask = next(iter(self.masks.values())).to(values.device)
            self.masks[values.device] = mask
        return zero_outside(values, mask)


class _Rezero:
    """Sets masked entries of the parameters that an optimiser has just moved back to zero."""

    def __init__(self, held: Iterable[tuple[nn.Parameter, _Kept]]) -> None:
        self.held = [(weakref.ref(weight), kept) for weight, kept in held]

    @torch.no_grad()
    def __call__(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        moved = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
        for reference, kept in self.held:
            weight = reference()
            if weight is not None and id(weight) in moved:
                weight.copy_(kept.of(weight))
