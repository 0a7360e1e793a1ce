"""The images that pruning methods look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from graph2nn.training.probe import Probe
from graph2nn.vision import Batches, ImageData

__all__ = ["Batch", "Data", "PruningProbe", "image_shape", "images_per_class", "take_batches"]

Batch = tuple[Tensor, Tensor]
Data = ImageData | Batch | Iterable[Batch]
"""A data set, one batch (images, labels), or batches such as those of a `DataLoader`."""


class PruningProbe(Probe):
    """A network to prune, and what a method is told beside it.

    Args:
        model: Network, see `Probe`.
        data: Labelled images, see `prune`; None without.
        compat: Whether to do as published, deviations included.
        progress: Whether to show a bar.
        how: Further arguments of `Probe`.

    Raises:
        ValueError: The network has nothing to prune.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        data: Data | None = None,
        compat: bool = False,
        progress: bool = False,
        **how: Any,
    ) -> None:
        super().__init__(model, **how)
        self.data, self.compat, self.progress = data, compat, progress
        assert self.weights  # raises without any


def take_batches(probe: PruningProbe, count: int, batch_size: int) -> list[Batch]:
    """Take `count` batches, on the probe's device: images (B, C, H, W), labels (B,).

    Of a data set they are training batches (shuffled and augmented by the probe's seed, normalised)
    of `batch_size`. Other data come in batches already; too few of them are taken again.

    Raises:
        ValueError: No data, or what is no batch.
    """
    found = list(islice(_stream(probe, batch_size, endless=True), count))
    if not found:
        raise ValueError("data has no batches; expected at least one (images, labels)")
    return [found[i % len(found)] for i in range(count)]


def images_per_class(probe: PruningProbe, count: int) -> Batch:
    """Take the first `count` images of every class that occurs, in turns.

    One of each class comes first, then the second of each class, ... Where `probe.compat`, class by
    class. Images are (B, C, H, W), labels (B,).

    Raises:
        ValueError: A class with fewer images, no data, or what is no batch.
    """
    if count < 1:
        raise ValueError(f"samples_per_class must be at least 1, got {count}")
    counts: Counter[int] = Counter()
    images, labels, ranks = [], [], []
    classes = probe.data.num_classes if isinstance(probe.data, ImageData) else None
    for batch_images, batch_labels in _stream(probe, 128):
        rows = []
        for row, label in enumerate(batch_labels.tolist()):
            if counts[label] < count:
                rows.append(row)
                ranks.append(counts[label])
                counts[label] += 1
        images.append(batch_images[rows])
        labels.append(batch_labels[rows])
        if not _is_pair(probe.data) and min(counts.values()) == count:
            classes = classes or _outputs(probe, batch_images)
            if len(counts) >= classes:
                break
    _check_counts(counts, count)
    all_labels = torch.cat(labels).cpu()
    rank = torch.tensor(ranks)
    top = int(all_labels.max()) + 1
    key = all_labels * count + rank if probe.compat else rank * top + all_labels
    order = key.argsort(stable=True).to(probe.device)
    return torch.cat(images)[order], torch.cat(labels)[order]


def image_shape(data: Any) -> tuple[int, ...] | None:
    """Find (C, H, W) of one image, where `data` tells it without being consumed."""
    if isinstance(data, ImageData):
        return (data.channels, data.image_size, data.image_size)
    if _is_pair(data):
        return tuple(data[0].shape[1:])
    if isinstance(data, Iterable) and not isinstance(data, Iterator):
        for batch in data:
            return tuple(_checked(batch)[0].shape[1:])
    return None


def _stream(probe: PruningProbe, batch_size: int, endless: bool = False) -> Iterator[Batch]:
    """Batches on the probe's device: one epoch of a data set unless `endless`."""
    data = probe.data
    if isinstance(data, ImageData):
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        whole = len(data) >= batch_size
        batches = Batches(
            data, batch_size, train=True, seed=probe.seed, device=probe.device, drop_last=whole
        )
        stream = batches.endless() if endless else iter(batches)
        yield from ((images.to(probe.dtype), labels) for images, labels in stream)
        return
    if data is None:
        raise ValueError("the method looks at labelled images: pass data=")
    for batch in [data] if _is_pair(data) else _iterate(data):
        images, labels = _checked(batch)
        if images.is_inference():  # autograd keeps none of those
            images, labels = images.clone(), labels.clone()
        yield images.to(probe.device, probe.dtype), labels.to(probe.device, torch.int64)


def _iterate(data: Any) -> Iterable[Any]:
    if not isinstance(data, Iterable) or isinstance(data, Tensor | str):
        raise ValueError(
            "data must be an ImageData, a batch (images, labels) or an iterable of batches, got "
            f"{type(data).__name__}"
        )
    return data


def _is_pair(data: Any) -> bool:
    pair = isinstance(data, tuple | list) and len(data) == 2
    return pair and all(isinstance(item, Tensor) for item in data)


def _checked(batch: Any) -> Batch:
    if not _is_pair(batch):
        raise ValueError(
            f"expected batches (images, labels) of tensors, got {type(batch).__name__}"
        )
    images, labels = batch
    if not images.is_floating_point():
        raise ValueError(
            f"images are {images.dtype}, expected normalised floating-point values; divide by 255 "
            "and normalise, or pass an ImageData, which is normalised here"
        )
    if labels.dim() != 1 or labels.is_floating_point() or len(labels) != len(images):
        raise ValueError(
            f"expected a class number for each of {len(images)} images, got labels of shape "
            f"{tuple(labels.shape)} and type {labels.dtype}"
        )
    if not len(labels):
        raise ValueError("a batch has no images")
    if int(labels.min()) < 0:
        raise ValueError(f"labels start at {int(labels.min())}, expected 0 or more")
    return images, labels


def _outputs(probe: PruningProbe, images: Tensor) -> int:
    """How many classes the network tells apart."""
    with torch.no_grad():
        return probe.forward(probe.parameters(), images, training=False).shape[-1]


def _check_counts(counts: Counter[int], count: int) -> None:
    if not counts:
        raise ValueError("data has no batches; expected at least one (images, labels)")
    few = {label: n for label, n in sorted(counts.items()) if n < count}
    if few:
        label, n = next(iter(few.items()))
        more = f" (and too few of {len(few) - 1} more)" if len(few) > 1 else ""
        raise ValueError(
            f"expected {count} images of each class, got {n} of class {label}{more}; give more "
            f"data or pass samples_per_class={min(few.values())}"
        )
