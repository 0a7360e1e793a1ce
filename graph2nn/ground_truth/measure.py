"""What does a network cost? Multiply-adds, and time of inference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from graph2nn.archgraph.measures.counting import multiply_adds
from graph2nn.deepnets import NetConfig
from graph2nn.families import Net, build_blueprint, build_network
from graph2nn.runs.jobs import one_thread
from graph2nn.runs.seeds import seeded
from graph2nn.training.costs import seconds_when_warm
from graph2nn.vision import ImageSettings

__all__ = ["count_flops", "inference_times"]


def count_flops(net: Net, images: ImageSettings | None = None) -> int:
    """Count the multiply-adds of one image's forward pass, see `multiply_adds`.

    Nothing is computed: tensors are on "meta". What is masked counts, as it is computed.

    Args:
        net: The network.
        images: What it takes; None for what the configuration of a DeepNets-1M network says.
    """
    network = build_blueprint(net, "meta").eval()
    batch = torch.empty(_shape(net, images, 2), device="meta")  # of more than one value a channel
    return multiply_adds(lambda: network(batch)) // len(batch)


def inference_times(
    nets: Sequence[Net],
    images: ImageSettings | None = None,
    *,
    batch: int,
    rounds: int,
    progress: bool = True,
) -> np.ndarray:
    """Time the forward pass on one CPU thread, every network once a round.

    The times are milliseconds an image. A slow spell of the machine thus falls on one round of many
    networks instead of on all rounds of one. The minimum over rounds is the estimate that other
    programs disturb least.

    Args:
        nets: The networks; weights do not matter and are random.
        images: What they take; None for what configurations of DeepNets-1M networks say.
        batch: Number of images a forward pass.
        rounds: Number of measurements of each network, each after one pass to warm up.
        progress: Whether to show a bar.

    Shapes:
        (rounds, N) float64.
    """
    times = np.empty((rounds, len(nets)))
    with (
        one_thread(),
        torch.inference_mode(),
        tqdm(total=times.size, desc="inference", unit="pass", disable=not progress) as bar,
    ):
        for turn in range(rounds):
            for place, net in enumerate(nets):
                shape = _shape(net, images, batch)
                times[turn, place] = _forward_seconds(net, shape) * 1000 / batch
                bar.update()
    return times


def _shape(net: Net, images: ImageSettings | None, batch: int) -> tuple[int, int, int, int]:
    if images is not None:
        return batch, images.channels, images.side, images.side
    if not isinstance(net, NetConfig):
        raise ValueError(
            f"images: expected what {type(net).__name__} takes, got None, which only "
            "networks of DeepNets-1M tell; pass the ImageSettings"
        )
    return batch, net.in_channels, net.image_size, net.image_size


def _forward_seconds(net: Net, shape: tuple[int, ...]) -> float:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with seeded(0):
        network = build_network(net).eval()
    return seconds_when_warm(lambda: network(images))
