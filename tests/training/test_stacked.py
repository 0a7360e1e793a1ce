"""Stacked networks come out as networks trained one by one."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.training import Recipe, Stacked, group_by_width, train_networks
from graph2nn.vision import ImageData

RECIPE = Recipe(epochs=3, batch_size=20, test_batch_size=25, precise_bn=40, warmup_epochs=2)


def perceptron(width: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    hidden = [nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
    first = [nn.Flatten(), nn.Linear(48, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
    return nn.Sequential(*first, *hidden, nn.Linear(width, 5)).double()


def convolutional(width: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.SiLU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 5),
    ).double()


class Images(nn.Module):
    """Batches are float32: double precision begins here."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images.double())


@pytest.fixture
def images(generator: torch.Generator) -> ImageData:
    values = torch.randint(0, 256, (60, 3, 4, 4), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 5, (60,), generator=generator)
    return ImageData(
        images=values, labels=labels, mean=(0.5,) * 3, std=(0.25,) * 3, num_classes=5,
        name="noise", split="train",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "waste", "settings"),
    [
        *product((perceptron, convolutional), ("one stack", "several"), [{}]),
        *product((perceptron, convolutional), ["several"], [{"decay_vectors": False}]),
        *product((perceptron, convolutional), ["one stack"], [{"grad_clip": 0.5}]),
        # Not convolutional: a bias before a normalisation has no gradient but rounding, and Adam
        # takes steps of full length along it.
        (perceptron, "one stack", {"optimizer": "adamw", "lr": 0.01}),
    ],
)
def test_stacked_equals_one_by_one(make, waste: str, settings: dict, images: ImageData) -> None:
    recipe = dataclasses.replace(RECIPE, weight_decay=0.01, **settings)
    widths = (9, 12, 8, 12) if waste == "one stack" else (3, 12, 11, 4)

    def template(networks: Sequence[nn.Module]) -> nn.Module:
        widest = max(networks, key=lambda net: sum(p.numel() for p in net.parameters()))
        return copy.deepcopy(widest)

    nets = {f"net{k}": Images(make(width, k)) for k, width in enumerate(widths)}
    ones = copy.deepcopy(nets)
    how = {"seed": 4, "progress": False}
    found = train_networks(nets, images, images, recipe, stacked=template, **how)
    expected = train_networks(ones, images, images, recipe, **how)
    for name, net in nets.items():
        for (key, a), b in zip(net.state_dict().items(), ones[name].state_dict().values()):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11, msg=f"{name} {key}")
    ours = {(r["network"], r["epoch"]): r for r in found}
    for record in expected:
        mine = ours.pop((record["network"], record["epoch"]))
        for key in ("top1_error", "top5_error", "test_loss", "train_loss", "train_error", "lr"):
            same = record[key] if record[key] is None else pytest.approx(record[key], rel=1e-9)
            assert mine[key] == same, key
    assert not ours


@pytest.mark.parametrize("make", [perceptron, convolutional])
def test_bfloat16_agrees(make, images: ImageData) -> None:
    """Both round to 8 bits, not always at the same place; the first losses hardly differ."""
    nets = {str(width): make(width, width).float() for width in (8, 12)}
    ones = copy.deepcopy(nets)
    recipe = Recipe(epochs=1, batch_size=20, lr=0.01, amp="bf16")
    how = {"seed": 4, "progress": False}
    found = train_networks(nets, images, images, recipe, stacked=lambda _: make(12, 0), **how)
    expected = train_networks(ones, images, images, recipe, **how)
    ours = {(r["network"], r["epoch"]): r["test_loss"] for r in found}
    theirs = {(r["network"], r["epoch"]): r["test_loss"] for r in expected}
    assert ours == {key: pytest.approx(loss, rel=0.02) for key, loss in theirs.items()}


def test_padding_stays_zero(images: ImageData) -> None:
    nets = {name: perceptron(width, 1) for name, width in (("a", 6), ("b", 12))}
    learner = Stacked(nets, perceptron(12, 0), RECIPE, torch.device("cpu"))
    learner.train()
    for _ in range(5):
        learner.train_step(torch.randn(20, 3, 4, 4).double(), images.labels[:20], 1.0)
    hidden = learner.parameters["4.weight"]
    assert hidden.shape == (2, 12, 12)
    assert hidden[0, :6, :6].abs().min() > 0
    assert not hidden[0, 6:].any() and not hidden[0, :, 6:].any()
    assert not learner.buffers["5.running_mean"][0, 6:].any()


def test_resumes(images: ImageData, tmp_path) -> None:
    def run(epochs_seen: list[int], **how) -> dict[str, nn.Module]:
        nets = {name: Images(perceptron(w, w)) for name, w in (("a", 8), ("b", 9))}

        def template(networks: Sequence[nn.Module]) -> nn.Module:
            made = Images(perceptron(9, 0))
            made.register_forward_pre_hook(lambda *_: stop(epochs_seen))
            return made

        train_networks(
            nets, images, images, RECIPE, seed=1, stacked=template, progress=False, **how
        )
        return nets

    def stop(epochs_seen: list[int]) -> None:
        epochs_seen.append(1)
        if len(epochs_seen) == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([], folder=tmp_path, save_seconds=0)
    resumed, whole = run([0] * 20, folder=tmp_path), run([0] * 20)
    for name in whole:
        for a, b in zip(whole[name].state_dict().values(), resumed[name].state_dict().values()):
            assert torch.equal(a, b)


def test_bad_stacks() -> None:
    cpu = torch.device("cpu")
    with pytest.raises(ValueError, match="network a cannot be stacked: 1.weight of shape"):
        Stacked({"a": perceptron(8, 0)}, perceptron(6, 0), RECIPE, cpu)
    with pytest.raises(ValueError, match="it and the template differ in"):
        Stacked({"a": perceptron(8, 0)}, convolutional(8, 0), RECIPE, cpu)
    with pytest.raises(ValueError, match="share one loss scale"):
        Stacked({"a": perceptron(8, 0)}, perceptron(8, 0), Recipe(amp="fp16"), cpu)
    with pytest.raises(ValueError, match="soap takes stacked networks for one"):
        Stacked({"a": perceptron(8, 0)}, perceptron(8, 0), Recipe(optimizer="soap"), cpu)


@pytest.mark.parametrize("waste", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("limit", [None, 4])
def test_groups_waste_no_more_than_asked(waste: float, limit: int | None) -> None:
    widths = np.random.default_rng(0).integers(512, 1540, 53).tolist()
    groups = group_by_width(widths, waste=waste, limit=limit)
    assert sorted(k for group in groups for k in group) == list(range(53))
    for group in groups:
        cost = [widths[k] ** 2 for k in group]
        assert 1 - sum(cost) / (len(cost) * max(cost)) <= waste + 1e-9
        assert limit is None or len(group) <= limit
    assert group_by_width([5, 5, 5], waste=0) == [[0, 1, 2]]
    assert group_by_width([]) == []


def test_bad_groups() -> None:
    with pytest.raises(ValueError, match="waste must be a share"):
        group_by_width([1], waste=1)
    with pytest.raises(ValueError, match="widths must be positive, got 0"):
        group_by_width([1, 0])
    with pytest.raises(ValueError, match="limit must be at least 1"):
        group_by_width([1], limit=0)
