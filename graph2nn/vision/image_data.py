"""`ImageData`: labelled images of one split, with what is needed to normalise and augment them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from graph2nn.deprecated import renamed_attribute, renamed_keywords
from graph2nn.vision.folder import FolderImages

__all__ = ["ImageData", "first_shots"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageData:
    """Images and labels of one split.

    Args:
        images: All images as one uint8 tensor, or a `FolderImages` that decodes files when asked.
        labels: Class indices, int64.
        mean, std: Mean and deviation per channel, of values in [0, 1]; used to normalise.
        num_classes: Number of classes of the data set (not of those that occur in the split).
        name, split: Names of the data set and of the split, for messages and figures.
        class_names: Names of the classes, or empty.
        flip: Whether mirrored images keep their class (digits do not).
        noise_std: Standard deviation of the noise of corrupted test images, for values in [0, 1].
        by_class: Whether the file order goes class by class, so evaluation should shuffle when
            networks normalise with the statistics of a batch.

    Shapes:
        images (N, C, H, W), labels (N,).
    """

    images: Tensor | FolderImages
    labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_classes: int
    name: str
    split: str
    class_names: tuple[str, ...] = ()
    flip: bool = True
    noise_std: float = 0.08
    by_class: bool = False

    imsize = renamed_attribute("image_size")

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise ValueError(
                f"{self.name}: expected a label an image, got {len(self.images)} images and "
                f"{len(self.labels)} labels"
            )
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < (
            self.num_classes
        ):
            raise ValueError(
                f"{self.name}: labels run from {int(self.labels.min())} to "
                f"{int(self.labels.max())}, expected 0 to {self.num_classes - 1}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lazy(self) -> bool:
        """Whether images are decoded when asked for instead of being held in memory."""
        return isinstance(self.images, FolderImages)

    @property
    def channels(self) -> int:
        """Number of channels of the images."""
        return len(self.mean)

    @property
    def image_size(self) -> int:
        """Side of the square images in pixels."""
        if isinstance(self.images, FolderImages):
            return self.images.image_size
        return int(self.images.shape[-1])

    def subset(self, index: Tensor) -> ImageData:
        """Select the images numbered in `index` (n,) int64, in that order."""
        where = index.to(self.labels.device)
        return replace(self, images=self.images[where], labels=self.labels[where])

    def draw(self, count: int, seed: int) -> ImageData:
        """Draw `count` random images, without repetition; the same for a seed on any machine.

        Raises:
            ValueError: Where there are fewer.
        """
        if count > len(self):
            raise ValueError(
                f"{self.name} {self.split}: {count} images asked for, {len(self)} there; use fewer"
            )
        # RandomState's stream is frozen by numpy, that of default_rng may change.
        order = np.random.RandomState(seed).permutation(len(self))[:count]
        return self.subset(torch.from_numpy(order))

    def few_shot(self, n_shots: int) -> ImageData:
        """Select the first `n_shots` images of each class, file order kept.

        Raises:
            ValueError: Where a class has fewer images.
        """
        return self.subset(first_shots(self.labels, n_shots, self.num_classes, self.name))

    @renamed_keywords(imsize="image_size")
    def resized(self, image_size: int) -> ImageData:
        """Resize the images to squares, antialiased bilinear as torchvision's Resize."""
        if image_size == self.image_size:
            return self
        if isinstance(self.images, FolderImages):
            return replace(self, images=self.images.resized(image_size))
        return replace(self, images=_resize(self.images, image_size))

    def repeated(self, channels: int) -> ImageData:
        """Repeat the channel of grey images; colour images stay as they are."""
        if self.channels != 1 or channels == 1 or not isinstance(self.images, Tensor):
            return self
        images = self.images.expand(-1, channels, -1, -1).contiguous()
        return replace(self, images=images, mean=self.mean * channels, std=self.std * channels)

    def to(self, device: torch.device | str) -> ImageData:
        """Move images and labels into the memory of `device`; folders stay where they are."""
        images = self.images
        if isinstance(images, Tensor):
            images = images.to(device)
        return replace(self, images=images, labels=self.labels.to(device))


def first_shots(labels: Tensor, n_shots: int, num_classes: int, name: str) -> Tensor:
    """Find the first `n_shots` images of each class: labels (N,) -> ascending indices (n,)."""
    if n_shots < 1:
        raise ValueError(f"n_shots must be at least 1, got {n_shots}")
    chosen = []
    for label in range(num_classes):
        where = (labels == label).nonzero().flatten()[:n_shots]
        if len(where) < n_shots:
            raise ValueError(
                f"{name}: class {label} has {len(where)} images, n_shots={n_shots} asks for more; "
                "use a smaller n_shots"
            )
        chosen.append(where)
    return torch.cat(chosen).sort().values


def _resize(images: Tensor, image_size: int, chunk: int = 4096) -> Tensor:
    """In chunks, because the intermediate float images take four times the memory."""
    out = images.new_empty((len(images), images.shape[1], image_size, image_size))
    for i in range(0, len(images), chunk):
        part = F.interpolate(
            images[i : i + chunk].float(),
            size=(image_size, image_size),
            mode="bilinear",
            antialias=True,
        )
        out[i : i + chunk] = part.round_().clamp_(0, 255).to(torch.uint8)
    return out
