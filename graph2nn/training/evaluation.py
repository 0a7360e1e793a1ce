"""How well does a classifier do? Loss, top-1 and top-5 error of one network or of many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Evaluation", "RunningErrors", "evaluate", "mean_losses", "topk_correct", "widened"]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a classifier got right.

    Args:
        images: Number of images.
        top1: Number of images whose label has the largest logit.
        top5: Number of images whose label is among the five largest logits.
        loss: Mean cross-entropy; NaN where it was not asked for.
        seconds: Time of forward passes.
    """

    images: int
    top1: int
    top5: int
    loss: float
    seconds: float

    @property
    def top1_error(self) -> float:
        """Images whose label has not the largest logit, in percent."""
        return _error(self.top1, self.images)

    @property
    def top5_error(self) -> float:
        """Images whose label is not among the five largest logits, in percent."""
        return _error(self.top5, self.images)


@torch.no_grad()
def evaluate(
    forward: Callable[[Tensor], Any],
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    loss: bool = True,
    finite_only: bool = False,
) -> Evaluation:
    """Evaluate a classifier on all images of some batches.

    Args:
        forward: Network in the mode wanted: images to logits, or to a tuple that starts with them.
        batches: Images (B, C, H, W) with labels (B,), on the device of the network.
        loss: Whether the loss is computed, for which every label needs a logit.
        finite_only: See `topk_correct`.

    Raises:
        ValueError: There are no images.
    """
    errors: RunningErrors | None = None
    seconds = 0.0
    for images, labels in batches:
        start = time.perf_counter()
        found = forward(images)
        logits = widened(found[0] if isinstance(found, tuple | list) else found)[None]
        errors = errors or RunningErrors(1, logits.device)
        losses = mean_losses(logits, labels) if loss else logits.new_full((1,), torch.nan)
        errors.add(losses, *topk_correct(logits, labels, finite_only=finite_only), len(labels))
        sums = errors.sums.cpu()  # so that the device is done
        seconds += time.perf_counter() - start
    if errors is None or not errors.images:
        raise ValueError("evaluate: expected at least one image, got none")
    total, top1, top5 = sums[:, 0].tolist()
    return Evaluation(
        images=errors.images,
        top1=round(top1),
        top5=round(top5),
        loss=total / errors.images,
        seconds=seconds,
    )


class RunningErrors:
    """Sums over images of loss and of right answers, one a network, kept on the device.

    Args:
        networks: Number of networks, K.
        device: Device of the sums.

    Attributes:
        sums: Losses, and numbers of images right at first and among five.
        images: Number of images seen.

    Shapes:
        sums (3, K).
    """

    def __init__(self, networks: int, device: torch.device) -> None:
        kind = torch.float32 if device.type == "mps" else torch.float64
        self.sums = torch.zeros(3, networks, dtype=kind, device=device)
        self.images = 0

    def add(self, losses: Tensor, top1: Tensor, top5: Tensor | None, images: int) -> None:
        """Add a batch: mean losses, and numbers of right answers.

        Shapes:
            Losses, top1 and top5 (K,).
        """
        self.sums[0] += images * losses
        self.sums[1] += top1
        if top5 is not None:
            self.sums[2] += top5
        self.images += images

    def means(self) -> list[tuple[float, float, float]]:
        """Return loss, top-1 and top-5 error in percent of each network.

        Errors are in percent.
        """
        count = max(1, self.images)
        return [
            (loss / count, _error(top1, count), _error(top5, count))
            for loss, top1, top5 in self.sums.cpu().t().tolist()
        ]

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` goes on from."""
        return {"sums": self.sums, "images": self.images}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.sums.copy_(state["sums"])
        self.images = int(state["images"])


def topk_correct(
    logits: Tensor, labels: Tensor, *, finite_only: bool = False
) -> tuple[Tensor, Tensor]:
    """Count the labels that are the largest logit, and those among the five largest.

    Args:
        logits: Outputs of K networks.
        labels: Numbers of the right classes.
        finite_only: Whether an image with logits that are not all finite counts as wrong, whatever
            their order.

    Shapes:
        logits (K, B, classes), labels (B,) → (K,) and (K,) int64.
    """
    hits = logits.topk(min(5, logits.shape[-1]), dim=-1).indices == labels[:, None]
    if finite_only:
        hits &= logits.isfinite().all(-1, keepdim=True)
    return hits[..., 0].sum(-1), hits.any(-1).sum(-1)


def mean_losses(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Compute the mean cross-entropy of each network.

    Shapes:
        logits (K, B, classes), labels (B,) → (K,).
    """
    repeated = labels.expand(len(logits), -1)
    losses = F.cross_entropy(
        logits.transpose(1, 2), repeated, reduction="none", label_smoothing=smoothing
    )
    return losses.mean(1)


def widened(logits: Tensor) -> Tensor:
    """Return logits of any shape in single precision where they are in half."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


def _error(right: float, images: int) -> float:
    """Percent of the images that are wrong."""
    return 100 * (images - right) / images
