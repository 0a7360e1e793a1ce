"""Detection of objects with backbones whose parameters are predicted."""

from ghn.detection.backbone import MapBackbone, backbone_network
from ghn.detection.coco_file import read_coco
from ghn.detection.data import DetectionData, boxes_of_masks
from ghn.detection.detector import Detections, build_detector, detect
from ghn.detection.figures import plot_boxes, plot_detection
from ghn.detection.metrics import COCO_METRICS, coco_metrics
from ghn.detection.penn_fudan import read_penn_fudan
from ghn.detection.recipe import DetectionRecipe
from ghn.detection.shapes import make_shapes, shape_scene
from ghn.detection.training import TrainedDetector, train_detector

__all__ = [
    "COCO_METRICS",
    "DetectionData",
    "DetectionRecipe",
    "Detections",
    "MapBackbone",
    "TrainedDetector",
    "backbone_network",
    "boxes_of_masks",
    "build_detector",
    "coco_metrics",
    "detect",
    "make_shapes",
    "plot_boxes",
    "plot_detection",
    "read_coco",
    "read_penn_fudan",
    "shape_scene",
    "train_detector",
]
