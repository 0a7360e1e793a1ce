"""`experiments/sgd/detector/train_detector.py`: published command lines, resuming, wrong flags."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ghn import GHN, GHNConfig
from ghn.detection import shape_scene
from graph2nn.runs import load_checkpoint, read_metrics

ROOT = Path(__file__).parents[4]
PROGRAM = ROOT / "experiments/sgd/detector/train_detector.py"
QUICK = ["--shapes", "8", "--shapes_size", "64", "--test_images", "3", "-i", "64", "--debug", "0"]

PUBLISHED = """
-d PennFudanPed --arch DARTS --ckpt CKPT --init_channels 48 --layers 14
-d PennFudanPed --arch DARTS --init_channels 48 --layers 14
-d PennFudanPed --split predefined --arch 0 --ckpt CKPT
-d PennFudanPed --split predefined --arch 0 --pretrained
-d PennFudanPed --arch ViT --init_channels 128 --layers 12 --ckpt CKPT
"""
LINES = [shlex.split(line) for line in PUBLISHED.strip().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few images as Penn-Fudan has them, and a hypernetwork for 1000 classes."""
    path = tmp_path_factory.mktemp("data")
    for part in ("PNGImages", "PedMasks"):
        (path / "PennFudanPed" / part).mkdir(parents=True)
    for index in range(4):
        image, mask = shape_scene(index, image_size=64)
        pixels, numbers = image.permute(1, 2, 0).numpy(), mask.numpy().astype(np.uint8)
        home, name = path / "PennFudanPed", f"PennPed{index:05d}"
        Image.fromarray(pixels).save(home / "PNGImages" / f"{name}.png")
        Image.fromarray(numbers).save(home / "PedMasks" / f"{name}_mask.png")
    config = GHNConfig(num_classes=1000, max_shape=(16, 16, 3, 3), hid=16, weight_norm=True)
    GHN(config).save(path / "ghn.pt")
    return path


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_published_command_lines(
    script, folder: Path, tmp_path: Path, line: list[str], monkeypatch, capsys
) -> None:
    """Each as printed, but for one epoch of two small images, and no GB of ResNet-50 on disk."""
    from torchvision.models import resnet50

    pretrained = resnet50().state_dict() if "--pretrained" in line else {}
    fetched = "torchvision.models._api.load_state_dict_from_url"
    monkeypatch.setattr(fetched, lambda *args, **how: pretrained)
    given = [str(folder / "ghn.pt") if text == "CKPT" else text for text in line]
    place = "none" if "predefined" in line else str(tmp_path)
    extra = ["-D", str(folder), "-S", place, "--debug", "0", "--bn_images", "2"]
    extra += ["--epochs", "1", "--test_images", "2", "-i", "96", "--regions", "8"]
    (record,) = script.main([*given, *extra])
    assert record["epoch"] == 1 and 0 <= record["ap50"] <= 1
    assert ("predicted weights" in record["start"]) is ("CKPT" in line)
    said = capsys.readouterr().out
    assert "PennFudanPed: 2 training images, 2 of the test" in said
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert place == "none" or {"detector.pt", "training.png", "boxes.png"} < files


def test_published_defaults(script, folder: Path) -> None:
    config = script.DetectConfig(dataset="PennFudanPed").resolved()
    assert (config.batch_size, config.test_batch_size, config.epochs) == (2, 1, 10)
    assert (config.lr, config.wd, config.momentum, config.grad_clip) == (0.005, 5e-4, 0.9, 0)
    assert (config.num_workers, config.log_interval, config.seed) == (4, 10, 1111)
    assert (config.init_channels, config.layers) == (36, 20)
    network = config.network()
    recipe = config.recipe(network)
    assert (recipe.image_size, recipe.regions, recipe.flip) == (800, 512, 0.5)
    vit = script.DetectConfig(dataset="PennFudanPed", arch="ViT", layers=3, init_channels=16)
    assert vit.recipe(vit.network()).image_size == 320


def test_tested_alone_as_after_training(script, tmp_path: Path, capsys) -> None:
    flags = [*QUICK, "-S", str(tmp_path), "--name", "run", "-e", "2"]
    last = script.main(flags)[-1]
    stored = ["--ckpt", str(tmp_path / "run/detector.pt"), "--epochs", "0"]
    (record,) = script.main([*QUICK, *stored])
    assert record["ap50"] == last["ap50"] and record["start"] == "detector.pt: a whole detector"
    assert "test ap50" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "arch", ["resnet18", "ws:n=8,k=4,p=0.1,model=cnn6,dims=16-32,depths=1-1", "0"]
)
def test_backbones_of_all_families(script, arch: str) -> None:
    """The last one is the first network of a split, of those for small images."""
    flags = ["--arch", arch, "--split", "val", "--small", "--ckpt", "ghn2-cifar10", "-e", "1"]
    (record,) = script.main([*QUICK, *flags, "-S", "none", "--amp", "--init", "orth"])
    assert re.search("predicted weights.* made orthogonal; statistics of 4", record["start"])


def test_file_of_annotations(script, folder: Path, tmp_path: Path, capsys) -> None:
    """Of images that are elsewhere, with two classes."""
    path = tmp_path / "boxes.json"
    names = sorted(file.name for file in (folder / "PennFudanPed/PNGImages").iterdir())
    path.write_text(
        json.dumps(
            {
                "images": [{"id": k, "file_name": name} for k, name in enumerate(names)],
                "categories": [{"id": 1, "name": "left"}, {"id": 2, "name": "right"}],
                "annotations": [
                    {
                        "image_id": k % 4,
                        "category_id": 1 + k // 4,
                        "bbox": [20 * (k // 4), 4, 20, 9],
                    }
                    for k in range(8)
                ],
            }
        )
    )
    home = str(folder / "PennFudanPed/PNGImages")
    flags = ["-d", str(path), "-D", home, "--test_images", "2", "-i", "64", "-e", "1"]
    network = ["--init_channels", "8", "--layers", "3", "--regions", "8", "--debug", "0"]
    script.main([*flags, *network, "-S", str(tmp_path)])
    assert "boxes.json: 2 training images, 2 of the test" in capsys.readouterr().out
    weights = load_checkpoint(tmp_path / "DARTS_boxes_s1111/detector.pt")["state_dict"]
    assert weights["roi_heads.box_predictor.cls_score.bias"].shape == (3,)


def test_killed_and_resumed_is_as_if_never_stopped(tmp_path: Path) -> None:
    flags = [*QUICK, "-e", "2", "--name", "run", "--ckpt", "ghn2-cifar10"]

    def run(place: str) -> None:
        command = [sys.executable, str(PROGRAM), *flags, "-S", str(tmp_path / place)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr

    run("whole")
    code = (
        "import os, signal, sys\n"
        "from ghn.detection import training\n"
        "save = training._Training._save\n"
        "def stop(self, run):\n"
        "    save(self, run)\n"
        "    if self.step == 4:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "training._Training._save = stop\n"
        "training.train_detector.__kwdefaults__['save_seconds'] = 0\n"
        f"sys.path.insert(0, {str(PROGRAM.parent)!r})\n"
        "import train_detector\n"
        "train_detector.main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", code, *flags, "-S", str(tmp_path / "cut")]
    killed = subprocess.run(command, cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert load_checkpoint(tmp_path / "cut/run/last.pt")["step"] == 4, "within the second epoch"
    run("cut")
    one, other = (load_checkpoint(tmp_path / p / "run/detector.pt") for p in ("whole", "cut"))
    for name, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name]), name
    rows = [
        [
            {k: v for k, v in row.items() if k != "seconds"}
            for row in read_metrics(tmp_path / p / "run")
        ]
        for p in ("whole", "cut")
    ]
    assert rows[0] == rows[1] and len(rows[0]) == 2


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--ckpt", "ghn2-cifar10", "--pretrained"], "--ckpt and --pretrained: both say what"),
        (["--layer", "3"], "--layer says from where on --init orth or --beta change weights"),
        (["--ckpt", "ghn2-cifar10", "--init", "kaiming"], "weights are those of --ckpt"),
        (["--cutout"], "--cutout: no part of detection"),
        (["--drop_path_prob", "0.2"], "--drop_path_prob: no part of detection"),
        (["--opt", "sdg"], "invalid choice"),
        (["-d", "voc"], "unknown data set 'voc'"),
        (["--n_shots", "0"], "--n_shots: expected 1 image or more, got 0"),
        (["--n_shots", "6"], "--n_shots: shapes has 5 training images"),
        (["--test_images", "8"], "expected 1 to 7 test images"),
        (["-d", "PennFudanPed", "-D", "nowhere"], "nowhere.* has no folder PNGImages: unpack http"),
        (["--ckpt", "nowhere.pt", "-e", "1"], "nowhere.pt"),
        (["--arch", "vit_b_32"], "VisionTransformer gives no map"),
        (["--arch", "DRATS"], "did you mean 'DARTS'"),
        (["-i", "32"], "image_size: expected at least 64 pixels, got 32"),
        (["--lr", "1e9", "-e", "3"], "the loss is not finite at step"),
    ],
)
def test_wrong_flags(script, flags: list[str], message: str, capsys) -> None:
    with pytest.raises((SystemExit, ValueError, FileNotFoundError)) as caught:
        script.main([*QUICK, "-S", "none", *flags])
    said = f"{caught.value} {capsys.readouterr().err}"
    assert re.search(message, said), said
