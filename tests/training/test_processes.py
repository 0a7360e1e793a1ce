"""Training by two processes equals that by one: weights, statistics, records, and a resumed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from graph2nn.runs import RunFolder, Workers, load_checkpoint, save_checkpoint, seeded
from graph2nn.training import Recipe, train_networks
from graph2nn.vision import load_images


class Network(nn.Module):
    """Batch normalisation of all kinds, and auxiliary logits."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.BatchNorm2d(8, momentum=None),
            nn.ReLU(),
            nn.BatchNorm2d(8, track_running_stats=False, affine=False),
            nn.Flatten(),
        )
        self.head, self.more = nn.Linear(128, 10), nn.Linear(128, 10)
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        seen = self.body(x)
        return (self.head(seen), self.more(seen)) if self.training else self.head(seen)


def fit(folder: str | None, epochs: int, workers: Workers | None = None):
    train, test = (load_images("digits", split=name) for name in ("trainval", "test"))
    with seeded(3):
        model = Network()
    if workers is not None and not workers.first:  # the first one's weights count
        nn.init.zeros_(model.head.weight)
    recipe = Recipe(
        epochs=epochs,
        batch_size=63,
        drop_last=False,
        grad_clip=1.0,
        precise_bn=128,
        schedule="none",
    )
    few = train.subset(torch.arange(400))
    how = {"seed": 1, "folder": folder, "workers": workers, "save_epochs": True}
    how["progress"] = False
    return model, train_networks({"net": model}, few, test, recipe, **how)


def stop_after_saving() -> None:
    save = RunFolder.save_last

    def stopping(self, payload):
        save(self, payload)
        if payload["done"] == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    RunFolder.save_last = stopping  # type: ignore[method-assign]


if __name__ == "__main__":
    with_others = Workers.start("cpu")
    try:
        if "stop" in sys.argv:
            stop_after_saving()
        model, records = fit(sys.argv[1], 2, with_others)
        if with_others.first:
            payload = {"kind": "test", "weights": model.state_dict(), "records": records}
            save_checkpoint(f"{sys.argv[1]}.pt", payload)
    finally:
        with_others.stop()


def run(folder: Path, *more: str) -> subprocess.CompletedProcess:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launcher, "--nproc_per_node=2", __file__, str(folder), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared") / "run"
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_two_processes_are_one(shared: Path) -> None:
    model, records = fit(None, 2)
    found = load_checkpoint(f"{shared}.pt")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(found["weights"][name], value, rtol=1e-4, atol=1e-5)
    assert len(records) == len(found["records"]) == 3
    for one, other in zip(records[1:], found["records"][1:], strict=True):
        for key in ("train_loss", "train_error", "test_loss", "top1_error"):
            assert other[key] == pytest.approx(one[key], rel=1e-4), key


def test_only_the_first_writes(shared: Path) -> None:
    lines = (shared / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 3


def test_stopped_and_gone_on_with(shared: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "run", "stop").returncode != 0
    assert load_checkpoint(tmp_path / "run/last.pt")["done"] == 1
    done = run(tmp_path / "run")
    assert done.returncode == 0, done.stderr
    one, other = (load_checkpoint(f"{path}.pt") for path in (shared, tmp_path / "run"))
    for name, value in one["weights"].items():
        assert torch.equal(other["weights"][name], value), name


def test_modules_are_what_they_were(shared: Path) -> None:
    model, _ = fit(None, 1)
    assert not any("forward" in module.__dict__ for module in model.modules())


def test_several_processes_do_not_stack() -> None:
    several = Workers(0, 2, torch.device("cpu"))
    data = load_images("digits")
    with pytest.raises(ValueError, match="train networks one by one, not stacked"):
        train_networks(
            {"net": Network()},
            data,
            data,
            Recipe(epochs=1),
            seed=0,
            workers=several,
            stacked=lambda nets: Network(),
        )


def test_a_batch_too_small_to_share() -> None:
    several = Workers(0, 4, torch.device("cpu"))
    assert several.share(torch.arange(9)).tolist() == [0, 4, 8]
    with pytest.raises(ValueError, match="a batch of 3 cannot be shared by 4 processes"):
        several.share(torch.arange(3))
