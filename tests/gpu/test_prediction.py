"""Hypernetworks on a GPU: the same parameters as on the CPU, whatever is where."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from same_graph import assert_same_graph
from torch import Tensor, nn
from torch.func import functional_call

from ghn import GHN
from ghn.evaluation import evaluate_nets, evaluation_batches
from ghn.torchzoo import build_classifier, evaluate_classifiers
from ghn.training.networks import evaluation_nets
from graph2nn.archgraph import trace
from graph2nn.runs import seeded
from graph2nn.vision import ImageData

pytestmark = pytest.mark.gpu

TRUNKS: dict[str, dict[str, Any]] = {
    "gatedgnn": {"hypernet": "gatedgnn"},
    "gatedgnn, mlp decoder": {"hypernet": "gatedgnn", "decoder": "mlp"},
    "gatedgnn, lowrank decoder": {"hypernet": "gatedgnn", "decoder": "lowrank"},
    "mlp": {"hypernet": "mlp"},
    "tokens": {"hypernet": "tokens", "layers": 2, "heads": 4},
    "tokens, edges": {"hypernet": "tokens", "layers": 2, "heads": 4, "tokens": "edges"},
    "graphormer": {"hypernet": "graphormer", "layers": 3, "heads": 4},
}
trunks = pytest.mark.parametrize("trunk", TRUNKS)
KIND = {"image_size": 8, "num_classes": 10, "in_channels": 3}


def hypernetwork(trunk: str, **fields: Any) -> GHN:
    defaults = {"hid": 16, "max_shape": (16, 16, 11, 11), "weight_norm": True, "layernorm": True}
    with seeded(1):
        return GHN(**{**defaults, **TRUNKS[trunk], **fields}).eval()


def classifiers(kind: str) -> list[str]:
    """By name of torchvision; the large ones where there is something to run them on."""
    large = ["resnet152", "vit_l_16", "convnext_large", "regnet_y_32gf"]
    return ["resnet18", "vit_b_16", *large] if kind == "cuda" else ["resnet18"]


def check(found: Tensor, expected: Tensor, share: float, name: str = "") -> None:
    """A tensor is close to another one, relative to that one's size as a whole."""
    found, expected = found.detach().cpu().double(), expected.detach().double()
    assert found.shape == expected.shape and found.isfinite().all(), name
    scale = expected.square().mean().sqrt()
    error = (found - expected).abs().max()
    assert error <= share * scale + 1e-9, (name, float(error), float(scale))


@trunks
def test_parameters_equal_those_of_the_cpu(device, kind: str, trunk: str, tolerance) -> None:
    """Of published classifiers, written into the network or returned; both places mixed, too."""
    pytest.importorskip("torchvision")
    ghn = hypernetwork(trunk, num_classes=1000)
    there = copy.deepcopy(ghn).to(device)
    for name in classifiers(kind):
        large = name not in ("resnet18", "vit_b_16")
        if large and trunk != "graphormer":
            continue
        model = build_classifier(name, num_classes=1000, image_size=224, seed=0).eval()
        images = torch.zeros(2, 3, 224, 224)
        expected = ghn.predict(model, images)
        share = tolerance(1e-3)
        for place, value in there.predict(model.to(device), images).items():
            assert value.device == device
            check(value, expected[place], share, f"{name} {place}")
        for mine in (there, ghn):
            filled = mine(model, images)
            for place, value in filled.named_parameters():
                assert value.device == device
                check(value, expected[place], share, f"{name} {place}")
        del model, filled, expected


@trunks
def test_graphs_give_parameters_and_gradients(device, trunk: str, tolerance) -> None:
    """In double precision, where devices agree to many digits, also of a batch of graphs."""
    ghn = hypernetwork(trunk).double()
    graphs = [graph for _, graph in evaluation_nets("test", 3, small=True, **KIND)]
    results = []
    for place in (torch.device("cpu"), device):
        mine = copy.deepcopy(ghn).to(place)
        predicted = mine.predict_graphs(graphs)
        sum(p.square().mean() for net in predicted for p in net.values()).backward()
        gradients = {n: p.grad.cpu() for n, p in mine.named_parameters() if p.grad is not None}
        results.append(([{n: p.detach().cpu() for n, p in net.items()} for net in predicted],
                        gradients, mine.embed_network(graphs[0]).detach().cpu()))  # fmt: skip
    (nets, gradients, vector), (theirs, their_gradients, their_vector) = results
    assert gradients.keys() == their_gradients.keys()
    for net, other in zip(nets, theirs, strict=True):
        for name, value in net.items():
            check(other[name], value, tolerance(1e-8), name)
    for name, value in gradients.items():
        check(their_gradients[name], value, tolerance(1e-7), name)
    check(their_vector, vector, tolerance(1e-8))


def test_samples_equal_those_of_the_cpu(device, tolerance) -> None:
    """Noise is drawn on the CPU, so a seed gives the same samples everywhere."""
    ghn = hypernetwork("gatedgnn", noise=4).double()
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.Linear(216, 10)).double()
    images = torch.rand(2, 3, 8, 8).double()
    expected = ghn.sample(model, 2, images, seed=1)
    found = copy.deepcopy(ghn).to(device).sample(model, 2, images, seed=1)
    for mine, theirs in zip(found, expected, strict=True):
        for name, value in theirs.items():
            assert mine[name].device == device
            check(mine[name], value.detach(), tolerance(1e-8), name)
    graph = trace(model, images, view=ghn.view)
    noise = torch.randn(2, 4).double()
    graphs = ghn.to(device).predict_graphs([graph, graph], noise=noise.to(device))
    with pytest.raises(AssertionError):
        check(graphs[0]["0.weight"], graphs[1]["0.weight"].detach().cpu(), 1e-6)


@pytest.mark.parametrize("trunk", ["gatedgnn", "graphormer"])
def test_coarse_products_stay_near(device, kind: str, trunk: str) -> None:
    """TF32 keeps ten bits of a product's factors, bfloat16 seven."""
    if kind != "cuda":
        pytest.skip("a CPU has no TF32")
    ghn = hypernetwork(trunk).to(device)
    config, graph = evaluation_nets("test", 1, small=True, **KIND)[0]
    expected = ghn.predict_graphs([graph])[0]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        coarse = ghn.predict_graphs([graph])[0]
    finally:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with torch.autocast("cuda", torch.bfloat16):
        half = ghn.predict_graphs([graph])[0]
    for name, value in expected.items():
        scale = value.detach().square().mean().sqrt()
        for found, share in ((coarse, 0.02), (half, 0.2)):
            mean = (found[name].detach().float() - value.detach()).square().mean().sqrt()
            assert mean <= share * scale + 1e-6, name


class Counting(nn.Module):
    """Needs values in its forward pass, so it is traced on its own device, not on "meta"."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 6, 3), nn.Linear(6, 10)
        self.register_buffer("scale", torch.ones(6))

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(images).mean((2, 3)) * self.scale
        return self.head(x * (1 if x.abs().sum().item() >= 0 else 2))


@pytest.mark.parametrize(
    "make", [Counting, lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 10))]
)
def test_graphs_of_networks_on_the_device(device, make: Callable[[], nn.Module]) -> None:
    model = make()
    for images in (torch.rand(2, 3, 8, 8), None):
        if images is None and not isinstance(model, Counting):
            continue
        expected = trace(model.to("cpu"), images)
        assert_same_graph(trace(model.to(device), images), expected)
        if images is not None:
            assert_same_graph(trace(model, images.to(device)), expected)


@trunks
def test_accuracy_equals_that_of_the_cpu(
    device, trunk: str, digits: tuple[ImageData, ImageData]
) -> None:
    """An image in a hundred may fall on the other side of a rounding."""
    ghn, nets = hypernetwork(trunk), evaluation_nets("test", 2, small=True, **KIND)
    expected = evaluate_nets(ghn, nets, evaluation_batches(digits[1], 20), progress=False)
    batches = evaluation_batches(digits[1].to(device), 20, device=device)
    found = evaluate_nets(ghn.to(device), nets, batches, progress=False)
    mixed = evaluate_nets(ghn.to("cpu"), nets, batches, progress=False)
    for a, b, c in zip(expected, found, mixed, strict=True):
        assert a.num_params == b.num_params
        assert b.top1 == pytest.approx(a.top1, abs=1.5) and c.top1 == pytest.approx(a.top1, abs=1.5)
        assert b.top5 == pytest.approx(a.top5, abs=1.5)


def test_shipped_hypernetwork_and_torchvision(device, digits: tuple[ImageData, ImageData]) -> None:
    pytest.importorskip("torchvision")
    images = digits[1]
    ghn = GHN.from_pretrained("ghn2-digits", device=device)
    assert next(ghn.parameters()).device == device
    batches = evaluation_batches(images.to(device), 40, device=device)
    methods = {"initial": None, "ghn2-digits": ghn}
    found, skipped = evaluate_classifiers(methods, ["resnet18"], batches, progress=False)
    assert not skipped
    methods["ghn2-digits"] = GHN.from_pretrained("ghn2-digits")
    expected, _ = evaluate_classifiers(
        methods, ["resnet18"], evaluation_batches(images, 40), progress=False
    )
    for method in methods:
        same = pytest.approx(expected[method]["resnet18"].top1, abs=2.6)
        assert found[method]["resnet18"].top1 == same


def test_predicted_parameters_of_a_network_on_meta_run_on_the_device(device, tolerance) -> None:
    ghn = hypernetwork("gatedgnn").to(device)
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.Linear(216, 10))
    images = torch.rand(4, 3, 8, 8)
    predicted = ghn.predict(model, images)
    logits = functional_call(model, predicted, (images.to(device),))
    expected = functional_call(model, {n: p.cpu() for n, p in predicted.items()}, (images,))
    check(logits, expected.detach(), tolerance(1e-3))
