"""The training loop of neural predictors: settings, mini-batches, schedule, early stopping."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from graph2nn.names import check_choice
from graph2nn.training import OPTIMIZERS, SCHEDULES, Schedule, clip_gradients, make_optimizer
from graph2nn.training.optim import set_learning_rate
from predictors.neural.losses import find_loss
from predictors.targets import TargetTransform

__all__ = ["FitSettings", "LoopSettings", "member_seed", "train_module"]


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How the loop trains a module, whatever its loss.

    Args:
        epochs: Passes over the training networks.
        batch_size: Networks a step; at most all of them.
        lr: Base learning rate.
        weight_decay: Strength of weight decay, decoupled with adamw and soap.
        optimizer: One of adam, adamw, sgd and soap.
        schedule: Schedule of the learning rate, changed every step: cosine or none.
        warmup: Epochs in which the learning rate first rises linearly.
        drop_last: Whether the last batch of an epoch is left out where it is not full.
        clip: Largest norm of the gradient; 0 for none.
        patience: Epochs without a better validation loss before training stops.

    Raises:
        ValueError: A setting out of range.
    """

    epochs: int = 200
    batch_size: int = 16
    lr: float = 1e-3
    weight_decay: float = 1e-3
    optimizer: str = "adamw"
    schedule: str = "cosine"
    warmup: int = 0
    drop_last: bool = False
    clip: float = 0.0
    patience: int = 20

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("lr", "weight_decay", "clip", "warmup"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name}: expected a number from 0 up, got {getattr(self, name)}")
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            check_choice(name, getattr(self, name), known)


@dataclass(frozen=True, kw_only=True)
class FitSettings(LoopSettings):
    """How a predictor is trained: the loop, and what it learns.

    Args:
        loss: One of `predictors.neural.losses.LOSSES`.
        target: One of rank, standard and none, see `predictors.targets`.
        dropout: Probability of dropout, where the module has it.
        ensemble: Modules trained from different seeds; their spread is the standard deviation.
        validation: Share of the networks held out for early stopping; 0 trains all epochs.

    Raises:
        ValueError: A setting out of range.
    """

    loss: str = "mse"
    target: str = "rank"
    dropout: float = 0.1
    ensemble: int = 1
    validation: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ensemble < 1:
            raise ValueError(f"ensemble: expected at least 1, got {self.ensemble}")
        for name in ("dropout", "validation"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a share below 1, got {getattr(self, name)}")
        find_loss(self.loss)
        TargetTransform(self.target)


def member_seed(seed: int, member: int) -> int:
    """Compute the seed of one module of an ensemble, unrelated to those of its neighbours."""
    return int(np.random.SeedSequence([seed, member]).generate_state(1)[0])


def train_module(
    module: nn.Module,
    count: int,
    loss: Callable[[Tensor, torch.Generator], Tensor],
    settings: LoopSettings,
    *,
    seed: int,
    score: Callable[[], float] | None = None,
    further: Callable[[], None] | None = None,
    progress: bool | str = False,
) -> list[float]:
    """Train a module in place and leave it in evaluation mode.

    Args:
        module: Module that is trained; dropout draws from torch's global generator (`seeded`).
        count: Number of training networks.
        loss: Function that gives the loss (a scalar) of the networks of an index (B,), with a
            generator for augmentation.
        settings: See `LoopSettings`.
        seed: Seed of the order of networks and of the augmentation.
        score: Function that gives the validation loss; with it the best weights are kept and
            training stops early.
        further: Function that adds gradients of what else is learned, called after those of the
            loss.
        progress: Whether a bar is shown, under this name if a text.

    Returns:
        The mean training loss of each epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    size = min(settings.batch_size, count)
    steps = count // size if settings.drop_last else math.ceil(count / size)
    stepper, best = _Stepper(module, settings, steps), _Best(module, settings.patience)
    history: list[float] = []
    name = progress if isinstance(progress, str) else type(module).__name__
    for _ in tqdm(range(settings.epochs), desc=name, disable=not progress, leave=False):
        module.train()
        order = torch.randperm(count, generator=generator)
        values = []
        for step in range(steps):
            value = loss(order[step * size : (step + 1) * size], generator)
            stepper.step(value, further)
            values.append(value.detach())
        history.append(float(torch.stack(values).mean()))
        if score is not None and best.stop(score):
            break
    best.restore()
    module.eval()
    return history


class _Stepper:
    """Optimiser, schedule and clipping of one training."""

    def __init__(self, module: nn.Module, settings: LoopSettings, steps: int) -> None:
        self.parameters, self.clip, self.taken = list(module.parameters()), settings.clip, 0
        self.optimizer = make_optimizer(
            self.parameters,
            settings.optimizer,
            lr=settings.lr,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.offset = bool(settings.warmup)  # the first step of a ramp from 0 would do nothing
        self.schedule = Schedule(
            name=settings.schedule,
            epochs=settings.epochs,
            steps_per_epoch=steps,
            per_step=True,
            ramp=settings.warmup,
            ramp_start=0.0 if settings.warmup else 1.0,
        )

    def step(self, loss: Tensor, further: Callable[[], None] | None = None) -> None:
        set_learning_rate(self.optimizer, self.schedule(self.taken + self.offset))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if further is not None:
            further()
        if self.clip:
            clip_gradients(self.parameters, self.clip)
        self.optimizer.step()
        self.taken += 1


class _Best:
    """The weights of the lowest validation loss so far."""

    def __init__(self, module: nn.Module, patience: int) -> None:
        self.module, self.patience = module, patience
        self.value, self.since = math.inf, 0
        self.state: dict[str, Tensor] | None = None

    def stop(self, score: Callable[[], float]) -> bool:
        self.module.eval()
        value = score()
        self.since += 1
        if value < self.value:
            self.value, self.since = value, 0
            self.state = copy.deepcopy(self.module.state_dict())
        return self.since >= self.patience

    def restore(self) -> None:
        if self.state is not None:
            self.module.load_state_dict(self.state)
