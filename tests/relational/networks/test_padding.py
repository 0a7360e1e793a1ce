"""Padding with zeros changes nothing: outputs, gradients, running statistics."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from graph2nn.relational.graphs.generators import ws_flex
from graph2nn.relational.networks import (
    MODELS,
    RelationalNetwork,
    build_model,
    padded_template,
)
from graph2nn.relational.networks.architecture import FAMILIES
from graph2nn.relational.networks.layers import set_execution

IMAGES: dict[str, Any] = {"num_classes": 10, "image_size": 8}


def padded(values: dict[str, Tensor], like: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {}
    for key, value in values.items():
        margins = [(0, b - a) for a, b in zip(value.shape, like[key].shape)]
        found[key] = F.pad(value.detach(), [m for pair in reversed(margins) for m in pair])
    return found


def inside(value: Tensor, like: Tensor) -> Tensor:
    return value[tuple(slice(size) for size in like.shape)]


def networks(name: str) -> list[RelationalNetwork]:
    """Two small networks of different graphs and widths."""
    members, sizes = [], IMAGES | {"dim_first": 9}
    if name.startswith("resnet"):
        sizes |= {"depths": (1, 2, 1, 1)}
    for k, degree in enumerate((2.5, 5)):
        stages = range(len(FAMILIES[name].dims))
        dims = [40 + (7 * k + 5 * stage) % 11 for stage in stages]  # none the widest throughout
        graph = ws_flex(8, degree, 0.1, 1)
        members.append(build_model(name, graph, dims=dims, seed=k, zero_final=False, **sizes))
    return [net.double() for net in members]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing(name: str, training: bool) -> None:
    members = networks(name)
    template = padded_template(members).double().train(training)
    assert template.dims == tuple(max(d) for d in zip(*(net.dims for net in members)))
    like_p, like_b = dict(template.named_parameters()), dict(template.named_buffers())
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, 3, 8, 8, generator=generator).double()
    directions = torch.randn(8, 10, generator=generator).double()
    for net in members:
        net.train(training)
        parameters = padded(dict(net.named_parameters()), like_p)
        buffers = padded(dict(net.named_buffers()), like_b)
        for parameter in parameters.values():
            parameter.requires_grad_()
        logits, alone = functional_call(template, (parameters, buffers), (images,)), net(images)
        torch.testing.assert_close(logits, alone, rtol=1e-10, atol=1e-12)
        (logits * directions).sum().backward()
        (alone * directions).sum().backward()
        for key, parameter in net.named_parameters():
            gradient = parameters[key].grad
            torch.testing.assert_close(
                inside(gradient, parameter), parameter.grad, rtol=1e-8, atol=1e-10
            )
            inside(gradient, parameter).zero_()
            assert not gradient.any(), key  # margins stay zero in training
        for key, buffer in net.named_buffers():
            torch.testing.assert_close(inside(buffers[key], buffer), buffer, rtol=1e-10, atol=1e-12)


def test_dense_networks_can_be_padded() -> None:
    members = [build_model("cnn6", None, dims=(d, 2 * d, d), **IMAGES) for d in (8, 6)]
    template = padded_template(members)
    assert template.dims == (8, 16, 8)
    assert not template.sizes.relational


def test_masked_once_is_run_masked() -> None:
    members = [set_execution(net, "mask-once") for net in networks("mlp")]
    assert padded_template(members).layers[0].linear.execution == "masked"


def test_skips_are_those_of_the_networks() -> None:
    """Two networks without a skip where the widths of the template would make one."""
    dims = list(FAMILIES["efficientnet_b0"].dims)
    wide, wider = dims.copy(), dims.copy()
    wide[3], wide[4], wider[3], wider[4] = 100, 110, 110, 105
    graph = ws_flex(16, 8, 0.1, 1)
    members = [build_model("efficientnet_b0", graph, dims=d, **IMAGES) for d in (wide, wider)]
    template = padded_template(members)
    assert template.dims[3] == template.dims[4] == 110
    assert template.stages.s5.b1.skip is None
    assert isinstance(template.stages.s5.b2.skip, nn.Identity)
    equal = dims.copy()
    equal[3] = equal[4] = 100
    with pytest.raises(ValueError, match="differ only in graph and widths"):
        padded_template([members[0], build_model("efficientnet_b0", graph, dims=equal, **IMAGES)])


def test_template_follows_the_mode_of_the_first() -> None:
    members = networks("mlp")
    assert padded_template(members).training
    assert not padded_template([net.eval() for net in members]).training


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: build_model("cnn6", None, **IMAGES), "a relational mlp of widths .* a dense cnn6"),
        (lambda: build_model("mlp", None, **IMAGES), "and a dense mlp of widths"),
        (lambda: nn.Linear(2, 2), "only relational networks can be padded, got Linear"),
        (
            lambda: build_model("mlp", ws_flex(64, 9, 0, 1), num_classes=9, image_size=8),
            "8x8 images and 9 classes",
        ),
        (
            lambda: build_model("mlp", ws_flex(64, 9, 0, 1), execution="blocks", **IMAGES),
            "stores its weights as blocks, which cannot be padded",
        ),
    ],
)
def test_networks_that_do_not_go_together(other, message: str) -> None:
    first = build_model("mlp", ws_flex(64, 9, 0, 1), **IMAGES)
    with pytest.raises(ValueError, match=message):
        padded_template([first, other()])


def test_nothing_to_pad() -> None:
    with pytest.raises(ValueError, match="at least one network"):
        padded_template([])


def test_residual_networks_with_and_without_a_projection() -> None:
    graph = ws_flex(64, 9, 0, 1)
    sizes = IMAGES | {"depths": (1, 1, 1, 1)}
    members = [build_model("resnet34", graph, dims=(d, 80, 80, 80), **sizes) for d in (64, 70)]
    with pytest.raises(ValueError, match="must differ only in graph and widths"):
        padded_template(members)
