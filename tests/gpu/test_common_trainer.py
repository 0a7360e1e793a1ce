"""The trainer of networks on a GPU: one by one and stacked, half precision, masks, wirings."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pretend_device import PretendDevice
from torch import nn

from graph2nn.relational.graphs.generators import ws_flex
from graph2nn.relational.networks.padding import padded_template
from graph2nn.relational.networks.registry import build_model
from graph2nn.sparsity import prune
from graph2nn.sparsity.campaign.masked_training import mask_gradients, train_sparse
from graph2nn.training import Recipe, Stacked, train_networks
from graph2nn.training.loop.learner import Single
from graph2nn.vision import ImageData
from graph2nn.wirings import WiringConfig
from graph2nn.wirings.campaign.training import train_wiring

pytestmark = pytest.mark.gpu

RECIPE = Recipe(epochs=2, batch_size=32, test_batch_size=40, precise_bn=64, warmup_epochs=1)
Images = tuple[ImageData, ImageData]
Tolerance = Callable[[float], float]


class Double(nn.Module):
    """Batches are float32: double precision begins here, in which devices differ by little."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net.double()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.net(images.double())


def convolutional(width: int, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(width)
    return nn.Sequential(
        *(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
        *(nn.Conv2d(width, width, 3, stride=2), nn.BatchNorm2d(width), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(width, 10)),
    )


def perceptrons(execution: str) -> dict[str, nn.Module]:
    """Relational networks of several graphs, hence of several masks."""
    return {
        f"k{k}": build_model(
            "mlp", ws_flex(16, k, 0.2, 1), num_classes=10, image_size=8, dims=(48 + k,),
            dim_first=48, execution=execution, seed=k,
        )
        for k in (3, 5, 9)
    }  # fmt: skip


def losses(records: list[dict]) -> dict[tuple[str, int], float]:
    return {(r["network"], r["epoch"]): r["test_loss"] for r in records}


def near(expected: dict[Any, float], share: float) -> dict[Any, Any]:
    return {key: pytest.approx(value, rel=share) for key, value in expected.items()}


def test_one_network_equals_the_cpu(
    device, digits: Images, tolerance: Tolerance, random_state
) -> None:
    nets = {place: Double(convolutional(6)) for place in ("device", "cpu")}
    state = random_state()
    how = {"seed": 3, "progress": False}
    found = train_networks({"net": nets["device"]}, *digits, RECIPE, device=device, **how)
    assert torch.equal(random_state(), state)
    expected = train_networks({"net": nets["cpu"]}, *digits, RECIPE, **how)
    assert losses(found) == near(losses(expected), tolerance(1e-6))
    assert next(nets["device"].parameters()).device == device
    for a, b in zip(nets["device"].state_dict().values(), nets["cpu"].state_dict().values()):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-5, atol=1e-7)


def test_dropout_repeats_with_a_seed(device, digits: Images, tolerance: Tolerance) -> None:
    """It draws on the device: the same there for a seed, whatever was drawn before."""
    runs = []
    for seed in (1, 1, 2):
        torch.rand(7, device=device)
        nets = {"net": convolutional(6, dropout=0.5)}
        rows = train_networks(nets, *digits, RECIPE, seed=seed, device=device, progress=False)
        runs.append(losses(rows)["net", 2])
    assert runs[0] == pytest.approx(runs[1], rel=tolerance(1e-3))
    assert abs(runs[0] - runs[2]) > 1e-3


@pytest.mark.parametrize("amp", ["none", "bf16"])
def test_stacked_relational_networks_equal_one_by_one(
    device, amp: str, digits: Images, tolerance: Tolerance
) -> None:
    few = (digits[0].subset(torch.arange(96)), digits[1])
    recipe = Recipe(epochs=1, batch_size=32, test_batch_size=80, lr=0.02, amp=amp)
    how = {"seed": 4, "progress": False, "device": device}
    found = train_networks(perceptrons("masked"), *few, recipe, stacked=padded_template, **how)
    for execution in ("masked", "mask-once", "blocks"):
        alone = train_networks(perceptrons(execution), *few, recipe, **how)
        share = 0.05 if amp == "bf16" else max(tolerance(1e-3), 1e-4)
        assert losses(found) == near(losses(alone), share), execution


def test_a_step_does_not_wait_for_the_device(
    device, kind: str, pretended: PretendDevice | None
) -> None:
    """Stacked or one by one, with masked gradients or without: nothing is read back."""
    nets, masks = perceptrons("masked"), convolutional(6).to(device)
    kept = prune(masks, "magnitude", sparsity=0.5)
    kept.apply_(masks)
    images = torch.randn(32, 3, 8, 8).to(device)
    labels = (torch.arange(32) % 10).to(device)
    with mask_gradients(masks, kept):
        learners = [
            Stacked(nets, padded_template(list(nets.values())), RECIPE, device),
            *(Single(n, net, RECIPE, device) for n, net in perceptrons("blocks").items()),
            Single("sparse", masks, RECIPE, device),
        ]
        for learner in learners:
            learner.train()
            learner.train_step(images, labels, 1.0)  # what is made once may wait
            if kind == "cuda":
                torch.cuda.set_sync_debug_mode("error")
            before = len(pretended.waits) if pretended is not None else 0
            try:
                learner.train_step(images, labels, 1.0)
            finally:
                if kind == "cuda":
                    torch.cuda.set_sync_debug_mode("default")
            assert pretended is None or pretended.waits[before:] == [], learner.names


def test_an_overflow_in_fp16_costs_the_step_and_lowers_the_scale(device) -> None:
    recipe = Recipe(epochs=1, batch_size=32, lr=0.01, amp="fp16")
    images = torch.randn(32, 3, 8, 8).to(device).half()
    labels = (torch.arange(32) % 10).to(device)
    learner = Single("net", convolutional(6), recipe, device)
    learner.train()
    learner.train_step(images, labels, 1.0)
    learner.scaler.update(2.0**100)  # no gradient of half precision is so large
    before = {k: v.clone() for k, v in learner.network.named_parameters()}
    learner.train_step(images, labels, 1.0)
    assert learner.scaler.get_scale() == 2.0**99
    assert all(torch.equal(v, before[k]) for k, v in learner.network.named_parameters())
    again = Single("net", convolutional(6), recipe, device)
    again.load_state_dict(copy.deepcopy(learner.state_dict()))
    assert again.scaler.get_scale() == 2.0**99
    learner.scaler.update(2.0**10)
    learner.train_step(images, labels, 1.0)
    assert learner.scaler.get_scale() == 2.0**10
    moved = [not torch.equal(v, before[k]) for k, v in learner.network.named_parameters()]
    assert all(moved) and all(v.isfinite().all() for v in learner.network.parameters())


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_half_precision_learns_as_single_does(device, kind: str, amp: str, digits: Images) -> None:
    if amp == "fp16" and kind != "cuda":
        pytest.skip("trainings in fp16 are refused on a CPU, and the pretended device has no more")
    found = {}
    for name in ("none", amp):
        recipe = Recipe(epochs=2, batch_size=32, test_batch_size=40, lr=0.02, amp=name)
        rows = train_networks(
            {"net": convolutional(8)}, *digits, recipe, seed=1, device=device, progress=False
        )
        found[name] = losses(rows)
    assert found[amp] == near(found["none"], 0.05)


class Stopped(Exception):
    pass


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("first", ["device", "cpu"])
def test_a_run_goes_on_on_another_device(
    device, first: str, stacked: bool, digits: Images, tolerance: Tolerance, tmp_path: Path
) -> None:
    """Stopped within an epoch on one, finished on the other, as if it had never stopped."""
    places = [device, "cpu"] if first == "device" else ["cpu", device]
    recipe = Recipe(epochs=3, batch_size=32, test_batch_size=40, lr=0.02)
    how: dict[str, Any] = {"seed": 2, "progress": False, "folder": tmp_path, "save_seconds": 0}

    def template(networks):
        return copy.deepcopy(networks[0])

    how["stacked"] = template if stacked else None

    def nets() -> dict[str, nn.Module]:
        return {name: Double(convolutional(width)) for name, width in (("a", 6), ("b", 6))}

    calls: list[int] = []

    def stop(*_: object) -> None:
        calls.append(1)
        if len(calls) == 17:
            raise Stopped

    stopping = nets()
    net = stopping["a"]
    if stacked:
        net = next(iter(stopping.values()))
        how["stacked"] = lambda networks: _hooked(copy.deepcopy(networks[0]), stop)
    else:
        net.register_forward_hook(stop)
    with pytest.raises(Stopped):
        train_networks(stopping, *digits, recipe, device=places[0], **how)
    assert (tmp_path / "last.pt").is_file()
    how["stacked"] = template if stacked else None
    found = train_networks(nets(), *digits, recipe, device=places[1], **how)
    how |= {"folder": None, "stacked": None}
    expected = train_networks(nets(), *digits, recipe, **how)
    assert losses(found) == near(losses(expected), tolerance(1e-5))


def _hooked(net: nn.Module, hook: Callable[..., None]) -> nn.Module:
    net.register_forward_pre_hook(hook)
    return net


def test_what_is_pruned_stays_zero(device, kind: str, digits: Images) -> None:
    """Masks follow a network that moves after they were set, as every GPU network does."""
    net = convolutional(8)
    masks = prune(net, "snip", sparsity=0.7, data=digits[0], seed=1)
    if kind == "pretend":  # where moving a network makes new parameters
        net.to(device)
    recipe = Recipe(epochs=2, batch_size=32, test_batch_size=40, momentum=0.9, weight_decay=0.01)
    records = train_sparse(net, masks, *digits, recipe, seed=1, device=device, progress=False)
    weights = dict(net.named_parameters())
    for name, mask in masks.items():
        assert weights[name].device == device
        assert not weights[name].detach().cpu()[~mask].any()
        assert weights[name].detach().cpu()[mask].all()
    assert records[-1]["test_loss"] < records[0]["test_loss"]


@pytest.mark.parametrize("wiring", ["dnw", "dnw_no_update", "td", "reg_td", "rigl", "set"])
def test_wirings(device, wiring: str, digits: Images, tolerance: Tolerance, tmp_path: Path) -> None:
    """Edges are chosen, dropped and exchanged on the device; a run goes on from its folder."""
    config = WiringConfig(
        name="test/tiny", dataset="digits", nodes=60, inputs=8, outputs=10, layers=4, keep=0.1,
        epochs=2, batch_size=32, lr=0.02, rewire_every=2, seed=3, kind=wiring,
    )  # fmt: skip
    quiet: dict[str, Any] = {"progress": False, "pictures": False}
    model, found = train_wiring(config, *digits, device=device, folder=tmp_path, **quiet)
    expected = train_wiring(config, *digits, **quiet)[1]
    assert found[0]["edges"] == expected[0]["edges"] == found[-1]["edges"]
    draws = wiring in ("td", "reg_td")  # with generators that differ between devices
    share = 0.2 if draws else max(tolerance(0.02), 1e-5)
    assert losses(found) == near(losses(expected), share)
    again = train_wiring(config, *digits, device="cpu", folder=tmp_path, **quiet)[0]
    for a, b in zip(again.state_dict().values(), model.state_dict().values()):
        torch.testing.assert_close(a, b.cpu())
