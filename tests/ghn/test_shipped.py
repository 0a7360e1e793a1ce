"""The checkpoints in `checkpoints/`: whole, described, and as good as they were when shipped."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from repository import CHECKPOINTS
from torch import nn

from ghn import GHN, from_pretrained
from ghn.evaluation import evaluate_nets, evaluation_batches, summarise
from ghn.training.networks import evaluation_nets
from graph2nn.runs import load_checkpoint, sha256_file
from graph2nn.vision import DATASETS, load_images

FOLDER = CHECKPOINTS
MANIFEST = FOLDER / "MANIFEST.json"
_ALL: dict[str, dict[str, Any]] = json.loads(MANIFEST.read_text()) if MANIFEST.is_file() else {}
ENTRIES = {name: entry for name, entry in _ALL.items() if entry.get("kind", "ghn") == "ghn"}
LOWEST = {  # mean test accuracy over the first networks of a split, percent
    ("ghn2-digits", "test", 20): 80.0,
    ("ghn2-digits-mixed", "relational", 10): 90.0,
}

needs_manifest = pytest.mark.skipif(not ENTRIES, reason="checkpoints/MANIFEST.json is not there")
each_entry = pytest.mark.parametrize("name", ENTRIES or ["none"])


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETWRIGHT_CHECKPOINTS", raising=False)


@needs_manifest
@each_entry
def test_file_is_what_the_manifest_says(name: str) -> None:
    entry = ENTRIES[name]
    path = FOLDER / entry["file"]
    assert path.is_file() and path.resolve().parent == FOLDER.resolve()
    assert sha256_file(path) == entry["sha256"]
    assert load_checkpoint(path, kind="ghn")["state_dict"]


@needs_manifest
@each_entry
def test_configuration_and_a_prediction(name: str) -> None:
    ghn = from_pretrained(name)
    config = ghn.config
    kind = name.split("-")[0]
    assert config.dataset in DATASETS and name.startswith(f"{kind}-{config.dataset}")
    info = DATASETS[config.dataset]
    assert config.num_classes == info.num_classes and config.in_channels in (1, 3)
    side = name.rsplit("-", 1)[-1]  # ghn2-cifar10-16 is for smaller images than the data set has
    assert config.image_size in ((int(side),) if side.isdecimal() else (None, info.image_size))
    expected = {"mlp": "mlp", "ghn3": "graphormer"}.get(kind, "gatedgnn")
    assert config.hypernet == expected
    assert all(value.isfinite().all() for value in ghn.state_dict().values())
    net = nn.Sequential(
        nn.Conv2d(config.in_channels, 12, 3, padding=1),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, config.num_classes),
    )
    parameters = ghn.predict(net)
    assert {k: v.shape for k, v in parameters.items()} == {
        k: v.shape for k, v in net.named_parameters()
    }
    assert all(v.isfinite().all() for v in parameters.values())
    images = torch.rand(4, config.in_channels, info.image_size, info.image_size)
    assert ghn(net)(images).isfinite().all()


@needs_manifest
def test_card_describes_every_file_and_no_other() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, entry in _ALL.items():
        assert name in card and entry["file"] in card
        assert sha256_file(FOLDER / entry["file"]) == entry["sha256"]
    assert {p.name for p in FOLDER.glob("*.pt")} == {e["file"] for e in _ALL.values()}


@needs_manifest
@pytest.mark.parametrize(("name", "split", "count"), LOWEST)
def test_accuracy(name: str, split: str, count: int) -> None:
    ghn: GHN = from_pretrained(name)
    data = load_images("digits", split="test", image_size=ghn.config.image_size)
    kind = {
        "image_size": data.image_size,
        "num_classes": data.num_classes,
        "in_channels": data.channels,
    }
    nets = evaluation_nets(split, count, **kind)
    results = evaluate_nets(ghn, nets, evaluation_batches(data), progress=False)
    assert len(results) == count
    summary = summarise([r.top1 for r in results])
    assert summary.mean >= LOWEST[name, split, count], summary
