"""`Observer`: what the training of one network needs besides gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["Observer"]


class Observer:
    """Methods called around the steps and after the epochs of one network of `train_networks`.

    For whatever changes a network outside its optimiser (exchanged edges, a pruning schedule) or
    follows it (measures that belong into its records). Every method may be left as it is here,
    where it does nothing. What a resumed run needs goes into `state_dict`, which is part of each
    checkpoint; random numbers must come from generators of one's own, seeded by the step, so that a
    resumed run draws the same.

    Examples:
        >>> from graph2nn.vision import load_images
        >>> class Biggest(Observer):
        ...     def __init__(self, network):
        ...         self.network = network
        ...     def after_epoch(self, epoch):
        ...         return {"biggest": max(p.abs().max().item() for p in self.network.parameters())}
        >>> train, test = (load_images("digits", split=name) for name in ("trainval", "test"))
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 10))
        >>> rows = train_networks({"net": net}, train, test, Recipe(epochs=1), seed=0,
        ...                       observers={"net": Biggest(net)}, progress=False)
        >>> rows[-1]["biggest"] > 0
        True
    """

    def settings(self) -> Mapping[str, Any]:
        """Return JSON-able settings that a resumed run must share; they are stored with the run."""
        return {}

    def before_step(self, step: int) -> None:
        """Act before the forward pass of the optimiser's step `step`, from 0 over all epochs."""

    def after_step(self, step: int, optimizer: torch.optim.Optimizer) -> None:
        """Act after the weights have changed."""

    def after_epoch(self, epoch: int) -> Mapping[str, float | int | str | None]:
        """Act after an epoch has been tested (0 is before training), in evaluation mode.

        Called again, with the same network, where a run is resumed from before the end of an
        epoch. Not called for networks that were left behind.

        Returns:
            Entries to add to the network's record.
        """
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` goes on from; see `save_checkpoint` for its types."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
