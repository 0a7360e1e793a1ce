"""`Recipe`: how a classifier is trained, from the learning rate to the precision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from graph2nn.names import check_choice
from graph2nn.runs.config import option, to_dict
from graph2nn.training.optim import OPTIMIZERS, Schedule

__all__ = ["AMP", "Recipe"]

AMP = ("none", "bf16", "fp16")
"""Precisions of the forward pass: float32, or mixed with one of two halves."""

_SCHEDULES = ("cosine", "step", "exponential", "none", "cosine-warmup")

_LATER = {
    "label_smoothing": 0.0,
    "decay_vectors": True,
    "optimizer": "sgd",
    "grad_clip": 0.0,
    "auxiliary_weight": 0.4,
}
"""Settings that older runs lack, with what they did."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of `train_networks`; the defaults are those of the 5-layer MLP on CIFAR-10.

    SGD with Nesterov's momentum and decay of every parameter, biases and normalisation included,
    as in "Graph Structure of Neural Networks", arXiv:2007.06559, appendix A and its code.

    Args:
        epochs: Number of passes over the training images; 0 only tests.
        batch_size, test_batch_size: Number of images a step, and images an evaluation step.
        lr: Learning rate at the start.
        schedule: Schedule of the learning rate: cosine (to zero), cosine-warmup (a cosine that
            begins where the warm-up ends), step (times `gamma` at each milestone), exponential
            (times `gamma` every epoch) or none.
        milestones: Epochs at which a step schedule changes; a leading 0, as in the original's
            lists, is left out.
        gamma: Factor of step and exponential.
        warmup_epochs: Number of epochs of linear warm-up, which multiplies any schedule but
            cosine-warmup.
        warmup_factor: Factor that it begins with.
        lr_per_step: Whether the rate changes every step instead of once an epoch.
        optimizer: Name of the optimiser, see `make_optimizer`.
        momentum, nesterov: Settings of SGD.
        weight_decay: Strength of weight decay, decoupled with adamw and soap.
        decay_vectors: Whether weight decay reaches biases and normalisation, too.
        grad_clip: Largest 2-norm of the gradient of a network; 0 for none.
        auxiliary_weight: Weight of the losses of auxiliary outputs, of networks that return such
            behind their logits while training (arXiv:1409.4842, section 5).
        label_smoothing: Share of the target that is spread over all classes while training
            (arXiv:1512.00567, section 7); tests measure the plain loss.
        precise_bn: Number of training images that normalisation statistics are computed from after
            an epoch; 0 keeps the running averages.
        amp: One of `AMP`; evaluation uses the same. fp16 needs a GPU and scales the loss.
        drop_last: Whether the smaller last batch of an epoch is left out.
        eval_every: Number of epochs between evaluations; 0 and the last epoch are always evaluated.

    Raises:
        ValueError: A setting out of range.

    Examples:
        >>> Recipe(epochs=3, lr=0.2).lr_schedule(steps_per_epoch=10)(29)
        0.2500000000000001
    """

    epochs: int = option(200, "-e", help="passes over the training images")
    batch_size: int = option(128, "-b", help="images a step")
    test_batch_size: int = option(100, help="images an evaluation step")
    lr: float = option(0.1, help="learning rate at the start")
    schedule: str = option("cosine", help="schedule of the learning rate", choices=_SCHEDULES)
    milestones: tuple[int, ...] = option((), help="epochs of a step schedule")
    gamma: float = option(0.1, help="factor of a step or exponential schedule")
    warmup_epochs: int = option(0, help="epochs of linear warm-up")
    warmup_factor: float = option(0.1, help="factor that the warm-up begins with")
    lr_per_step: bool = option(False, help="change the learning rate every step")
    optimizer: str = option("sgd", help="optimiser", choices=OPTIMIZERS)
    momentum: float = option(0.9, help="momentum of SGD")
    nesterov: bool = option(True, help="momentum of Nesterov's kind")
    weight_decay: float = option(5e-4, help="weight decay of every parameter")
    decay_vectors: bool = option(True, help="weight decay of biases and normalisation, too")
    grad_clip: float = option(0.0, help="largest norm of a network's gradient; 0 for none")
    auxiliary_weight: float = option(0.4, help="weight of auxiliary outputs, where there are some")
    label_smoothing: float = option(0.0, help="share of the target spread over all classes")
    precise_bn: int = option(1024, help="images for exact normalisation statistics; 0 for none")
    amp: str = option("none", help="precision of the forward pass", choices=AMP)
    drop_last: bool = option(True, help="leave out a smaller last training batch")
    eval_every: int = option(1, help="epochs between evaluations")

    def __post_init__(self) -> None:
        for name in ("batch_size", "test_batch_size", "eval_every"):
            _at_least(name, getattr(self, name), 1)
        for name in ("lr", "momentum", "weight_decay", "warmup_epochs", "precise_bn"):
            _at_least(name, getattr(self, name), 0)
        for name in ("epochs", "gamma", "warmup_factor", "grad_clip", "auxiliary_weight"):
            _at_least(name, getattr(self, name), 0)
        for name, choices in (
            ("schedule", _SCHEDULES),
            ("amp", AMP),
            ("optimizer", OPTIMIZERS),
        ):
            check_choice(f"Recipe.{name}", getattr(self, name), choices)
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                "Recipe.label_smoothing: expected a share from 0 to below 1, got "
                f"{self.label_smoothing}"
            )
        if any(m < 1 for m in self.milestones) or list(self.milestones) != sorted(self.milestones):
            raise ValueError(
                f"Recipe.milestones: expected increasing epochs from 1 up, got {self.milestones}"
            )
        if self.schedule == "step" and not self.milestones:
            raise ValueError("Recipe.milestones: a step schedule needs at least one")
        if self.schedule == "cosine-warmup" and not 1 <= self.warmup_epochs < self.epochs:
            raise ValueError(
                "Recipe.warmup_epochs: cosine-warmup needs at least one, and fewer than the "
                f"{self.epochs} epochs of training, got {self.warmup_epochs}"
            )

    def must_train(self) -> Recipe:
        """Return the recipe, for what makes no sense without training.

        Raises:
            ValueError: It has no epoch.
        """
        _at_least("epochs", self.epochs, 1)
        return self

    def steps_per_epoch(self, images: int) -> int:
        """Return the number of steps of an epoch over so many images."""
        whole, rest = divmod(images, self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def lr_schedule(self, steps_per_epoch: int) -> Schedule:
        """Make the factor of the learning rate as a function of the step, over all epochs."""
        joined = self.schedule == "cosine-warmup"
        return Schedule(
            name=self.schedule,
            epochs=max(1, self.epochs),
            steps_per_epoch=steps_per_epoch,
            per_step=self.lr_per_step,
            milestones=self.milestones,
            gamma=self.gamma,
            warmup=max(1, self.warmup_epochs),
            start=self.warmup_factor,
            ramp=0 if joined else self.warmup_epochs,
            ramp_start=self.warmup_factor,
        )

    def settings(self) -> dict[str, Any]:
        """Return JSON-able settings, to compare a run with the one it is to go on from.

        Later settings are left out where they are at their defaults, so that runs begun before
        there were any can be resumed.
        """
        values = to_dict(self)
        for name, default in _LATER.items():
            if values[name] == default:
                del values[name]
        return values

    def evaluates(self, epoch: int) -> bool:
        """Tell whether networks are tested after that many epochs."""
        return epoch % self.eval_every == 0 or epoch == self.epochs


def _at_least(name: str, value: float, least: float) -> None:
    if not (math.isfinite(value) and value >= least):
        raise ValueError(f"Recipe.{name}: expected a number from {least} up, got {value}")
