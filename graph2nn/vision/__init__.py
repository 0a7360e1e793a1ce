"""Image data sets behind one call, batches and augmentation on whole tensors."""

from graph2nn.vision.augment import (
    Augment,
    add_noise,
    color_jitter,
    cutout,
    normalize,
    random_crop,
    random_flip,
)
from graph2nn.vision.batches import Batches
from graph2nn.vision.datasets import DATASETS, DatasetInfo, default_data_dir, load_images
from graph2nn.vision.folder import FolderImages
from graph2nn.vision.image_data import ImageData

__all__ = [
    "DATASETS",
    "Augment",
    "Batches",
    "DatasetInfo",
    "FolderImages",
    "ImageData",
    "add_noise",
    "color_jitter",
    "cutout",
    "default_data_dir",
    "load_images",
    "normalize",
    "random_crop",
    "random_flip",
]
