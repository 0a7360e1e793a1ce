"""Receptive fields: published ones, and those that gradients show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graph2nn.archgraph import measured, receptive_field, trace

PUBLISHED = {  # Araujo et al., Distill 2019, table 1
    "alexnet": 195,
    "vgg16": 212,
    "mobilenet_v2": 491,
    "inception_v3": 1311,
    "densenet121": 2071,
}


@pytest.mark.filterwarnings("ignore:The default weight initialization of inception_v3")
@pytest.mark.parametrize("name", PUBLISHED)
def test_published(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        model = getattr(models, name)()
    size = receptive_field(measured(model)).size
    assert size[np.isfinite(size)].max() == PUBLISHED[name]
    assert np.isinf(size[-1]).all()


class Net(nn.Module):
    def __init__(self, run: Callable, *layers: nn.Module) -> None:
        super().__init__()
        self.layers, self.run = nn.ModuleList(layers), run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x, *self.layers)


def channels_last(x: Tensor, conv: nn.Module, norm: nn.Module, linear: nn.Module) -> Tensor:
    y = linear(norm(conv(x).permute(0, 2, 3, 1))).movedim(-1, 1)
    return x + y


def patches(x: Tensor, conv: nn.Module, linear: nn.Module) -> Tensor:
    return linear(conv(x).flatten(2).transpose(1, 2)).transpose(1, 2).reshape(1, 4, 6, 6)


NETS: dict[str, nn.Module] = {
    "plain": nn.Sequential(
        *(nn.Conv2d(2, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.AvgPool2d(3, 2), nn.Conv2d(4, 4, 3)),
    ),
    "dilated": nn.Sequential(nn.Conv2d(2, 4, (3, 5), dilation=(2, 1), padding="same")),
    "transposed": nn.Sequential(nn.Conv2d(2, 4, 3, 2, 1), nn.ConvTranspose2d(4, 4, 4, 2, 1)),
    "branches": Net(
        lambda x, a, b: torch.cat([a(x), b(F.pad(x, (2, 1, 2, 1)))], 1),
        nn.Conv2d(2, 2, 3, padding=1),
        nn.Conv2d(2, 2, 4),
    ),
    "channels last": Net(
        channels_last, nn.Conv2d(2, 2, 7, padding=3), nn.LayerNorm(2), nn.Linear(2, 2)
    ),
    "bins": nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.AdaptiveAvgPool2d(6)),
    "patches": Net(patches, nn.Conv2d(2, 4, 4, 4), nn.Linear(4, 4)),
}


@pytest.mark.parametrize("name", NETS)
def test_gradients_reach_as_far(name: str) -> None:
    """The field of a value in the middle holds exactly the pixels with a gradient."""
    torch.manual_seed(0)
    model = NETS[name].eval()
    x = torch.rand(1, 2, 24, 24, requires_grad=True)
    found = receptive_field(measured(model, x))
    out = model(x)
    row, column = out.shape[2] // 2, out.shape[3] // 2
    (grad,) = torch.autograd.grad(out[0, :, row, column].sum(), x)
    for axis, place in ((0, row), (1, column)):
        reached = grad[0].abs().amax(dim=(0, 2 - axis)).nonzero().flatten()
        if name == "patches":  # tokens have no grid of their own any more
            assert np.isnan(found.size[-1, axis])
            assert found.size[-2, axis] == len(reached) == 4
            continue
        first = found.start[-1, axis] + place * found.stride[-1, axis]
        span = int(reached.max() - reached.min()) + 1
        if name == "transposed":  # every other value sees less
            assert first <= reached.min() and reached.max() < first + found.size[-1, axis] + 1
            continue
        assert (first, found.size[-1, axis]) == (int(reached.min()), span)


def test_everything_and_gates() -> None:
    class Excited(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.gate = nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))

    graph = measured(Excited(), torch.zeros(1, 2, 8, 8))
    assert np.isinf(receptive_field(graph).size[-1]).all()
    assert receptive_field(graph, gates=False).size[-1].tolist() == [3, 3]


def test_tokens_see_each_other_through_attention() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 8), layer)
    graph = measured(model, torch.zeros((1, 6), dtype=torch.long))
    size = receptive_field(graph).size[:, 0]
    names = graph.op_names()
    assert size[names.index("embedding")] == size[names.index("linear")] == 1
    assert np.isinf(size[-1])


def test_windows_of_attention_are_not_known() -> None:
    def cut(x: Tensor) -> Tensor:
        return x.view(1, 2, 4, 2, 4, 2)

    graph = measured(Net(cut), torch.zeros(1, 2, 8, 8))
    assert np.isnan(receptive_field(graph).size[-1]).all()


def test_without_measures() -> None:
    graph = trace(nn.Conv2d(2, 2, 3), torch.zeros(1, 2, 8, 8))
    with pytest.raises(ValueError, match="column 'memory' .* measures=True"):
        receptive_field(graph)
