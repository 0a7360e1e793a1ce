"""How are images and boxes read from a file of annotations as COCO has them?"""

from __future__ import annotations

import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ghn.detection.data import DetectionData, read_image

__all__ = ["read_coco"]


def read_coco(
    file: str | Path, images: str | Path | None = None, *, decoders: int = 1
) -> DetectionData:
    """Read images and boxes that a JSON file describes (`instances_*.json` of COCO and the like).

    Classes are numbered from 1 in the order of the file's categories. Annotations of crowds are
    left out, images without any stay as images of ground.

    Args:
        file: File with `images`, `categories` and `annotations`, whose `bbox` is left, top, width
            and height in pixels.
        images: Folder that the names of images start from; None means that of the file.
        decoders: Number of threads that decode images.

    Raises:
        FileNotFoundError: There is no such file, or an image is not there.
        ValueError: A file without these entries, an annotation of an unknown image or category, or
            a box that is empty or outside its image.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        names = {entry["id"]: str(entry["file_name"]) for entry in content["images"]}
        classes = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        boxes = _boxes(content["annotations"], names, {k: n for n, k in enumerate(classes, 1)})
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} is no file of annotations as COCO has them: expected images (id, file_name), "
            "categories (id, name) and annotations (image_id, category_id, bbox); got "
            f"{type(error).__name__}: {error}"
        ) from None
    except LookupError as error:
        raise ValueError(f"{file}: {error}") from None
    folder = file.parent if images is None else Path(images)
    with ThreadPoolExecutor(max(1, decoders)) as pool:
        pixels = list(pool.map(partial(_image, folder), names.values()))
    return DetectionData(
        images=tuple(pixels),
        boxes=tuple(boxes[key][0] for key in names),
        labels=tuple(boxes[key][1] for key in names),
        class_names=tuple(classes.values()),
        files=tuple(names.values()),
        name=file.stem,
    )


def _image(folder: Path, name: str) -> Tensor:
    if not (folder / name).is_file():
        raise FileNotFoundError(f"{folder / name} does not exist; say where the images are")
    return read_image(folder / name)


def _boxes(
    annotations: list[dict[str, Any]], names: dict[Any, str], numbers: dict[Any, int]
) -> dict[Any, tuple[Tensor, Tensor]]:
    """Boxes (n, 4) and labels (n,) by the id of their image."""
    found: dict[Any, list[tuple[list[float], int]]] = defaultdict(list)
    for entry in annotations:
        if entry.get("iscrowd"):
            continue
        image, category = entry["image_id"], entry["category_id"]
        for what, key, known in (("image", image, names), ("category", category, numbers)):
            if key not in known:
                raise LookupError(
                    f"annotation {entry.get('id')} is of {what} {key}, which the file does not have"
                )
        left, top, width, height = entry["bbox"]
        found[image].append(([left, top, left + width, top + height], numbers[category]))
    return {
        key: (
            torch.tensor([box for box, _ in found[key]], dtype=torch.float32).reshape(-1, 4),
            torch.tensor([label for _, label in found[key]], dtype=torch.int64),
        )
        for key in names
    }
