"""Accuracy as an output: its head, what it says of networks, and hypernetworks without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ghn import GHN
from ghn.checkpoints import infer_config
from ghn.decoding.accuracy import AccuracyHead, gaussian_loss
from graph2nn.archgraph import ArchGraph, trace
from graph2nn.deepnets import build_graph, eval_nets


@pytest.fixture(scope="module")
def graphs() -> list[ArchGraph]:
    return [build_graph(config) for config in eval_nets("val", 20, seed=5, image_size=8)]


def small_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)
    )


@pytest.mark.parametrize("hypernet", ["gatedgnn", "mlp", "graphormer"])
def test_of_a_list_as_of_each(
    tiny: Callable[..., GHN], graphs: list[ArchGraph], hypernet: str
) -> None:
    """Also beyond what is encoded at once, in training mode too, which is kept."""
    ghn = tiny(hypernet=hypernet, accuracy=True).train()
    ghn.accuracy_head.hidden[2].p = 0.5
    ghn.accuracy_head.standardise(0, 80.0, 10.0)
    found = ghn.predict_accuracy(graphs)
    assert ghn.training and ghn.accuracy_head.training
    assert found.mean.shape == found.std.shape == (20,) and not found.mean.requires_grad
    assert found.mean.std() > 0 and (found.std > 0).all()
    for k in (0, 7, 19):
        mean, std = ghn.predict_accuracy(graphs[k])
        assert isinstance(mean, float) and isinstance(std, float)
        assert mean == pytest.approx(found.mean[k].item(), abs=1e-3)
        assert std == pytest.approx(found.std[k].item(), abs=1e-3)


def test_of_a_module_as_of_its_graph(tiny: Callable[..., GHN]) -> None:
    ghn, net = tiny(accuracy=True), small_network()
    images = torch.zeros(1, 3, 8, 8)
    before = {name: p.clone() for name, p in net.named_parameters()}
    found = ghn.predict_accuracy(net, images)
    assert found == ghn.predict_accuracy(trace(net, images, view="ghn2"))
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    both = ghn.predict_accuracy([net, net], images)
    assert both.mean.tolist() == pytest.approx([found.mean] * 2, abs=1e-5)
    assert found != ghn.predict_accuracy(net, images, parameters="predicted")


def test_off_by_default_and_beside_the_same_weights(tiny: Callable[..., GHN]) -> None:
    plain, other = tiny().state_dict(), tiny(accuracy=True).state_dict()
    assert not GHN(hid=8, max_shape=(8, 8, 3, 3)).config.accuracy
    assert {name.partition(".")[0] for name in set(other) - set(plain)} == {"accuracy_head"}
    assert all(torch.equal(value, other[name]) for name, value in plain.items())


@pytest.mark.parametrize("name", ["ghn.pt", "ghn.safetensors"])
def test_files_keep_it(
    tiny: Callable[..., GHN], graphs: list[ArchGraph], tmp_path: Path, name: str
) -> None:
    ghn = tiny(accuracy=True)
    ghn.accuracy_head.standardise(0, 70.0, 20.0)
    again = GHN.load(ghn.save(tmp_path / name))
    assert again.predict_accuracy(graphs[0]) == ghn.predict_accuracy(graphs[0])
    assert (
        infer_config(ghn.state_dict()).accuracy and not infer_config(tiny().state_dict()).accuracy
    )


def test_units() -> None:
    head = AccuracyHead(4)
    head.standardise(1, 50.0, 25.0)
    mean, std = head.in_units(torch.tensor([[1.0, 1.0]]), torch.zeros(1, 2))
    assert mean.tolist() == [[1.0, 75.0]] and std.tolist() == [[1.0, 25.0]]


def test_the_loss_leads_to_mean_and_variance() -> None:
    values = torch.randn(4000, generator=torch.Generator().manual_seed(0)) * 0.5 + 2
    for mean, variance in ((1.5, 0.25), (2.5, 0.25), (2.0, 0.1), (2.0, 0.6)):
        at = torch.tensor([mean, np.log(variance)], dtype=torch.float32, requires_grad=True)
        gaussian_loss(at[0], at[1], values).backward()
        assert at.grad[0].item() * (mean - 2) >= -0.01
        if mean == 2:
            assert at.grad[1].item() * (variance - 0.25) > 0.01


def test_bad_input(tiny: Callable[..., GHN], graphs: list[ArchGraph]) -> None:
    with pytest.raises(ValueError, match="no head for accuracies.*--accuracy TABLE"):
        tiny().predict_accuracy(graphs)
    ghn = tiny(accuracy=True)
    with pytest.raises(ValueError, match="at least one network"):
        ghn.predict_accuracy([])
    with pytest.raises(ValueError, match=r"expected a network .torch.nn.Module., got str"):
        ghn.predict_accuracy(["resnet50"])
    with pytest.raises(ValueError, match="parameters.*trained"):
        ghn.predict_accuracy(graphs[0], parameters="random")
