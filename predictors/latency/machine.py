"""How fast is this machine? The shipped list of small networks is timed, a predictor learns it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from graph2nn.archgraph import ArchGraph
from predictors.latency.measuring import Latency, measure, profile
from predictors.latency.networks import COUNT, build_small, small_networks
from predictors.latency.predictor import LatencyPredictor

__all__ = ["MachineTimes", "learn_machine", "time_networks"]

_ROUNDS, _AT_MOST = (15, 8), (0.5, 0.3)  # of whole networks, and of operations
_FEWEST = 10  # networks


@dataclass(frozen=True)
class MachineTimes:
    """Networks with the times that they took.

    Args:
        graphs: Graphs with measures and a column `seconds`.
        latencies: Times of each network as a whole.
    """

    graphs: list[ArchGraph]
    latencies: list[Latency]

    @property
    def seconds(self) -> np.ndarray:
        """Median of each network, (N,)."""
        return np.array([latency.median for latency in self.latencies])


def time_networks(
    networks: Iterable[Callable[[], tuple[nn.Module, Any]]],
    *,
    threads: int | None = 1,
    clock: str = "wall",
    device: str | torch.device = "cpu",
    minutes: float | None = None,
    progress: bool = True,
) -> MachineTimes:
    """Time networks and their operations, one network after the other.

    Args:
        networks: Functions that build a network and its input; one network is held at a time.
        threads, clock: Arguments of `measure`.
        device: Device that they run on.
        minutes: Time after which no further network is begun; None for all.
        progress: Whether to show a bar.

    Raises:
        ValueError: As `measure` and `profile`.

    Examples:
        >>> nets = [lambda k=k: (nn.Linear(8, 8 * k), torch.rand(2, 8)) for k in (1, 2, 3)]
        >>> time_networks(nets, progress=False).seconds.shape
        (3,)
    """
    how: dict[str, Any] = {"threads": threads, "clock": clock}
    found = MachineTimes([], [])
    begin = time.perf_counter()
    for build in tqdm(networks, unit="network", disable=not progress):
        if minutes is not None and time.perf_counter() - begin > 60 * minutes:
            break
        model, images = build()
        model, images = model.to(device), images.to(device)
        found.latencies.append(
            measure(model, images, rounds=_ROUNDS[0], at_most=_AT_MOST[0], **how)
        )
        found.graphs.append(
            profile(model, images, rounds=_ROUNDS[1], warmup=1, at_most=_AT_MOST[1], **how)
        )
    return found


def learn_machine(
    *,
    count: int = COUNT,
    threads: int | None = 1,
    clock: str | None = None,
    device: str | torch.device = "cpu",
    minutes: float | None = 10.0,
    seed: int = 0,
    progress: bool = True,
) -> LatencyPredictor:
    """Time the shipped list of small networks, and learn to predict the latency of any network.

    Args:
        count: Number of networks of the list.
        threads: Number of threads, as `measure`; those of the predictions.
        clock: One of `CLOCKS`; None takes `cpu` for one thread of a CPU, which other programs
            hardly disturb, and `wall` else.
        device: Device that they run on; those of the predictions.
        minutes: Time after which no further network is timed; None for all of the list.
        seed: Seed of the predictor.
        progress: Whether to show a bar.

    Raises:
        ValueError: Fewer than ten networks, too little time for them, or no such device.
    """
    if count < _FEWEST:
        raise ValueError(f"count: expected at least {_FEWEST} networks, got {count}")
    kind = torch.device(device).type
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device: {device} is not available on this machine; use 'cpu'")
    alone = threads == 1 and kind == "cpu"
    found = time_networks(
        (lambda one=one: build_small(one) for one in small_networks(count)),  # type: ignore[misc]
        threads=threads,
        clock=clock or ("cpu" if alone else "wall"),
        device=device,
        minutes=minutes,
        progress=progress,
    )
    if len(found.graphs) < _FEWEST:
        raise ValueError(
            f"minutes: {len(found.graphs)} networks were timed in {minutes:g} minutes, and at "
            f"least {_FEWEST} are needed; allow more time"
        )
    return LatencyPredictor(seed=seed).fit(found.graphs, found.seconds)  # type: ignore[return-value]
