"""Training: against a plain loop, one by one and together, killed and resumed, diverging."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graph2nn.runs import load_checkpoint
from graph2nn.training import DivergedWarning, Observer, Recipe, precise_bn, train_networks
from graph2nn.vision import Augment, Batches, ImageData, load_images

RECIPE = Recipe(epochs=3, batch_size=64, test_batch_size=100, precise_bn=256)
TIMES = ("seconds", "test_seconds")

pytestmark = pytest.mark.usefixtures("one_thread")  # a killed process counts alike


@pytest.fixture(scope="module")
def digits() -> tuple[ImageData, ImageData]:
    train = load_images("digits", split="train", channels=1)
    return train.subset(torch.arange(400)), load_images("digits", split="test", channels=1)


def perceptron(width: int, seed: int = 0, dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, 10),
        )


def timeless(records: list[dict]) -> list[dict]:
    return [{key: v for key, v in record.items() if key not in TIMES} for record in records]


def assert_equal_weights(one: nn.Module, other: nn.Module) -> None:
    for (key, a), b in zip(one.state_dict().items(), other.state_dict().values()):
        assert torch.equal(a, b), key


def plain_training(net: nn.Module, train: ImageData, test: ImageData, seed: int) -> list[float]:
    """The recipe written out with torch alone; test errors after each epoch."""
    r = RECIPE
    batches = Batches(train, r.batch_size, train=True, seed=seed, drop_last=True)
    again = Batches(train, r.batch_size, train=True, seed=seed + (1 << 40), drop_last=True)
    optimizer = torch.optim.SGD(
        net.parameters(), r.lr, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    errors = []
    for epoch in range(r.epochs):
        for group in optimizer.param_groups:
            group["lr"] = 0.5 * r.lr * (1 + math.cos(math.pi * epoch / r.epochs))
        net.train()
        for images, labels in batches:
            loss = F.cross_entropy(net(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        again.epoch = epoch + 1
        precise_bn(net, [images for images, _ in again][:4])
        net.eval()
        wrong = 0
        for images, labels in Batches(test, 100, train=False):
            wrong += int((net(images).argmax(1) != labels).sum())
        errors.append(100 * wrong / len(test))
    return errors


def test_equals_a_plain_loop(digits) -> None:
    ours = perceptron(24)
    theirs = copy.deepcopy(ours)
    records = train_networks({"a": ours}, *digits, RECIPE, seed=5, progress=False)
    errors = plain_training(theirs, *digits, seed=5)
    assert [r["top1_error"] for r in records[1:]] == pytest.approx(errors, abs=0.41)
    for (key, a), b in zip(ours.state_dict().items(), theirs.state_dict().values()):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4, msg=key)
    assert records[0]["epoch"] == 0 and records[0]["train_loss"] is None
    assert [r["lr"] for r in records] == pytest.approx([0.1, 0.1, 0.075, 0.025])
    assert records[-1]["top5_error"] <= records[-1]["top1_error"] < 45
    assert not ours.training


def test_together_equals_alone_bit_for_bit(digits) -> None:
    makers = {"a": (16, 1, 0.2), "b": (24, 2, 0.0), "c": (16, 3, 0.5)}
    together = {name: perceptron(*how) for name, how in makers.items()}
    records = train_networks(together, *digits, RECIPE, seed=3, progress=False)
    for name, how in makers.items():
        alone = {name: perceptron(*how)}
        expected = train_networks(alone, *digits, RECIPE, seed=3, progress=False)
        assert_equal_weights(alone[name], together[name])
        found = [record for record in records if record["network"] == name]
        assert timeless(found) == timeless(expected)


def test_seed_decides_and_global_generators_stay(digits) -> None:
    torch.manual_seed(77)
    before = torch.get_rng_state()
    runs = {}
    for label, seed in (("one", 1), ("again", 1), ("other", 2)):
        net = perceptron(16, dropout=0.3)
        train_networks({"a": net}, *digits, RECIPE, seed=seed, progress=False)
        runs[label] = net[1].weight
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(runs["one"], runs["again"])
    assert not torch.equal(runs["one"], runs["other"])


KILLED = """
import os, signal, sys
import torch
sys.path.insert(0, {folder!r})
from test_trainer import RECIPE, perceptron
from graph2nn.training import train_networks
from graph2nn.vision import load_images

steps = 0
def count(module, inputs):
    global steps
    steps += module.training
    if steps == {last}:
        os.kill(os.getpid(), signal.SIGKILL)

train = load_images("digits", split="train", channels=1).subset(torch.arange(400))
test = load_images("digits", split="test", channels=1)
nets = {{"a": perceptron(16, 1, 0.2), "b": perceptron(24, 2)}}
nets["b"].register_forward_pre_hook(count)
train_networks(nets, train, test, RECIPE, seed=3, folder={run!r}, save_seconds={every})
"""


def test_further_tests(digits) -> None:
    train, test = digits
    half = test.subset(torch.arange(40))
    records = train_networks(
        {"a": perceptron(16), "b": perceptron(24)},
        train,
        test,
        RECIPE,
        seed=1,
        progress=False,
        more_tests={"same": test, "half": half},
        final_tests={"end": test},
    )
    plain = train_networks(
        {"a": perceptron(16), "b": perceptron(24)}, *digits, RECIPE, seed=1, progress=False
    )
    for record, alone in zip(records, plain):
        assert {k: record[k] for k in timeless([alone])[0]} == timeless([alone])[0]
        assert record["same_error"] == record["top1_error"]
        assert record["same_loss"] == record["test_loss"]
        last = record["epoch"] == RECIPE.epochs
        assert record["end_error"] == (record["top1_error"] if last else None)
    for network in ("a", "b"):
        alone = train_networks(
            {network: perceptron(16 if network == "a" else 24)},
            train,
            half,
            RECIPE,
            seed=1,
            progress=False,
        )
        mine = [record["half_error"] for record in records if record["network"] == network]
        assert mine == [record["top1_error"] for record in alone]


def test_names_of_further_tests(digits) -> None:
    how = {"seed": 1, "progress": False}
    for name in ("test", "train", "top1"):
        with pytest.raises(ValueError, match=f"{name} cannot name a further test"):
            train_networks(
                {"a": perceptron(16)}, *digits, RECIPE, more_tests={name: digits[1]}, **how
            )
    both = {"more_tests": {"x": digits[1]}, "final_tests": {"x": digits[1]}}
    with pytest.raises(ValueError, match="x is in more_tests and in final_tests"):
        train_networks({"a": perceptron(16)}, *digits, RECIPE, **both, **how)


@pytest.mark.parametrize("every, last", [(0, 13), (1e9, 2)], ids=["mid-epoch", "no checkpoint"])
def test_killed_and_resumed_is_as_if_never_stopped(
    every: float, last: int, digits, tmp_path: Path
) -> None:
    script = KILLED.format(
        folder=str(Path(__file__).parent), run=str(tmp_path / "run"), every=every, last=last
    )
    done = subprocess.run([sys.executable, "-c", script], env=os.environ, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    assert (tmp_path / "run" / "last.pt").is_file() == (every == 0)

    def fresh() -> dict[str, nn.Module]:
        return {"a": perceptron(16, 1, 0.2), "b": perceptron(24, 2)}

    resumed, expected = fresh(), fresh()
    how = {"seed": 3, "progress": False}
    found = train_networks(resumed, *digits, RECIPE, folder=tmp_path / "run", **how)
    whole = train_networks(expected, *digits, RECIPE, **how)
    assert timeless(found) == timeless(whole)
    for name in resumed:
        assert_equal_weights(resumed[name], expected[name])
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    keys = [(row["network"], row["step"]) for row in map(json.loads, lines)]
    assert sorted(keys) == [(name, epoch) for name in "ab" for epoch in range(4)]
    later = fresh()  # a finished run only gives back what it has
    assert train_networks(later, *digits, RECIPE, folder=tmp_path / "run", **how) == found
    assert_equal_weights(later["a"], expected["a"])


def test_a_diverging_network_does_not_stop_the_others(digits, tmp_path: Path) -> None:
    bad = perceptron(16, 2)
    with torch.no_grad():
        bad[5].weight.fill_(math.nan)
    nets = {"bad": bad, "good": perceptron(16, 1)}
    with pytest.warns(DivergedWarning, match="network bad: the loss is not finite in epoch 0"):
        records = train_networks(nets, *digits, RECIPE, seed=3, folder=tmp_path, progress=False)
    alone = train_networks({"good": perceptron(16, 1)}, *digits, RECIPE, seed=3, progress=False)
    assert timeless([r for r in records if r["network"] == "good"]) == timeless(alone)
    lost = [r for r in records if r["network"] == "bad"]
    assert len(lost) == 4 and all(r["top1_error"] is None for r in lost)
    text = (tmp_path / "metrics.jsonl").read_text()
    assert '"top1_error": null' in text and "NaN" not in text


def test_bfloat16_learns(digits) -> None:
    recipe = Recipe(epochs=4, batch_size=64, amp="bf16")
    records = train_networks({"a": perceptron(32)}, *digits, recipe, seed=1, progress=False)
    assert records[-1]["top1_error"] < 45


def test_evaluates_only_when_told(digits) -> None:
    recipe = Recipe(epochs=5, batch_size=64, eval_every=2)
    records = train_networks({"a": perceptron(16)}, *digits, recipe, seed=1, progress=False)
    assert [record["epoch"] for record in records] == [0, 2, 4, 5]


def test_augmentation_with_the_mean_colour() -> None:
    white = torch.full((4, 3, 8, 8), 255, dtype=torch.uint8)
    data = ImageData(
        images=white, labels=torch.zeros(4, dtype=torch.long), mean=(0.25, 0.5, 0.75),
        std=(0.5,) * 3, num_classes=10, name="white", split="train",
    )  # fmt: skip
    how = Augment(padding=4, pad_with="mean")
    images, _ = next(iter(Batches(data, 4, train=True, seed=3, augment=how)))
    inside = images.abs() > 0.01
    assert inside.any() and not inside.all()
    torch.testing.assert_close(images[:, 0][inside[:, 0]].mean(), torch.tensor(1.5))
    assert images[~inside].abs().max() < 0.005  # the mean, rounded to 1/255
    with pytest.raises(ValueError, match="pad_with must be zero or mean"):
        Augment(pad_with="grey")


def test_bad_input(digits, tmp_path: Path) -> None:
    nets = {"a": perceptron(16)}
    with pytest.raises(ValueError, match="at least one network"):
        train_networks({}, *digits, RECIPE, seed=1)
    with pytest.raises(ValueError, match="seed must not be negative"):
        train_networks(nets, *digits, RECIPE, seed=-1)
    with pytest.raises(ValueError, match="amp fp16 needs a GPU"):
        train_networks(nets, *digits, Recipe(amp="fp16"), seed=1)
    with pytest.raises(ValueError, match="400 images make no batch of 512"):
        train_networks(nets, *digits, Recipe(batch_size=512), seed=1)
    how = {"folder": tmp_path, "progress": False}
    train_networks(nets, *digits, RECIPE, seed=1, **how)
    with pytest.raises(ValueError, match="other settings: seed was 1, is 2"):
        train_networks(nets, *digits, RECIPE, seed=2, **how)
    with pytest.raises(ValueError, match="other settings: layout was"):
        train_networks({"a": perceptron(17)}, *digits, RECIPE, seed=1, **how)
    with pytest.raises(ValueError, match="holds a run already"):
        train_networks(nets, *digits, RECIPE, seed=1, resume=False, **how)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"epochs": -1}, "Recipe.epochs: expected a number from 0 up, got -1"),
        ({"batch_size": 0}, "Recipe.batch_size: expected a number from 1 up, got 0"),
        ({"lr": math.nan}, "Recipe.lr: expected a number from 0 up, got nan"),
        ({"schedule": "cos"}, "Recipe.schedule: expected one of cosine, step"),
        ({"amp": "half"}, "Recipe.amp: expected one of none, bf16, fp16, got 'half'"),
        ({"schedule": "step"}, "a step schedule needs at least one"),
        ({"milestones": (30, 20)}, "expected increasing epochs from 1 up"),
    ],
)
def test_bad_recipe(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**wrong)


class Watch(Observer):
    """Notes what it is called for; its counter is part of the checkpoint."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.calls, self.count = network, [], 0

    def settings(self) -> dict:
        return {"kind": "watch"}

    def before_step(self, step: int) -> None:
        self.weight = self.network[1].weight.detach().clone()
        self.calls.append(step)

    def after_step(self, step: int, optimizer: torch.optim.Optimizer) -> None:
        assert not torch.equal(self.weight, self.network[1].weight)
        assert optimizer.param_groups[0]["params"][0] is self.network[1].weight
        self.count += 1

    def after_epoch(self, epoch: int) -> dict:
        assert not self.network.training
        return {"count": self.count}

    def state_dict(self) -> dict:
        return {"count": self.count}

    def load_state_dict(self, state: dict) -> None:
        self.count = state["count"]


def test_observers_are_called_around_steps_and_after_epochs(digits, tmp_path: Path) -> None:
    networks = {name: perceptron(16) for name in ("seen", "alone")}
    watch = Watch(networks["seen"])
    how = {"seed": 1, "progress": False, "save_epochs": True}
    records = train_networks(
        networks, *digits, RECIPE, folder=tmp_path, observers={"seen": watch}, **how
    )
    assert watch.calls == list(range(18))
    assert [r["count"] for r in records if r["network"] == "seen"] == [0, 6, 12, 18]
    assert all("count" not in r for r in records if r["network"] == "alone")
    assert_equal_weights(networks["seen"], networks["alone"])
    assert json.loads((tmp_path / "config.json").read_text())["observers"] == {
        "seen": {"kind": "watch"}
    }
    again = {name: perceptron(16) for name in networks}
    late = Watch(again["seen"])
    train_networks(again, *digits, RECIPE, folder=tmp_path, observers={"seen": late}, **how)
    assert (late.calls, late.count) == ([], 18)
    with pytest.raises(ValueError, match="other settings: observers was"):
        train_networks(again, *digits, RECIPE, folder=tmp_path, **how)


def test_observers_of_nothing_and_entries_that_exist_are_refused(digits) -> None:
    class Twice(Observer):
        def after_epoch(self, epoch: int) -> dict:
            return {"lr": 1.0}

    with pytest.raises(ValueError, match="other names no network that is trained on its own"):
        train_networks({"net": perceptron(8)}, *digits, RECIPE, seed=0, progress=False,
                       observers={"other": Observer()})  # fmt: skip
    with pytest.raises(ValueError, match="records have a lr already"):
        train_networks({"net": perceptron(8)}, *digits, RECIPE, seed=0, progress=False,
                       observers={"net": Twice()})  # fmt: skip


def test_a_run_can_be_saved_after_every_epoch(digits, tmp_path: Path) -> None:
    seen = []

    class Look(Observer):
        def before_step(self, step: int) -> None:
            seen.append((tmp_path / "last.pt").is_file() and load_checkpoint(tmp_path / "last.pt"))

    train_networks({"net": perceptron(8)}, *digits, RECIPE, seed=0, folder=tmp_path,
                   progress=False, save_epochs=True, observers={"net": Look()})  # fmt: skip
    assert [content["done"] for content in seen] == [0] * 6 + [1] * 6 + [2] * 6


def test_label_smoothing_is_a_share_of_the_mean_over_classes(digits) -> None:
    smoothed = dataclasses.replace(RECIPE, lr=0.0, epochs=1, label_smoothing=0.2)
    plain = dataclasses.replace(smoothed, label_smoothing=0.0)
    records = {}
    for name, recipe in (("smooth", smoothed), ("plain", plain)):
        records[name] = train_networks(
            {"net": perceptron(16)}, *digits, recipe, seed=2, progress=False
        )
    net = perceptron(16).train()
    batches = Batches(digits[0], 64, train=True, seed=2, drop_last=True)
    losses = []
    for images, labels in batches:
        logs = F.log_softmax(net(images), 1).detach()
        losses.append(0.8 * F.nll_loss(logs, labels) - 0.2 * logs.mean())
    assert records["smooth"][1]["train_loss"] == pytest.approx(
        float(sum(losses)) / len(losses), rel=1e-5
    )
    assert records["smooth"][1]["test_loss"] == records["plain"][1]["test_loss"]
    assert records["smooth"][1]["train_loss"] != records["plain"][1]["train_loss"]
    with pytest.raises(ValueError, match="label_smoothing"):
        Recipe(label_smoothing=1.0)
    assert "label_smoothing" not in plain.settings()  # older runs can be resumed
    assert smoothed.settings()["label_smoothing"] == 0.2


def test_weight_decay_may_leave_out_vectors(digits) -> None:
    """After one step from the same weights, decayed and plain parameters differ by lr · decay."""
    few = digits[0].subset(torch.arange(64)), digits[1]
    plain = dataclasses.replace(
        RECIPE, epochs=1, schedule="none", nesterov=False, momentum=0.0, precise_bn=0,
        weight_decay=0.0,
    )  # fmt: skip
    recipes = {
        "none": plain,
        "matrices": dataclasses.replace(plain, weight_decay=0.5, decay_vectors=False),
        "all": dataclasses.replace(plain, weight_decay=0.5),
    }
    nets = {name: perceptron(16) for name in recipes}
    before = {key: value.clone() for key, value in nets["none"].named_parameters()}
    for name, recipe in recipes.items():
        train_networks({name: nets[name]}, *few, recipe, seed=2, progress=False)
    found = {name: dict(net.named_parameters()) for name, net in nets.items()}
    for key, start in before.items():
        decayed = found["none"][key] - 0.1 * 0.5 * start
        torch.testing.assert_close(found["all"][key], decayed)
        expected = decayed if start.dim() > 1 else found["none"][key]
        torch.testing.assert_close(found["matrices"][key], expected)
    assert before["2.weight"].min() == 1  # so that decay would show
    assert "decay_vectors" not in plain.settings()  # older runs can be resumed
    assert recipes["matrices"].settings()["decay_vectors"] is False


def test_cosine_warmup_joins_its_cosine() -> None:
    recipe = Recipe(epochs=100, schedule="cosine-warmup", warmup_epochs=5, warmup_factor=0.2)
    factor = recipe.lr_schedule(10)
    assert [factor(10 * e) for e in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert [factor(10 * e + 9) for e in (4, 5)] == pytest.approx([1, 1], abs=3e-4)
    halfway = 0.5 * (1 + math.cos(math.pi * 45 / 95))
    assert factor(500) == pytest.approx(halfway)
    for wrong in (0, 100):
        with pytest.raises(ValueError, match="cosine-warmup needs at least one"):
            dataclasses.replace(recipe, warmup_epochs=wrong)


def test_no_epoch_only_tests(digits) -> None:
    net = perceptron(8)
    before = copy.deepcopy(net)
    (record,) = train_networks({"net": net}, *digits, Recipe(epochs=0), seed=1, progress=False)
    assert record["epoch"] == 0 and record["train_loss"] is None and record["top1_error"] > 0
    assert_equal_weights(net, before)


def test_classes_of_training_and_tests_must_be_the_same(digits) -> None:
    train, test = digits
    less = dataclasses.replace(test, class_names=(*test.class_names[:9], "x"))
    other = dataclasses.replace(test, num_classes=11, class_names=())
    how = {"seed": 1, "progress": False}
    for wrong, message in (
        (less, "of other classes .train.* has no x; test has no 9.; is a folder of a class miss"),
        (other, "digits has 10 classes, the test images digits have 11"),
    ):
        with pytest.raises(ValueError, match=message):
            train_networks({"net": perceptron(8)}, train, wrong, Recipe(epochs=1), **how)
        with pytest.raises(ValueError, match=message):
            more = {"more_tests": {"more": wrong}, **how}
            train_networks({"net": perceptron(8)}, train, test, Recipe(epochs=1), **more)
