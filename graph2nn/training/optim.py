"""Optimisers and learning-rate schedules, the latter as pure functions of the step."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from graph2nn.names import choose

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Schedule",
    "clip_gradients",
    "cosine_factor",
    "cosine_warmup_factor",
    "exponential_factor",
    "linear_warmup_factor",
    "make_optimizer",
    "make_schedule",
    "set_learning_rate",
    "step_factor",
]

OPTIMIZERS = ("adam", "adamw", "sgd", "soap")
SCHEDULES = ("none", "step", "cosine", "cosine-warmup", "exponential")


def make_optimizer(
    parameters: Iterable[nn.Parameter] | Iterable[dict],
    name: str,
    *,
    lr: float,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
    nesterov: bool = False,
    fused: bool = False,
) -> torch.optim.Optimizer:
    """Make an optimiser: Adam or SGD with L2 regularisation, or AdamW or SOAP.

    The decay of AdamW and SOAP is decoupled (arXiv:1711.05101). SOAP is Adam in the eigenbases of
    each matrix's gradients (arXiv:2409.11321), as `pytorch_optimizer` has it, with its defaults but
    on sides of at most 2048; its first step only measures the gradient.

    Args:
        parameters: Parameters or groups, as for `torch.optim`.
        name: Name of the optimiser: adam, adamw, sgd or soap.
        lr: Base learning rate, remembered as `initial_lr` of each group.
        weight_decay: Strength of weight decay.
        momentum: Momentum of SGD.
        nesterov: Whether SGD has Nesterov's momentum; no effect where the momentum is zero.
        fused: Whether one kernel updates everything (CPU and CUDA): faster, equal within rounding;
            no effect on SOAP.

    Raises:
        ValueError: Unknown name, or a negative or non-finite setting.
    """
    for what, value in (("lr", lr), ("weight_decay", weight_decay), ("momentum", momentum)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{what} must be a number from 0 up, got {value}")
    choose("optimiser", name, OPTIMIZERS)
    how: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay, "fused": fused or None}
    if name == "adam":
        optimizer: torch.optim.Optimizer = torch.optim.Adam(parameters, **how)
    elif name == "adamw":
        optimizer = torch.optim.AdamW(parameters, **how)
    elif name == "soap":
        from pytorch_optimizer import SOAP  # slow to import, and few runs want it

        # a basis of a side of 4096 takes seconds to turn
        optimizer = SOAP(parameters, lr=lr, weight_decay=weight_decay, max_precondition_dim=2048)
    else:
        nesterov = nesterov and momentum > 0
        optimizer = torch.optim.SGD(parameters, momentum=momentum, nesterov=nesterov, **how)
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    return optimizer


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> float:
    """Set each group's rate to `factor` times its base rate and return the first group's."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
    return float(optimizer.param_groups[0]["lr"])


def clip_gradients(parameters: Iterable[Tensor], max_norm: float | None) -> Tensor:
    """Scale gradients so that their joint 2-norm is at most `max_norm` (None or 0: never).

    Parameters may be of any shape.

    Returns:
        The norm before clipping, a scalar tensor; check it with `isfinite` before stepping.
    """
    with_grad = [p for p in parameters if p.grad is not None]
    grads = [p.grad for p in with_grad if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(grads)
    if max_norm:
        torch.nn.utils.clip_grads_with_norm_(with_grad, max_norm, norm)
    return norm


def step_factor(at: float, milestones: Sequence[int], gamma: float) -> float:
    """Compute `gamma` to the number of milestones reached."""
    return gamma ** sum(at >= milestone for milestone in milestones)


def cosine_factor(at: float, total: float) -> float:
    """Compute ½ (1 + cos(π e / E)), from 1 to 0 (arXiv:1608.03983 without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * min(at, total) / total))


def cosine_warmup_factor(at: float, total: float, warmup: int = 5, start: float = 0.0) -> float:
    """Rise linearly from `start` to 1 over `warmup` steps, then fall by half a cosine to 0.

    With W = warmup and E = total: for e < W - 1 the e-th of W values evenly spaced from `start` to
    1, after that max(0, ½ (1 + cos(π (e - W) / (E - W)))). Parity with the official code of GHN-3
    (arXiv:2303.04143), where the cosine takes over at e = W - 1, one step before its peak.
    """
    if at < warmup - 1:
        return start + (1 - start) * at / (warmup - 1)
    progress = min(1.0, (at - warmup) / max(1, total - warmup))
    return max(0.0, 0.5 * (1 + math.cos(math.pi * progress)))


def exponential_factor(at: float, gamma: float = 0.97) -> float:
    """Compute `gamma` to the power of the number of epochs."""
    return gamma**at


def linear_warmup_factor(at: float, warmup: float, start: float = 0.1) -> float:
    """Rise linearly from `start` to 1 over `warmup` epochs, then stay (arXiv:1706.02677)."""
    return 1.0 if at >= warmup else start + (1 - start) * at / warmup


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Learning-rate factor of every step; calling it with a step number has no side effect.

    Args:
        name: Name of the schedule: none, step, cosine, cosine-warmup or exponential.
        epochs: Length of the training in epochs.
        steps_per_epoch: Number of optimiser steps an epoch; 1 makes the argument of a call the
            epoch.
        per_step: Whether the factor changes every step, smoothly; else only between epochs.
        milestones: Epochs at which a step schedule changes.
        gamma: Factor at a milestone, or of each epoch when exponential.
        warmup: Number of epochs of warm-up in cosine-warmup.
        start: Factor that the warm-up of cosine-warmup begins with.
        ramp: Number of epochs of linear warm-up that multiplies any schedule; 0 for none.
        ramp_start: Factor that it begins with.
    """

    name: str = "none"
    epochs: int = 1
    steps_per_epoch: int = 1
    per_step: bool = False
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    warmup: int = 5
    start: float = 0.0
    ramp: int = 0
    ramp_start: float = 0.1

    def __post_init__(self) -> None:
        choose("schedule", self.name, SCHEDULES)
        if self.epochs < 1 or self.steps_per_epoch < 1:
            raise ValueError(
                f"a schedule needs epochs and steps_per_epoch of at least 1, got {self.epochs} and "
                f"{self.steps_per_epoch}"
            )
        if self.warmup < 1:
            raise ValueError(f"warm-up takes at least 1 epoch, got {self.warmup}")
        if self.ramp < 0:
            raise ValueError(f"ramp must be 0 epochs or more, got {self.ramp}")

    def __call__(self, step: int) -> float:
        unit = self.steps_per_epoch if self.per_step else 1
        at = step if self.per_step else step // self.steps_per_epoch
        return self._base(at, unit) * linear_warmup_factor(at / unit, self.ramp, self.ramp_start)

    def _base(self, at: int, unit: int) -> float:
        if self.name == "step":
            return step_factor(at / unit, self.milestones, self.gamma)
        if self.name == "cosine":
            return cosine_factor(at, self.epochs * unit)
        if self.name == "cosine-warmup":
            return cosine_warmup_factor(at, self.epochs * unit, self.warmup * unit, self.start)
        if self.name == "exponential":
            return exponential_factor(at / unit, self.gamma)
        return 1.0


def make_schedule(
    text: str | None,
    *,
    lr: float,
    epochs: int,
    steps_per_epoch: int = 1,
    per_step: bool = False,
    milestones: Sequence[int] = (200, 250),
    gamma: float | None = None,
) -> Schedule:
    """Make a schedule from its name on a command line.

    Args:
        text: One of `SCHEDULES`, or None (step). `cosine-warmup` may carry options, as in
            `cosine-warmup-steps5-init_lr1e-5`: epochs of warm-up and the learning rate it begins
            with.
        lr: Base learning rate, which `init_lr` is relative to.
        epochs, steps_per_epoch, per_step, milestones: Fields of `Schedule`.
        gamma: Factor of the schedule; None means 0.1 for step and 0.97 for exponential.

    Raises:
        ValueError: A name or option that is not understood.
    """
    text = text or "step"
    warmup, init_lr, name = 5, 1e-5, text
    if text.startswith("cosine-warmup"):
        name, options = "cosine-warmup", text[len("cosine-warmup") :]
        number = r"\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
        match = re.fullmatch(rf"(?:-steps(\d+)|-init_lr({number}))*", options)
        if match is None:
            raise ValueError(
                f"cannot read the schedule {text!r}; expected e.g. cosine-warmup-steps5-init_lr1e-5"
            )
        warmup = int(match.group(1) or warmup)
        init_lr = float(match.group(2) or init_lr)
    default = 0.97 if name == "exponential" else 0.1
    return Schedule(
        name=name,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        per_step=per_step,
        milestones=tuple(milestones),
        gamma=default if gamma is None else gamma,
        warmup=warmup,
        start=init_lr / lr if lr else 0.0,
    )
