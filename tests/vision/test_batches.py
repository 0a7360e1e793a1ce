"""Batches: order, restart, seeds, parity of the evaluation order; augmentation by definition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from graph2nn.vision import (
    Augment,
    Batches,
    ImageData,
    add_noise,
    color_jitter,
    cutout,
    load_images,
    normalize,
    random_crop,
    random_flip,
)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_images("digits", image_size=16)


def collect(batches: Batches, epochs: int = 1) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [pair for _ in range(epochs) for pair in batches]


def same(a: list, b: list) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x, u) and torch.equal(y, v) for (x, y), (u, v) in zip(a, b, strict=True)
    )


def test_an_epoch_has_every_image_once(digits: ImageData) -> None:
    batches = Batches(digits, 64, train=True)
    labels = torch.cat([y for _, y in batches])
    assert len(batches) == 19 and len(labels) == len(digits)
    assert torch.equal(torch.bincount(labels), torch.bincount(digits.labels))
    short = Batches(digits, 64, train=True, drop_last=True)
    assert len(short) == 18 == len(collect(short))


def test_shape_and_normalisation(digits: ImageData) -> None:
    images, labels = next(iter(Batches(digits, 1167, train=False)))
    assert images.shape == (1167, 3, 16, 16) and images.dtype == torch.float32
    assert torch.equal(labels, digits.labels)
    shift, scale = torch.tensor(digits.mean), torch.tensor(digits.std)
    by_hand = (digits.images[5, :, 3, 4] / 255 - shift) / scale
    torch.testing.assert_close(images[5, :, 3, 4], by_hand)


def test_seed_decides_everything(digits: ImageData) -> None:
    first = collect(Batches(digits, 300, train=True, seed=1), 2)
    assert same(first, collect(Batches(digits, 300, train=True, seed=1), 2))
    assert not same(first, collect(Batches(digits, 300, train=True, seed=2), 2))
    assert not torch.equal(first[0][1], first[4][1]), "a new order every epoch"


@pytest.mark.parametrize("stop", [0, 1, 3, 4, 5, 8])
def test_resume_equals_uninterrupted(digits: ImageData, stop: int) -> None:
    whole = collect(Batches(digits, 300, train=True), 3)  # 4 batches an epoch
    first = Batches(digits, 300, train=True)
    stream = first.endless()
    for _ in range(stop):
        next(stream)
    state = first.state_dict()
    second = Batches(digits, 300, train=True)
    second.load_state_dict(state)
    stream = second.endless()
    assert same([next(stream) for _ in range(12 - stop)], whole[stop:])


def test_a_state_of_other_settings_is_refused(digits: ImageData) -> None:
    state = Batches(digits, 64, train=True).state_dict()
    with pytest.raises(ValueError, match="batch_size was 64, is 32; use the settings"):
        Batches(digits, 32, train=True).load_state_dict(state)
    with pytest.raises(ValueError, match="seed was 1111, is 5"):
        Batches(digits, 64, train=True, seed=5).load_state_dict(state)


def test_evaluation_repeats_itself(digits: ImageData) -> None:
    batches = Batches(digits, 500, train=False, noise=True)
    assert same(collect(batches), collect(batches))
    assert batches.epoch == 0


def test_order_of_sets_stored_by_class_is_that_of_a_data_loader(digits: ImageData) -> None:
    data = replace(digits, by_class=True)
    ours = [y for _, y in Batches(data, 64, train=False)]
    generator = torch.Generator().manual_seed(1111)
    loader = DataLoader(TensorDataset(data.labels), 64, shuffle=True, generator=generator)
    for mine, (theirs,) in zip(ours, loader, strict=True):
        assert torch.equal(mine, theirs)


def test_noise(digits: ImageData) -> None:
    clean = next(iter(Batches(digits, 500, train=False)))[0] * digits.std[0] + digits.mean[0]
    noisy = next(iter(Batches(digits, 500, train=False, noise=True)))[0]
    noisy = noisy * digits.std[0] + digits.mean[0]
    assert noisy.min() >= -1e-5 and noisy.max() <= 1 + 1e-5
    inside = (clean > 0.3) & (clean < 0.7)
    assert float((noisy - clean)[inside].std()) == pytest.approx(0.08, rel=0.05)


@pytest.mark.parametrize(
    "how, message",
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 5000, "drop_last": True}, "1167 images make no batch of 5000"),
    ],
)
def test_bad_batches(digits: ImageData, how: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Batches(digits, **how, train=True)
    with pytest.raises(ValueError, match="Augment.cutout must not be negative, got -1"):
        Augment(cutout=-1)


def test_image_data_checks_itself(digits: ImageData) -> None:
    with pytest.raises(ValueError, match="expected a label an image, got 1167 images and 3"):
        replace(digits, labels=digits.labels[:3])
    with pytest.raises(ValueError, match="labels run from 0 to 9, expected 0 to 4"):
        replace(digits, num_classes=5)


def test_random_crop_is_a_shift(generator: torch.Generator) -> None:
    images = torch.randint(1, 256, (40, 3, 6, 6), dtype=torch.uint8)
    out = random_crop(images, 2, generator)
    assert out.shape == images.shape and out.dtype == torch.uint8 and out.is_contiguous()
    padded = torch.nn.functional.pad(images, (2,) * 4)
    shifts = set()
    for image, source in zip(out, padded, strict=True):
        found = [
            (dy, dx)
            for dy in range(5)
            for dx in range(5)
            if torch.equal(image, source[:, dy : dy + 6, dx : dx + 6])
        ]
        assert len(found) == 1
        shifts.add(found[0])
    assert len(shifts) > 10
    assert random_crop(images, 0, generator) is images


def test_random_flip(generator: torch.Generator) -> None:
    images = torch.randn(400, 3, 4, 4)
    out = random_flip(images, generator)
    kept = (out == images).flatten(1).all(1)
    assert torch.equal(out[~kept], images[~kept].flip(-1))
    assert 150 < int(kept.sum()) < 250


def test_digits_are_not_mirrored(digits: ImageData) -> None:
    plain = Batches(digits, 100, train=True, augment=Augment(crop=False))
    images, _ = next(iter(plain))
    again = Batches(digits, 100, train=True)
    order = torch.randperm(len(digits), generator=again._generator("order"))
    expected = normalize(digits.images[order[:100]].float() / 255, digits.mean, digits.std)
    torch.testing.assert_close(images, expected)


@pytest.mark.parametrize("side", [1, 4, 5, 16])
def test_cutout(side: int, generator: torch.Generator) -> None:
    out = cutout(torch.ones(200, 3, 12, 12), side, generator)
    holes = (out == 0).any(1)
    assert torch.equal(holes, (out == 0).all(1))
    size = holes.flatten(1).sum(1)
    assert int(size.max()) == min(side, 12) ** 2 and int(size.min()) >= ((side + 1) // 2) ** 2 // 4
    rows, cols = holes.any(2).sum(1), holes.any(1).sum(1)
    assert torch.equal(rows * cols, size), "rectangles"


def test_add_noise_is_clipped(generator: torch.Generator) -> None:
    out = add_noise(torch.full((2, 3, 50, 50), 0.9), 0.5, generator)
    assert out.min() >= 0 and out.max() == 1


def test_jitter(generator: torch.Generator) -> None:
    images = torch.rand(8, 3, 5, 5)
    torch.testing.assert_close(color_jitter(images, 0.0, generator), images)
    out = color_jitter(images, 0.4, generator)
    assert out.shape == images.shape and out.min() >= 0 and out.max() <= 1
    assert not torch.allclose(out, images)


def test_hue_turns_as_torchvisions() -> None:
    functional = pytest.importorskip("torchvision.transforms.functional")
    from graph2nn.vision.augment import _turn_hue

    images = torch.rand(4, 3, 9, 9)
    for turn in (-0.2, 0.1, 0.4):
        ours = _turn_hue(images, torch.full((4, 1, 1, 1), turn))
        torch.testing.assert_close(ours, functional.adjust_hue(images, turn), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("workers", [0, 2])
def test_image_files(tmp_path: Path, workers: int) -> None:
    for name in ("a", "b"):
        for i in range(11):
            path = tmp_path / "imagenet" / "train" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(i).integers(0, 256, (30, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
    data = load_images("imagenet", data_dir=tmp_path, image_size=16)
    train = Batches(data, 8, train=True, workers=workers)
    assert len(train) == 3
    got = collect(train)
    assert got[0][0].shape == (8, 3, 16, 16) and got[-1][0].isfinite().all()
    assert same(got, collect(Batches(data, 8, train=True)))
    labels = torch.cat([y for _, y in Batches(data, 8, train=False)])
    assert labels.tolist() != sorted(labels.tolist()), "stored by class, so shuffled"
