"""What does training begin with? Initial, predicted or stored weights, and their statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ghn.finetuning.layers import classification_layer
from ghn.finetuning.post_processing import post_process
from ghn.model import GHN
from ghn.pretrained import from_pretrained
from graph2nn.archgraph import ArchGraph
from graph2nn.runs import load_checkpoint, seeded
from graph2nn.training import precise_bn
from graph2nn.vision import Augment, Batches, ImageData

__all__ = ["STARTS", "Start", "start_network"]

STARTS = ("random", "kaiming", "orth")
"""Starts by name: the weights that the network has, He's normal ones (arXiv:1502.01852), and those
that the network has, made orthogonal (arXiv:1312.6120)."""

_STATISTICS_BATCH = 128


@dataclass(frozen=True, kw_only=True)
class Start:
    """Weights that a network begins its training with.

    Args:
        source: One of `STARTS`, a hypernetwork, the name of a shipped one, or a file with one or
            with the weights of a network.
        orthogonal, noise, first_layer, larger_than: Arguments of `post_process`, which changes the
            weights where `orthogonal` or `noise` are set.
        statistics: Number of training images that the statistics of batch normalisation are
            measured on, where weights are predicted or changed; 0 leaves them as they are, which
            is right only for networks that will not be evaluated before they are trained.

    Raises:
        ValueError: A negative number.
    """

    source: GHN | str | Path = "random"
    orthogonal: bool = False
    noise: float = 0.0
    first_layer: int = 0
    larger_than: int = 0
    statistics: int = 1024

    def __post_init__(self) -> None:
        for name in ("noise", "first_layer", "larger_than", "statistics"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")

    def settings(self) -> dict[str, Any]:
        """Return JSON-able settings of a run that starts so, a hypernetwork by its weights."""
        source = self.source
        named = _described(source) if isinstance(source, GHN) else str(source)
        return {**vars(self), "source": named}


def start_network(
    model: nn.Module,
    start: Start | GHN | str | Path,
    images: ImageData,
    *,
    seed: int = 0,
    graph: ArchGraph | None = None,
    measure: Callable[[int], int] | None = None,
) -> str:
    """Put the weights in place that a network begins its training with, and say what was done.

    Predicted weights come without statistics of batch normalisation, since a hypernetwork learns
    on batches and their own statistics. They are measured here, so that the network can be
    evaluated as it is and its running averages do not begin with those of initial weights.
    Where a hypernetwork was trained on another data set, or a file is for another number of
    classes, the classification layer keeps its initial weights.

    Args:
        model: Network for the classes of `images`; changed in place.
        start: Weights; see `Start`.
        images: Training images.
        seed: Seed of random weights, noise and the images of statistics.
        graph: The network's graph, if at hand; saves the tracing.
        measure: Function that measures the statistics on other images than `images`, where the
            network will see others: of as many as it is given, and says of how many it did.

    Raises:
        ValueError: An unknown name, a hypernetwork for other images, a file of another network, or
            a `first_layer` that the network does not have. The network is as before then.

    Examples:
        >>> from graph2nn.vision import load_images
        >>> from torchvision.models import resnet18
        >>> model = resnet18(num_classes=10)
        >>> start_network(model, "orth", load_images("digits", split="train"))
        'initial weights; 20 layers made orthogonal; statistics of 1024 images'
    """
    start = start if isinstance(start, Start) else Start(source=start)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        said, measured = _weights(model, start.source, images, seed, graph)
        changed = _post_processed(model, start, seed)
    except Exception:
        model.load_state_dict(before)
        raise
    said += changed
    if start.statistics and (changed or not measured):
        own = partial(_measure_statistics, model, images, seed)
        said.append(f"statistics of {(measure or own)(start.statistics)} images")
    return "; ".join(said)


def _weights(
    model: nn.Module, source: Any, images: ImageData, seed: int, graph: ArchGraph | None
) -> tuple[list[str], bool]:
    """Put weights in place; say which, and whether they have their statistics."""
    if source in ("random", "orth"):
        return ["initial weights"], True
    if source == "kaiming":
        with seeded(seed):
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        return ["weights of He et al."], True
    if isinstance(source, GHN):
        return [_predict(model, source, images, graph)], False
    if not Path(source).is_file():
        return [f"{source}: {_predict(model, from_pretrained(str(source)), images, graph)}"], False
    try:
        ghn = GHN.load(source)
    except ValueError as error:
        return [_load(model, Path(source), str(error))], True
    return [f"{Path(source).name}: {_predict(model, ghn, images, graph)}"], False


def _predict(model: nn.Module, ghn: GHN, images: ImageData, graph: ArchGraph | None) -> str:
    """Predict parameters; those of the classification layer only for the same classes."""
    same = ghn.config.num_classes == images.num_classes
    same &= ghn.config.dataset in (None, images.name)
    device = next(model.parameters()).device
    size = (2, images.channels, images.image_size, images.image_size)
    example = None if graph is not None else torch.zeros(size, device=device)
    ghn(model, example, graph=graph, predict_class_layers=same, bn_train=False)
    return "predicted weights" if same else "predicted weights but of the classification layer"


def _load(model: nn.Module, path: Path, why_no_ghn: str) -> str:
    """Take weights from a file, of a classification layer only if it has as many classes."""
    stored = _stored_weights(path)
    own = model.state_dict()
    differ = [n for n, v in own.items() if n in stored and stored[n].shape != v.shape]
    head = classification_layer(model)
    lost = sorted(set(own) ^ set(stored)) + [n for n in differ if n.rpartition(".")[0] != head]
    if lost:
        raise ValueError(
            f"{path} holds neither a hypernetwork ({why_no_ghn}) nor weights of this network: "
            f"{len(lost)} entries differ, {', '.join(lost[:4])}"
        )
    model.load_state_dict({n: v for n, v in stored.items() if n not in differ}, strict=False)
    return f"{path.name}: stored weights" + (" but of the classification layer" if differ else "")


def _stored_weights(path: Path) -> Mapping[str, Tensor]:
    """The weights in a file: of a bare state dict, under `state_dict`, or of a run's network."""
    content = load_checkpoint(path)
    if content.get("kind") == "networks" and len(content["units"]) == 1:
        content = content["units"][0]["weights"]
    content = content.get("state_dict", content)
    return {name: value for name, value in content.items() if isinstance(value, Tensor)}


def _post_processed(model: nn.Module, start: Start, seed: int) -> list[str]:
    orthogonal = start.orthogonal or start.source == "orth"
    if not orthogonal and not start.noise:
        return []
    layers = post_process(
        model,
        orthogonal=orthogonal,
        noise=start.noise,
        first_layer=start.first_layer,
        larger_than=start.larger_than,
        generator=torch.Generator().manual_seed(seed),
    )
    how = ["given noise"] * bool(start.noise) + ["made orthogonal"] * orthogonal
    return [f"{layers} layers {' and '.join(how)}"]


def _measure_statistics(model: nn.Module, images: ImageData, seed: int, count: int) -> int:
    """Replace the statistics of batch normalisation by those of training images as they are.

    Whole batches only, whose number of images is returned.
    """
    device = next(model.parameters()).device
    size = min(_STATISTICS_BATCH, len(images))
    plain = Augment(crop=False, flip=False, jitter=0.0)
    batches = Batches(
        images.to(device), size, seed=seed, device=device, train=True, augment=plain, drop_last=True
    )
    wanted = min(max(1, count // size), len(batches))
    with seeded(seed, device):
        precise_bn(model, (batch for batch, _ in islice(iter(batches), wanted)))
    return wanted * size


def _described(ghn: GHN) -> str:
    found = hashlib.sha256()
    for name, value in sorted(ghn.state_dict().items()):
        found.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return f"hypernetwork {found.hexdigest()[:16]}"
