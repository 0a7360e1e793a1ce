"""Which weights can a network have? Initial, predicted, trained, and fine-tuned ones."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ghn.finetuning import NamedNetwork, Start, train
from ghn.model import GHN
from ghn.weights.measures import weight_matrices
from graph2nn.training import Recipe
from graph2nn.vision import ImageData

__all__ = ["WeightSet", "compare_weights"]


@dataclass(frozen=True, kw_only=True)
class WeightSet:
    """Weights of one network from one source.

    Args:
        name: Name of the source, for legends.
        accuracy: Top-1 accuracy on the test images with these weights, in percent.
        matrices: Weights by the name of the parameter, as of `weight_matrices`.

    Shapes:
        matrices (out, in) each.
    """

    name: str
    accuracy: float
    matrices: dict[str, Tensor]

    def __str__(self) -> str:
        return f"{self.name} ({self.accuracy:.1f} %)"


def compare_weights(
    network: NamedNetwork,
    images: tuple[ImageData, ImageData],
    recipe: Recipe,
    ghn: GHN | str | Path,
    *,
    trained: str | Path | None = None,
    fine_tuned: bool = False,
    seed: int = 0,
    **how: Any,
) -> list[WeightSet]:
    """Give a network initial, predicted and trained weights, and test it with each.

    Args:
        network: The network with initial weights; left as it is.
        images: Training and test images.
        recipe: Recipe of the training.
        ghn: Hypernetwork that predicts: itself, a name or a file.
        trained: File with trained weights, or folder of a run of `train_net.py`; None trains from
            the initial ones.
        fine_tuned: Whether to train from the predicted weights, too.
        seed: Seed of the training.
        how: Further arguments of `ghn.finetuning.train`, such as `augment` and `progress`.

    Raises:
        ValueError: A hypernetwork or a file that does not fit the network, or a diverged training.
        FileNotFoundError: There is no such file, or the folder holds no weights.

    Examples:
        >>> from ghn.finetuning import named_network
        >>> from graph2nn.vision import load_images
        >>> data = load_images("digits", split="train"), load_images("digits", split="test")
        >>> net = named_network("test-0", data[0])
        >>> recipe = Recipe(epochs=1, lr=0.02)
        >>> sets = compare_weights(net, data, recipe, "ghn2-digits", progress=False)
        >>> [found.name for found in sets]
        ['initial', 'predicted', 'trained']
        >>> sets[1].accuracy > 50
        True
    """
    stored = None if trained is None else find_weights(trained)
    only_tested = replace(recipe, epochs=0)
    wanted: dict[str, tuple[Recipe, Start]] = {
        "initial": (only_tested, Start()),
        "predicted": (only_tested, Start(source=ghn)),
        "trained": (recipe, Start()) if stored is None else (only_tested, Start(source=stored)),
    }
    if fine_tuned:
        wanted["fine-tuned"] = (recipe, Start(source=ghn))
    sets = []
    for name, (way, start) in wanted.items():
        model = deepcopy(network.model)
        records = train(
            model, images, way, start, seed=seed, graph=network.graph, **how, name=network.name
        )
        error = records[-1]["top1_error"]
        if error is None:
            raise ValueError(f"{network.name}, {name}: the loss is not finite; lower the rate")
        sets.append(WeightSet(name=name, accuracy=100 - error, matrices=weight_matrices(model)))
    return sets


def find_weights(place: str | Path) -> Path:
    """Return the file of weights that a path means: itself, or that of a run folder.

    Raises:
        FileNotFoundError: There is none.
    """
    place = Path(place)
    files = [place / "network.pt", place / "last.pt"] if place.is_dir() else [place]
    for file in files:
        if file.is_file():
            return file
    raise FileNotFoundError(
        f"no trained weights at {place}: expected a file, or the folder of a run of train_net.py "
        "with network.pt or last.pt"
    )
