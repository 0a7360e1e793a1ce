"""`DetectionData`: images with boxes around what is in them, of one split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["DetectionData", "boxes_of_masks", "read_image"]


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionData:
    """Images of one split, each of its own size, with boxes.

    Args:
        images: Images, uint8.
        boxes: Left, top, right and bottom side of each box in pixels, float32, image by image.
        labels: Class of each box, int64 from 1; 0 is the ground.
        class_names: Names of the classes from 1 on.
        files: Name of each image, for messages and figures.
        name, split: Names of the data set and of the split.

    Shapes:
        images (3, H, W), boxes (n, 4), labels (n,), each of one image.

    Raises:
        ValueError: A box without area or outside its image, a class without a name, or lists that
            do not fit together.
    """

    images: tuple[Tensor, ...]
    boxes: tuple[Tensor, ...]
    labels: tuple[Tensor, ...]
    class_names: tuple[str, ...]
    files: tuple[str, ...]
    name: str
    split: str = "all"

    def __post_init__(self) -> None:
        sizes = [len(part) for part in (self.images, self.boxes, self.labels, self.files)]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"{self.name}: expected boxes, labels and a file name for each image, got {sizes} "
                "images, boxes, labels and names"
            )
        for index in range(len(self)):
            self._check(index)

    def __len__(self) -> int:
        return len(self.images)

    def _check(self, index: int) -> None:
        where = f"{self.name}, {self.files[index]}"
        image, boxes, labels = self.images[index], self.boxes[index], self.labels[index]
        if image.dim() != 3 or image.shape[0] != 3 or image.dtype != torch.uint8:
            raise ValueError(
                f"{where}: expected an image (3, height, width) of uint8, got "
                f"{tuple(image.shape)} of {image.dtype}"
            )
        if boxes.shape != (len(labels), 4):
            raise ValueError(
                f"{where}: expected 4 sides a box and a label, got boxes {tuple(boxes.shape)} and "
                f"{len(labels)} labels"
            )
        height, width = image.shape[1:]
        for number, box in enumerate(boxes.tolist()):
            left, top, right, bottom = box
            told = f"{where}: box {number} (left {left:g}, top {top:g}, right {right:g}, bottom "
            told += f"{bottom:g})"
            if not (left < right and top < bottom):
                raise ValueError(f"{told} is empty; expected left < right and top < bottom")
            if left < 0 or top < 0 or right > width or bottom > height:
                raise ValueError(
                    f"{told} reaches out of the image of {width}x{height} pixels; expected left, "
                    "top, right, bottom in pixels of the image"
                )
        if len(labels) and not 1 <= int(labels.min()) <= int(labels.max()) <= len(self.class_names):
            raise ValueError(
                f"{where}: labels run from {int(labels.min())} to {int(labels.max())}, expected 1 "
                f"to {len(self.class_names)}"
            )

    def target(self, index: int, *, flip: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
        """Return an image with its boxes as detectors of torchvision take them.

        Args:
            index: Number of the image.
            flip: Whether left and right are swapped.

        Shapes:
            image (3, H, W), float32 from 0 to 1; `boxes` (n, 4), `labels` (n,).
        """
        image, boxes = self.images[index].float() / 255, self.boxes[index].clone()
        if flip:
            image = image.flip(-1)
            boxes[:, [0, 2]] = image.shape[-1] - boxes[:, [2, 0]]
        return image, {"boxes": boxes, "labels": self.labels[index]}

    def subset(self, index: Sequence[int], split: str | None = None) -> DetectionData:
        """Select images by number, in that order, maybe as a split of another name."""
        chosen: dict[str, Any] = {
            part: tuple(getattr(self, part)[i] for i in index)
            for part in ("images", "boxes", "labels", "files")
        }
        return replace(self, split=split or self.split, **chosen)

    def split_off_test(
        self, seed: int, test_images: int = 50
    ) -> tuple[DetectionData, DetectionData]:
        """Split the images at random into those of training and the last ones, of the test.

        With the published seed 1111 and 50 images it is the published split of Penn-Fudan.

        Raises:
            ValueError: No image would be left to train on.
        """
        if not 1 <= test_images < len(self):
            raise ValueError(
                f"{self.name}: expected 1 to {len(self) - 1} test images, as there are "
                f"{len(self)} images, got {test_images}"
            )
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed)).tolist()
        return (
            self.subset(order[:-test_images], "train"),
            self.subset(order[-test_images:], "test"),
        )


def boxes_of_masks(mask: Tensor) -> Tensor:
    """Return the box around each instance of a mask, in the order of their numbers.

    Sides are the outermost pixels themselves, as published (arXiv:2110.13100, official code): an
    instance of w pixels in a row has a box of width w - 1.

    Args:
        mask: Number of the instance that each pixel shows, 0 for the ground.

    Shapes:
        mask (H, W) → (n, 4), float32: left, top, right, bottom.
    """
    found = []
    for number in mask.unique().tolist():
        if number == 0:
            continue
        rows, columns = torch.where(mask == number)
        found.append([columns.min(), rows.min(), columns.max(), rows.max()])
    return torch.tensor(found, dtype=torch.float32).reshape(-1, 4)


def read_image(path: Path, mode: str | None = "RGB") -> Tensor:
    """Read an image file: colours (3, H, W), or with mode None what it stores, such as (H, W).

    Raises:
        ValueError: A file that is no image, or is damaged.
    """
    try:
        with Image.open(path) as file:
            pixels = torch.from_numpy(np.array(file.convert(mode) if mode else file))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    return pixels.permute(2, 0, 1).contiguous() if mode else pixels
