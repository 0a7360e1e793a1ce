"""COCO's numbers for boxes whose quality is known."""

from __future__ import annotations

import pytest
import torch

from ghn.detection import COCO_METRICS, DetectionData, coco_metrics, make_shapes, plot_boxes


def found(data: DetectionData, shift: float = 0.0, score: float = 0.9) -> list[dict]:
    return [
        {"boxes": boxes + shift, "labels": labels, "scores": torch.full((len(labels),), score)}
        for boxes, labels in zip(data.boxes, data.labels)
    ]


@pytest.fixture(scope="module")
def shapes() -> DetectionData:
    return make_shapes(6, image_size=128, seed=1)


def test_right_boxes(shapes, capsys):
    metrics = coco_metrics(shapes, found(shapes))
    assert tuple(metrics) == COCO_METRICS
    assert metrics["ap"] == pytest.approx(1) and metrics["ar100"] == pytest.approx(1)
    assert metrics["ap_large"] is None, "no box has more than 96x96 pixels"
    assert capsys.readouterr().out == ""


def test_shifted_boxes_count_at_low_overlaps_only():
    """A box of 20x20 pixels shifted by 3 overlaps by 17² / (800 - 17²) = .57."""
    data = DetectionData(
        images=(torch.zeros(3, 40, 40, dtype=torch.uint8),),
        boxes=(torch.tensor([[5.0, 5, 25, 25]]),),
        labels=(torch.ones(1, dtype=torch.int64),),
        class_names=("a",),
        files=("a",),
        name="one",
    )
    metrics = coco_metrics(data, found(data, shift=3))
    assert metrics["ap50"] == pytest.approx(1) and metrics["ap75"] == 0
    assert metrics["ap"] == pytest.approx(0.2), "at .5 and .55 of ten overlaps"


def test_half_of_the_boxes(shapes):
    few = found(shapes)
    for one in few[3:]:
        one.update({key: value[:0] for key, value in one.items()})
    share = sum(map(len, shapes.labels[:3])) / sum(map(len, shapes.labels))
    assert coco_metrics(shapes, few)["ar100"] == pytest.approx(share)


def test_nothing_found(shapes):
    nothing = [{key: value[:0] for key, value in one.items()} for one in found(shapes)]
    assert coco_metrics(shapes, nothing)["ap50"] == 0


def test_wrong_number_of_images(shapes):
    with pytest.raises(ValueError, match="expected detections of 6 images of shapes, got 5"):
        coco_metrics(shapes, found(shapes)[:5])
    with pytest.raises(ValueError, match="expected detections of 6 images, got 5"):
        plot_boxes(shapes, found(shapes)[:5], "a.png")
    with pytest.raises(ValueError, match="cannot draw to a.gif"):
        plot_boxes(shapes, found(shapes), "a.gif")
