"""`SparseGrid`: which networks are pruned, how, trained on what; the shipped grids by name."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

from graph2nn.names import choose
from graph2nn.runs import option
from graph2nn.sparsity.campaign.masked_training import SHORT_RECIPES, published_recipe
from graph2nn.sparsity.networks.models import MODELS
from graph2nn.sparsity.networks.pruning.prune import PRUNERS
from graph2nn.training import Recipe
from graph2nn.vision import ImageSettings, dataset_label, dataset_name

__all__ = [
    "GRIDS",
    "Setting",
    "SparseGrid",
    "find_grid",
    "find_model",
]

_STORED = ("dataset", "imsize", "train", "test", "seed")
_LARGEST = 32  # published images, Tiny ImageNet included, are 32 x 32
_PAI = ("snip", "grasp", "synflow", "prospr", "uniform", "er", "erk")


def find_model(name: str) -> str:
    """Find the spelling in tables of a model's name in any case.

    Raises:
        ValueError: An unknown model.
    """
    names = {known.casefold(): known for known in MODELS}
    return choose("network", names.get(name.casefold(), name), [*MODELS], where="model")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One network of a grid: the key of its row in a table."""

    model: str
    dataset: str
    pruning: str
    sparsity: float
    seed: int

    @property
    def name(self) -> str:
        """Name for files: `Resnet-20_digits_snip_0.9_s0`."""
        return f"{self.model}_{self.dataset}_{self.pruning}_{self.sparsity:g}_s{self.seed}"

    @property
    def dense(self) -> Setting:
        """Network that its accuracy is compared with."""
        return replace(self, pruning="dense", sparsity=0.0)


@dataclass(frozen=True, kw_only=True)
class SparseGrid:
    """Everything that determines a table of pruned networks: all combinations of the five keys.

    As in "Sparse networks as multipartite graphs" (arXiv:2305.16886, section 4), whose grid is
    `find_grid("published", ...)`. Models, pruners, sparsities and seeds may grow later without
    computing anything again.

    Args:
        models: Names in `graph2nn.sparsity.networks.models`.
        images: Images of pruning, training and testing; without a size the native one, at most 32.
        pruners: Names in `graph2nn.sparsity.networks.pruning`.
        sparsities: Fractions of the weights that are removed.
        seeds: Seeds of initial weights, masks and training.
        training: Whether every network is trained, and a dense one for each model and seed; without
            it there are no accuracies, and weights are the initial ones.
        recipe: Recipe of training; None means the published one of each model.
        freeze_bias: Whether the biases of convolutions and linear layers stay at zero, as
            published.
        compat: Whether masks, graphs and metrics are as the published code makes them, deviations
            included.
        identity_skips: Whether identity skip connections are edges, see `encode`.
        engine: Engine of the topometrics, see `topometrics`.
        motif: How motifs are counted, exact or sampled, see `topometrics`.
        ramanujan: Whether the Ramanujan properties of every layer are computed.

    Raises:
        ValueError: Unknown names, sparsities outside [0, 1), a value given twice, nothing to do.
    """

    models: tuple[str, ...]
    images: ImageSettings = option(stored=_STORED)
    pruners: tuple[str, ...] = _PAI
    sparsities: tuple[float, ...] = (0.6, 0.8, 0.9, 0.95, 0.98)
    seeds: tuple[int, ...] = (0, 1, 2)
    training: bool = True
    recipe: Recipe | None = None
    freeze_bias: bool = True
    compat: bool = False
    identity_skips: bool = True
    engine: str = "auto"
    motif: str = "exact"
    ramanujan: bool = True

    def __post_init__(self) -> None:
        for axis in ("models", "pruners", "sparsities", "seeds"):
            values: Sequence = getattr(self, axis)
            if not values or len(set(values)) < len(values):
                raise ValueError(
                    f"SparseGrid.{axis}: expected one or more different values, got {values}"
                )
        for axis, names in (("models", MODELS), ("pruners", PRUNERS)):
            for value in getattr(self, axis):
                choose(axis.removesuffix("s"), value, names, where=f"SparseGrid.{axis}")
        if "dense" in self.pruners:
            raise ValueError(
                "SparseGrid.pruners: dense networks come along with training; leave dense out"
            )
        outside = [s for s in self.sparsities if not 0 <= s < 1]
        if outside:
            raise ValueError(
                f"SparseGrid.sparsities: the fraction removed is in [0, 1), got {outside[0]}"
            )
        if self.recipe is not None:
            self.recipe.must_train()
        if min(self.seeds) < 0:
            raise ValueError(f"SparseGrid.seeds: must not be negative, got {min(self.seeds)}")

    def settings(self) -> list[Setting]:
        """List the networks, seed by seed, so that a run that is cut short has whole seeds."""
        label = dataset_label(self.images.dataset)
        return [
            Setting(model=model, dataset=label, pruning=pruning, sparsity=sparsity, seed=seed)
            for seed in self.seeds
            for model in self.models
            for sparsity in self.sparsities
            for pruning in self.pruners
        ]

    def cells(self) -> list[Setting]:
        """Return `settings()`, under its former name, with a `DeprecationWarning`."""
        text = (
            "SparseGrid.cells is now SparseGrid.settings; the old name goes with the next release"
        )
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return self.settings()

    @property
    def sized_images(self) -> ImageSettings:
        """The images, with the side in pixels that networks take."""
        return self.images.at_most(_LARGEST)

    def recipe_of(self, model: str) -> Recipe:
        """Return how a model is trained."""
        return self.recipe or published_recipe(model, dataset_name(self.images.dataset))


GRIDS: dict[str, dict[str, SparseGrid]] = {
    "tiny": {
        "digits": SparseGrid(
            models=("Resnet-20",),
            images=ImageSettings(dataset="digits", train=320, test=200),
            pruners=("snip", "uniform"),
            sparsities=(0.9, 0.98),
            seeds=(0,),
            recipe=replace(SHORT_RECIPES["digits"], epochs=2, test_batch_size=200),
        )
    },
    "small": {
        "digits": SparseGrid(
            models=("Resnet-20", "CONV-6"),
            images=ImageSettings(dataset="digits"),
            sparsities=(0.8, 0.9, 0.95, 0.98, 0.99),
            recipe=SHORT_RECIPES["digits"],
        ),
        "cifar10": SparseGrid(
            models=("Resnet-20",),
            images=ImageSettings(dataset="cifar10", image_size=16, train=8000, test=2000),
            sparsities=(0.8, 0.9, 0.95, 0.98),
            seeds=(0, 1),
            recipe=SHORT_RECIPES["cifar10"],
        ),
    },
    "published": {
        name: SparseGrid(
            models=("CONV-6", "Resnet-20", "Resnet-32", "Wide-Resnet-28-2"),
            images=ImageSettings(dataset=name, image_size=_LARGEST),
        )
        for name in ("cifar10", "cifar100", "tiny_imagenet")
    },
}
"""Grids by name and data set; `small` takes half an hour of processor time."""


def find_grid(name: str, dataset: str) -> SparseGrid:
    """Find a grid of `GRIDS`.

    Raises:
        ValueError: An unknown grid, or one that there is not for the data set.
    """
    grids = choose("grid", name, GRIDS)
    own = dataset_name(dataset)
    if own not in grids:
        raise ValueError(f"grid: {name} is not there for {dataset}, only for {', '.join(grids)}")
    return grids[own]
