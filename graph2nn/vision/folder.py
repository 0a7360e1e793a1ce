"""`FolderImages`: images in files, decoded when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from graph2nn.deprecated import renamed_attribute, renamed_keywords

__all__ = ["EXTENSIONS", "FolderImages", "crop_boxes"]

EXTENSIONS = (".jpeg", ".jpg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff")


@renamed_keywords(imsize="image_size")
@dataclass(frozen=True, eq=False, kw_only=True)
class FolderImages:
    """Image files behaving like an (N, 3, size, size) uint8 tensor, one batch at a time.

    Evaluation crops the centre: the shorter side is resized to `resize` pixels (ImageNet: 256 for
    224), then an `image_size` square is cut out. Training cuts random boxes (`crop_boxes`).

    Args:
        files: Paths, one an image.
        image_size: Side of the decoded square in pixels.
        resize: Length of the shorter side before the centre crop; None means max(image_size, 256).
    """

    files: tuple[Path, ...]
    image_size: int
    resize: int | None = None

    imsize = renamed_attribute("image_size")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Tensor) -> FolderImages:
        return replace(self, files=tuple(self.files[int(i)] for i in index))

    @renamed_keywords(imsize="image_size")
    def resized(self, image_size: int) -> FolderImages:
        """Return the same files, decoded to squares of another side in pixels."""
        return replace(self, image_size=image_size)

    def decode(
        self,
        index: Tensor,
        boxes: Sequence[Sequence[float]] | None = None,
        pool: ThreadPoolExecutor | None = None,
    ) -> Tensor:
        """Decode images, uint8 (len(index), 3, side, side).

        Args:
            index: Numbers of the images, (B,) int64.
            boxes: Four numbers an image in [0, 1) as drawn by `crop_boxes`; None crops the centre.
            pool: Threads to decode in (PIL releases the interpreter lock while it decodes).

        Raises:
            ValueError: A file that is no readable image, by name.
        """
        numbers = [int(i) for i in index]
        drawn = boxes if boxes is not None else [None] * len(numbers)
        jobs = [(self.files[i], box) for i, box in zip(numbers, drawn)]
        run = map if pool is None else pool.map
        arrays = list(run(lambda job: self._one(*job), jobs))
        if not arrays:
            return torch.empty((0, 3, self.image_size, self.image_size), dtype=torch.uint8)
        return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()

    def _one(self, path: Path, box: Sequence[float] | None) -> np.ndarray:
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(
                f"{path} is not a readable image ({error}); download it again"
            ) from None
        side = (self.image_size, self.image_size)
        if box is not None:
            region = _random_region(image.size, box)
        else:
            region = _centre_region(
                image.size, self.image_size, self.resize or max(self.image_size, 256)
            )
        return np.asarray(image.resize(side, Image.Resampling.BILINEAR, box=region))


def crop_boxes(count: int, generator: torch.Generator) -> list[list[float]]:
    """Draw four numbers an image, of which `FolderImages.decode` makes a random crop."""
    return torch.rand((count, 4), generator=generator).tolist()


def _random_region(size: tuple[int, int], box: Sequence[float]) -> tuple[float, ...]:
    """Area 8 % to 100 %, ratio 3/4 to 4/3 (Inception crop, arXiv:1409.4842), clipped to fit."""
    width, height = size
    area = width * height * (0.08 + 0.92 * box[0])
    ratio = (3 / 4) * (16 / 9) ** box[1]
    w = min(width, max(1.0, (area * ratio) ** 0.5))
    h = min(height, max(1.0, (area / ratio) ** 0.5))
    left, top = box[2] * (width - w), box[3] * (height - h)
    return left, top, left + w, top + h


def _centre_region(size: tuple[int, int], image_size: int, resize: int) -> tuple[float, ...]:
    width, height = size
    side = min(width, height) * min(1.0, image_size / resize)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side
