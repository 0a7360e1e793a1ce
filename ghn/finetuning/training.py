"""`train`: one network from any start, by the common trainer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ghn.finetuning.starts import Start, start_network
from ghn.model import GHN
from graph2nn.archgraph import ArchGraph
from graph2nn.runs import Workers
from graph2nn.training import Observer, Recipe, Record, train_networks
from graph2nn.vision import ImageData, ImageSets, load_images

__all__ = ["StartObserver", "keep_batch_statistics", "train"]

Data = str | ImageSets | tuple[ImageData, ImageData]
"""Name of a data set, whose training and test images are meant, or images themselves."""


def train(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    start: Start | GHN | str | Path = "random",
    *,
    seed: int = 0,
    name: str = "network",
    folder: str | Path | None = None,
    resume: bool = True,
    graph: ArchGraph | None = None,
    drop_path: float = 0.0,
    batch_statistics: bool = False,
    device: torch.device | str = "cpu",
    workers: Workers | None = None,
    **how: Any,
) -> list[Record]:
    """Train a network in place, from weights that a hypernetwork predicts or from others.

    Args:
        model: Network, images (B, C, H, W) to logits (B, classes); in training maybe to a tuple
            with auxiliary logits behind them.
        data: Name of a data set (its training and test images at their own size), sets of images,
            or training and test images.
        recipe: Recipe of training; with 0 epochs the network is only tested.
        start: Weights that it begins with, see `Start`: a hypernetwork, "random", "orth", or the
            name or file of either.
        seed: Seed of images, augmentation and draws, and of what `start` draws.
        name: Name of the network in records and messages.
        folder: Folder of the run, which the same call goes on with; None keeps nothing.
        resume: Whether to go on with what the folder holds; otherwise a used folder is an error.
        graph: The network's graph, if at hand; saves the tracing.
        drop_path: Probability of drop path at the end (arXiv:1605.07648); it rises linearly from 0
            and is set as `model.drop_path_prob` (DeepNets-1M networks).
        batch_statistics: Whether batch normalisation takes the statistics of the batch in tests,
            too, as where hypernetworks are evaluated; such networks have no others afterwards.
        device: Device of the computation.
        workers: Processes that share every batch, see `train_networks`; their device is taken.
        how: Further arguments of `train_networks`: `augment`, `progress`, `final_tests`.

    Returns:
        Records as of `train_networks`; that of epoch 0 says in `start` what was begun with.

    Raises:
        ValueError: A start, images or settings that do not fit the network, or a folder with
            another run.

    Examples:
        >>> from ghn.finetuning import named_network
        >>> net = named_network(0, load_images("digits"), split="test")
        >>> rows = train(net.model, "digits", Recipe(epochs=1, lr=0.01), "ghn2-digits",
        ...              graph=net.graph, progress=False)
        >>> rows[0]["start"]
        'ghn2-digits: predicted weights; statistics of 1024 images'
        >>> rows[0]["top1_error"] < 50
        True
    """
    images, test = _images(data)
    start = start if isinstance(start, Start) else Start(source=start)
    if batch_statistics:
        keep_batch_statistics(model)
    observer = StartObserver(
        model, start, recipe.steps_per_epoch(len(images)), recipe.epochs, drop_path=drop_path
    )
    going_on = folder is not None and resume and (Path(folder) / "last.pt").is_file()
    if not going_on:  # else the checkpoint has the weights
        model.to(device if workers is None else workers.device)
        observer.said = start_network(model, start, images, seed=seed, graph=graph)
    return train_networks(
        {name: model},
        images,
        test,
        recipe,
        seed=seed,
        folder=folder,
        resume=resume,
        observers={name: observer},
        device=device,
        workers=workers,
        **how,
    )


class StartObserver(Observer):
    """What makes a start part of a run: its settings, what was said of it, and drop path.

    Args:
        model: Network that is trained.
        start: Weights that it begins with.
        steps: Number of steps of the optimiser an epoch.
        epochs: Number of epochs.
        drop_path: Probability of drop path that the network's rises to, epoch by epoch.

    Attributes:
        said: What `start_network` said.

    Raises:
        ValueError: Not a probability, or a network without drop path.
    """

    def __init__(
        self, model: nn.Module, start: Start, steps: int, epochs: int, *, drop_path: float = 0.0
    ) -> None:
        if not 0 <= drop_path < 1:
            raise ValueError(f"drop_path: expected a probability below 1, got {drop_path}")
        if drop_path and not hasattr(model, "drop_path_prob"):
            raise ValueError(
                f"drop_path: {type(model).__name__} has no drop_path_prob; networks of "
                "DeepNets-1M have"
            )
        self.model, self.start, self.drop_path = model, start, drop_path
        self.steps, self.epochs = steps, epochs
        self.said = ""

    def settings(self) -> dict[str, Any]:
        """Return the start, a hypernetwork by its weights, and the drop path."""
        found: dict[str, Any] = {"start": self.start.settings()}
        return found | ({"drop_path": self.drop_path} if self.drop_path else {})

    def before_step(self, step: int) -> None:
        if self.drop_path:
            now = self.drop_path * (step // self.steps) / self.epochs
            self.model.drop_path_prob = now  # type: ignore[assignment]

    def after_epoch(self, epoch: int) -> Mapping[str, str]:
        return {"start": self.said} if epoch == 0 else {}


def keep_batch_statistics(model: nn.Module) -> None:
    """Let batch normalisation take the statistics of each batch, in training and in tests.

    Running statistics are removed, as in a layer that is built without them.

    Examples:
        >>> net = nn.Sequential(nn.BatchNorm2d(2))
        >>> keep_batch_statistics(net)
        >>> net.eval()(torch.ones(3, 2, 4, 4)).abs().max().item()
        0.0
    """
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None


def _images(data: Data) -> tuple[ImageData, ImageData]:
    if isinstance(data, str):
        return load_images(data, split="trainval"), load_images(data, split="test")
    return (data.train, data.test) if isinstance(data, ImageSets) else data
