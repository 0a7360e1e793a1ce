"""Parameters of every shape: each comes out with its own, experts one by one, all or nothing."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from modules import IMAGES, MODULES, VECTORS, Stacks, run
from torch import Tensor, nn
from zoo import build_timm, build_torchvision

from ghn.config import DECODERS
from ghn.decoding.parameter_targets import ParameterTarget, targets_of
from ghn.decoding.tiling import tile_into, tile_to
from graph2nn.archgraph import trace

ZOO = ("mobilenet_v3_small", "vit_b_32", "levit_128s", "xcit_nano_12_p16_224")


def shapes(parameters: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in parameters}


def same_as_written(ghn: Any, model: nn.Module, example: Any = None) -> dict[str, Tensor]:
    """What `predict` returns, after a look at what `ghn(model)` writes."""
    for p in model.parameters():
        p.data.fill_(torch.nan)  # what is not written shows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # parameters that the forward pass does not use
        with torch.no_grad():
            predicted = ghn.predict(model, example)
        ghn(model, example)
    written = {n: p.data for n, p in model.named_parameters() if not p.isnan().all()}
    assert shapes(predicted.items()) == shapes(written.items())
    torch.testing.assert_close(predicted, written, rtol=1e-4, atol=1e-5)
    return predicted


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("name", MODULES)
def test_small_modules(tiny, name: str, decoder: str) -> None:
    """Names and shapes are those of the parameters, `ghn(model)` writes what `predict` returns."""
    make, example = MODULES[name]
    model = make()
    predicted = same_as_written(tiny(decoder=decoder, rank=4), model, example)
    assert shapes(predicted.items()) == shapes(model.named_parameters())
    assert run(model, example, predicted).isfinite().all()


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("name", ZOO)
def test_known_networks(tiny, name: str, decoder: str) -> None:
    pytest.importorskip("torchvision")
    pytest.importorskip("timm", reason="the zoo holds models of timm: pip install netwright[timm]")
    build = build_torchvision if name in ZOO[:2] else build_timm
    model = build(name, num_classes=10)
    predicted = same_as_written(tiny(decoder=decoder, rank=4), model)
    assert shapes(predicted.items()) == shapes(model.named_parameters())


def experts(name: str) -> dict[str, ParameterTarget]:
    make, example = MODULES[name]
    graph = trace(make(), example, view="primitives")
    return {t.name: t for t in targets_of(graph)}


@pytest.mark.parametrize(
    "name, stack, turned, size",
    [
        ("experts (E, in, out)", 3, True, (12, 6)),
        ("experts (E, out, in)", 3, False, (12, 6)),
        ("experts of an equation", 3, True, (4, 6)),
        ("turned experts of an equation", 3, False, (4, 6)),
        ("mixed experts of an equation", 3, True, (4, 6)),
        ("more experts than pixels", 60, True, (9, 6)),
        ("experts of experts", 6, True, (7, 6)),
        ("heads of an equation, input first", 1, True, (12, 6)),
        ("heads of an equation, output last", 1, True, (7, 6)),
    ],
)
def test_which_axes_are_which(name: str, stack: int, turned: bool, size: tuple[int, int]) -> None:
    target = experts(name)["experts"]
    assert (target.kind, target.stack, target.turned) == ("matrix", stack, turned)
    assert target.matrix == size, "the size of one matrix decides the scale"


def test_other_weights_of_three_axes() -> None:
    form = experts("a bilinear form")["form.weight"]
    assert form.shape == (4, 20, 3) and form.matrix == (4, 60) and not form.turned
    assert experts("a bilinear form as classifier")["form.weight"].kind == "class_weight"
    assert experts("conv1d")["0.weight"].stack == 0
    assert experts("a matrix called bias")["attention_bias"].kind == "matrix"


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    "name", ["experts (E, in, out)", "experts (E, out, in)", "more experts than pixels"]
)
def test_experts_differ(tiny, name: str, decoder: str) -> None:
    """No two are equal, and each has the scale of a matrix of its own, the fan-in of one."""
    make, example = MODULES[name]
    found = tiny(decoder=decoder, rank=4).predict(make(), example)["experts"].detach()
    assert len(found.unique(dim=0)) == len(found)
    free = tiny(decoder=decoder, rank=4, weight_norm=False).predict(make(), example)["experts"]
    torch.testing.assert_close(found, free.detach() * math.sqrt(2 / 6))


def test_the_first_experts_are_the_pixels_of_a_kernel(tiny) -> None:
    """So checkpoints that never saw an expert predict experts, and need no new weights."""
    target = ParameterTarget(0, 0, "p", (3, 4, 2), "matrix", (4, 2, 2, 2), stack=3)
    block = torch.arange(32.0).view(4, 2, 2, 2)
    found = tile_to(block, target)
    assert torch.equal(found, block.flatten(2).permute(2, 0, 1)[:3])
    turned = ParameterTarget(0, 0, "p", (3, 2, 4), "matrix", (4, 2, 2, 2), stack=3, turned=True)
    assert torch.equal(tile_to(block, turned), found.transpose(1, 2))
    many = ParameterTarget(0, 0, "p", (30, 4, 2), "matrix", (4, 2, 6, 6), stack=30)
    found = tile_to(block, many)
    assert torch.equal(found[4:8], found[:4].roll(1, 1)), "the next round is rolled by a channel"
    assert len(found.unique(dim=0)) == 30
    for t in (target, turned, many):
        into = torch.full(t.shape, torch.nan)
        tile_into(into, block, t)
        assert torch.equal(into, tile_to(block, t))


def test_a_recurrent_layer_with_a_projection(tiny) -> None:
    model = nn.LSTM(6, 20, proj_size=10)
    found = tiny(decoder="lowrank").predict(model, torch.zeros(3, 2, 6))
    assert shapes(found.items()) == shapes(model.named_parameters())


def test_experts_are_differentiable(tiny) -> None:
    make, example = MODULES["experts (E, in, out)"]
    ghn = tiny()
    ghn.predict(make(), example)["experts"].square().sum().backward()
    assert ghn.decoder.conv[2].weight.grad.any()


def test_nothing_is_written_where_not_all_can_be(tiny) -> None:
    """A graph of another network is refused before the first parameter is overwritten."""
    ghn, model = tiny(), MODULES["experts (E, in, out)"][0]()
    other = Stacks((3, 6, 5), lambda x, w: torch.einsum("bi,eio->bo", x, w), width=5)
    graph = trace(other, VECTORS, view="ghn2")
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    message = r"says that after.weight has the shape \(10, 5\), the network has \(10, 12\)"
    for call in (ghn, ghn.predict):
        with pytest.raises(ValueError, match=message):
            call(model, VECTORS, graph=graph)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())


def test_nothing_is_written_where_the_second_graph_fails(tiny, monkeypatch) -> None:
    """The parameters that published graphs lack are read before the others are written."""
    import ghn.reading.passes as module

    model = MODULES["class token, layer scale, attention"][0]()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}

    def fails(*args: Any, view: str, **more: Any) -> Any:
        if view == "primitives":
            raise ValueError("no second graph")
        return trace(*args, view=view, **more)

    monkeypatch.setattr(module, "trace", fails)
    for keep_grads in (False, True):
        with pytest.raises(ValueError, match="no second graph"):
            tiny()(model, IMAGES, keep_grads=keep_grads)
        assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
