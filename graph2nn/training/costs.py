"""What does a network cost? Multiply-adds of what is executed, and parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["count_parameters", "multiply_adds"]


def multiply_adds(run: Callable[[], Any]) -> int:
    """Count the multiply-adds of convolutions and matrix products, attention included.

    A multiplication and its addition count as one, here and everywhere in this library, also where
    a name says FLOPs. Normalisation, pooling, activations and biases are left out, as is usual.
    What counts is executed: a dense product multiplies with masked weights, too.

    Args:
        run: Computation, such as a forward pass; on "meta" tensors nothing is computed.

    Examples:
        >>> multiply_adds(lambda: nn.Linear(3, 5)(torch.zeros(2, 3)))
        30
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() // 2  # torch counts two operations a multiply-add


def count_parameters(model: nn.Module) -> int:
    """Count the parameters of a network, those that several modules share once.

    Examples:
        >>> count_parameters(nn.Linear(3, 5))
        20
    """
    return sum(parameter.numel() for parameter in model.parameters())
