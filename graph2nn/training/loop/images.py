"""Which images does a run see, and in which order? `Streams`, from the seed alone."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from graph2nn.training.loop.learner import HALVES
from graph2nn.training.recipe import Recipe
from graph2nn.vision.augment import Augment
from graph2nn.vision.batches import Batches
from graph2nn.vision.image_data import ImageData

__all__ = ["Streams"]

_STATISTICS_SEED = 1 << 40  # added to the seed: images of their own for normalisation statistics


class Streams:
    """The streams of images of a run: training, its second stream for statistics, and tests.

    Args:
        train, test, recipe, seed, augment, decoders: Arguments of `train_networks`.
        device: Device that images are moved to, once.
    """

    def __init__(
        self,
        train: ImageData,
        test: ImageData,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        augment: Augment,
        decoders: int,
    ) -> None:
        _check_classes(train, test)
        self.recipe, self.seed, self.device, self.augment = recipe, seed, device, augment
        train, size = train.to(device), recipe.batch_size
        how: dict[str, Any] = {"train": True, "augment": augment, "drop_last": recipe.drop_last}
        how["workers"] = decoders
        self._testing: dict[str, Any] = {"train": False, "device": device, "workers": decoders}
        self.train = Batches(train, size, seed=seed, device=device, **how)
        self.again = Batches(train, size, seed=seed + _STATISTICS_SEED, device=device, **how)
        self.test = Batches(test.to(device), recipe.test_batch_size, **self._testing)
        self.schedule = recipe.lr_schedule(len(self.train))
        self.more_tests: dict[str, Batches] = {}
        self.final_only: set[str] = set()

    def add_tests(self, every: Mapping[str, ImageData], final: Mapping[str, ImageData]) -> None:
        """Add further images to test on, by name; those of `final` after the last epoch only.

        Raises:
            ValueError: A name that is there twice, or is taken by an entry of records.
        """
        twice = sorted(set(every) & set(final))
        if twice:
            raise ValueError(f"train_networks: {twice[0]} is in more_tests and in final_tests")
        taken = sorted({"test", "train", "top1", "top5"} & {*every, *final})
        if taken:
            raise ValueError(
                f"train_networks: {taken[0]} cannot name a further test, as records have an entry "
                f"{taken[0]}_error or {taken[0]}_loss of their own"
            )
        size = self.recipe.test_batch_size
        for name, images in {**every, **final}.items():
            _check_classes(self.train.data, images)
            there = images.to(self.device)
            self.more_tests[name] = Batches(there, size, **self._testing)
        self.final_only = set(final)

    def as_input(self, images: Tensor) -> Tensor:
        """Convert images (B, C, H, W) to the precision of the recipe, once for all networks."""
        return images.to(HALVES[self.recipe.amp])

    def for_statistics(self, epoch: int) -> Any:
        """Return the training batches that precise normalisation statistics come from."""
        if not self.recipe.precise_bn:
            return iter(())
        wanted = max(1, self.recipe.precise_bn // self.recipe.batch_size)
        self.again.epoch, self.again.position = epoch, 0
        return islice(iter(self.again), wanted)


def _check_classes(train: ImageData, test: ImageData) -> None:
    """Are labels of both numbers of the same classes?"""
    names = [set(data.class_names) for data in (train, test)]
    if all(names) and train.class_names != test.class_names:
        lacking = [
            f"{data.split} has no {', '.join(sorted(other - own)[:4])}"
            for data, own, other in zip((train, test), names, reversed(names))
            if other - own
        ]
        raise ValueError(
            f"{train.name}: training and test images are of other classes "
            f"({'; '.join(lacking) or 'in another order'}); is a folder of a class missing?"
        )
    if train.num_classes != test.num_classes:
        raise ValueError(
            f"{train.name} has {train.num_classes} classes, the test images {test.name} have "
            f"{test.num_classes}"
        )
