"""Does a hypernetwork that goes on generating weights learn accuracies better? `ghn-joint`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ghn import GHN, GHNConfig
from ghn.decoding.accuracy import AccuracyHead, gaussian_loss
from ghn.training import meta_step
from ghn.training.accuracy import OWN_OFFSET, OWN_SCALE
from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import EndlessNets, MetaBatches
from graph2nn.vision import Augment, Batches, load_images
from predictors.checks import check_primitives
from predictors.models.embeddings import find_hypernetwork
from predictors.neural import NeuralPredictor
from predictors.neural.loop import FitSettings

__all__ = ["JointGHNPredictor"]

_TOGETHER = 16  # graphs encoded at a time: message matrices grow with the square of all nodes
_LOOP = {"epochs": 20, "lr": 5e-3, "weight_decay": 1e-2, "clip": 5.0}
_FEWEST_STEPS = 140  # of training, however few networks are labelled


class JointGHNPredictor(NeuralPredictor):
    """A head on the node states of a hypernetwork, trained with the hypernetwork itself.

    Every step takes labelled networks, whose targets the head learns, and a few networks without
    labels, drawn from DeepNets-1M, whose predicted parameters are trained on images as before: an
    auxiliary task that keeps the node states meaningful where labels are few (HyperNAS,
    arXiv:2509.18151, which generates weights of the labelled networks, from scratch, and weighs the
    tasks by a rule of its own). The accuracy of these networks under predicted parameters is
    measured in passing and is one more output of the head.

    With the loss `mse` the variance of each target is learned, too: the loss is the negative
    log-likelihood of a Gaussian, and predictions have standard deviations.

    Args:
        checkpoint: Name or file of a trained hypernetwork, or the hypernetwork itself, which is
            copied.
        initial: Whether initial weights take its place.
        frozen: Whether only the head is trained, on the node states of the hypernetwork as it is.
        generation: Largest length of the auxiliary task's gradient, relative to that of the labels'
            over the parameters that both reach; 0 trains head and hypernetwork on labels alone.
        own: Weight of the accuracies under predicted parameters within the auxiliary task.
        networks, images: Number of networks without labels a step, and of images.
        data_dir: Folder of the image data, which are the hypernetwork's own.
        settings: Settings of `NeuralPredictor`.

    Raises:
        ValueError: At `fit`: a setting out of range, or graphs of other operations.

    Examples:
        >>> from graph2nn.deepnets import build_graph, eval_nets
        >>> X = [build_graph(config) for config in eval_nets("val", 12, image_size=8)]
        >>> y = [float(k) for k in range(12)]
        >>> model = JointGHNPredictor(epochs=1, generation=0.0).fit(X, y)
        >>> model.predict(X[:3]).shape
        (3,)
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "modern": _LOOP,
        "labels": {**_LOOP, "generation": 0.0},
        "frozen": {**_LOOP, "frozen": True},
    }

    def __init__(
        self,
        *,
        checkpoint: str | Path | GHN = "ghn2-digits",
        initial: bool = False,
        frozen: bool | None = None,
        generation: float | None = None,
        own: float | None = None,
        networks: int = 1,
        images: int = 32,
        data_dir: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.checkpoint = checkpoint
        self.initial = initial
        self.frozen = frozen
        self.generation = generation
        self.own = own
        self.networks = networks
        self.images = images
        self.data_dir = data_dir

    def fit_settings(self) -> FitSettings:
        """Return the settings of the loop in force; few labelled networks are seen more often."""
        settings = super().fit_settings()
        if self.epochs is not None or not hasattr(self, "count_"):
            return settings
        steps = math.ceil(self.count_ / min(settings.batch_size, self.count_))
        return replace(settings, epochs=max(settings.epochs, math.ceil(_FEWEST_STEPS / steps)))

    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        self.count_ = len(graphs)
        super()._fit(graphs, targets)
        for module in self.modules_:
            assert isinstance(module, _Regressor)
            module.task = None

    def _learn(self, graphs: list[ArchGraph]) -> None:
        check_primitives(graphs)
        super()._learn(graphs)
        for name in ("generation", "own"):
            value = self.setting(name, 1.0)
            if not value >= 0:
                raise ValueError(f"{name}: expected a weight from 0 up, got {value}")
        for name in ("networks", "images"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")

    def _prepare(self, graphs: list[ArchGraph]) -> list[ArchGraph]:
        return graphs

    def _objective(self, name: str, wanted: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        if not self._has_variance():
            return super()._objective(name, wanted)
        return _likelihood

    def _forward(self, module: nn.Module, batch: Any) -> Tensor:
        outputs = module(batch)
        return outputs if self._has_variance() else outputs.chunk(2, dim=1)[0]

    def _has_variance(self) -> bool:
        return self.fit_settings().loss == "mse"

    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        if not self._has_variance():
            return super()._predict(graphs)
        check_primitives(graphs)
        index = torch.arange(len(graphs))
        members = []
        for module in self.modules_:
            members.append(self._outputs(module.to(self.device), graphs, index).double())
            module.cpu()
        means, log_variances = torch.stack(members).chunk(2, dim=2)  # (M, N, T) each
        variance = log_variances.exp().mean(0) + means.var(0, correction=0)
        mean, std = means.mean(0).numpy(), variance.sqrt().numpy()
        return self.transform_.inverse(mean), self.transform_.inverse_std(mean, std)

    def _select(self, data: list[ArchGraph], index: Tensor) -> list[ArchGraph]:
        return [data[k] for k in index.tolist()]

    def _outputs(
        self, module: nn.Module, data: Any, index: Tensor, size: int = _TOGETHER
    ) -> Tensor:
        return super()._outputs(module, data, index, size)

    # ---- the network -------------------------------------------------------------------------

    def _build(self, num_targets: int) -> _Regressor:
        seed = int(torch.randint(2**31, ()))
        ghn = find_hypernetwork(self.checkpoint, initial=self.initial, seed=seed)
        self.config_ = ghn.config.to_dict()
        module = self._layout(num_targets)
        module.ghn.load_state_dict(ghn.state_dict())
        frozen = bool(self.setting("frozen", False))
        module.ghn.requires_grad_(not frozen)
        weight = self.setting("generation", 0.2)
        if weight and not frozen:
            module.task = _Generation(
                ghn.config,
                networks=self.networks,
                images=self.images,
                weight=weight,
                own=self.setting("own", 0.5),
                data_dir=self.data_dir,
                seed=seed,
            )
        return module

    def _layout(self, num_targets: int) -> _Regressor:
        ghn = GHN(GHNConfig.from_dict(self.config_))
        return _Regressor(ghn, num_targets, dropout=self.fit_settings().dropout)

    def _further(self, module: nn.Module) -> None:
        assert isinstance(module, _Regressor)
        if module.task is not None:
            module.task.add_gradients(module)


def _likelihood(outputs: Tensor, targets: Tensor) -> Tensor:
    mean, log_variance = outputs.chunk(2, dim=1)
    return gaussian_loss(mean, log_variance, targets)


class _Regressor(nn.Module):
    """A hypernetwork and its head, which has one output more. Shapes: B graphs ->
    (B, 2 T), means and logarithms of variances."""

    def __init__(self, ghn: GHN, targets: int, *, dropout: float) -> None:
        super().__init__()
        self.ghn = ghn
        self.head = AccuracyHead(ghn.config.hid, targets + 1, dropout=dropout)
        self.task: _Generation | None = None  # while training

    def distributions(self, graphs: Sequence[ArchGraph]) -> tuple[Tensor, Tensor]:
        return self.head(self.ghn.encode(graphs), [graph.num_nodes for graph in graphs])

    def forward(self, graphs: Sequence[ArchGraph]) -> Tensor:
        return torch.cat([part[:, :-1] for part in self.distributions(graphs)], dim=1)


class _Generation:
    """The auxiliary task of one module: weights of drawn networks, and their accuracy with them."""

    def __init__(
        self,
        config: GHNConfig,
        *,
        networks: int,
        images: int,
        weight: float,
        own: float,
        data_dir: str | None,
        seed: int,
    ) -> None:
        data = load_images(
            config.dataset or "digits", data_dir=data_dir, image_size=config.image_size
        )
        kind: dict[str, Any] = {
            "image_size": data.image_size,
            "num_classes": data.num_classes,
            "in_channels": data.channels,
        }
        plain = Augment(crop=False, flip=False)
        batches = Batches(data, images, train=True, seed=seed, augment=plain, drop_last=True)
        nets = MetaBatches(
            EndlessNets("train", seed, **kind), networks, seed=seed, cutoff=config.cutoff
        )
        self.images, self.nets = batches.endless(), iter(nets)
        self.weight, self.own, self.seed = weight, own, seed

    def add_gradients(self, module: _Regressor) -> None:
        """Add the task's gradient, at most `weight` times as long as the one that is there.

        Lengths are those over the parameters that both reach. Of a loss that is not finite there is
        none.
        """
        labels = {p: p.grad for p in module.parameters() if p.grad is not None}
        module.zero_grad(set_to_none=True)
        finite = self._own_gradients(module)
        both = [p for p in labels if p.grad is not None]
        lengths = [_length(p.grad for p in both), _length(labels[p] for p in both)]
        factor = min(1.0, self.weight * lengths[1] / max(lengths[0], 1e-12)) if finite else 0.0
        for p in module.parameters():
            if p.grad is not None:
                p.grad *= factor
            if p in labels:
                p.grad = labels[p] if p.grad is None else p.grad.add_(labels[p])

    def _own_gradients(self, module: _Regressor) -> bool:
        """Put the task's gradients into `.grad`; tells whether the loss was finite."""
        batch = next(self.nets)
        nets = list(zip(batch.configs, batch.graphs, strict=True))
        seeds = [self.seed + batch.index * len(nets) + k for k in range(len(nets))]
        found = meta_step(module.ghn, nets, *next(self.images), seeds=seeds)
        if found.finite and self.own:
            measured = 100 * torch.tensor(found.accuracies).to(module.head.offset)
            mean, log_variance = (part[:, -1] for part in module.distributions(batch.graphs))
            loss = gaussian_loss(mean, log_variance, (measured - OWN_OFFSET) / OWN_SCALE)
            (self.own * loss).backward()
        return found.finite


def _length(gradients: Iterable[Tensor | None]) -> float:
    """Euclidean length of all gradients together."""
    return math.sqrt(sum(float(g.square().sum()) for g in gradients if g is not None))
