"""What does a network cost? Multiply-adds, and time of inference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from graph2nn.deepnets.graphs.config import NetConfig
from graph2nn.deepnets.networks.network import Network
from graph2nn.runs.jobs import one_thread
from graph2nn.runs.seeds import seeded
from graph2nn.training.costs import multiply_adds, seconds_when_warm

__all__ = ["count_flops", "inference_times"]


def count_flops(config: NetConfig) -> int:
    """Count the multiply-adds of one image's forward pass, see `multiply_adds`.

    Nothing is computed: tensors are on "meta".
    """
    network = Network(config, device="meta").eval()
    batch = 2  # normalisation by batch statistics needs more than one value a channel
    images = torch.empty(
        batch, config.in_channels, config.image_size, config.image_size, device="meta"
    )
    return multiply_adds(lambda: network(images)) // batch


def inference_times(
    configs: Sequence[NetConfig], *, batch: int, rounds: int, progress: bool = True
) -> np.ndarray:
    """Time the forward pass on one CPU thread, every network once a round.

    The times are milliseconds an image. A slow spell of the machine thus falls on one round of many
    networks instead of on all rounds of one. The minimum over rounds is the estimate that other
    programs disturb least.

    Args:
        configs: The networks; weights do not matter and are random.
        batch: Number of images a forward pass.
        rounds: Number of measurements of each network, each after one pass to warm up.
        progress: Whether to show a bar.

    Shapes:
        (rounds, N) float64.
    """
    times = np.empty((rounds, len(configs)))
    with (
        one_thread(),
        torch.inference_mode(),
        tqdm(total=times.size, desc="inference", unit="pass", disable=not progress) as bar,
    ):
        for turn in range(rounds):
            for place, config in enumerate(configs):
                times[turn, place] = _forward_seconds(config, batch) * 1000 / batch
                bar.update()
    return times


def _forward_seconds(config: NetConfig, batch: int) -> float:
    shape = (batch, config.in_channels, config.image_size, config.image_size)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with seeded(0):
        network = Network(config).eval()
    return seconds_when_warm(lambda: network(images))
