"""`python -m graph2nn.vision.download cifar10`: fetches a data set and checks it before use."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from graph2nn.runs.variables import user_path
from graph2nn.vision.datasets import default_data_dir, load_images
from graph2nn.vision.sources import SOURCES, Source, SourceError

__all__ = ["FACTS", "Facts", "check_facts", "download_images", "main"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a data set.

    Args:
        counts: Number of training and test images.
        mean, std: Mean and deviation of the training images per channel, for values in [0, 1], to
            four decimals; empty where images are not held in memory.
    """

    counts: tuple[int, int]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


FACTS: dict[str, Facts] = {
    "cifar10": Facts(
        counts=(50_000, 10_000), mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)
    ),
    "cifar100": Facts(
        counts=(50_000, 10_000), mean=(0.5071, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2762)
    ),
    "fashion_mnist": Facts(counts=(60_000, 10_000), mean=(0.2860,), std=(0.3530,)),
    "tiny_imagenet": Facts(counts=(100_000, 10_000)),
}


def download_images(
    name: str,
    *,
    data_dir: str | Path | None = None,
    sources: Sequence[Source] | None = None,
    facts: Facts | None = None,
    progress: bool = True,
) -> Path:
    """Fetch `name` into `data_dir`, from the first source that gives what is known of the set.

    Everything happens in a temporary folder inside `data_dir`; only checked data are moved into
    place.

    Args:
        name: Key of `SOURCES`.
        data_dir: Folder of the data; None means `$NETWRIGHT_DATA` or `./data`.
        sources, facts: Sources and facts instead of the built-in ones.
        progress: Whether progress bars are shown.

    Returns:
        The folder that `load_images(name, data_dir=...)` reads.

    Raises:
        ValueError: A name without sources, data that are there already, or no source that works.
        OSError: The folder cannot be written.
    """
    if name not in SOURCES:
        extra = "; digits need no download" if name == "digits" else ""
        extra = "; get it from image-net.org" if name == "imagenet" else extra
        raise ValueError(f"cannot download {name!r}; choose one of {', '.join(SOURCES)}{extra}")
    folder = default_data_dir() if data_dir is None else user_path(data_dir)
    if _is_there(name, folder):
        raise ValueError(f"{name} is in {folder} already; delete it to download it again")
    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    for source in sources or SOURCES[name]:
        work = Path(tempfile.mkdtemp(dir=folder, prefix=f".{name}-"))
        try:
            source.fetch(work, progress)
            check_facts(name, work, facts or FACTS[name])
            for entry in sorted(work.iterdir()):
                _move(entry, folder / entry.name)
            return folder
        except (SourceError, ValueError, FileNotFoundError) as error:
            failures.append(f"{source.name}: {error}")
        finally:
            shutil.rmtree(work, ignore_errors=True)
    raise ValueError(
        f"no source of {name} worked:\n  "
        + "\n  ".join(failures)
        + f"\nNothing was put into {folder}; check the network, or put the files there yourself: "
        f"graph2nn.vision.load_images({name!r}) says which it looks for"
    )


def check_facts(name: str, data_dir: Path, facts: Facts) -> None:
    """Compare the data in `data_dir` with what is known of them.

    Raises:
        ValueError: Another number of images, unequal classes, or another mean or deviation.
    """
    for split, count in zip(("trainval", "test"), facts.counts):
        data = load_images(name, data_dir=data_dir, split=split, channels=_channels(name))
        _expect(f"{name} {split}: images", len(data), count)
        each = torch.bincount(data.labels, minlength=data.num_classes).unique().tolist()
        _expect(f"{name} {split}: images a class", each, [count // data.num_classes])
        if split == "trainval" and facts.mean:
            assert isinstance(data.images, Tensor), "facts have moments only for sets in memory"
            mean, std = _moments(data.images)
            _expect_near(f"{name}: channel means", mean, facts.mean)
            _expect_near(f"{name}: channel deviations", std, facts.std)


def _channels(name: str) -> int:
    return 1 if name == "fashion_mnist" else 3


def _moments(images: Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation a channel, from exact integer histograms."""
    values = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in range(images.shape[1]):
        share = torch.zeros(256, dtype=torch.float64)
        for part in images[:, channel].split(5000):
            share += torch.bincount(part.flatten(), minlength=256)
        share /= share.sum()
        centre = (share * values).sum()
        mean.append(round(float(centre), 4))
        std.append(round(float((share * (values - centre) ** 2).sum().sqrt()), 4))
    return mean, std


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ValueError(f"{what}: {found}, expected {expected}")


def _expect_near(what: str, found: list[float], expected: tuple[float, ...]) -> None:
    """Within one unit of the fourth decimal, to which such figures are published."""
    if any(abs(a - b) > 1.5e-4 for a, b in zip(found, expected, strict=True)):
        raise ValueError(f"{what}: {found}, expected {list(expected)}")


def _is_there(name: str, folder: Path) -> bool:
    try:
        load_images(name, data_dir=folder, split="test")
    except FileNotFoundError:
        return False
    except ValueError:
        return True  # damaged, and the user's to delete
    return True


def _move(source: Path, target: Path) -> None:
    if source.is_dir() and target.is_dir():
        for entry in sorted(source.iterdir()):
            _move(entry, target / entry.name)
    else:
        os.replace(source, target)


def main(argv: Sequence[str] | None = None) -> int:
    """Download what the command line names and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m graph2nn.vision.download", description="Downloads and checks image data."
    )
    parser.add_argument("name", choices=list(SOURCES), help="data set")
    parser.add_argument(
        "-D", "--data-dir", "--data_dir", default=None, help="default: $NETWRIGHT_DATA or ./data"
    )
    args = parser.parse_args(argv)
    try:
        folder = download_images(args.name, data_dir=args.data_dir)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.name} is in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
