"""Errors and speed of a trained wiring, however it is executed."""

from __future__ import annotations

import torch
from torch import nn
from tqdm import tqdm

from graph2nn.training import evaluate
from graph2nn.vision import Batches, ImageData

__all__ = ["evaluate_wiring"]


def evaluate_wiring(
    model: nn.Module,
    test: ImageData,
    *,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> dict[str, float]:
    """Measure errors on test images, and how fast they are found.

    Args:
        model: Any classifier, also a compacted one; it ends in evaluation mode on `device`.
        test: Images to test on.
        batch_size: Number of images at a time.
        device: Device of the computation.
        progress: Whether to show a bar.

    Returns:
        `top1_error` and `top5_error` (percent), `test_loss` (mean cross-entropy) and
        `images_per_second` (of forward passes alone).
    """
    model.to(device).eval()  # moved in inference mode, it could not be trained again
    batches = Batches(test.to(torch.device(device)), batch_size, train=False, device=device)
    with torch.inference_mode():
        found = evaluate(model, tqdm(batches, total=len(batches), leave=None, disable=not progress))
    return {
        "top1_error": found.top1_error,
        "top5_error": found.top5_error,
        "test_loss": found.loss,
        "images_per_second": found.images / found.seconds,
    }
