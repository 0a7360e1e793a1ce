"""Weights that stay factors: the same outputs and gradients as with their products."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from ghn.decoding.factored_weight import FactoredWeight, weight_of
from ghn.decoding.lowrank import Factors
from ghn.decoding.parameter_targets import ParameterTarget

RANK = 3
LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(20, 30), (2, 7, 20)),
    "conv1d": (lambda: nn.Conv1d(8, 30, 5, stride=2, padding="valid", dilation=2), (2, 8, 20)),
    "conv2d": (lambda: nn.Conv2d(8, 30, (3, 5), padding=1, bias=False), (2, 8, 9, 9)),
    "grouped conv2d": (lambda: nn.Conv2d(16, 32, 3, groups=2), (2, 16, 9, 9)),
    "transposed conv2d": (lambda: nn.ConvTranspose2d(16, 32, 3), (2, 16, 5, 5)),
}


def factored(shape: torch.Size, generator: torch.Generator) -> FactoredWeight:
    out, in_, *kernel = shape
    sides = [1] * (2 - len(kernel)) + kernel
    left = torch.randn(out, RANK, generator=generator, dtype=torch.float64, requires_grad=True)
    right = torch.randn(RANK, in_, *sides, generator=generator, dtype=torch.float64)
    return FactoredWeight(Factors(left, right.requires_grad_()), tuple(shape))


def outputs(weight: Tensor, factors: Factors, run: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """The output of a layer and the gradients of the factors."""
    y = run(weight)
    loss = (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum()
    return [y, *torch.autograd.grad(loss, (factors.left, factors.right))]


@pytest.mark.parametrize("name", LAYERS)
def test_layers(generator, monkeypatch, name: str) -> None:
    make, size = LAYERS[name]
    layer, x = make().double(), torch.randn(*size, generator=generator, dtype=torch.float64)
    weight = factored(layer.weight.shape, generator)

    def run(w: Tensor) -> Tensor:
        return functional_call(layer, {"weight": w}, (x,))

    expected = outputs(weight.dense(), weight.factors, run)
    if name in ("linear", "conv1d", "conv2d"):
        monkeypatch.setattr(Factors, "product", lambda _: pytest.fail("took the product"))
    torch.testing.assert_close(outputs(weight, weight.factors, run), expected)


def test_embedding(generator, monkeypatch) -> None:
    layer = nn.Embedding(40, 12, padding_idx=3).double()
    words = torch.randint(40, (2, 5), generator=generator)
    weight = factored(layer.weight.shape, generator)
    expected = outputs(weight.dense(), weight.factors, lambda w: F.embedding(words, w, 3))
    monkeypatch.setattr(Factors, "product", lambda _: pytest.fail("took the product"))

    def run(w: Tensor) -> Tensor:
        return functional_call(layer, {"weight": w}, (words,))

    torch.testing.assert_close(outputs(weight, weight.factors, run), expected)


def test_other_functions_take_the_product_again(generator, monkeypatch) -> None:
    """Attention reads its weight by other means; its product is not kept in between."""
    attention = nn.MultiheadAttention(16, 2, batch_first=True).double()
    x = torch.randn(2, 5, 16, generator=generator, dtype=torch.float64)
    weight = factored(attention.in_proj_weight.shape, generator)

    def run(w: Tensor) -> Tensor:
        return functional_call(attention, {"in_proj_weight": w}, (x, x, x))[0]

    expected = outputs(weight.dense(), weight.factors, run)
    torch.testing.assert_close(outputs(weight, weight.factors, run), expected)
    taken = []
    product = Factors.product
    monkeypatch.setattr(Factors, "product", lambda f: taken.append(1) or product(f))
    x.requires_grad_()  # so the weight is needed again
    y = run(weight)
    assert len(taken) == 1
    y.sum().backward()
    assert len(taken) == 2, "once more in the backward pass"
    torch.testing.assert_close(weight + 1, weight.dense() + 1)
    torch.testing.assert_close(weight.norm(), weight.dense().norm())


def test_a_list_of_weights(generator) -> None:
    """As recurrent layers pass theirs."""
    layer, x = nn.GRU(9, 20).double(), torch.randn(4, 2, 9, generator=generator).double()
    weight = factored(layer.weight_ih_l0.shape, generator)

    def run(w: Tensor) -> Tensor:
        return functional_call(layer, {"weight_ih_l0": w}, (x,))[0]

    expected = outputs(weight.dense(), weight.factors, run)
    torch.testing.assert_close(outputs(weight, weight.factors, run), expected)


def test_what_is_known_without_the_product(generator, monkeypatch) -> None:
    weight = factored(torch.Size((30, 20)), generator)
    monkeypatch.setattr(Factors, "product", lambda _: pytest.fail("took the product"))
    assert weight.shape == (30, 20) and weight.dim() == 2 and weight.numel() == 600
    assert weight.dtype == torch.float64 and weight.device.type == "cpu"
    assert repr(weight) == "FactoredWeight(shape=(30, 20), rank=3)"


def test_only_plain_weights_stay_factors(generator) -> None:
    factors = factored(torch.Size((30, 20)), generator).factors
    plain = ParameterTarget(0, 0, "p", (30, 20), "matrix", (30, 20, 1, 1))
    assert isinstance(weight_of(factors, plain), FactoredWeight)
    stack = ParameterTarget(0, 0, "p", (1, 30, 20), "matrix", (30, 20, 1, 1), stack=1)
    found = weight_of(factors, stack)
    assert type(found) is Tensor and found.shape == (1, 30, 20)


@pytest.mark.parametrize("decoder", ["lowrank", "conv"])
def test_a_network_with_factored_weights(tiny, convnet, decoder: str) -> None:
    """Equal to the network with their products, in outputs and in the hypernetwork's gradients."""
    ghn, model = tiny(decoder=decoder, rank=3), convnet(width=100)
    images = torch.linspace(-1, 1, 2 * 3 * 8 * 8).view(2, 3, 8, 8)
    found = []
    for kept in (False, True):
        predicted = ghn.predict(model, images, factored=kept)
        factors = [n for n, p in predicted.items() if isinstance(p, FactoredWeight)]
        assert bool(factors) == (kept and decoder == "lowrank")
        loss = functional_call(model, predicted, (images,)).square().sum()
        found.append([loss, *torch.autograd.grad(loss, list(ghn.parameters()))])
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-5)
