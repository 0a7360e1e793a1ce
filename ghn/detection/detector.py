"""Faster R-CNN on the map of one network, and what it finds in images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ghn.detection.backbone import MapBackbone
from ghn.detection.data import DetectionData

__all__ = ["Detections", "build_detector", "detect"]

ANCHORS = (32, 64, 128, 256, 512)
"""Sides of anchors in pixels of the resized image."""

RATIOS = (0.5, 1.0, 2.0)
"""Height of anchors divided by their width."""

LONGEST = 1333 / 800
"""Longest side of a resized image, divided by its wanted shorter side."""

Detections = list[dict[str, Tensor]]
"""Of each image: `boxes` (n, 4), `labels` (n,) and `scores` (n,), the best first."""


def build_detector(
    backbone: MapBackbone, classes: int, *, image_size: int = 800, regions: int = 512
) -> Any:
    """Build a Faster R-CNN (arXiv:1506.01497) on a single map, as published (arXiv:2110.13100).

    Anchors of 5 sizes and 3 ratios at each place of the map, regions of 7x7 with 2x2 samples.
    Images are resized until the shorter side has `image_size` pixels, or the longer one 5/3 of it.

    Args:
        backbone: Network that gives the map.
        classes: Number of classes, without the ground.
        image_size: Wanted shorter side of images in pixels; published 800, and 320 for ViT.
        regions: Most regions an image that the box head learns on.

    Returns:
        A `torchvision.models.detection.FasterRCNN`.

    Raises:
        ValueError: Images too small, or torchvision is not installed.
    """
    if image_size < 64:
        raise ValueError(f"image_size: expected at least 64 pixels, got {image_size}")
    try:
        from torchvision.models.detection import FasterRCNN
        from torchvision.models.detection.rpn import AnchorGenerator
        from torchvision.ops import MultiScaleRoIAlign
        from torchvision.ops.poolers import initLevelMapper
    except ImportError:
        raise ValueError(
            'torchvision is not installed; run: pip install "netwright[detect]"'
        ) from None
    pool = MultiScaleRoIAlign(featmap_names=["0"], output_size=7, sampling_ratio=2)
    # Else it takes the power of two that fits the first images it sees, padding included, which
    # makes small images depend on which came first.
    level = round(math.log2(backbone.stride))
    pool.scales, pool.map_levels = [1 / backbone.stride], initLevelMapper(level, level)
    return FasterRCNN(
        backbone,
        num_classes=classes + 1,
        min_size=image_size,
        max_size=round(image_size * LONGEST),
        box_batch_size_per_image=regions,
        rpn_anchor_generator=AnchorGenerator(sizes=(ANCHORS,), aspect_ratios=(RATIOS,)),
        box_roi_pool=pool,
    )


@torch.no_grad()
def detect(
    detector: nn.Module,
    data: DetectionData,
    *,
    batch_size: int = 1,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> Detections:
    """Find the objects in images; the detector is in the mode it was in afterwards.

    Args:
        detector: Detector as torchvision's are.
        data: Images.
        batch_size: Images a pass.
        device: Device of the detector.
        progress: Whether there is a progress bar.
    """
    training = detector.training
    detector.to(device).eval()
    found: Detections = []
    try:
        for numbers in tqdm(
            batches(range(len(data)), batch_size), desc="test", leave=False, disable=not progress
        ):
            images = [data.target(index)[0].to(device) for index in numbers]
            outputs = detector(images)
            found += [{key: value.cpu() for key, value in one.items()} for one in outputs]
    finally:
        detector.train(training)
    return found


def batches(numbers: Sequence[int], batch_size: int) -> Iterator[Sequence[int]]:
    """Part numbers into batches, the last one maybe smaller."""
    for start in range(0, len(numbers), batch_size):
        yield numbers[start : start + batch_size]
