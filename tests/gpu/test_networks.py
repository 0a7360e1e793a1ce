"""Every kind of network on a GPU: outputs, gradients, and the graphs that are read off it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from same_graph import assert_same_graph
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from graph2nn.archgraph import measured, multiply_adds, trace
from graph2nn.cells import GPT, GPTSizes, MacroResNet, build_cell_network, nb201_cell
from graph2nn.relational.conversion import make_relational, widen
from graph2nn.relational.graphs.generators import ws_flex
from graph2nn.relational.networks.registry import MODELS, build_model
from graph2nn.runs import seeded
from graph2nn.sparsity import prune
from graph2nn.sparsity.graphs.encodings.encode import encode
from graph2nn.sparsity.graphs.metrics.topometrics import topometrics
from graph2nn.sparsity.networks.models import build
from graph2nn.wirings.networks.as_graph import wiring_graph
from graph2nn.wirings.networks.continuous import ContinuousTimeWiring
from graph2nn.wirings.networks.counts import count_wiring
from graph2nn.wirings.networks.mobilenet import WiredMobileNetV1
from graph2nn.wirings.networks.ode import Solver
from graph2nn.wirings.networks.tiny import DiscreteTimeWiring, StaticWiring

pytestmark = pytest.mark.gpu

TINY = {"nodes": 60, "inputs": 8, "outputs": 10, "layers": 4, "keep": 0.2, "image_size": 8}


def relational(name: str, execution: str) -> nn.Module:
    graph = ws_flex(8, 3, 0.2, 1)
    return build_model(name, graph, num_classes=10, image_size=8, execution=execution)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "cell": lambda: build_cell_network(nb201_cell([2, 3, 0, 4, 1, 2]), channels=4),
    "macro": lambda: MacroResNet([1, 2, 3, 4]),
    "sparse resnet": lambda: build("Resnet-20", image_size=8),
    "conv6": lambda: build("Conv-6", image_size=8),
    "static": lambda: StaticWiring("dnw", **TINY),
    "discrete time": lambda: DiscreteTimeWiring("dnw", **TINY),
    "continuous time": lambda: ContinuousTimeWiring(
        "dnw", solver=Solver(method="rk4", steps=2), **TINY
    ),
    "wired mobilenet": lambda: WiredMobileNetV1("dnw", width=0.225, image_size=8),
    **{
        f"relational {name}, {execution}": lambda name=name, execution=execution: relational(
            name, execution
        )
        for name, execution in (
            *(("mlp", execution) for execution in ("masked", "mask-once", "blocks")),
            *(("cnn6", execution) for execution in ("masked", "blocks")),
            *(("resnet34", "blocks"), ("resnet50", "blocks"), ("efficientnet_b0", "blocks")),
        )
    },
}


def made(name: str) -> nn.Module:
    with seeded(1):
        return NETWORKS[name]().train()


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_gradients_equal_those_of_the_cpu(device, name: str, tolerance) -> None:
    model = made(name).double()
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    results = []
    for place in (torch.device("cpu"), device):
        mine = copy.deepcopy(model).to(place)
        logits = mine(images.to(place))
        logits.square().mean().backward()
        assert logits.device == place
        grads = {n: p.grad.cpu() for n, p in mine.named_parameters() if p.grad is not None}
        results.append((logits.detach().cpu(), grads))
    (expected, theirs), (found, grads) = results
    torch.testing.assert_close(found, expected, rtol=tolerance(1e-6), atol=1e-9)
    assert grads.keys() == theirs.keys()
    for key, value in theirs.items():
        scale = value.square().mean().sqrt()
        error = (grads[key] - value).abs().max()
        assert error <= tolerance(1e-5) * scale + 1e-12, key


def test_a_language_model(device, tolerance) -> None:
    with seeded(1):
        model = GPT(GPTSizes(embed_dim=8, heads=(1, 2), mlp_ratios=(2, 4), vocab_size=10)).double()
    tokens = torch.arange(12).view(2, 6) % 10
    expected = model(tokens)
    found = model.to(device)(tokens.to(device))
    torch.testing.assert_close(found.cpu(), expected, rtol=tolerance(1e-6), atol=1e-9)


@pytest.mark.parametrize("name", ["cell", "sparse resnet", "static", "relational mlp, masked"])
def test_graphs_are_those_of_the_cpu(device, name: str) -> None:
    images, model = torch.rand(2, 3, 8, 8), made(name)
    expected = trace(model, images, view="full")
    assert_same_graph(trace(model.to(device), images, view="full"), expected)


@pytest.mark.parametrize("name", ["static", "discrete time", "wired mobilenet"])
def test_wirings_are_read_off(device, name: str) -> None:
    model = made(name)
    expected, counts = wiring_graph(model), count_wiring(model)
    found = wiring_graph(model.to(device))
    for key in ("source", "target", "weight"):
        assert np.array_equal(getattr(found, key), getattr(expected, key)), key
    assert count_wiring(model) == counts


def test_sparse_networks_are_measured(device, tolerance) -> None:
    """With the spectra computed on the device."""
    model = build("Conv-6", image_size=8)
    masks = prune(model, "uniform", sparsity=0.999, seed=1)
    how = {"engine": "edge-free", "metrics": ["edges", "spectral_gap", "spectral_radius"]}
    expected = topometrics(encode(model, masks, "unrolled", (3, 8, 8)), **how)
    found = topometrics(
        encode(model.to(device), masks, "unrolled", (3, 8, 8)), device=device, **how
    )
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        same = pytest.approx(value, rel=max(tolerance(1e-4), 1e-6), abs=1e-6, nan_ok=True)
        assert found[name] == same, name


def test_conversion(device, kind: str) -> None:
    """A trained network becomes relational, or wider, where it is."""
    if kind == "pretend":
        pytest.skip("the pretended device has no generators that one can make")
    with seeded(1):
        hidden = [layer for _ in range(2) for layer in (nn.Linear(64, 64), nn.ReLU())]
        net = nn.Sequential(*hidden, nn.Linear(64, 10)).double()
    x = torch.rand(4, 64).double()
    graph = ws_flex(16, 4, 0.2, seed=1)
    for change in (lambda n, y: make_relational(n, graph, y), lambda n, y: widen(n, 1.5, y)):
        expected = change(copy.deepcopy(net), x)
        found = change(copy.deepcopy(net).to(device), x.to(device))
        assert all(p.device == device for p in found.parameters())
        torch.testing.assert_close(found(x.to(device)).cpu(), expected(x), rtol=1e-6, atol=1e-9)


def test_every_relational_network_is_there() -> None:
    seen = {name.split()[1].rstrip(",") for name in NETWORKS if name.startswith("relational")}
    assert seen <= set(MODELS)


ATTENTION = [
    ("MATH", torch.float32),
    ("EFFICIENT_ATTENTION", torch.float32),
    ("FLASH_ATTENTION", torch.bfloat16),
    ("CUDNN_ATTENTION", torch.bfloat16),
]


@pytest.mark.parametrize(("backend", "dtype"), ATTENTION, ids=[name for name, _ in ATTENTION])
def test_counts_are_those_of_the_cpu(device: str, backend: str, dtype: torch.dtype) -> None:
    """Multiply-adds by hand, whichever kernel computes attention; recurrent layers, too."""
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    model, x = model.to(device, dtype), torch.zeros(3, 16, 64, device=device, dtype=dtype)
    count = 2 * (3 * 16 * (4 * 64 * 64 + 2 * 64 * 128) + 3 * 2 * 16 * 16 * 64)
    kernels = [getattr(SDPBackend, backend), SDPBackend.MATH]
    with torch.inference_mode(), sdpa_kernel(kernels, set_priority=True):
        assert multiply_adds(lambda: model(x)) == count
    assert measured(model, x).numbers("multiply_adds").sum() == count
    memory = nn.LSTM(64, 32, 2, bidirectional=True).to(device, dtype)
    assert multiply_adds(lambda: memory(x)) == 48 * 2 * 128 * ((64 + 32) + (64 + 32))
