"""Settings of a table of trained networks: which images, which networks, how they are trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graph2nn.families.mixture import parse_families
from graph2nn.names import choose
from graph2nn.runs import option
from graph2nn.training.recipe import Recipe
from graph2nn.vision import ImageSettings

__all__ = ["TABLES", "GroundTruthSettings", "find_table"]


_STORED = ("dataset", "imsize", "train", "val", "test", "noise", "crop", "seed")


def _images(**changes: Any) -> ImageSettings:
    return ImageSettings(**{"image_size": 8, "train": 600, "val": 500, "test": 500, **changes})


@dataclass(frozen=True, kw_only=True)
class GroundTruthSettings:
    """Everything that determines the labels of a table.

    As in "Parameter Prediction for Unseen Deep Architectures" (arXiv:2110.13100, section 5.2 on
    property prediction), predictors learn from networks of DeepNets-1M's split `val` and are tested
    on those of `test`; both follow the same distribution. Numbers of networks and seeds may grow
    later without training anything again.

    Args:
        name: Name of the table.
        images: Images of training and testing.
        recipe: Recipe of training, the same for every network.
        train_networks, test_networks: Number of networks of the two halves.
        seeds: Seeds of training; all networks are trained with the first one.
        repeated: Number of networks (half of each half) trained with the other seeds too.
        small: Whether they are the narrower and shallower networks of `split_rules`; None means
            below 32 pixels.
        families: Families of networks with their weights, see `parse_families`.
        network_seed: Number of the evaluation set that the networks are (`eval_nets`), and seed of
            the draws of other families.
        converged: Training accuracy in percent that counts as converged (`convergence_time`).
        timing_batch: Number of images of a batch whose inference is timed.
        timing_rounds: Number of repeats of the timing.

    Raises:
        ValueError: A number out of range, or a seed given twice.
    """

    name: str
    images: ImageSettings = option(factory=_images, stored=_STORED)
    recipe: Recipe = field(default_factory=Recipe)
    train_networks: int = 160
    test_networks: int = 160
    seeds: tuple[int, ...] = (0, 1)
    repeated: int = 40
    small: bool | None = None
    families: str = option("deepnets", stored="changed")
    network_seed: int = 0
    converged: float = 90.0
    timing_batch: int = 64
    timing_rounds: int = 15

    def __post_init__(self) -> None:
        least = {"train_networks": 0, "test_networks": 0, "repeated": 0, "network_seed": 0}
        for name, low in {**least, "timing_batch": 2, "timing_rounds": 2}.items():
            if getattr(self, name) < low:
                raise ValueError(
                    f"GroundTruthSettings.{name}: expected at least {low}, "
                    f"got {getattr(self, name)}"
                )
        parse_families(self.families)
        self.recipe.must_train()
        if self.images.val is None:
            raise ValueError("GroundTruthSettings.images: val says how many images validate")
        if self.train_networks + self.test_networks < 1:
            raise ValueError("GroundTruthSettings: expected at least one network, got none")
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                f"GroundTruthSettings.seeds: expected different seeds from 0 up, got {self.seeds}"
            )
        if not 0 < self.converged <= 100:
            raise ValueError(
                f"GroundTruthSettings.converged: expected a percentage, got {self.converged}"
            )

    @property
    def weights(self) -> dict[str, float]:
        """Share of each family."""
        return parse_families(self.families)


_DIGITS = _images(train=320, val=300, test=300, noise=0.4)
_TRAINING: dict[str, Any] = {"precise_bn": 0, "lr_per_step": True, "weight_decay": 3e-4}

TABLES: dict[str, GroundTruthSettings] = {
    "deepnets_digits": GroundTruthSettings(
        name="deepnets_digits",
        images=_DIGITS,
        recipe=Recipe(
            epochs=4, batch_size=64, test_batch_size=300, lr=0.05, warmup_epochs=1, **_TRAINING
        ),
        train_networks=500,
        test_networks=500,
        repeated=100,
        converged=50.0,
    ),
    "graphs_digits": GroundTruthSettings(
        name="graphs_digits",
        images=_DIGITS,
        recipe=Recipe(
            epochs=8, batch_size=64, test_batch_size=300, lr=0.1, warmup_epochs=1, **_TRAINING
        ),
        families="relational:2,wirings:1",
        train_networks=300,
        test_networks=300,
        repeated=100,
        converged=50.0,
    ),
    "deepnets_cifar10": GroundTruthSettings(
        name="deepnets_cifar10",
        images=_images(dataset="cifar10", image_size=16, train=2000),
        recipe=Recipe(
            epochs=4, batch_size=32, test_batch_size=250, lr=0.05, warmup_epochs=1, **_TRAINING
        ),
        train_networks=50,
        test_networks=50,
        repeated=20,
        converged=25.0,
    ),
}
"""The tables that are shipped, by name."""


def find_table(name: str) -> GroundTruthSettings:
    """Find the settings of a shipped table.

    Raises:
        ValueError: An unknown name.
    """
    return choose("table", name, TABLES)
