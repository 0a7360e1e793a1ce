"""How good are detections? The box metrics of COCO, computed by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ghn.detection.data import DetectionData

__all__ = ["COCO_METRICS", "coco_metrics", "pycocotools"]

COCO_METRICS = (
    *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
    *("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"),
)
"""Average precision (mean over overlaps of .5 to .95, at .5, at .75, by size) and average recall
(at most 1, 10, 100 detections an image, by size), in the order of pycocotools."""


def coco_metrics(
    data: DetectionData, detections: Sequence[Mapping[str, Tensor]]
) -> dict[str, float | None]:
    """Compute COCO's twelve numbers for boxes, each from 0 to 1; see `COCO_METRICS`.

    Args:
        data: Images with true boxes.
        detections: What was found in each; see `Detections`.

    Returns:
        The metrics by name; None where no true box is of the size that a metric is about.

    Raises:
        ValueError: Detections of another number of images, or pycocotools is not installed.

    Examples:
        >>> from ghn.detection.shapes import make_shapes
        >>> data = make_shapes(4)
        >>> right = [{"boxes": b, "labels": l, "scores": l.float()}
        ...          for b, l in zip(data.boxes, data.labels)]
        >>> round(coco_metrics(data, right)["ap50"], 3)
        1.0
    """
    if len(detections) != len(data):
        raise ValueError(
            f"expected detections of {len(data)} images of {data.name}, got {len(detections)}"
        )
    COCO, COCOeval = pycocotools()
    with contextlib.redirect_stdout(io.StringIO()):  # it prints whatever it does
        truth, found = COCO(), COCO()
        truth.dataset = _described(data, zip(data.boxes, data.labels))
        truth.createIndex()
        found.dataset = _described(data, ((one["boxes"], one["labels"]) for one in detections))
        scores = [score for one in detections for score in one["scores"].tolist()]
        for entry, score in zip(found.dataset["annotations"], scores, strict=True):
            entry["score"] = score
        found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {
        name: None if value < 0 else float(value)
        for name, value in zip(COCO_METRICS, evaluation.stats, strict=True)
    }


def pycocotools() -> tuple[Any, Any]:
    """Return the classes COCO and COCOeval.

    Raises:
        ValueError: Pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise ValueError(
            'pycocotools is not installed; run: pip install "netwright[detect]"'
        ) from None
    return COCO, COCOeval


def _described(data: DetectionData, objects: Any) -> dict[str, Any]:
    """Images, classes and boxes in COCO's words; numbers of annotations begin with 1."""
    entries: list[dict[str, Any]] = []
    for index, (boxes, labels) in enumerate(objects):
        for (left, top, right, bottom), label in zip(boxes.tolist(), labels.tolist(), strict=True):
            width, height = right - left, bottom - top
            entries.append(
                {
                    "id": len(entries) + 1,
                    "image_id": index,
                    "category_id": label,
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    return {
        "info": {},
        "images": [{"id": index} for index in range(len(data))],
        "categories": [{"id": k, "name": name} for k, name in enumerate(data.class_names, 1)],
        "annotations": entries,
    }
