"""How many multiply-adds does a computation take? One count, whatever device runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from graph2nn.archgraph.measures.kernels import KernelCounter
from graph2nn.archgraph.measures.meter import work_of
from graph2nn.archgraph.tracing.caller.finding import tensors_in

__all__ = ["multiply_adds"]


class _Counter(TorchFunctionMode):
    """Adds up the work of calls; of functions that it does not know, that of their kernels."""

    def __init__(self, kernels: KernelCounter) -> None:
        super().__init__()
        self.kernels, self.total = kernels, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.total += self.kernels.take()[0]  # of kernels that code outside of torch has called
        out = func(*args, **(kwargs or {}))
        name = (getattr(func, "__name__", "") or "").strip("_")
        first = out if isinstance(out, Tensor) else next(iter(tensors_in(out)), None)
        self.total += work_of(name, args, kwargs or {}, first, self.kernels)[0]
        return out


def multiply_adds(run: Callable[[], Any]) -> int:
    """Count the multiply-adds of convolutions and matrix products, attention included.

    A multiplication and its addition count as one, here and everywhere in this library, also where
    a name says FLOPs. Normalisation, pooling, activations and biases are left out, as is usual.
    What counts is executed: a dense product multiplies with masked weights, and attention scores
    the keys that a mask hides. The count is that of the functions called, so it is the same on
    every device and with every implementation of attention.

    Args:
        run: Computation, such as a forward pass; on "meta" tensors nothing is computed.

    Examples:
        >>> from torch import nn
        >>> multiply_adds(lambda: nn.Linear(3, 5)(torch.zeros(2, 3)))
        30
    """
    kernels = KernelCounter()
    with torch.no_grad(), kernels, _Counter(kernels) as counter:
        run()
    return counter.total + kernels.take()[0]
