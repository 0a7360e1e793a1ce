"""`Batches`: normalised batches of images whose order and augmentation depend on a seed only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from graph2nn.vision.augment import (
    Augment,
    add_noise,
    color_jitter,
    cutout,
    normalize,
    random_crop,
    random_flip,
)
from graph2nn.vision.folder import FolderImages, crop_boxes
from graph2nn.vision.image_data import ImageData

__all__ = ["Batches"]


class Batches:
    """Iterable over (images, labels); one `for` loop is one epoch.

    Every batch has a generator of its own, made from (seed, epoch, position). A stopped epoch thus
    goes on exactly where it was (`state_dict`), several processes with one seed see the same
    images, and no draw depends on another. Evaluation gives the same order every time.

    Args:
        data: Images and labels; moved to `device` by the caller (`data.to`) to save a copy a batch.
        batch_size: Number of images a batch; the last one may be smaller.
        train: Whether images are shuffled anew every epoch and augmented.
        seed: Seed of the order, of augmentation and of noise.
        augment: Augmentation in training; None means `Augment()`.
        device: Device of the batches.
        shuffle: Whether images are shuffled; None means yes in training, and in evaluation where
            files are stored class by class (then in the order of a `torch.utils.data.DataLoader`
            with a generator of that seed, as in the published evaluation).
        noise: Whether the images are corrupted (evaluation); True takes the data set's standard
            deviation.
        drop_last: Whether a smaller last batch is left out.
        workers: Number of threads that decode image files.

    Shapes:
        images (B, C, H, W) float32, labels (B,) int64.
    """

    def __init__(
        self,
        data: ImageData,
        batch_size: int,
        *,
        train: bool,
        seed: int = 1111,
        augment: Augment | None = None,
        device: torch.device | str = "cpu",
        shuffle: bool | None = None,
        noise: bool | float = False,
        drop_last: bool = False,
        workers: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if len(data) == 0 or (drop_last and len(data) < batch_size):
            raise ValueError(
                f"{data.name} {data.split}: {len(data)} images make no batch of {batch_size}"
            )
        self.data, self.batch_size, self.train, self.seed = data, batch_size, train, seed
        self.augment = augment or Augment()
        self.device = torch.device(device)
        self.shuffle = (train or data.by_class) if shuffle is None else shuffle
        self.noise = data.noise_std if noise is True else float(noise)
        self.drop_last, self.workers = drop_last, workers
        self.epoch = 0
        self.position = 0

    def __len__(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(len(self.data), self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = self._order()
        pool = ThreadPoolExecutor(self.workers) if self.workers and self.data.lazy else None
        start, count = (self.position, len(self)) if self.train else (0, len(self))
        try:
            for position in range(start, count):
                batch = self._batch(order, position, pool)
                if self.train:  # advanced first: while a batch is in use the state names the next
                    self.epoch, self.position = (
                        (self.epoch, position + 1) if position + 1 < count else (self.epoch + 1, 0)
                    )
                yield batch
        finally:
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)

    def endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Iterate over batches of one epoch after the other, from the present state on.

        Shapes: images (B, C, H, W) float32, labels (B,) int64.
        """
        while True:
            yield from self

    def state_dict(self) -> dict[str, int]:
        """Return where the iteration stands, the next batch to come, as plain integers."""
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "position": self.position,
            "batch_size": self.batch_size,
            "images": len(self.data),
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from `state`.

        Raises:
            ValueError: A state of other data, seed or batch size, where the batches would differ.
        """
        mine = self.state_dict()
        for key in ("seed", "batch_size", "images"):
            if state.get(key) != mine[key]:
                raise ValueError(
                    f"cannot go on with these batches: {key} was {state.get(key)}, is {mine[key]}; "
                    "use the settings of the stopped run"
                )
        self.epoch, self.position = int(state["epoch"]), int(state["position"])

    def _generator(self, purpose: str, position: int = 0) -> torch.Generator:
        """Independent of every other (purpose, epoch, position) for the same seed."""
        text = f"{self.seed} {purpose} {self.epoch if self.train else 0} {position}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)

    def _order(self) -> Tensor | None:
        if not self.shuffle:
            return None
        if self.train:
            return torch.randperm(len(self.data), generator=self._generator("order"))
        generator = torch.Generator().manual_seed(self.seed)
        # A DataLoader draws a seed for its workers before its sampler draws the order.
        torch.empty((), dtype=torch.int64).random_(generator=generator)
        return torch.randperm(len(self.data), generator=generator)

    def _batch(
        self, order: Tensor | None, position: int, pool: ThreadPoolExecutor | None
    ) -> tuple[Tensor, Tensor]:
        start = position * self.batch_size
        stop = min(start + self.batch_size, len(self.data))
        index = torch.arange(start, stop) if order is None else order[start:stop]
        generator = self._generator("augment", position)
        where = index.to(self.data.labels.device)
        labels = self.data.labels[where].to(self.device)
        source = self.data.images
        if isinstance(source, FolderImages):
            crop = self.train and self.augment.crop
            boxes = crop_boxes(len(index), generator) if crop else None
            images = source.decode(index, boxes, pool).to(self.device)
        else:
            images = (source[start:stop] if order is None else source[where]).to(self.device)
        if self.train:
            return self._augmented(images, generator), labels
        images = images.float().div_(255)
        if self.noise:
            images = add_noise(images, self.noise, self._generator("noise", position))
        return normalize(images, self.data.mean, self.data.std), labels

    def _augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        how = self.augment
        if how.crop and not self.data.lazy:
            padding = images.shape[-1] // 8 if how.padding is None else how.padding
            mean = [round(255 * value) for value in self.data.mean]
            fill = mean if how.pad_with == "mean" else None
            images = random_crop(images, padding, generator, fill)
        if how.flip and self.data.flip:
            images = random_flip(images, generator)
        images = images.float().div_(255)
        jitter = (0.4 if self.data.lazy else 0.0) if how.jitter is None else how.jitter
        if jitter:
            images = color_jitter(images, jitter, generator)
        images = normalize(images, self.data.mean, self.data.std)
        return cutout(images, how.cutout, generator)
