"""A running average of a hypernetwork's weights, which is often better than the last ones."""

from __future__ import annotations

import copy

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ghn.model import GHN

__all__ = ["RunningAverage"]


class RunningAverage:
    """Exponential moving average of all weights, updated after every step (arXiv:1803.05407).

    Its decay rises with the number of steps, (1 + n) / (10 + n), up to the one that is set, so that
    the first weights, which know nothing, do not weigh on a short run.

    Args:
        ghn: The hypernetwork in training; it stays as it is.
        decay: Largest share of the old average that a step keeps, below 1.

    Attributes:
        ghn: The hypernetwork with averaged weights, in evaluation mode.
        steps: Number of updates.

    Examples:
        >>> ghn = GHN(hid=16, max_shape=(16, 16, 3, 3))
        >>> average = RunningAverage(ghn, 0.99)
        >>> average.update(ghn)
        >>> average.steps
        1
    """

    def __init__(self, ghn: GHN, decay: float) -> None:
        self.ghn = copy.deepcopy(ghn).eval()
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, ghn: GHN) -> None:
        """Take in the weights after a step."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        averages = [p.detach() for p in self.ghn.parameters()]
        blend = get_ema_multi_avg_fn(decay)
        blend(averages, [p.detach() for p in ghn.parameters()], self.steps)
        self.steps += 1
