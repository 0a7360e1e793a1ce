"""Campaigns that share a GPU among jobs, pruning, compact networks, measured times."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from graph2nn.relational.campaign.specs import NetworkSpec
from graph2nn.relational.campaign.training import run_jobs
from graph2nn.relational.graphs.graph_sets import GraphEntry
from graph2nn.relational.networks.matching import match_width
from graph2nn.sparsity import prune
from graph2nn.sparsity.campaign.grid import GRIDS, find_grid
from graph2nn.sparsity.campaign.results import METRICS, read_sparse_table
from graph2nn.sparsity.campaign.training import run_grid
from graph2nn.training import Recipe, evaluate, latencies
from graph2nn.vision import Batches, ImageData, ImageSettings, corrupted
from graph2nn.wirings import WiringConfig
from graph2nn.wirings.campaign.evaluation import evaluate_wiring
from graph2nn.wirings.campaign.start import find_start
from graph2nn.wirings.compaction.compact import compact

pytestmark = pytest.mark.gpu


def specs() -> list[NetworkSpec]:
    sizes = {"num_classes": 10, "image_size": 8, "in_channels": 1, "dim_first": 16}
    made = []
    for k in (2, 3, 5):
        entry = GraphEntry(kind="ws", num_nodes=8, sparsity=k / 8, p=0.2, seed=1, C=0.5, L=1.5)
        match = match_width("mlp", entry.graph(), base_dims=(16,), **sizes)
        made.append(
            NetworkSpec(
                entry=entry, model="mlp", dims=match.dims, options=(("dim_first", 16),),
                transform="talklinear", params=match.params, flops=match.flops,
            )
        )  # fmt: skip
    return made


def test_jobs_of_a_sweep_share_the_device(real_device: str, tmp_path: Path, tolerance) -> None:
    """Two processes at a time, networks stacked or not: the same table."""
    recipe = Recipe(epochs=1, batch_size=64, test_batch_size=250)
    data = ImageSettings(dataset="digits", channels=1, train=256, test=250)
    tables = {}
    for name, how in {
        "stacked": {"jobs": 2, "stacked": True, "device": real_device},
        "alone": {"jobs": 2, "stacked": False, "device": real_device},
        "cpu": {"jobs": 1, "stacked": False, "device": "cpu"},
    }.items():
        table = run_jobs(
            tmp_path / name, specs(), (1, 2), recipe, task="mlp_digits", data=data, group_size=3,
            progress=False, **how,
        )  # fmt: skip
        rows = table.select(epoch=1).rows()
        tables[name] = {(row["graph_id"], row["seed"]): row["test_loss"] for row in rows}
    assert len(tables["cpu"]) == 6
    for name in ("stacked", "alone"):
        for key, value in tables["cpu"].items():
            assert tables[name][key] == pytest.approx(value, rel=max(tolerance(5e-3), 1e-4)), name


def test_sparse_grid(real_device: str, tmp_path: Path) -> None:
    grid = replace(
        find_grid("tiny", "digits"),
        images=ImageSettings(dataset="digits", train=128, test=100),
        sparsities=(0.95,),
        recipe=replace(GRIDS["tiny"]["digits"].recipe, epochs=1, test_batch_size=100),
    )
    path = run_grid(grid, tmp_path / "grid", jobs=2, device=real_device, progress=False)
    table = read_sparse_table(path)
    assert len(table.keys_of_rows()) == 2 and set(METRICS) <= set(table)
    assert not table.incomplete().any()


def small(width: int = 8) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU()),
        *(nn.Conv2d(width, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(width, 10),
    )


METHODS: dict[str, dict[str, Any]] = {
    "magnitude": {}, "uniform": {}, "erk": {}, "snip": {}, "grasp": {"samples_per_class": 3},
    "synflow": {"steps": 5}, "prospr": {"steps": 1},
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_masks_equal_those_of_the_cpu(device, method: str, digits) -> None:
    """In double precision: in single, near ties fall either way. Data are where they are."""
    model, data = small().double(), digits[0].subset(torch.arange(64))
    how: dict[str, Any] = {"sparsity": 0.8, "seed": 1, **METHODS[method]}
    expected = prune(model, method, data=data, **how)
    there = copy.deepcopy(model).to(device)
    assert prune(there, method, data=data, **how) == expected
    assert prune(there, method, data=data.to(device), **how) == expected
    assert prune(model, method, data=data, device=device, **how) == expected
    expected.apply_(there)
    assert torch.equal(there[0].weight.detach().cpu() != 0, expected["0.weight"])


def test_a_loader_with_pinned_memory(device, kind: str, digits) -> None:
    pairs = TensorDataset(digits[0].images[:64].float() / 255, digits[0].labels[:64])
    found = [
        prune(small().to(device), "snip", sparsity=0.8, seed=1, data=loader)
        for loader in (DataLoader(pairs, 32), DataLoader(pairs, 32, pin_memory=kind == "cuda"))
    ]
    assert found[0] == found[1]


def test_batches_on_the_device(device, digits: tuple[ImageData, ImageData], tolerance) -> None:
    """Order, augmentation and noise are drawn on the CPU, so they are the same everywhere."""
    images = replace(digits[0], flip=True)
    how = {"train": True, "seed": 3}
    for data in (images, images.to(device)):  # copied batch by batch, or once
        for (x, y), (a, b) in zip(
            Batches(data, 50, device=device, **how), Batches(images, 50, **how)
        ):
            assert x.device == y.device == device
            assert torch.equal(y.cpu(), b)
            torch.testing.assert_close(x.cpu(), a, rtol=1e-5, atol=1e-5)
    noisy = corrupted(images.to(device), "noise").images
    difference = noisy.cpu().int() - corrupted(images, "noise").images.int()
    assert noisy.device == device and difference.abs().max() <= 1
    net = small().eval()
    expected = evaluate(net, Batches(images, 50, train=False))
    found = evaluate(net.to(device), Batches(images, 50, train=False, device=device))
    assert found.loss == pytest.approx(expected.loss, rel=tolerance(1e-4))


def test_compact_wirings(device, kind: str, digits: tuple[ImageData, ImageData]) -> None:
    config = WiringConfig(
        name="test/tiny", dataset="digits", nodes=60, inputs=8, outputs=10, layers=4, keep=0.1,
        epochs=1, batch_size=32, seed=3,
    )  # fmt: skip
    model = config.build(digits[0], find_start(config)).eval()
    images = torch.rand(16, 3, 8, 8)
    expected = model(images)
    for execution in ("dense", "csr") if kind != "pretend" else ("dense",):
        found = compact(model.to(device), execution=execution)
        assert next(found.parameters()).device == device
        torch.testing.assert_close(found(images.to(device)).cpu(), expected, rtol=1e-3, atol=1e-4)
    model.to("cpu")
    mine = evaluate_wiring(model, digits[1], device=device)
    model.train()(images.to(device)).sum().backward()  # it can be trained again
    theirs = evaluate_wiring(model.to("cpu"), digits[1])
    assert mine["top1_error"] == pytest.approx(theirs["top1_error"], abs=2.6)


class Products(nn.Module):
    """Much work, and a result that is no single tensor."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: torch.Tensor) -> dict[str, list[torch.Tensor]]:
        for _ in range(self.count):
            x = (x @ x).clamp(-1, 1)
        return {"logits": [x]}


def test_times_wait_for_the_device(device, kind: str) -> None:
    """Ten times the work takes about ten times as long only where the end is waited for."""
    size = 4096 if kind == "cuda" else 192
    x = torch.randn(size, size).to(device)
    times = latencies([Products(2), Products(40)], x, rounds=5).min(0)
    assert np.isfinite(times).all() and times[1] > 5 * times[0]
    if kind == "cuda":
        assert times[1] > 40 * 2 * size**3 / 2e15 * 1000  # no GPU multiplies float32 so fast
