"""Networks not all of which is used in one mode or for one input: what is read of them."""

from __future__ import annotations

import random
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from graph2nn.archgraph import trace
from graph2nn.deepnets import DARTS, NetConfig, Network, build_graph

VECTORS, IMAGES = torch.rand(4, 4), torch.rand(2, 3, 8, 8)


class OtherInEval(nn.Module):
    """A head for training, one for evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 8)
        self.for_training, self.for_evaluation = nn.Linear(8, 10), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return (self.for_training if self.training else self.for_evaluation)(self.body(x))


class LayerDrop(nn.Module):
    """Layers that are left out at random in training."""

    def __init__(self, draw: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(12))
        self.fc, self.draw = nn.Linear(4, 10), draw

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            if not self.training or self.draw() > 0.5:
                x = layer(x)
        return self.fc(x)


class Distribution(nn.Module):
    """What detectors do with their outputs in evaluation only (`dfl.conv`)."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 10, 1)
        self.dfl = nn.Module()
        self.dfl.conv = nn.Conv2d(10, 1, 1, bias=False).requires_grad_(False)

    def forward(self, x: Tensor) -> Any:
        y = self.fc(self.body(x).relu())
        return y if self.training else (self.dfl.conv(y.softmax(1)), y)


class Experts(nn.Module):
    """Only the experts that a token reaches run."""

    def __init__(self, count: int = 6) -> None:
        super().__init__()
        self.router, self.fc = nn.Linear(4, count), nn.Linear(4, 10)
        self.experts = nn.ModuleDict(
            {
                f"expert_{k}": nn.Sequential(nn.Linear(4, 9), nn.ReLU(), nn.Linear(9, 4))
                for k in range(count)
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        for k in self.router(x).argmax(1).unique().tolist():
            y = y + self.experts[f"expert_{k}"](x)
        return self.fc(y)


def quietly(call: Any, *args: Any, **how: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return call(*args, **how)


def names(model: nn.Module) -> set[str]:
    return {name for name, _ in model.named_parameters()}


MODES = {
    "other head in evaluation": (OtherInEval, VECTORS),
    "layer drop, Python": (lambda: LayerDrop(random.random), VECTORS),
    "layer drop, numpy": (lambda: LayerDrop(np.random.rand), VECTORS),
    "layer drop, torch": (lambda: LayerDrop(lambda: torch.rand([])), VECTORS),
    "evaluation only": (Distribution, IMAGES),
}


@pytest.mark.parametrize("hypernet", ["gatedgnn", "graphormer"])
@pytest.mark.parametrize("name", MODES)
def test_what_only_one_mode_uses_is_predicted(tiny, name: str, hypernet: str) -> None:
    """Without a warning, with the same numbers each time, and as `ghn(model)` writes them."""
    make, example = MODES[name]
    model, ghn = make(), tiny(hypernet=hypernet)
    with torch.no_grad():
        predicted = quietly(ghn.predict, model, example)
        again = ghn.predict(model, example)
    assert predicted.keys() == names(model)
    torch.testing.assert_close(again, predicted, rtol=0, atol=0)
    quietly(ghn, model, example)
    torch.testing.assert_close(dict(model.named_parameters()), predicted, rtol=1e-4, atol=1e-6)


def test_one_mode_alone(tiny) -> None:
    """The warning names the mode, and what reads the other one."""
    model, ghn = OtherInEval(), tiny()
    for training, left in ((True, "for_evaluation"), (False, "for_training")):
        mode = "train" if training else "eval"
        message = rf"2 parameters .* pass in {mode} mode .*: {left}.bias.*; training=\"both\""
        with pytest.warns(UserWarning, match=message):
            found = ghn.predict(model, VECTORS, training=training)
        assert names(model) - found.keys() == {f"{left}.bias", f"{left}.weight"}
    both = quietly(ghn.predict, model, VECTORS)
    train = {n: p for n, p in both.items() if not n.startswith("for_ev")}
    with pytest.warns(UserWarning, match="in train mode"):
        torch.testing.assert_close(ghn.predict(model, VECTORS, training=True), train)


def test_networks_that_behave_the_same_are_read_once(tiny, convnet, monkeypatch) -> None:
    import ghn.reading.passes as module

    seen: list[tuple[str, bool]] = []

    def noted(*args: Any, view: str, training: bool, **more: Any) -> Any:
        seen.append((view, training))
        return trace(*args, view=view, training=training, **more)

    monkeypatch.setattr(module, "trace", noted)
    both = tiny().predict(convnet(), IMAGES)
    assert seen == [("ghn2", True)]
    torch.testing.assert_close(both, tiny().predict(convnet(), IMAGES, training=True))
    seen.clear()
    tiny().predict(nn.Sequential(nn.Conv1d(3, 6, 3), nn.Conv1d(6, 10, 1)), torch.rand(2, 3, 9))
    assert seen == [("ghn2", True), ("primitives", True)]


def test_a_network_that_cannot_be_evaluated(tiny) -> None:
    """It was predicted before in train mode, and the warning stays true."""

    class Unfinished(OtherInEval):
        def forward(self, x: Tensor) -> Tensor:
            if not self.training:
                raise NotImplementedError("later")
            return super().forward(x)

    with pytest.warns(UserWarning, match=r"2 parameters .* keep their values: for_evaluation"):
        found = tiny().predict(Unfinished(), VECTORS)
    assert len(found) == 4


@pytest.mark.parametrize("hypernet", ["gatedgnn", "graphormer"])
def test_experts_that_no_token_reached(tiny, hypernet: str) -> None:
    model, ghn = Experts(), tiny(hypernet=hypernet)
    reached = trace(model, VECTORS, view="primitives").param_shapes
    left = names(model) - set(reached)
    assert left and any(n.startswith("experts") for n in reached)
    with torch.no_grad():
        predicted = quietly(ghn.predict, model, VECTORS)
    assert {n: p.shape for n, p in predicted.items()} == {
        n: p.shape for n, p in model.named_parameters()
    }
    quietly(ghn, model, VECTORS)
    torch.testing.assert_close(dict(model.named_parameters()), predicted, rtol=1e-4, atol=1e-6)


def test_what_is_really_out_of_use_is_named(tiny) -> None:
    """A sibling that no values could reach is none of those, and one without a twin neither."""

    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
            self.fc = nn.Linear(4, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.layers[1](self.layers[0](x)))

    with pytest.warns(UserWarning, match=r"not used by its forward pass and keep .*layers.2.bias"):
        assert len(tiny().predict(Spare(), VECTORS)) == 6
    model = Experts()
    model.spare = nn.Linear(3, 3)
    with pytest.warns(UserWarning, match="2 parameters .* pass on this input and keep .* spare.b"):
        assert len(tiny().predict(model, VECTORS)) == len(names(model)) - 2


@pytest.mark.parametrize("given", [True, False])
def test_an_auxiliary_head(tiny, given: bool) -> None:
    """Its parameters stand in no published graph of the network."""
    config = NetConfig(genotype=DARTS, n_cells=3, C=8, auxiliary=True)
    model = Network(config)
    graph = build_graph(config) if given else None
    example = torch.zeros(2, 3, 32, 32)
    found = quietly(tiny().predict, model, None if given else example, graph=graph)
    assert found.keys() == names(model) and any(n.startswith("auxiliary") for n in found)


def test_a_graph_in_the_place_of_the_input(tiny, convnet) -> None:
    ghn, model = tiny(), convnet()
    graph = trace(model, IMAGES, view="ghn2")
    expected = ghn.predict(model, graph=graph)
    torch.testing.assert_close(ghn.predict(model, graph), expected, rtol=0, atol=0)
    torch.testing.assert_close(dict(ghn(model, graph).named_parameters()), expected)
    assert torch.equal(ghn.embed_network(model, graph), ghn.embed_network(graph))
    with pytest.raises(ValueError, match="got two graphs: pass the graph once"):
        ghn.predict(model, graph, graph=graph)


@pytest.mark.parametrize("hypernet", ["gatedgnn", "graphormer"])
@pytest.mark.parametrize(
    "make, example",
    [
        (lambda k: nn.Conv3d(3, 4, k, padding="same"), torch.rand(2, 3, 5, 5, 5)),
        (lambda k: nn.Conv1d(3, 4, k, padding="same"), torch.rand(2, 3, 9)),
        (lambda k: nn.ConvTranspose2d(3, 4, k), torch.rand(2, 3, 5, 5)),
    ],
)
def test_networks_of_other_layers_differ(tiny, make: Any, example: Tensor, hypernet: str) -> None:
    """Published graphs do not show them."""

    class Net(nn.Module):
        def __init__(self, kernel: int) -> None:
            super().__init__()
            self.body, self.fc = make(kernel), nn.Linear(4, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.body(x).flatten(2).mean(2))

    ghn = tiny(hypernet=hypernet, accuracy=True)
    small, large = Net(1), Net(3)
    assert not torch.equal(ghn.embed_network(small, example), ghn.embed_network(large, example))
    assert torch.equal(ghn.embed_network(small, example), ghn.embed_network(Net(1), example))
    means = ghn.predict_accuracy([small, large], example).mean
    assert means[0] != means[1]
