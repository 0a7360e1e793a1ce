"""One training step of a hypernetwork, with memory for one network at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from ghn.decoding.noise import draw_noise, likeness
from ghn.model import GHN
from graph2nn.archgraph import ArchGraph
from graph2nn.families import Net, build_blueprint, run_blueprint
from graph2nn.runs import seeded

__all__ = ["StepResult", "autocast", "joint_step", "meta_step", "united"]

_NOISE_STREAM = 2**61  # between the seeds of dropout and those of noise


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step measured: mean loss and accuracy over networks, and whether gradients are usable.

    Args:
        loss: Mean cross-entropy (without the regulariser) in nats.
        accuracy: Mean top-1 accuracy on the step's images, in [0, 1].
        accuracies: Accuracy of each network, in their order.
        finite: False if some network's loss was infinite or NaN; then no gradients were added.
    """

    loss: float
    accuracy: float
    accuracies: tuple[float, ...] = ()
    finite: bool = True


def united(results: Sequence[StepResult]) -> StepResult:
    """Unite what the parts of a step have measured; one without networks counts for nothing."""
    count = max(1, sum(len(r.accuracies) for r in results))
    return StepResult(
        loss=sum(r.loss * len(r.accuracies) for r in results) / count,
        accuracy=sum(r.accuracy * len(r.accuracies) for r in results) / count,
        accuracies=tuple(value for r in results for value in r.accuracies),
        finite=all(r.finite for r in results),
    )


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager:
    """Make the context of mixed precision on `device`; one that does nothing if `dtype` is None."""
    return torch.autocast(device.type, dtype=dtype) if dtype else nullcontext()


def meta_step(
    ghn: GHN,
    nets: Sequence[tuple[Net, ArchGraph]],
    images: Tensor,
    labels: Tensor,
    *,
    total: int | None = None,
    seeds: Sequence[int] | None = None,
    label_smoothing: float = 0.0,
    norm_penalty: float = 0.0,
    diversity: float = 0.0,
    net_clip: float = 0.0,
    scale: float = 1.0,
    amp: torch.dtype | None = None,
) -> StepResult:
    """Add the gradient of the mean loss over `nets` to the hypernetwork's `.grad`.

    Each network is run and differentiated by itself, down to its predicted parameters; only then is
    the hypernetwork differentiated, once, for all. So activations of one network are alive at a
    time, and memory does not grow with the meta-batch. The result equals the joint gradient
    (`joint_step`).

    Args:
        ghn: The hypernetwork, in training mode.
        nets: Networks of any family with their graphs; they are built without parameter values.
        images, labels: One batch, the same for all networks.
        total: Size of the whole meta-batch, if other processes hold the rest of it.
        seeds: Seed of each network's dropout and noise; by default their numbers.
        label_smoothing: Label smoothing of the cross-entropy.
        norm_penalty: Weight of the sum of the predicted tensors' norms (GHN-3, arXiv:2303.04143,
            section 4.3).
        diversity: Weight of the likeness of two samples of a network (see `GHN.sample`).
        net_clip: Largest 2-norm of the gradient of one network's loss in its predicted parameters;
            longer ones are shortened to it, so that no network outweighs the others. 0 for none.
        scale: Factor on the loss before differentiating (gradient scaler).
        amp: Precision of the networks' forward passes; the hypernetwork stays in float32.

    Shapes: images (B, C, H, W), labels (B,).
    """
    if not nets:
        return StepResult(loss=0.0, accuracy=0.0)
    total, seeds = total or len(nets), seeds or range(len(nets))
    predicted, alike = predictions(ghn, [graph for _, graph in nets], seeds, diversity=diversity)
    # Gradients move into one block made beforehand: left where they were computed, among freed
    # activations, they fragment the heap (a fifth of the peak with 8 networks and 64 images).
    store = _Block(predicted)
    loss_sum, accuracies = 0.0, []
    for seed, (net, _), parameters in zip(seeds, nets, predicted, strict=True):
        leaves = {n: p.detach().requires_grad_() for n, p in parameters.items()}
        with seeded(seed, images.device), autocast(images.device, amp):
            logits = run_blueprint(net, leaves, images)
        logits = logits.float() if amp else logits
        loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
        value = loss.item()
        if not math.isfinite(value):
            return StepResult(loss=value, accuracy=math.nan, finite=False)
        loss_sum += value
        accuracies.append((logits.argmax(1) == labels).float().mean().item())
        objective = loss + norm_penalty * penalty(leaves) if norm_penalty else loss
        found = torch.autograd.grad(
            objective * (scale / total), list(leaves.values()), allow_unused=True
        )
        store.add(parameters.values(), found)
        if net_clip:
            store.clip_last(net_clip * scale / total)
        del logits, loss, objective, leaves, found
    if alike is not None:
        store.outputs.append(alike * (diversity * scale / total))
        store.gradients.append(torch.ones_like(alike))
    torch.autograd.backward(store.outputs, store.gradients)
    return StepResult(
        loss=loss_sum / len(nets),
        accuracy=sum(accuracies) / len(nets),
        accuracies=tuple(accuracies),
    )


class _Block:
    """Gradients of predicted parameters, one behind the other in one tensor."""

    def __init__(self, predicted: Sequence[dict[str, Tensor]]) -> None:
        every = [p for parameters in predicted for p in parameters.values()]
        self.free = every[0].new_empty(sum(p.numel() for p in every)) if every else torch.empty(0)
        self.last = self.free
        self.outputs: list[Tensor] = []
        self.gradients: list[Tensor] = []

    def add(self, parameters: Iterable[Tensor], found: Iterable[Tensor | None]) -> None:
        """Keep a copy of each gradient that was found."""
        self.last = self.free
        for parameter, gradient in zip(parameters, found, strict=True):
            if gradient is not None and parameter.requires_grad:
                n = gradient.numel()
                self.outputs.append(parameter)
                self.gradients.append(self.free[:n].view_as(gradient).copy_(gradient))
                self.free = self.free[n:]

    def clip_last(self, max_norm: float) -> None:
        """Shorten the gradients that were added last to a joint 2-norm."""
        found = self.last[: len(self.last) - len(self.free)]
        found.mul_(torch.clamp(max_norm / found.norm(), max=1.0))


def joint_step(
    ghn: GHN,
    nets: Sequence[tuple[Net, ArchGraph]],
    images: Tensor,
    labels: Tensor,
    *,
    label_smoothing: float = 0.0,
    norm_penalty: float = 0.0,
    diversity: float = 0.0,
) -> float:
    """Add the gradient of the mean loss by one backward pass through all networks at once.

    Plain twin of `meta_step`; returns the mean loss. Shapes: images (B, C, H, W), labels (B,).
    """
    graphs = [graph for _, graph in nets]
    predicted, alike = predictions(ghn, graphs, range(len(nets)), diversity=diversity)
    objective = torch.zeros((), device=images.device) if alike is None else diversity * alike
    total = 0.0
    for k, ((net, _), parameters) in enumerate(zip(nets, predicted, strict=True)):
        with seeded(k, images.device):
            logits = functional_call(
                build_blueprint(net, images.device).train(), parameters, (images,)
            )
        loss = F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
        total += loss.item()
        objective = objective + loss + norm_penalty * penalty(parameters)
    (objective / len(nets)).backward()
    return total / len(nets)


def predictions(
    ghn: GHN, graphs: Sequence[ArchGraph], seeds: Sequence[int], *, diversity: float = 0.0
) -> tuple[list[dict[str, Tensor]], Tensor | None]:
    """Predict parameters as training does, under noise where the hypernetwork has some.

    Noise has a stream of its own beside dropout, and depends on a network's seed alone. With
    `diversity` a second sample is drawn, and the sum of the likeness of both over networks is
    returned, too: without it nothing rewards samples for being different.
    """
    width = ghn.config.noise
    if not width:
        if diversity:
            raise ValueError("diversity: a hypernetwork without noise has one prediction a network")
        return ghn.predict_graphs(graphs), None
    own = [seed + _NOISE_STREAM for seed in seeds]
    first, *more = draw_noise(own, width, count=2 if diversity else 1)
    predicted = ghn.predict_graphs(graphs, noise=first)
    if not more:
        return predicted, None
    others = ghn.predict_graphs(graphs, noise=more[0])
    pairs = zip(predicted, others, strict=True)
    return predicted, torch.stack([likeness(a, b) for a, b in pairs]).sum()


def penalty(parameters: dict[str, Tensor]) -> Tensor:
    """Sum of the Frobenius norms of the predicted tensors, not squared."""
    return torch.stack([p.norm() for p in parameters.values()]).sum()
