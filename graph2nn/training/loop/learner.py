"""What does one forward pass train? A network, or (see `stacked`) several as one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from graph2nn.runs.processes import Workers
from graph2nn.training.evaluation import RunningErrors, mean_losses, topk_correct, widened
from graph2nn.training.loop.synchronised import synchronised
from graph2nn.training.optim import clip_gradients, make_optimizer, set_learning_rate
from graph2nn.training.precise_bn import PreciseStatistics
from graph2nn.training.recipe import Recipe

__all__ = ["HALVES", "Learner", "Single"]

HALVES = {"none": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""What the operations that bear it compute in, by name of `Recipe.amp`."""


class Learner(ABC):
    """K networks that share a forward pass, with their optimiser and what they have learned.

    Args:
        names: Names of the K networks.
        parameters: Parameters that the optimiser updates.
        recipe: Recipe of training.
        device: Device of the parameters.
        workers: Processes that share every training batch; None for this one alone.
    """

    axes = 0
    """Dimensions of every parameter that count networks."""

    def __init__(
        self,
        names: Iterable[str],
        parameters: Iterable[nn.Parameter],
        recipe: Recipe,
        device: torch.device,
        workers: Workers | None = None,
    ) -> None:
        self.names, self.recipe, self.device = tuple(names), recipe, device
        self.workers = workers or Workers(0, 1, device)
        self.optimizer = make_optimizer(
            self._groups(parameters),
            recipe.optimizer,
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            fused=device.type in ("cpu", "cuda"),
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.amp == "fp16")
        self.errors = RunningErrors(len(self.names), device)
        self.alive = [True] * len(self.names)

    def _groups(self, parameters: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
        """Parameters by whether they decay."""
        if self.recipe.decay_vectors:
            return [{"params": list(parameters)}]
        vectors: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for parameter in parameters:
            (vectors if parameter.dim() - self.axes <= 1 else others).append(parameter)
        return [{"params": others}, {"params": vectors, "weight_decay": 0.0}]

    @abstractmethod
    def outputs(self, images: Tensor) -> Sequence[Tensor]:
        """Compute the logits of all networks, then auxiliary ones, where there are some.

        Shapes: (B, C, H, W) → (K, B, classes) each.
        """

    @abstractmethod
    def clip(self, max_norm: float) -> None:
        """Limit the gradient of each network to a 2-norm."""

    def synchronised(self) -> AbstractContextManager[Any]:
        """Make a context in which batch normalisation sees the images of all processes."""
        return nullcontext()

    @abstractmethod
    def train(self, mode: bool = True) -> None:
        """Switch to training or evaluation mode."""

    @abstractmethod
    def weights(self) -> dict[str, Any]:
        """Return parameters and buffers, for checkpoints."""

    @abstractmethod
    def load_weights(self, weights: Mapping[str, Any]) -> None:
        """Take over what `weights` returned."""

    @abstractmethod
    def precise_statistics(self) -> PreciseStatistics:
        """Make a context that replaces the statistics of batch normalisation."""

    @abstractmethod
    def write_back(self) -> None:
        """Write what was learned into the caller's networks, where it is not there already."""

    def train_step(self, images: Tensor, labels: Tensor, factor: float) -> None:
        """Do one step of the optimiser on one batch, at `factor` times the base learning rate.

        Several processes each compute on a share of the batch and take the same step.

        Shapes: images (B, C, H, W), labels (B,).
        """
        set_learning_rate(self.optimizer, factor)
        total = len(labels)
        images, labels = self.workers.share(images), self.workers.share(labels)
        part = len(labels) / total
        self.optimizer.zero_grad(set_to_none=True)
        with self.synchronised():
            logits, losses, objective = self._forward(images, labels)
            # Networks share no parameter, so each gets the gradient of its own loss from the sum.
            self.scaler.scale(objective.sum() * part).backward()
        groups = self.optimizer.param_groups
        self.workers.sum_gradients(p for g in groups for p in g["params"] if p.grad is not None)
        if self.recipe.grad_clip:
            self.scaler.unscale_(self.optimizer)
            self.clip(self.recipe.grad_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        right = (logits.detach().argmax(-1) == labels).sum(-1)
        seen = self.workers.sum_tensor(torch.stack([losses.detach() * part, right.to(losses)]))
        self.errors.add(seen[0], seen[1], None, total)

    def _forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, mean losses, and what is to become small: the losses with auxiliary ones."""
        logits, *auxiliary = self._amp_outputs(images)
        smoothing = self.recipe.label_smoothing
        losses = objective = mean_losses(logits, labels, smoothing)
        for more in auxiliary:
            objective = objective + self.recipe.auxiliary_weight * mean_losses(
                more, labels, smoothing
            )
        return logits, losses, objective

    @torch.no_grad()
    def test_step(self, images: Tensor, labels: Tensor, errors: RunningErrors) -> None:
        """Add the results of one batch to `errors`.

        Shapes: images (B, C, H, W), labels (B,).
        """
        logits = self._amp_outputs(images)[0]
        errors.add(mean_losses(logits, labels), *topk_correct(logits, labels), len(labels))

    def statistics_step(self, images: Tensor, statistics: PreciseStatistics) -> None:
        """Observe one batch (B, C, H, W) for `precise_statistics`."""
        statistics.observe(lambda: self._amp_outputs(images))

    def state_dict(self) -> dict[str, Any]:
        """Return all that training needs to go on."""
        return {
            "names": list(self.names),
            "weights": self.weights(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "tally": self.errors.state_dict(),
            "alive": list(self.alive),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.load_weights(state["weights"])
        self.optimizer.load_state_dict(dict(state["optimizer"]))
        self.scaler.load_state_dict(dict(state["scaler"]))
        self.errors.load_state_dict(state["tally"])
        self.alive = list(state["alive"])

    def _amp_outputs(self, images: Tensor) -> list[Tensor]:
        """Logits, then auxiliary ones, (K, B, classes) each, in full precision."""
        amp = self.recipe.amp
        with torch.autocast(self.device.type, HALVES[amp], enabled=amp != "none"):
            return [widened(logits) for logits in self.outputs(images)]


class Single(Learner):
    """One network, trained in place.

    Args:
        name: Name of the network.
        network: Network, images (B, C, H, W) → logits (B, classes), or a tuple with auxiliary
            logits behind them, which may be None; moved to `device`.
        recipe, device, workers: Arguments of `Learner`.
    """

    def __init__(
        self,
        name: str,
        network: nn.Module,
        recipe: Recipe,
        device: torch.device,
        workers: Workers | None = None,
    ) -> None:
        self.network = network.to(device)
        super().__init__([name], list(network.parameters()), recipe, device, workers)
        self.workers.broadcast(network)

    def outputs(self, images: Tensor) -> Sequence[Tensor]:
        found = self.network(images)
        each = found if isinstance(found, tuple) else (found,)
        return [logits[None] for logits in each if logits is not None]

    def clip(self, max_norm: float) -> None:
        clip_gradients(self.network.parameters(), max_norm)

    def synchronised(self) -> AbstractContextManager[Any]:
        return synchronised(self.network, self.workers)

    def train(self, mode: bool = True) -> None:
        self.network.train(mode)

    def weights(self) -> dict[str, Any]:
        return dict(self.network.state_dict())

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        self.network.load_state_dict(dict(weights))

    def precise_statistics(self) -> PreciseStatistics:
        return PreciseStatistics(self.network)

    def write_back(self) -> None:
        """Do nothing: the network was trained in place."""
