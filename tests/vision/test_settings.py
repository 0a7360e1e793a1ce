"""One description of images, for whoever trains on them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from graph2nn.runs import from_dict, to_dict
from graph2nn.vision import (
    CORRUPTIONS,
    ImageSettings,
    dataset_label,
    dataset_name,
    load_images,
    load_sets,
)


def test_sets_are_drawn_without_an_image_twice() -> None:
    sets = load_sets(ImageSettings(train=100, val=80, test=70, noise=0.2))
    assert [len(sets.train), len(sets.val), len(sets.final_tests["final"])] == [100, 80, 70]
    whole = load_sets(ImageSettings(train=700, val=597, test=500))
    rows = torch.cat([whole.train.images, whole.val.images]).flatten(1)
    assert len(rows) == 1297  # each image outside the test split once
    assert sorted(sets.final_tests) == ["final", *(f"final_{name}" for name in sorted(CORRUPTIONS))]
    with pytest.raises(ValueError, match="1400 images asked for, 1297 there"):
        load_sets(ImageSettings(train=1000, val=400))


def test_without_numbers_all_images_are_taken() -> None:
    sets = load_sets(ImageSettings())
    whole = load_images("digits", split="trainval")
    assert torch.equal(sets.train.images, whole.images) and len(sets.val) == 0
    assert len(sets.test) == 500 and (sets.train.split, sets.test.split) == ("train", "test")
    rest = load_sets(ImageSettings(val=97))
    assert (len(rest.train), len(rest.val)) == (1200, 97)


def test_training_images_do_not_depend_on_those_of_tests() -> None:
    few = ImageSettings(train=128, test=100)
    labels = [load_sets(replace(few, test=n)).train.labels for n in (100, 50)]
    assert torch.equal(*labels)


def test_sets_are_kept_for_the_next_job() -> None:
    settings = ImageSettings(train=50, test=50)
    assert load_sets(settings) is load_sets(replace(settings))
    assert settings.load("test") is replace(settings).load("test")
    assert torch.equal(settings.load("test").images, load_images("digits", split="test").images)


def test_the_folder_is_no_setting(tmp_path) -> None:
    here, there = ImageSettings(), ImageSettings(data_dir=str(tmp_path))
    assert here == there and hash(here) == hash(there) and "data_dir" not in to_dict(there)
    far = ImageSettings(dataset="cifar10", data_dir=str(tmp_path))
    for load in (lambda: load_sets(far), lambda: far.load("test")):
        with pytest.raises(FileNotFoundError, match=str(tmp_path)):
            load()
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        load_sets(far, tmp_path / "elsewhere")


def test_sizes() -> None:
    assert ImageSettings(dataset="CIFAR-10", channels=3).shape == (3, 32, 32)
    assert ImageSettings(channels=1, image_size=16).shape == (1, 16, 16)
    tiny = ImageSettings(dataset="tiny_imagenet")
    assert (tiny.side, tiny.at_most(32).image_size, tiny.num_classes) == (64, 32, 200)
    assert ImageSettings(image_size=48).at_most(32).side == 48


def test_names() -> None:
    assert dataset_name("cifar-100") == "cifar100" and dataset_label("cifar10") == "CIFAR-10"


def test_the_size_is_stored_by_its_published_name() -> None:
    settings = ImageSettings(image_size=16, train=10)
    stored = to_dict(settings)
    assert stored["imsize"] == 16 and from_dict(ImageSettings, stored) == settings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dataset": "mnist"}, "unknown data set 'mnist'; choose one of CIFAR-10"),
        ({"image_size": 0}, "ImageSettings.image_size: expected at least 1, got 0"),
        ({"val": 0}, "ImageSettings.val: expected at least 1, got 0"),
        ({"noise": -0.1}, "noise and seed must not be negative, got -0.1"),
    ],
)
def test_bad_settings(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageSettings(**wrong)
