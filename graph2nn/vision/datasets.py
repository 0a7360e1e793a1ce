"""`load_images`: every data set of the library behind one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graph2nn.deprecated import renamed_attribute, renamed_keywords
from graph2nn.names import choose
from graph2nn.runs.variables import user_path, variable
from graph2nn.vision.folder import EXTENSIONS, FolderImages
from graph2nn.vision.image_data import ImageData
from graph2nn.vision.readers import (
    find_folder,
    list_class_folders,
    read_cifar_python,
    read_idx,
    read_npz,
)

__all__ = ["DATASETS", "SPLITS", "DatasetInfo", "default_data_dir", "empty_images", "load_images"]

SPLITS = ("train", "val", "test", "trainval")
DIGITS_SEED = 1111
CIFAR_MEAN = (0.49139968, 0.48215827, 0.44653124)
CIFAR_STD = (0.24703233, 0.24348505, 0.26158768)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@renamed_keywords(imsize="image_size")
@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What is fixed about a data set.

    `mean` and `std` have one entry a stored channel.
    """

    num_classes: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: str = ""
    flip: bool = True
    noise_std: float = 0.08
    by_class: bool = False
    resized_as_imagenet: bool = False
    imsize = renamed_attribute("image_size")


DATASETS: dict[str, DatasetInfo] = {
    "digits": DatasetInfo(
        num_classes=10,
        image_size=8,
        mean=(0.305239,),
        std=(0.375980,),
        classes="0 1 2 3 4 5 6 7 8 9",
        flip=False,
    ),
    "fashion_mnist": DatasetInfo(
        num_classes=10,
        image_size=28,
        mean=(0.286041,),
        std=(0.353024,),
        classes="top trouser pullover dress coat sandal shirt sneaker bag boot",
    ),
    "cifar10": DatasetInfo(
        num_classes=10,
        image_size=32,
        mean=CIFAR_MEAN,
        std=CIFAR_STD,
        classes="airplane automobile bird cat deer dog frog horse ship truck",
        resized_as_imagenet=True,
    ),
    "cifar100": DatasetInfo(
        num_classes=100, image_size=32, mean=CIFAR_MEAN, std=CIFAR_STD, resized_as_imagenet=True
    ),
    "imagenet": DatasetInfo(
        num_classes=1000,
        image_size=224,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        noise_std=0.18,
        by_class=True,
    ),
    "tiny_imagenet": DatasetInfo(
        num_classes=200, image_size=64, mean=IMAGENET_MEAN, std=IMAGENET_STD, by_class=True
    ),
}


def default_data_dir() -> Path:
    """Return `$NETWRIGHT_DATA`, or `./data`."""
    return Path(variable("NETWRIGHT_DATA") or "data")


@renamed_keywords(imsize="image_size")
def load_images(
    name: str,
    *,
    data_dir: str | Path | None = None,
    split: str = "train",
    image_size: int | None = None,
    channels: int = 3,
    n_shots: int | None = None,
) -> ImageData:
    """Load one split of a data set.

    Validation images are held out of the training files: the last 10 % in file order (CIFAR,
    Fashion-MNIST), the last 50 of each class (ImageNet, Tiny ImageNet), or 13 a class (digits);
    `train` is the rest, `trainval` both. `test` is the official test set (ImageNet and Tiny
    ImageNet: the official validation set). Digits have no official split: 50 of each class are
    drawn for testing and 13 for validation with the seed 1111, which leaves 1167 for training.

    Args:
        name: One of `DATASETS`.
        data_dir: Folder with the data; None means `$NETWRIGHT_DATA` or `./data`.
        split: Part of the data: train, val, test or trainval.
        image_size: Side in pixels to resize to; None keeps the native size (digits 8,
            Fashion-MNIST 28, CIFAR 32, Tiny ImageNet 64; ImageNet is cropped to 224). Resized
            CIFAR images are normalised with the statistics of ImageNet, as in the published runs.
        channels: Channels of the images: 3 repeats the channel of grey images; 1 keeps it.
        n_shots: Number of images of each class, the first in file order; None for all.

    Raises:
        ValueError: Unknown name or split, unsuitable channels, or damaged files.
        FileNotFoundError: The data are not there; says how to get them.

    Examples:
        >>> data = load_images("digits", split="test", image_size=16)
        >>> data.images.shape, data.num_classes
        (torch.Size([500, 3, 16, 16]), 10)
    """
    info = _checked(name, split, image_size, channels)
    folder = default_data_dir() if data_dir is None else user_path(data_dir)
    data = _READERS[name](name, folder, split)
    if n_shots is not None:
        data = data.few_shot(n_shots)
    if image_size is not None and image_size != data.image_size:
        data = data.resized(image_size)
        if info.resized_as_imagenet:
            data = replace(data, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return data.repeated(channels)


def empty_images(name: str, *, image_size: int | None = None) -> ImageData:
    """Make a data set of no images, for networks that are built and not run on data.

    Classes, size, three channels and normalisation are those of `load_images`; nothing is read.

    Args:
        name: One of `DATASETS`.
        image_size: Side in pixels; None for the native size.

    Raises:
        ValueError: Unknown name, or a size that is not positive.

    Examples:
        >>> empty_images("cifar100").images.shape
        torch.Size([0, 3, 32, 32])
    """
    info = _checked(name, "test", image_size, 3)
    side = image_size or info.image_size
    images = torch.empty(0, len(info.mean), side, side, dtype=torch.uint8)
    data = _data(name, "test", images, torch.empty(0, dtype=torch.int64))
    if info.resized_as_imagenet and side != info.image_size:
        data = replace(data, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return data.repeated(3)


def _checked(name: str, split: str, image_size: int | None, channels: int) -> DatasetInfo:
    info = choose("data set", name, DATASETS)
    choose("split", split, SPLITS, where=name)
    allowed = (1, 3) if len(info.mean) == 1 else (3,)
    if channels not in allowed:
        raise ValueError(
            f"{name} has {len(info.mean)} channel(s); channels={channels} is not {allowed}"
        )
    if image_size is not None and image_size < 1:
        raise ValueError(f"image_size must be a positive number of pixels, got {image_size}")
    return info


def _data(
    name: str,
    split: str,
    images: Tensor | FolderImages,
    labels: Tensor,
    classes: tuple[str, ...] = (),
) -> ImageData:
    info = DATASETS[name]
    return ImageData(
        images=images,
        labels=labels,
        mean=info.mean,
        std=info.std,
        num_classes=len(classes) or info.num_classes,
        name=name,
        split=split,
        class_names=classes or tuple(info.classes.split()),
        flip=info.flip,
        noise_std=info.noise_std,
        by_class=info.by_class,
    )


def _missing(name: str, data_dir: Path, wanted: str) -> FileNotFoundError:
    where = data_dir.absolute()
    get = f"run: python -m graph2nn.vision.download {name} --data-dir {data_dir}"
    if name == "imagenet":
        get = "get it from image-net.org"
    return FileNotFoundError(
        f"{name} is not in {where} (looked for {wanted}); {get}, or set NETWRIGHT_DATA"
    )


def _digits(name: str, data_dir: Path, split: str) -> ImageData:
    from sklearn.datasets import load_digits  # slow to import, and only needed here

    table = load_digits()
    pixels = np.rint(table.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = table.target.astype(np.int64)
    # RandomState's stream is frozen by numpy, that of default_rng may change.
    order = np.random.RandomState(DIGITS_SEED)
    parts: dict[str, list[np.ndarray]] = {"test": [], "val": [], "train": []}
    for label in range(10):
        mixed = order.permutation(np.flatnonzero(labels == label))
        for part, chosen in zip(parts, np.split(mixed, [50, 63])):
            parts[part].append(chosen)
    names = ("train", "val") if split == "trainval" else (split,)
    index = np.sort(np.concatenate([i for part in names for i in parts[part]]))
    return _data(name, split, torch.from_numpy(pixels[index]), torch.from_numpy(labels[index]))


def _hold_out(images: Tensor, labels: Tensor, split: str) -> tuple[Tensor, Tensor]:
    """Of training images in file order: the last 10 % for val, the others for train."""
    if split in ("trainval", "test"):
        return images, labels
    count = len(labels) - len(labels) // 10
    part = slice(None, count) if split == "train" else slice(count, None)
    return images[part].clone(), labels[part].clone()  # cloned: a view would keep all in memory


def _cifar(name: str, data_dir: Path, split: str) -> ImageData:
    part = "test" if split == "test" else "train"
    own = data_dir / f"{name}.npz"
    if own.is_file():
        return _data(name, split, *_hold_out(*read_npz(own, part), split))
    if name == "cifar10":
        base, key = "cifar-10-batches-py", b"labels"
        files = ["test_batch"] if part == "test" else [f"data_batch_{i}" for i in range(1, 6)]
    else:
        base, key, files = "cifar-100-python", b"fine_labels", [part]
    folder = find_folder(data_dir, (base, f"{name}/{base}"), tuple(files))
    if folder is None:
        raise _missing(name, data_dir, f"{own.name} or {base}/{files[0]}")
    images, labels = read_cifar_python(lambda n: (folder / n).open("rb"), files, key)
    pair = _hold_out(torch.from_numpy(images), torch.from_numpy(labels), split)
    return _data(name, split, *pair)


def _fashion(name: str, data_dir: Path, split: str) -> ImageData:
    part = "t10k" if split == "test" else "train"
    files = (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
    folder = find_folder(data_dir, ("FashionMNIST/raw", "fashion_mnist", "fashion-mnist"), files)
    if folder is None:
        raise _missing(name, data_dir, f"FashionMNIST/raw/{files[0]}[.gz]")
    paths = [p if (p := folder / f).exists() else folder / f"{f}.gz" for f in files]
    images, labels = (torch.from_numpy(read_idx(p).copy()) for p in paths)
    return _data(name, split, *_hold_out(images[:, None], labels.long(), split))


def _class_folders(name: str, folder: Path, split: str, resize: int | None) -> ImageData:
    classes, files = list_class_folders(folder, EXTENSIONS)
    chosen, labels = [], []
    for label, paths in enumerate(files):
        held = 0 if split in ("test", "trainval") else min(50, len(paths) // 10)
        cut = len(paths) - held
        mine = paths[cut:] if split == "val" else paths[:cut]
        chosen += mine
        labels += [label] * len(mine)
    images = FolderImages(files=tuple(chosen), image_size=DATASETS[name].image_size, resize=resize)
    return _data(name, split, images, torch.tensor(labels), tuple(classes))


def _imagenet(name: str, data_dir: Path, split: str) -> ImageData:
    part = "val" if split == "test" else "train"
    folder = find_folder(data_dir, ("imagenet", "ImageNet", "."), (part,))
    if folder is None:
        raise _missing(name, data_dir, f"imagenet/{part}/<class>/<image>")
    return _class_folders(name, folder / part, split, None)


def _tiny_imagenet(name: str, data_dir: Path, split: str) -> ImageData:
    folder = find_folder(data_dir, ("tiny-imagenet-200", "tiny_imagenet"), ("train", "val"))
    if folder is None:
        raise _missing(name, data_dir, "tiny-imagenet-200/train")
    native = DATASETS[name].image_size
    notes = folder / "val" / "val_annotations.txt"
    if split != "test" or not notes.is_file():  # also read when val was sorted into class folders
        return _class_folders(name, folder / ("val" if split == "test" else "train"), split, native)
    classes = sorted(entry.name for entry in (folder / "train").iterdir() if entry.is_dir())
    number = {c: i for i, c in enumerate(classes)}
    rows = [line.split("\t")[:2] for line in notes.read_text().splitlines() if line]
    unknown = {c for _, c in rows} - set(number)
    if unknown:
        raise ValueError(f"{notes} names {len(unknown)} classes that {folder / 'train'} has not")
    files = tuple(folder / "val" / "images" / file for file, _ in rows)
    images = FolderImages(files=files, image_size=native, resize=native)
    return _data(name, split, images, torch.tensor([number[c] for _, c in rows]), tuple(classes))


_READERS: dict[str, Callable[[str, Path, str], ImageData]] = {
    "digits": _digits,
    "fashion_mnist": _fashion,
    "cifar10": _cifar,
    "cifar100": _cifar,
    "imagenet": _imagenet,
    "tiny_imagenet": _tiny_imagenet,
}
