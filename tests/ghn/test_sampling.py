"""Several initialisations from one hypernetwork: noise, its seed, its mean, what stays."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call

from ghn import GHN
from graph2nn.archgraph import trace

IMAGES = torch.linspace(-1, 1, 2 * 3 * 8 * 8).view(2, 3, 8, 8)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


@pytest.mark.parametrize("hypernet", ["gatedgnn", "graphormer", "tokens"])
def test_samples_differ_and_run(tiny, convnet, hypernet) -> None:
    ghn, model = tiny(hypernet=hypernet, noise=4), convnet()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    samples = ghn.sample(model, 3, IMAGES)
    assert same(dict(model.state_dict()), before)
    shapes = {n: p.shape for n, p in model.named_parameters()}
    for sample in samples:
        assert {n: p.shape for n, p in sample.items()} == shapes and list(sample) == list(shapes)
        assert functional_call(model, sample, (IMAGES,)).isfinite().all()
    assert len(samples) == 3
    for name in shapes:
        assert len({tuple(s[name].flatten().tolist()) for s in samples}) == 3, name


def test_a_seed_or_a_generator_decides(tiny, convnet) -> None:
    ghn, model, state = tiny(noise=4), convnet(), torch.get_rng_state()
    first, second = (ghn.sample(model, 2, IMAGES, seed=seed) for seed in (0, 1))
    assert not same(first[0], second[0])
    assert all(map(same, ghn.sample(model, 2, IMAGES), first))
    assert same(ghn.sample(model, 1, IMAGES)[0], first[0]), "the first of any number"
    generator = torch.Generator().manual_seed(0)
    drawn = [ghn.sample(model, 1, IMAGES, seed=generator)[0] for _ in range(2)]
    assert same(drawn[0], first[0]) and not same(drawn[1], drawn[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_prediction_is_the_mean_of_the_noise(tiny, convnet) -> None:
    """Zero noise; and a hypernetwork without noise has its weights, its numbers and no others."""
    ghn, model = tiny(noise=4), convnet()
    plain = tiny()
    assert [n for n in ghn.state_dict() if n not in plain.state_dict()] == ["noise.weight"]
    plain.load_state_dict({n: v for n, v in ghn.state_dict().items() if n != "noise.weight"})
    expected = plain.predict(model, IMAGES)
    assert same(ghn.predict(model, IMAGES), expected)
    with torch.no_grad():
        ghn.noise.weight.zero_()
    assert all(same(sample, expected) for sample in ghn.sample(model, 2, IMAGES))


def test_noise_changes_no_other_initial_weight(tiny) -> None:
    drawn = tiny(noise=4).state_dict()
    assert all(torch.equal(v, drawn[n]) for n, v in tiny().state_dict().items())


def test_parameters_of_the_second_pass_are_drawn_too(tiny) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.fc = nn.Parameter(torch.ones(6)), nn.Linear(6, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x * self.scale)

    one, other = tiny(noise=4).sample(Scaled(), 2, torch.zeros(2, 6))
    assert set(one) == {"scale", "fc.weight", "fc.bias"}
    assert not torch.equal(one["scale"], other["scale"])


def test_without_class_layers_and_with_a_graph(tiny, convnet) -> None:
    ghn, model = tiny(noise=4), convnet()
    graph = trace(model, IMAGES, view=ghn.view)
    (sample,) = ghn.sample(model, 1, IMAGES, graph=graph, predict_class_layers=False)
    assert "5.weight" not in sample and "0.weight" in sample


def test_samples_are_differentiable(tiny, convnet) -> None:
    ghn = tiny(noise=4)
    samples = ghn.sample(convnet(), 2, IMAGES)
    sum(p.square().sum() for sample in samples for p in sample.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in ghn.parameters())
    assert ghn.noise.weight.grad.abs().sum() > 0


def test_graphs_with_the_noise_of_each(tiny, random_graph) -> None:
    ghn, graphs = tiny(noise=4), [random_graph(n, n) for n in (7, 4)]
    noise = torch.randn(2, 4, generator=torch.Generator().manual_seed(3))
    together = ghn.predict_graphs(graphs, noise=noise)
    for graph, own, expected in zip(graphs, noise, together, strict=True):
        (alone,) = ghn.predict_graphs([graph], noise=own[None])
        torch.testing.assert_close(alone, expected, rtol=1e-4, atol=1e-5)
    mean = ghn.predict_graphs(graphs)
    assert not torch.allclose(mean[0]["p0"], together[0]["p0"])
    torch.testing.assert_close(ghn.predict_graphs(graphs, noise=0 * noise), mean)


def test_files_keep_the_noise(tiny, convnet, tmp_path) -> None:
    ghn, model = tiny(noise=4), convnet()
    found = GHN.load(ghn.save(tmp_path / "a.pt"))
    assert found.config.noise == 4
    assert same(found.sample(model, 1, IMAGES)[0], ghn.sample(model, 1, IMAGES)[0])


def test_bad_input(tiny, convnet, random_graph) -> None:
    with pytest.raises(ValueError, match="no noise to draw from.*GHNConfig.noise=.*--noise 16"):
        tiny().sample(convnet(), 2, IMAGES)
    with pytest.raises(ValueError, match="no noise to draw from"):
        tiny().predict_graphs([random_graph(3)], noise=torch.zeros(1, 4))
    with pytest.raises(ValueError, match="n: expected at least 1 sample, got 0"):
        tiny(noise=4).sample(convnet(), 0, IMAGES)
    with pytest.raises(ValueError, match="noise must not be negative, got -1"):
        tiny(noise=-1)
