"""Errors and speed of a trained wiring, however it is executed."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from graph2nn.training.learner import topk_correct
from graph2nn.vision import Batches, ImageData

__all__ = ["evaluate_wiring"]


@torch.inference_mode()
def evaluate_wiring(
    model: nn.Module,
    test: ImageData,
    *,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> dict[str, float]:
    """Errors on test images, and how fast they were found.

    Args:
        model: any classifier, also a compacted one; it ends in evaluation mode on `device`.
        test: images.
        batch_size: images at a time.
        device: of the computation.
        progress: show a bar.

    Returns:
        `top1_error` and `top5_error` (percent), `test_loss` (mean cross-entropy) and
        `images_per_second` (of forward passes alone).
    """
    model.to(device).eval()
    batches = Batches(test.to(torch.device(device)), batch_size, train=False, device=device)
    sums, seconds = torch.zeros(3, dtype=torch.float64), 0.0
    for images, labels in tqdm(batches, total=len(batches), leave=None, disable=not progress):
        start = time.perf_counter()
        logits = model(images)
        found = _hits(logits.float(), labels)  # moved to the CPU, so that the device is done
        seconds += time.perf_counter() - start
        sums += found
    loss, top1, top5 = (sums / len(test)).tolist()
    return {
        "top1_error": 100 * (1 - top1),
        "top5_error": 100 * (1 - top5),
        "test_loss": loss,
        "images_per_second": len(test) / seconds,
    }


def _hits(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of losses, and numbers of right answers among the first one and five. -> (3,)."""
    top1, top5 = topk_correct(logits[None], labels)
    loss = F.cross_entropy(logits, labels, reduction="sum")
    return torch.stack([loss.double(), top1[0].double(), top5[0].double()]).cpu()
