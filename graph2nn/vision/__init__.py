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
from graph2nn.vision.corruptions import CORRUPTIONS, corrupted
from graph2nn.vision.datasets import (
    DATASETS,
    DatasetInfo,
    default_data_dir,
    empty_images,
    load_images,
)
from graph2nn.vision.folder import FolderImages
from graph2nn.vision.image_data import ImageData
from graph2nn.vision.settings import (
    ImageSets,
    ImageSettings,
    dataset_label,
    dataset_name,
    load_sets,
)

__all__ = [
    "CORRUPTIONS",
    "DATASETS",
    "Augment",
    "Batches",
    "DatasetInfo",
    "FolderImages",
    "ImageData",
    "ImageSets",
    "ImageSettings",
    "add_noise",
    "color_jitter",
    "corrupted",
    "cutout",
    "dataset_label",
    "dataset_name",
    "default_data_dir",
    "empty_images",
    "load_images",
    "load_sets",
    "normalize",
    "random_crop",
    "random_flip",
]
