"""What does a network cost? Multiply-adds of what is executed, and parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from graph2nn.archgraph.tracing.recorder import tensors_in
from graph2nn.archgraph.tracing.recording import call_arguments, default_input_size, to_meta
from graph2nn.training.probe import module_modes

__all__ = ["count_parameters", "multiply_adds", "sample_multiply_adds"]


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


def sample_multiply_adds(model: nn.Module, input: Any = None) -> int:
    """Count the multiply-adds of one sample's forward pass in eval mode; nothing is computed.

    Args:
        model: Any network, on any device; it is left as it was.
        input: Example input as `graph2nn.archgraph.trace` takes it, whose first axis counts the
            samples.

    Raises:
        RuntimeError: The model cannot run on tensors without values.

    Examples:
        >>> sample_multiply_adds(nn.Linear(3, 5), torch.zeros(7, 3))
        15
    """
    if input is None:
        input = torch.empty((2, *default_input_size(model)))
    args, kwargs = call_arguments(to_meta(input))
    state = to_meta({**dict(model.named_parameters()), **dict(model.named_buffers())})
    samples = len(next(iter(tensors_in((args, kwargs)))))
    fused = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # its one operation would count as none
        with module_modes(model), torch.device("meta"):
            model.eval()
            total = multiply_adds(lambda: functional_call(model, state, args, kwargs))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return total // samples


def count_parameters(model: nn.Module) -> int:
    """Count the parameters of a network, those that several modules share once.

    Examples:
        >>> count_parameters(nn.Linear(3, 5))
        20
    """
    return sum(parameter.numel() for parameter in model.parameters())
