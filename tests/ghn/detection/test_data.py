"""Images with boxes: drawn ones, folders like Penn-Fudan's, and what is wrong with some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ghn.detection import (
    DetectionData,
    boxes_of_masks,
    make_shapes,
    read_coco,
    read_penn_fudan,
    shape_scene,
)


def write_folder(folder: Path, count: int = 4) -> Path:
    """A folder like Penn-Fudan's of drawn images."""
    for part in ("PNGImages", "PedMasks"):
        (folder / part).mkdir(parents=True)
    for index in range(count):
        image, mask = shape_scene(index, image_size=64, seed=3)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(
            folder / "PNGImages" / f"FudanPed{index:05d}.png"
        )
        Image.fromarray(mask.numpy().astype(np.uint8)).save(
            folder / "PedMasks" / f"FudanPed{index:05d}_mask.png"
        )
    return folder


def data(boxes=((1, 2, 5, 7),), labels=None, image=None) -> DetectionData:
    return DetectionData(
        images=(torch.zeros(3, 8, 10, dtype=torch.uint8) if image is None else image,),
        boxes=(torch.tensor(boxes, dtype=torch.float32),),
        labels=(torch.ones(len(boxes), dtype=torch.int64) if labels is None else labels,),
        class_names=("person",),
        files=("a.png",),
        name="some",
    )


def test_shapes_depend_on_seed_size_and_number_alone():
    few, many = make_shapes(3, image_size=64, seed=5), make_shapes(6, image_size=64, seed=5)
    for k in range(3):
        assert torch.equal(few.images[k], many.images[k])
        assert torch.equal(few.boxes[k], many.boxes[k])
    other = make_shapes(3, image_size=64, seed=6)
    assert not any(
        a.shape == b.shape and torch.equal(a, b) for a, b in zip(few.images, other.images)
    )


def test_shapes_are_boxed():
    """A box holds all pixels of its instance, and each instance shows."""
    counts = []
    for index in range(30):
        image, mask = shape_scene(index, image_size=96)
        assert image.dtype == torch.uint8 and image.shape[1:] == mask.shape
        assert 72 <= min(mask.shape) and max(mask.shape) <= 96
        numbers = mask.unique().tolist()
        assert numbers == list(range(len(numbers))), "ground, then 1, 2, ..."
        for number, box in enumerate(boxes_of_masks(mask).int().tolist(), start=1):
            left, top, right, bottom = box
            inside = mask[top : bottom + 1, left : right + 1] == number
            assert inside.sum() == (mask == number).sum() > 20
        counts.append(len(numbers) - 1)
    assert min(counts) == 1 and max(counts) == 3


def test_folder_is_read_as_it_was_drawn(tmp_path):
    folder = write_folder(tmp_path / "PennFudanPed")
    found = read_penn_fudan(folder, decoders=2)
    drawn = make_shapes(4, image_size=64, seed=3)
    assert found.class_names == ("person",) and found.files[1] == "FudanPed00001.png"
    for k in range(4):
        assert torch.equal(found.images[k], drawn.images[k])
        assert torch.equal(found.boxes[k], drawn.boxes[k])
        assert torch.equal(found.labels[k], drawn.labels[k])


def test_published_split():
    """The order is that of `torch.randperm` after seeding, the last 50 are the test."""
    shapes = make_shapes(60, image_size=32)
    with torch.random.fork_rng([]):
        torch.manual_seed(1111)
        order = torch.randperm(60).tolist()
    train, test = shapes.split_off_test(1111)
    assert test.files == tuple(shapes.files[k] for k in order[-50:])
    assert train.files == tuple(shapes.files[k] for k in order[:-50])
    assert (train.split, test.split) == ("train", "test")


def test_mirrored_boxes():
    image = torch.zeros(3, 8, 10, dtype=torch.uint8)
    image[:, 2:8, 1:6] = 255
    one = data(image=image)
    pixels, target = one.target(0, flip=True)
    assert target["boxes"].tolist() == [[5, 2, 9, 7]]
    assert pixels[:, 2:8, 4:9].min() == 1 and pixels.sum() == 3 * 6 * 5
    assert one.boxes[0].tolist() == [[1, 2, 5, 7]], "the data stay"


@pytest.mark.parametrize(
    "boxes, message",
    [
        ([[1, 2, 11, 7]], r"a.png: box 0 \(left 1, top 2, right 11, bottom 7\) reaches out.*10x8"),
        ([[1, 2, 5, 9]], "reaches out of the image"),
        ([[-1, 2, 5, 7]], "reaches out of the image"),
        ([[1, 2, 5, 7], [5, 2, 5, 7]], "box 1 .* is empty; expected left < right"),
        ([[1, 7, 5, 2]], "is empty"),
        ([[float("nan"), 2, 5, 7]], "is empty"),
        ([[1, 2, 5]], r"expected 4 sides a box and a label, got boxes \(1, 3\)"),
    ],
)
def test_wrong_boxes(boxes, message):
    with pytest.raises(ValueError, match=message):
        data(boxes=boxes)


def test_wrong_labels_and_images():
    with pytest.raises(ValueError, match="labels run from 2 to 2, expected 1 to 1"):
        data(labels=torch.tensor([2]))
    with pytest.raises(ValueError, match="labels run from 0 to 0, expected 1 to 1"):
        data(labels=torch.tensor([0]))
    with pytest.raises(ValueError, match=r"expected an image \(3, height, width\) of uint8"):
        data(image=torch.zeros(3, 8, 10))
    with pytest.raises(ValueError, match="expected boxes, labels and a file name for each image"):
        DetectionData(images=(), boxes=(), labels=(), class_names=(), files=("a",), name="some")


def test_wrong_numbers_of_images():
    with pytest.raises(ValueError, match="expected 1 to 3 test images, as there are 4 images"):
        make_shapes(4, image_size=32).split_off_test(0, 4)
    with pytest.raises(ValueError, match="expected 1 image or more of 32 pixels or more"):
        make_shapes(4, image_size=16)


def _no_mask(folder: Path) -> None:
    (folder / "PedMasks" / "FudanPed00002_mask.png").unlink()


def _no_image(folder: Path) -> None:
    (folder / "PNGImages" / "FudanPed00002.png").unlink()


def _no_instance(folder: Path) -> None:
    blank = Image.fromarray(np.zeros_like(np.array(Image.open(_mask(folder)))))
    blank.save(_mask(folder))


def _point(folder: Path) -> None:
    pixels = np.zeros_like(np.array(Image.open(_mask(folder))))
    pixels[5, 5] = 1
    Image.fromarray(pixels).save(_mask(folder))


def _other_size(folder: Path) -> None:
    Image.fromarray(np.ones((5, 5), dtype=np.uint8)).save(_mask(folder))


def _cut_short(folder: Path) -> None:
    path = folder / "PNGImages" / "FudanPed00001.png"
    path.write_bytes(path.read_bytes()[:60])


def _mask(folder: Path) -> Path:
    return folder / "PedMasks" / "FudanPed00001_mask.png"


@pytest.mark.parametrize(
    "spoil, message",
    [
        (_no_mask, "FudanPed00002.png has no mask, nor have 0 others"),
        (_no_image, "FudanPed00002_mask.png has no image"),
        (_no_instance, "FudanPed00001_mask.png shows no instance"),
        (_point, "FudanPed00001.png: box 0 .* is empty"),
        (_other_size, "FudanPed00001_mask.png: expected a mask of"),
        (_cut_short, "FudanPed00001.png cannot be read"),
    ],
)
def test_wrong_folders(tmp_path, spoil, message):
    folder = write_folder(tmp_path / "PennFudanPed")
    spoil(folder)
    with pytest.raises(ValueError, match=message):
        read_penn_fudan(folder)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="PNGImages: unpack https://www.cis.upenn.edu"):
        read_penn_fudan(tmp_path / "nothing")
    for part in ("PNGImages", "PedMasks"):
        (tmp_path / part).mkdir()
    with pytest.raises(ValueError, match="has no .png files"):
        read_penn_fudan(tmp_path)


def coco(folder: Path, **changes: Any) -> Path:
    """A file of annotations of two drawn images, the second without any."""
    content = {
        "images": [{"id": 7, "file_name": "one.png"}, {"id": 3, "file_name": "two.png"}],
        "categories": [{"id": 5, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 2, "bbox": [1, 2.5, 8, 6]},
            {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0, 0, 20, 10], "iscrowd": 0},
            {"id": 3, "image_id": 3, "category_id": 5, "bbox": [0, 0, 5, 5], "iscrowd": 1},
        ],
    }
    for name in ("one.png", "two.png"):
        Image.fromarray(np.zeros((10, 20, 3), dtype=np.uint8)).save(folder / name)
    path = folder / "instances.json"
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    return path


def test_file_of_annotations(tmp_path):
    found = read_coco(coco(tmp_path))
    assert found.name == "instances" and found.files == ("one.png", "two.png")
    assert found.class_names == ("cat", "dog")
    assert found.boxes[0].tolist() == [[1, 2.5, 9, 8.5], [0, 0, 20, 10]]
    assert found.labels[0].tolist() == [2, 1] and found.boxes[1].shape == (0, 4)


def box(*sides: float, image: int = 7, category: int = 5) -> dict:
    entry = {"id": 9, "image_id": image, "category_id": category, "bbox": list(sides)}
    return {"annotations": [entry]}


@pytest.mark.parametrize(
    "changes, message",
    [
        (box(15, 2, 8, 6), "instances, one.png: box 0 .* reaches out of the image of 20x10 pixels"),
        (box(5, 2, 0, 6), "one.png: box 0 .* is empty"),
        (box(1, 2, 8, 6, image=8), "annotation 9 is of image 8, which the file does not have"),
        (box(1, 2, 8, 6, category=1), "annotation 9 is of category 1"),
        ({"annotations": [{"image_id": 7}]}, "no file of annotations .* KeyError: 'category_id'"),
        ({"images": 3}, "no file of annotations as COCO has them"),
        (box(1, 2, 8), "no file of annotations .* got ValueError: not enough values"),
    ],
)
def test_wrong_annotations(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read_coco(coco(tmp_path, **changes))


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.json does not exist"):
        read_coco(tmp_path / "nowhere.json")
    path = coco(tmp_path)
    (tmp_path / "two.png").unlink()
    with pytest.raises(FileNotFoundError, match="two.png does not exist; say where the images are"):
        read_coco(path)
    with pytest.raises(FileNotFoundError, match="one.png does not exist"):
        read_coco(path, tmp_path / "elsewhere")
