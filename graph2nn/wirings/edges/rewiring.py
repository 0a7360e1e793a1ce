"""`Rewiring`: when and how RigL and SET exchange edges at a constant budget."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from graph2nn.training.top_k import top_k
from graph2nn.wirings.edges.layers import WiredConv, wired_layers
from graph2nn.wirings.edges.wiring import Evolving

__all__ = ["Rewiring", "RewiringSchedule"]


@dataclass(frozen=True, kw_only=True)
class RewiringSchedule:
    """When edges are exchanged, and how many.

    The defaults are those of RigL for ResNet-50, arXiv:1911.11134, section 3 and 4.

    Args:
        total_steps: Number of optimiser steps of the whole training.
        interval: Number of steps between exchanges.
        fraction: Share of the edges that is exchanged at first.
        stop: Share of the training after which the wiring stays.
        decay: Whether the fraction falls to zero along half a cosine; SET, arXiv:1707.04780, keeps
            it.

    Raises:
        ValueError: A setting is out of range.

    Examples:
        >>> schedule = RewiringSchedule(total_steps=1000, interval=100)
        >>> schedule.due(100), schedule.due(150), round(schedule.fraction_at(375), 3)
        (True, False, 0.15)
    """

    total_steps: int
    interval: int = 100
    fraction: float = 0.3
    stop: float = 0.75
    decay: bool = True

    def __post_init__(self) -> None:
        for name in ("total_steps", "interval"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 < self.fraction < 1:
            raise ValueError(f"fraction: expected above 0 and below 1, got {self.fraction}")
        if not 0 < self.stop <= 1:
            raise ValueError(f"stop: expected above 0 and at most 1, got {self.stop}")

    @property
    def last(self) -> float:
        """Step from which on nothing is exchanged."""
        return self.stop * self.total_steps

    def due(self, step: int) -> bool:
        """Say whether edges are exchanged after that step, counted from 0."""
        return step > 0 and step % self.interval == 0 and step < self.last

    def fraction_at(self, step: int) -> float:
        """Return the share of the edges that is exchanged after that step."""
        if not self.decay:
            return self.fraction
        return self.fraction / 2 * (1 + math.cos(math.pi * min(1.0, step / self.last)))


class Rewiring:
    """The exchange of the weakest edges of every evolving layer, around the optimiser's steps.

    Layers of kind `rigl` grow the slots of largest gradient, which the backward pass of that step
    leaves behind at no cost; the new weights are zero. Layers of kind `set` grow random slots with
    weights as at initialisation. Momentum of exchanged slots is cleared. All state is in the
    layers' masks and in the step's number, so that a training resumed from a checkpoint exchanges
    the same edges.

    Args:
        model: Network with layers of kind `rigl` or `set`; others are left alone.
        schedule: Times and numbers of exchanges.
        seed: Seed of random growth.

    Examples:
        >>> model = StaticWiring("rigl")
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        >>> rewiring = Rewiring(model, RewiringSchedule(total_steps=4, interval=1))
        >>> for step in range(2):
        ...     rewiring.before_step(step)
        ...     model(torch.rand(2, 3, 32, 32)).sum().backward()
        ...     optimizer.step()
        ...     print(rewiring.after_step(step, optimizer) > 0)
        False
        True
    """

    def __init__(self, model: nn.Module, schedule: RewiringSchedule, *, seed: int = 0) -> None:
        found = dict(wired_layers(model))
        self.layers: dict[str, WiredConv] = {
            name: layer for name, layer in found.items() if isinstance(layer.wiring, Evolving)
        }
        self.schedule, self.seed = schedule, seed

    def before_step(self, step: int) -> None:
        """Ask for the gradient of all slots where an exchange follows.

        Args:
            step: Number of the optimiser's step that is about to begin, from 0.
        """
        for layer in self.layers.values():
            wiring = _evolving(layer)
            wiring.keeps_gradient = wiring.grow == "gradient" and self.schedule.due(step)
            wiring.gradient = None

    @torch.no_grad()
    def after_step(self, step: int, optimizer: torch.optim.Optimizer | None = None) -> int:
        """Exchange edges where it is time.

        Args:
            step: Number of the optimiser's step that has just been taken, from 0.
            optimizer: Optimiser whose momentum of exchanged slots is cleared.

        Returns:
            How many edges are new.

        Raises:
            ValueError: There is no gradient of all slots, as `before_step` was not called before
                the backward pass.
        """
        if not self.schedule.due(step):
            return 0
        changed = 0
        for index, (name, layer) in enumerate(self.layers.items()):
            generator = _generator(self.seed, step, index)
            fraction = self.schedule.fraction_at(step)
            new = _exchange(name, layer, fraction, generator, optimizer)
            changed += new
            _evolving(layer).keeps_gradient, _evolving(layer).gradient = False, None
        return changed


def _exchange(
    name: str,
    layer: WiredConv,
    fraction: float,
    generator: torch.Generator,
    optimizer: torch.optim.Optimizer | None,
) -> int:
    wiring = _evolving(layer)
    slots, weight = wiring.slots, layer.weight
    magnitude, before = slots.pack(weight).abs(), slots.pack(wiring.mask)
    number = int(fraction * wiring.keep)
    if number < 1:
        return 0
    kept = top_k(magnitude.masked_fill(~before, -1.0), wiring.keep - number)
    if wiring.grow == "gradient":
        if wiring.gradient is None:
            raise ValueError(
                f"{name}: no gradient to grow edges by; call before_step ahead of the backward pass"
            )
        score = slots.pack(wiring.gradient).abs()
    else:
        score = torch.rand(len(kept), generator=generator).to(magnitude.device)
        score = score - before.to(score.dtype)  # what was just dropped comes last
    grown = top_k(score.masked_fill(kept, -2.0), number)
    edges = slots.unpack(kept | grown)
    new, changed = edges & ~wiring.mask, edges ^ wiring.mask
    if wiring.grow == "gradient":
        weight[new] = 0
    else:
        drawn = torch.rand(int(new.sum()), generator=generator)
        bound = 1 / math.sqrt(weight[0].numel())
        weight[new] = ((2 * drawn - 1) * bound).to(weight)
    wiring.set_mask(edges)
    _clear(optimizer, weight, changed)
    return int(new.sum())


def _clear(optimizer: torch.optim.Optimizer | None, weight: Tensor, where: Tensor) -> None:
    if optimizer is not None:
        for value in optimizer.state.get(weight, {}).values():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                value[where] = 0


def _evolving(layer: WiredConv) -> Evolving:
    assert isinstance(layer.wiring, Evolving)
    return layer.wiring


def _generator(seed: int, step: int, index: int) -> torch.Generator:
    state = np.random.SeedSequence([seed, step, index]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]) >> 1)
