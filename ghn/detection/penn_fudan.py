"""How is a folder of images and masks of instances read, as Penn-Fudan has it?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from ghn.detection.data import DetectionData, boxes_of_masks, read_image

__all__ = ["PENN_FUDAN", "read_penn_fudan"]

PENN_FUDAN = "https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip"
"""Where the pedestrians of Penn and Fudan are."""

_IMAGES, _MASKS = "PNGImages", "PedMasks"


def read_penn_fudan(
    folder: str | Path, *, class_name: str = "person", decoders: int = 1
) -> DetectionData:
    """Read images and boxes of a folder laid out as Penn-Fudan.

    `PNGImages/NAME.png` are the images, in the order of their names, and `PedMasks/NAME_mask.png`
    say which instance each pixel shows, 0 for the ground. All instances are of one class.

    Args:
        folder: Folder with both.
        class_name: Name of the class.
        decoders: Number of threads that decode files.

    Raises:
        FileNotFoundError: There is no such folder; says where the data are.
        ValueError: An image without a mask, a mask without an image, without an instance or of
            another size than its image, or an instance without extent.
    """
    folder = Path(folder)
    for part in (_IMAGES, _MASKS):
        if not (folder / part).is_dir():
            raise FileNotFoundError(
                f"{folder} has no folder {part}: unpack {PENN_FUDAN} there, or give another folder "
                "with PNGImages/NAME.png and PedMasks/NAME_mask.png"
            )
    images = {path.stem: path for path in sorted((folder / _IMAGES).glob("*.png"))}
    masks = {path.stem.removesuffix("_mask"): path for path in (folder / _MASKS).glob("*.png")}
    if not images:
        raise ValueError(f"{folder / _IMAGES} has no .png files")
    for have, lack, what in ((images, masks, "mask"), (masks, images, "image")):
        alone = sorted(set(have) - set(lack))
        if alone:
            raise ValueError(
                f"{folder}: {have[alone[0]].name} has no {what}, nor have {len(alone) - 1} others"
            )
    with ThreadPoolExecutor(max(1, decoders)) as pool:
        pairs = list(pool.map(_read, images.values(), (masks[name] for name in images)))
    return DetectionData(
        images=tuple(image for image, _ in pairs),
        boxes=tuple(boxes for _, boxes in pairs),
        labels=tuple(torch.ones(len(boxes), dtype=torch.int64) for _, boxes in pairs),
        class_names=(class_name,),
        files=tuple(path.name for path in images.values()),
        name=folder.name,
    )


def _read(image: Path, mask: Path) -> tuple[Tensor, Tensor]:
    pixels, instances = read_image(image), read_image(mask, mode=None).long()
    if instances.shape != pixels.shape[1:]:
        raise ValueError(
            f"{mask}: expected a mask of {pixels.shape[2]}x{pixels.shape[1]} pixels, as "
            f"{image.name} has, and one number a pixel, got shape {tuple(instances.shape)}"
        )
    boxes = boxes_of_masks(instances)
    if not len(boxes):
        raise ValueError(f"{mask} shows no instance: every pixel is 0")
    return pixels, boxes
