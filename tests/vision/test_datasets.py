"""Every data set in its usual layouts, made up small; the real digits; messages."""

from __future__ import annotations

import gzip
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from graph2nn.vision import DATASETS, FolderImages, ImageData, empty_images, load_images
from graph2nn.vision.readers import read_cifar_pickle


def cifar_batch(n: int, first: int, key: str) -> dict:
    data = (np.arange(n * 3072) + first).astype(np.uint8).reshape(n, 3072)
    return {b"data": data, key.encode(): [(first + i) % 10 for i in range(n)]}


def make_cifar10(folder: Path, n: int = 4) -> None:
    (folder / "cifar-10-batches-py").mkdir(parents=True)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for i, name in enumerate(names):
        raw = pickle.dumps(cifar_batch(n, i * n, "labels"), protocol=2)
        (folder / "cifar-10-batches-py" / name).write_bytes(raw)


def write_idx(path: Path, array: np.ndarray, compress: bool) -> None:
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    raw = head + array.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    if compress:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(raw))
    else:
        path.write_bytes(raw)


def write_image(path: Path, value: int, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 0, 0)).save(path)


@pytest.mark.parametrize(
    "split, count", [("train", 1167), ("val", 130), ("test", 500), ("trainval", 1297)]
)
def test_digits(split: str, count: int) -> None:
    data = load_images("digits", split=split)
    assert data.images.shape == (count, 3, 8, 8) and data.images.dtype == torch.uint8
    assert data.labels.dtype == torch.int64 and len(data) == count and data.image_size == 8
    each = torch.bincount(data.labels)
    if split in ("val", "test"):
        assert each.unique().tolist() == [{"val": 13, "test": 50}[split]]
    assert int(data.images.max()) == 255 and not data.flip
    assert torch.equal(data.images[:, 0], data.images[:, 2])


def test_digits_splits_are_disjoint_and_stable() -> None:
    parts = {s: load_images("digits", split=s, channels=1) for s in ("train", "val", "test")}
    rows = torch.cat([p.images.flatten(1) for p in parts.values()])
    whole = load_images("digits", split="trainval", channels=1)
    assert len(rows) == 1797
    assert torch.equal(
        whole.images.double().sum(),
        parts["train"].images.double().sum() + parts["val"].images.double().sum(),
    )
    assert [check(part) for part in parts.values()] == DIGIT_CHECKS


DIGIT_CHECKS = [18711237699, 236167635, 3407849795]


def check(data: ImageData) -> int:
    """Changes when an image, its label or its place changes."""
    place = torch.arange(1, len(data) + 1)
    return int((data.images.long().sum((1, 2, 3)) * (data.labels + 1) * place).sum())


def test_digits_statistics() -> None:
    data = load_images("digits", channels=1)
    values = data.images.double() / 255
    assert float(values.mean()) == pytest.approx(data.mean[0], abs=1e-5)
    assert float(values.std(correction=0)) == pytest.approx(data.std[0], abs=1e-5)


def test_resize_keeps_kind_and_mean() -> None:
    data = load_images("digits", split="test", image_size=16)
    assert data.images.shape == (500, 3, 16, 16) and data.images.dtype == torch.uint8
    assert data.images.is_contiguous() and data.image_size == 16
    small = load_images("digits", split="test")
    assert float(data.images.double().mean()) == pytest.approx(
        float(small.images.double().mean()), rel=0.01
    )
    assert data.mean == small.mean


def test_cifar10_python_layout(tmp_path: Path) -> None:
    make_cifar10(tmp_path)
    train, val = (load_images("cifar10", data_dir=tmp_path, split=s) for s in ("train", "val"))
    assert (len(train), len(val)) == (18, 2)
    assert train.labels.tolist() == [i % 10 for i in range(18)]
    assert val.labels.tolist() == [8, 9], "the last 10 % of the file order"
    whole = load_images("cifar10", data_dir=tmp_path, split="trainval")
    assert torch.equal(torch.cat([train.images, val.images]), whole.images)
    assert val.images.untyped_storage().nbytes() == 2 * 3072
    test = load_images("cifar10", data_dir=tmp_path, split="test", image_size=16)
    assert test.images.shape == (4, 3, 16, 16)
    assert test.mean == DATASETS["imagenet"].mean, "resized CIFAR is normalised as ImageNet"
    assert train.mean == DATASETS["cifar10"].mean and train.class_names[3] == "cat"


def test_cifar100_python_layout(tmp_path: Path) -> None:
    (tmp_path / "cifar-100-python").mkdir()
    for name in ("train", "test"):
        raw = pickle.dumps(cifar_batch(10, 0, "fine_labels"), protocol=2)
        (tmp_path / "cifar-100-python" / name).write_bytes(raw)
    data = load_images("cifar100", data_dir=tmp_path)
    assert len(data) == 9 and data.num_classes == 100


def test_cifar_pickles_cannot_run_code(tmp_path: Path) -> None:
    make_cifar10(tmp_path)

    class Evil:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "mark",))

    raw = pickle.dumps({b"data": Evil()})
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(raw)
    with pytest.raises(ValueError, match="data_batch_3 is not a CIFAR batch.*nothing was executed"):
        load_images("cifar10", data_dir=tmp_path)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("kind", ["O", "S8", "i8,O", "M8[s]"])
def test_cifar_pickles_cannot_forge_arrays(tmp_path: Path, kind: str) -> None:
    """Numpy takes the bytes of an array of objects for addresses."""
    make_cifar10(tmp_path)

    class Forged:
        def __reduce__(self) -> tuple:
            made, (_, *rest) = np.empty(0).__reduce__()[:2]
            state = (1, (1,), np.dtype(kind), False, b"A" * np.dtype(kind).itemsize)
            return (made, (np.ndarray, *rest), state)

    raw = pickle.dumps({b"data": Forged(), b"labels": [0]}, protocol=2)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(raw)
    with pytest.raises(ValueError, match="data_batch_3 is not a CIFAR batch.*expected numbers"):
        load_images("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", ["<f4", ">i8", "u1"])
def test_arrays_of_pickles_are_what_numpy_makes_of_them(protocol: int, kind: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(kind)
    file = io.BytesIO(pickle.dumps({b"data": array, b"t": array.T}, protocol=protocol))
    found = read_cifar_pickle(file, "here")
    assert np.array_equal(found[b"data"], array) and found[b"data"].dtype == array.dtype
    assert np.array_equal(found[b"t"], array.T)


@pytest.mark.parametrize(
    "change",
    [
        {b"labels": [0, 1, 2]},
        {b"labels": [0, 1, 2, 10**30]},
        {b"labels": [0, 1, 2, "3"]},
        {b"labels": np.zeros(4)},
        {b"data": np.zeros((4, 3071), np.uint8)},
        {b"data": np.zeros((4, 3072), np.float32)},
        {b"data": b"none"},
    ],
)
def test_other_contents_of_a_cifar_batch(tmp_path: Path, change: dict) -> None:
    make_cifar10(tmp_path)
    raw = pickle.dumps(cifar_batch(4, 0, "labels") | change, protocol=2)
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(raw)
    with pytest.raises(ValueError, match="test_batch.*expected"):
        load_images("cifar10", data_dir=tmp_path, split="test")


@pytest.mark.parametrize("cut", [0, 10, 2000])
def test_cut_cifar_batch(tmp_path: Path, cut: int) -> None:
    make_cifar10(tmp_path)
    path = tmp_path / "cifar-10-batches-py" / "test_batch"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match="test_batch is not a CIFAR batch"):
        load_images("cifar10", data_dir=tmp_path, split="test")


def test_own_layout_and_its_damage(tmp_path: Path) -> None:
    images, labels = np.zeros((20, 3, 32, 32), np.uint8), np.arange(20) % 10
    arrays = {"train_images": images, "train_labels": labels}
    np.savez(tmp_path / "cifar10.npz", **arrays, test_images=images, test_labels=labels)
    assert len(load_images("cifar10", data_dir=tmp_path)) == 18
    raw = (tmp_path / "cifar10.npz").read_bytes()
    for bad in (raw[:-100], raw[:5000] + b"\x01" + raw[5001:], b"PK"):
        (tmp_path / "cifar10.npz").write_bytes(bad)
        with pytest.raises(ValueError, match="truncated or altered .*vision.download cifar10"):
            load_images("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("folder, compress", [("FashionMNIST/raw", True), ("fashion_mnist", False)])
def test_fashion_mnist(tmp_path: Path, folder: str, compress: bool) -> None:
    for part, n in (("train", 30), ("t10k", 10)):
        images = np.arange(n)[:, None, None] + np.zeros((n, 28, 28), int)
        write_idx(tmp_path / folder / f"{part}-images-idx3-ubyte", images, compress)
        write_idx(tmp_path / folder / f"{part}-labels-idx1-ubyte", np.arange(n) % 10, compress)
    data = load_images("fashion_mnist", data_dir=tmp_path, split="val")
    assert data.images.shape == (3, 3, 28, 28)
    assert data.images[:, 0, 0, 0].tolist() == [27, 28, 29] and data.labels.tolist() == [7, 8, 9]
    grey = load_images("fashion_mnist", data_dir=tmp_path, split="test", channels=1, image_size=32)
    assert grey.images.shape == (10, 1, 32, 32) and grey.channels == 1


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x01\0\0\0\x05ab", b"\0\0\x0d\x01" + b"\0" * 8])
def test_bad_idx(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "fashion_mnist"
    write_idx(folder / "t10k-images-idx3-ubyte", np.zeros((2, 28, 28)), False)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte (is not an IDX|holds 2 bytes)"):
        load_images("fashion_mnist", data_dir=tmp_path, split="test")


def test_imagenet_folders(tmp_path: Path) -> None:
    for label, name in enumerate(("n02", "n01")):
        for i in range(20):
            write_image(tmp_path / "imagenet" / "train" / name / f"{i:02}.png", 10 * label + i)
        write_image(tmp_path / "imagenet" / "val" / name / "a.JPEG", 100)
    train = load_images("imagenet", data_dir=tmp_path)
    assert isinstance(train.images, FolderImages) and train.lazy and train.image_size == 224
    assert train.class_names == ("n01", "n02") and train.num_classes == 2
    assert torch.bincount(train.labels).tolist() == [18, 18]
    val = load_images("imagenet", data_dir=tmp_path, split="val")
    assert [p.name for p in val.images.files] == ["18.png", "19.png"] * 2
    test = load_images("imagenet", data_dir=tmp_path, split="test", image_size=64, n_shots=1)
    images = test.images.decode(torch.arange(2))
    assert images.shape == (2, 3, 64, 64) and images.dtype == torch.uint8
    assert abs(int(images[0, 0, 5, 5]) - 100) < 3


def test_tiny_imagenet(tmp_path: Path) -> None:
    root = tmp_path / "tiny-imagenet-200"
    for name in ("n1", "n2"):
        for i in range(10):
            write_image(root / "train" / name / "images" / f"{name}_{i}.JPEG", i, (64, 64))
    for i in range(3):
        write_image(root / "val" / "images" / f"val_{i}.JPEG", 50 * i, (64, 64))
    lines = "val_0.JPEG\tn2\t0\t0\t1\t1\nval_1.JPEG\tn1\t0\t0\t1\t1\nval_2.JPEG\tn2\t0\t0\t1\t1\n"
    (root / "val" / "val_annotations.txt").write_text(lines)
    test = load_images("tiny_imagenet", data_dir=tmp_path, split="test")
    assert test.labels.tolist() == [1, 0, 1]
    assert test.images.decode(torch.tensor([2])).shape == (1, 3, 64, 64)
    assert len(load_images("tiny_imagenet", data_dir=tmp_path, split="val")) == 2


def test_unreadable_image(tmp_path: Path) -> None:
    path = tmp_path / "imagenet" / "val" / "n01" / "a.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no image")
    data = load_images("imagenet", data_dir=tmp_path, split="test")
    with pytest.raises(ValueError, match=r"a\.jpg is not a readable image"):
        data.images.decode(torch.tensor([0]))


def test_n_shots_are_the_first_of_each_class() -> None:
    whole = load_images("digits")
    few = load_images("digits", n_shots=5)
    assert torch.bincount(few.labels).tolist() == [5] * 10
    seen: dict[int, int] = {}
    kept = []
    for i, label in enumerate(whole.labels.tolist()):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= 5:
            kept.append(i)
    assert torch.equal(few.images, whole.images[kept])


@pytest.mark.parametrize(
    "how, message",
    [
        ({"name": "mnist"}, "unknown data set 'mnist'; choose one of digits, fashion_mnist"),
        ({"name": "CIFAR10"}, "unknown data set 'CIFAR10'"),
        ({"name": "digits", "split": "dev"}, "digits: unknown split 'dev'; choose one of train"),
        ({"name": "digits", "channels": 2}, r"digits has 1 channel\(s\); channels=2 is not"),
        ({"name": "cifar10", "channels": 1}, r"cifar10 has 3 channel\(s\)"),
        ({"name": "digits", "image_size": 0}, "image_size must be a positive number"),
        ({"name": "digits", "n_shots": 500}, "class 0 has .* images, n_shots=500 asks for more"),
        ({"name": "digits", "n_shots": 0}, "n_shots must be at least 1"),
    ],
)
def test_bad_requests(how: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load_images(data_dir=tmp_path, **how)


@pytest.mark.parametrize("name", [n for n in DATASETS if n != "digits"])
def test_missing_data_says_how_to_get_them(name: str, tmp_path: Path) -> None:
    how = "image-net.org" if name == "imagenet" else f"vision.download {name}"
    with pytest.raises(FileNotFoundError, match=how):
        load_images(name, data_dir=tmp_path)


def test_data_dir_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_cifar10(tmp_path)
    monkeypatch.setenv("NETWRIGHT_DATA", str(tmp_path))
    assert len(load_images("cifar10")) == 18


def test_real_cifar10() -> None:
    try:
        data = load_images("cifar10", split="test")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert torch.bincount(data.labels).tolist() == [1000] * 10
    assert data.labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]


@pytest.mark.parametrize("side", [None, 8, 16])
def test_empty_images_are_of_the_same_kind(side: int | None) -> None:
    found, full = empty_images("digits", image_size=side), load_images("digits", image_size=side)
    assert len(found) == 0
    for name in ("num_classes", "channels", "image_size", "mean", "std", "class_names", "flip"):
        assert getattr(found, name) == getattr(full, name), name


def test_empty_images_of_a_resized_data_set(tmp_path: Path) -> None:
    make_cifar10(tmp_path)
    full = load_images("cifar10", data_dir=tmp_path, image_size=64)
    assert empty_images("cifar10", image_size=64).mean == full.mean
    with pytest.raises(ValueError, match="unknown data set 'letters'"):
        empty_images("letters")
    with pytest.raises(ValueError, match="positive number of pixels"):
        empty_images("digits", image_size=0)
