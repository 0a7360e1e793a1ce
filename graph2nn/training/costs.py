"""What does a network cost? Multiply-adds of a sample, parameters, and time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.archgraph.measures.measuring import measured
from graph2nn.archgraph.tracing.caller.finding import tensors_in
from graph2nn.training.probe import module_modes

__all__ = [
    "count_parameters",
    "latencies",
    "sample_multiply_adds",
    "seconds_when_warm",
    "wait_for",
]


def sample_multiply_adds(model: nn.Module, input: Any = None) -> int:
    """Count the multiply-adds of one sample's forward pass in eval mode.

    Nothing is computed, unless the model needs values (`graph2nn.archgraph.trace`).

    Args:
        model: Any network, on any device; it is left as it was.
        input: Example input as `graph2nn.archgraph.trace` takes it, whose first axis counts the
            samples.

    Raises:
        ValueError: The model cannot run on the input.

    Examples:
        >>> sample_multiply_adds(nn.Linear(3, 5), torch.zeros(7, 3))
        15
    """
    graph = measured(model, input)
    samples = graph.columns["output_shape"][0][0]  # of the first input, which is the first node
    return int(graph.numbers("multiply_adds").sum()) // samples


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
    wait_for(run())
    start = time.perf_counter()
    wait_for(run())
    return time.perf_counter() - start


def wait_for(result: Any) -> None:
    """Wait until tensors on GPUs are there, of any shape, nested in containers or not."""
    for device in {tensor.device for tensor in tensors_in(result) if tensor.is_cuda}:
        torch.cuda.synchronize(device)
