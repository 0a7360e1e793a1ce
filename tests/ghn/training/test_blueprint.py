"""Networks of any family in a training step: what tells them, and what is built of it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from ghn.evaluation import network_function
from ghn.training import joint_step, meta_step
from graph2nn.archgraph import ArchGraph, trace
from graph2nn.deepnets import EndlessNets, MetaBatches, Network
from graph2nn.families import FAMILIES, build_blueprint, build_network, without_values
from graph2nn.relational.message_rounds import trace_relational

LABELS = torch.tensor([1, 2, 3, 4, 5, 6])


@dataclass(frozen=True)
class Masked:
    """A network of torch's layers with running statistics and a mask that is data."""

    width: int

    def skeleton(self) -> nn.Module:
        return without_values(self.network())

    def network(self) -> nn.Module:
        return _Half(
            nn.Sequential(
                nn.Conv2d(3, self.width, 3, padding=1, bias=False),
                nn.BatchNorm2d(self.width),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(self.width, 10),
            )
        )

    def archgraph(self) -> ArchGraph:
        return trace(self.skeleton(), torch.zeros(2, 3, 8, 8), view="primitives")


class _Half(nn.Module):
    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        self.register_buffer("mask", torch.tensor([1.0, 0.0]).repeat(4)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[4:](self.layers[3](self.layers[:3](x) * self.mask))


@pytest.fixture
def images(generator) -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=generator)


def test_any_blueprint_takes_a_step(tiny, images) -> None:
    ghn = tiny().double().train()
    net = Masked(8)
    nets, images = [(net, net.archgraph())] * 2, images.double()
    result = meta_step(ghn, nets, images, LABELS)
    ours = {n: p.grad for n, p in ghn.named_parameters() if p.grad is not None}
    ghn.zero_grad()
    loss = joint_step(ghn, nets, images, LABELS)
    assert result.finite and result.loss == pytest.approx(loss)
    for name, parameter in ghn.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(ours[name], parameter.grad, msg=name)


def test_evaluation_takes_the_batch(tiny, images) -> None:
    """A skeleton has running statistics without values, which nothing may read."""
    net = Masked(8)
    parameters = tiny().predict_graphs([net.archgraph()])[0]
    logits = network_function(net, parameters)(images)
    assert logits.isfinite().all() and logits.device.type == "cpu"
    assert not torch.allclose(network_function(net, parameters)(images[:3]), logits[:3])


def test_configurations_are_blueprints() -> None:
    config = EndlessNets(image_size=8)[0]
    net = build_blueprint(config)
    assert isinstance(net, Network) and next(net.parameters()).is_meta


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_takes_it(family, tiny, generator) -> None:
    batch = MetaBatches(FAMILIES[family](1, image_size=8), 3).batch(0)
    ghn = tiny(max_shape=(8, 8, 7, 7)).train()
    images = torch.randn(4, 3, 8, 8, generator=generator)
    assert meta_step(ghn, list(zip(batch.configs, batch.graphs)), images, LABELS[:4]).finite
    assert all(p.grad.isfinite().all() for p in ghn.parameters() if p.grad is not None)


def test_predicting_a_relational_network_by_its_graph(tiny) -> None:
    net, graph = FAMILIES["relational"](1, image_size=8).item(0)
    ghn, model = tiny(max_shape=(8, 8, 7, 7)), build_network(net)
    parameters = ghn.predict(model, graph=trace_relational(model))
    expected = ghn.predict_graphs([graph])[0]
    assert parameters.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in parameters.items())
