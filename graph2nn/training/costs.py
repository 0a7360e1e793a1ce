"""What does a network cost? Multiply-adds of what is executed, parameters, and time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from graph2nn.archgraph.tracing.recorder import tensors_in
from graph2nn.archgraph.tracing.recording import call_arguments, default_input_size, to_meta
from graph2nn.training.probe import module_modes

__all__ = [
    "count_parameters",
    "latencies",
    "multiply_adds",
    "sample_multiply_adds",
    "seconds_when_warm",
]


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


def latencies(models: Sequence[nn.Module], inputs: Tensor, *, rounds: int = 15) -> np.ndarray:
    """Time forward passes in evaluation mode, every network once a round.

    A slow spell of the machine thus falls on one round of all networks instead of on all rounds of
    one, and ratios within a round mean something. The minimum over rounds is the estimate that
    other programs disturb least, the median says what to expect. Networks run where they and the
    inputs are, on as many threads as torch is set to.

    Args:
        models: The networks, which are left in the modes that they were in.
        inputs: What they are given, such as one batch of images.
        rounds: Number of measurements of each network, each after one pass to warm up.

    Returns:
        Milliseconds of one forward pass of all inputs.

    Shapes:
        inputs as the networks take them; (rounds, N) float64.

    Raises:
        ValueError: No network, something that is none, or fewer than one round.

    Examples:
        >>> small, large = nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 4096), nn.Linear(4096, 8))
        >>> times = latencies([small, large], torch.rand(64, 8))
        >>> fast, slow = times.min(0)
        >>> bool(fast < slow)
        True
    """
    if not models or rounds < 1:
        raise ValueError(
            f"latencies: expected at least one network and one round, got {len(models)} and "
            f"{rounds}"
        )
    others = [type(model).__name__ for model in models if not isinstance(model, nn.Module)]
    if others:
        raise ValueError(
            f"latencies: expected networks (torch.nn.Module), got {others[0]}; of a dictionary "
            "pass list(models.values())"
        )
    times = np.empty((rounds, len(models)))
    with module_modes(nn.ModuleList(models)), torch.inference_mode():
        for model in models:
            model.eval()
        for turn in range(rounds):
            for place, model in enumerate(models):
                times[turn, place] = 1000 * seconds_when_warm(partial(model, inputs))
    return times


def seconds_when_warm(run: Callable[[], Any]) -> float:
    """Run something once to warm up, then once more, and return the seconds of the second time.

    Args:
        run: Computation; where its result is on a GPU, both runs are waited for.
    """
    _wait_for(run())
    start = time.perf_counter()
    _wait_for(run())
    return time.perf_counter() - start


def _wait_for(result: Any) -> None:
    for device in {tensor.device for tensor in tensors_in(result) if tensor.is_cuda}:
        torch.cuda.synchronize(device)
