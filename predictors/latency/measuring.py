"""How long does a network take on this machine, and where does the time go?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.archgraph.tracing.caller.finding import tensors_in
from graph2nn.archgraph.tracing.caller.inputs import call_arguments, default_input_size
from graph2nn.archgraph.tracing.recorder import function_name
from graph2nn.names import check_choice
from graph2nn.training.costs import wait_for
from graph2nn.training.probe import module_modes

__all__ = ["CLOCKS", "SECONDS", "Latency", "measure", "profile"]

SECONDS = "seconds"
"""Column of a graph that holds the time of each node's operation."""

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.thread_time}
"""Clocks: what a watch shows, or how long this thread has had a processor to itself, which other
programs hardly disturb; that is the same on a quiet machine, with one thread and no GPU."""

_FEWEST = 5  # rounds, however long they take


@dataclass(frozen=True)
class Latency:
    """Latency of a network, as measured: the times of single forward passes.

    Args:
        seconds: Time of each round.

    Shapes:
        seconds (rounds,).
    """

    seconds: np.ndarray

    @property
    def median(self) -> float:
        """Median over rounds, in seconds: what to expect."""
        return float(np.median(self.seconds))

    @property
    def least(self) -> float:
        """Least over rounds, in seconds: what other programs disturb least."""
        return float(self.seconds.min())

    @property
    def spread(self) -> float:
        """Distance between the quartiles as a share of the median."""
        low, high = np.quantile(self.seconds, [0.25, 0.75])
        return float(high - low) / self.median

    def __str__(self) -> str:
        return (
            f"{1000 * self.median:.3g} ms (± {100 * self.spread / 2:.1f} %, least "
            f"{1000 * self.least:.3g} ms, {len(self.seconds)} rounds)"
        )


def measure(
    model: nn.Module,
    input: Any = None,
    *,
    rounds: int = 30,
    warmup: int = 3,
    threads: int | None = 1,
    clock: str = "wall",
    at_most: float | None = None,
) -> Latency:
    """Time forward passes of a network in evaluation mode, without gradients.

    The network, its modes and torch's number of threads are left as they were. It runs where it and
    its input are; work on a GPU is waited for.

    Args:
        model: Any network.
        input: Input: a tensor, a tuple of positional arguments or a dict of keyword arguments; by
            default one image.
        rounds: Number of passes that are timed.
        warmup: Number of passes before them.
        threads: Number of threads; None for what torch is set to. What one thread takes repeats
            best.
        clock: One of `CLOCKS`.
        at_most: Number of seconds after which no further pass is begun, once there are five of each
            kind; None for all.

    Raises:
        ValueError: Something that is no network, or fewer than one round.

    Examples:
        >>> found = measure(nn.Linear(64, 64), torch.rand(8, 64), rounds=10)
        >>> found.seconds.shape, 0 < found.least <= found.median < 1
        ((10,), True)
    """
    _check(rounds, warmup, clock)
    with _ready(model, input, threads) as run:
        for _ in _rounds(warmup, at_most and at_most / 4):
            run()
        return Latency(np.array([_timed(run, CLOCKS[clock]) for _ in _rounds(rounds, at_most)]))


def profile(
    model: nn.Module,
    input: Any = None,
    *,
    rounds: int = 10,
    warmup: int = 2,
    threads: int | None = 1,
    clock: str = "wall",
    at_most: float | None = None,
) -> ArchGraph:
    """Trace a network with measures, and with the time of each operation in the column `seconds`.

    Operations are timed one by one while the network runs, medians over rounds. Their sum is less
    than the time of the whole by what Python takes between them. Operations that the run does not
    share with the record have NaN.

    Args:
        model, input, warmup, threads, clock, at_most: Arguments of `measure`.
        rounds: Number of passes that are timed.

    Raises:
        ValueError: As `measure` and `trace`.

    Examples:
        >>> graph = profile(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), torch.rand(2, 8), rounds=3)
        >>> graph.op_names(), bool((graph.numbers("seconds")[[1, 3]] > 0).all())
        (['input', 'linear', 'bias', 'relu'], True)
    """
    _check(rounds, warmup, clock)
    graph = trace(model, input, measures=True, training=False)
    with _ready(model, input, threads) as run:
        for _ in _rounds(warmup, at_most and at_most / 4):
            run()
        found = [_clocked(run, CLOCKS[clock]) for _ in _rounds(rounds, at_most)]
    names = [(call.name, call.shape) for call in found[0]]
    alike = [calls for calls in found if [(c.name, c.shape) for c in calls] == names]
    medians = np.median([[call.seconds for call in calls] for calls in alike], axis=0)
    times = _at_nodes(graph, found[0], medians)
    return graph.replace(columns={**graph.columns, SECONDS: times})


def _check(rounds: int, warmup: int, clock: str) -> None:
    if rounds < 1 or warmup < 0:
        raise ValueError(f"rounds, warmup: expected at least 1 and 0, got {rounds} and {warmup}")
    check_choice("clock", clock, CLOCKS)


@contextmanager
def _ready(model: nn.Module, input: Any, threads: int | None) -> Iterator[Callable[[], Any]]:
    """A function that runs the network once; everything is put back at the end."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"expected a network (torch.nn.Module), got {type(model).__name__}")
    if input is None:
        parameter = next(model.parameters(), torch.empty(0))
        input = parameter.new_zeros((1, *default_input_size(model))).uniform_(
            generator=torch.Generator(parameter.device).manual_seed(0)
        )
    args, kwargs = call_arguments(input, model.forward)
    before = torch.get_num_threads()
    with module_modes(model), torch.inference_mode():
        model.eval()
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            yield lambda: wait_for(model(*args, **kwargs))
        finally:
            torch.set_num_threads(before)


def _rounds(count: int, at_most: float | None) -> Iterator[int]:
    begin = time.perf_counter()
    for k in range(count):
        if at_most is not None and k >= _FEWEST and time.perf_counter() - begin > at_most:
            return
        yield k


def _timed(run: Callable[[], Any], now: Callable[[], float]) -> float:
    begin = now()
    run()
    return now() - begin


@dataclass(frozen=True)
class _Call:
    """One function call: its name, the shape of its first output, its time."""

    name: str
    shape: tuple[int, ...]
    seconds: float


class _Clock(TorchFunctionMode):
    """A mode that times every call of a function of torch that returns tensors."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self.now = now
        self.calls: list[_Call] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        begin = self.now()
        out = func(*args, **(kwargs or {}))
        if torch.cuda.is_initialized():
            wait_for(out)
        taken = self.now() - begin
        made = [out] if isinstance(out, Tensor) else tensors_in(out)
        if made:
            self.calls.append(_Call(_name(func), tuple(made[0].shape), taken))
        return out


def _clocked(run: Callable[[], Any], now: Callable[[], float]) -> list[_Call]:
    clock = _Clock(now)
    with clock:
        run()
    return clock.calls


def _name(func: Any) -> str:
    """The name that the recorder gives a function."""
    raw = (getattr(func, "__name__", "") or str(func)).partition(".")[0]
    if raw in ("__get__", "__set__"):
        return getattr(getattr(func, "__self__", None), "__name__", raw)
    return function_name(raw)


def _at_nodes(graph: ArchGraph, calls: list[_Call], seconds: np.ndarray) -> np.ndarray:
    """Times of nodes, (N,): calls in their order, each at the next node of its name and shape.

    Calls that are no nodes (constants) count at the node that follows.
    """
    times = np.full(graph.num_nodes, np.nan)
    shapes = graph.columns["output_shape"]
    names = graph.op_names()
    runs = graph.numbers("activation_bytes") > 0  # else a parameter's own node
    waiting = [k for k in np.flatnonzero(runs).tolist() if names[k] not in ("input", "output")]
    place, pending = 0, 0.0
    for call, taken in zip(calls, seconds.tolist()):
        for ahead, node in enumerate(waiting[place : place + _AHEAD]):
            if names[node] == call.name and tuple(shapes[node]) == call.shape:
                times[node] = taken + pending
                place, pending = place + ahead + 1, 0.0
                break
        else:
            pending += taken
    return times


_AHEAD = 4  # nodes that a run may have left out
