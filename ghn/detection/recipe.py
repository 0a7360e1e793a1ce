"""`DetectionRecipe`: how a detector is trained."""

from __future__ import annotations

from dataclasses import dataclass

from graph2nn.names import check_choice
from graph2nn.training import OPTIMIZERS, Schedule, linear_warmup_factor

__all__ = ["DetectionRecipe"]


@dataclass(frozen=True, kw_only=True)
class DetectionRecipe:
    """Settings of `train_detector`; the defaults are the published ones (arXiv:2110.13100).

    Args:
        epochs: Number of passes over the training images; 0 only tests.
        batch_size, test_batch_size: Number of images a step, and images a pass of tests.
        image_size: Wanted shorter side of images in pixels, see `build_detector`.
        regions: Most regions an image that the box head learns on, a quarter of them with objects.
        lr: Learning rate at the start.
        milestones: Epochs at which the rate is lowered; None means every third one.
        gamma: Factor of the rate at a milestone.
        warmup_steps: Most steps of the first epoch over which the rate rises linearly.
        warmup_factor: Factor that it rises from.
        optimizer: Name of the optimiser, see `make_optimizer`.
        momentum: Momentum of SGD.
        weight_decay: Strength of weight decay.
        grad_clip: Largest 2-norm of the gradient; 0 for none.
        flip: Probability that a training image is mirrored.
        amp: Whether the forward pass takes bfloat16 where that is possible.

    Raises:
        ValueError: A setting out of its range.
    """

    epochs: int = 10
    batch_size: int = 2
    test_batch_size: int = 1
    image_size: int = 800
    regions: int = 512
    lr: float = 0.005
    milestones: tuple[int, ...] | None = None
    gamma: float = 0.1
    warmup_steps: int = 1000
    warmup_factor: float = 0.001
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    grad_clip: float = 0.0
    flip: float = 0.5
    amp: bool = False

    def __post_init__(self) -> None:
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        least_one = ("batch_size", "test_batch_size", "regions")
        others = ("epochs", "warmup_steps", "lr", "gamma", "weight_decay", "grad_clip")
        for name in (*least_one, *others):
            least = int(name in least_one)
            if not getattr(self, name) >= least:
                raise ValueError(f"{name}: expected {least} or more, got {getattr(self, name)}")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip: expected a probability, got {self.flip}")

    def steps_per_epoch(self, images: int) -> int:
        """Number of steps an epoch; the last batch may be smaller."""
        return -(-images // self.batch_size)

    def factor(self, step: int, steps_per_epoch: int) -> float:
        """Compute the factor of the learning rate at a step, counted from 0.

        It rises within the first epoch, to 1 at its last step or after `warmup_steps`.
        """
        epochs = max(1, self.epochs)
        milestones = range(3, epochs, 3) if self.milestones is None else self.milestones
        plan = Schedule(
            name="step",
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            milestones=tuple(milestones),
            gamma=self.gamma,
        )
        rise = min(self.warmup_steps, steps_per_epoch - 1)
        return plan(step) * linear_warmup_factor(step, rise, self.warmup_factor)
