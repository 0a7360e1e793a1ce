"""A prediction writes everything or nothing; plain tensors in the place of parameters."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from modules import IMAGES, VECTORS, WORDS, Stacks, Tied, head
from torch import Tensor, nn
from torch.func import functional_call

from ghn.decoding.parameter_targets import ParameterTarget, targets_of
from ghn.decoding.tiling import check_fit, tile_to
from ghn.decoding.writing import write_parameters
from graph2nn.archgraph import trace


def same(model: nn.Module, before: dict[str, Tensor]) -> bool:
    return all(torch.equal(p, before[n]) for n, p in model.named_parameters())


def copies(model: nn.Module) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters()}


def test_a_block_that_does_not_fit(tiny) -> None:
    """The first parameter is not written either."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 10))
    own, before = dict(model.named_parameters()), copies(model)
    fitting = ParameterTarget(0, 0, "0.weight", (4, 4), "matrix", (4, 4, 1, 1))
    other = ParameterTarget(0, 0, "1.weight", (10, 4), "matrix", (10, 4, 3, 3))
    blocks = [(fitting, torch.ones(4, 4, 1, 1)), (other, torch.ones(4, 4, 1, 1))]
    with pytest.raises(ValueError, match=r"1.weight of the shape \(10, 4\) cannot be decoded from"):
        write_parameters(own, blocks)
    assert same(model, before)


@pytest.mark.parametrize(
    "shape, how",
    [
        ((4, 6), {"view": (4, 6, 1, 1)}),
        ((4, 6, 3), {"view": (4, 6, 1, 3)}),
        ((4, 6, 3, 2), {"view": (4, 6, 3, 2)}),
        ((4, 6, 5, 3, 2), {"view": (4, 6, 3, 2)}),
        ((1, 10, 6), {"view": (1, 6, 3, 3), "table": True}),
        ((2, 3, 4, 6), {"view": (2, 6, 3, 4), "table": True}),
        ((4, 6, 5), {"view": (4, 30, 1, 1)}),
        ((5, 6, 4), {"view": (4, 6, 3, 3), "stack": 5, "turned": True}),
        ((7,), {}),
        ((), {}),
    ],
)
def test_what_fits_gives_a_tensor_of_the_shape(shape: tuple, how: dict) -> None:
    """Blocks smaller, as large, and larger than the parameter; and none of another kernel."""
    target = ParameterTarget(0, 0, "p", shape, "matrix", **how)
    for o, i in ((2, 3), (4, 6), (9, 50)):
        block = torch.rand(o, i, *target.view[2:]) if target.view else torch.rand(o)
        check_fit(block, target)
        found, into = tile_to(block, target), torch.full(shape, torch.nan)
        assert found.shape == shape
        write_parameters({"p": nn.Parameter(into)}, [(target, block)])
        assert torch.equal(into, found)
        if target.view and not target.stack:
            with pytest.raises(ValueError, match="cannot be decoded"):
                check_fit(torch.rand(o, i, 7, 7), target)


def shared(p: Tensor) -> nn.Parameter:
    return nn.Parameter(p.detach()[:1].expand(len(p), *p.shape[1:]))


def in_inference(p: Tensor) -> nn.Parameter:
    with torch.inference_mode():
        return nn.Parameter(torch.zeros(p.shape), requires_grad=False)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: nn.Parameter(p.detach().to("meta")), "meta device.*ghn.predict.model.*to_empty"),
        (shared, r"5.weight is an expanded tensor.*nn.Parameter\(tensor.clone\(\)\)"),
        (in_inference, "5.weight was made in inference mode and is read-only"),
        (lambda p: nn.Parameter(p.detach().to_sparse()), "5.weight is stored as torch.sparse_coo"),
    ],
)
def test_parameters_that_cannot_be_written(tiny, convnet, change: Any, message: str) -> None:
    model = convnet()
    model[5].weight = change(model[5].weight)
    before = {n: p.detach().clone() for n, p in model.named_parameters() if n != "5.weight"}
    with pytest.raises(ValueError, match=message):
        tiny()(model, IMAGES)
    found = dict(model.named_parameters())
    assert all(torch.equal(found[n], p) for n, p in before.items())


def test_a_network_without_values(tiny) -> None:
    """`predict` is for it, or tensors in the place of its parameters."""
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 6, 3), *head(6))
    with pytest.raises(ValueError, match="0.weight is on the meta device .* ghn.predict"):
        tiny()(model, IMAGES)
    expected = functional_call(model, tiny().predict(model, IMAGES), (IMAGES,))
    found = tiny()(model, IMAGES, keep_grads=True)
    torch.testing.assert_close(found(IMAGES), expected)


def test_whole_numbers_are_kept(tiny, convnet) -> None:
    model = convnet()
    model.table = nn.Parameter(torch.arange(6), requires_grad=False)
    model.flags = nn.Parameter(torch.tensor([True, False]), requires_grad=False)
    modules = list(model.children())
    model.forward = lambda x: nn.Sequential(*modules)(x) + model.table.sum() * model.flags[0]
    predicted = tiny().predict(model, IMAGES)
    assert predicted.keys() == {n for n, p in model.named_parameters() if p.is_floating_point()}
    tiny()(model, IMAGES)
    assert torch.equal(model.table, torch.arange(6)) and model.flags.tolist() == [True, False]
    whole = nn.Module()
    whole.table = model.table
    with pytest.raises(ValueError, match="Module has no parameters but whole numbers, so there is"):
        tiny().predict(whole, IMAGES)


# -- plain tensors in the place of parameters ---------------------------------------------------


def test_keep_grads_twice(tiny, convnet) -> None:
    """Then in place, then as a dictionary: each as of a network that was never touched."""
    model, first, second = convnet(), tiny(seed=1), tiny(seed=2)
    order = [n for n, _ in model.named_parameters()]
    expected = {k: ghn.predict(model, IMAGES) for k, ghn in (("a", first), ("b", second))}
    plain = copies(model)
    for ghn, key in ((first, "a"), (second, "b"), (second, "b")):
        assert ghn(model, IMAGES, keep_grads=True) is model and not list(model.parameters())
        found = {n: model.get_submodule(n[0]).__dict__[n[2:]] for n in order}
        torch.testing.assert_close(found, expected[key])
        model(IMAGES).square().sum().backward()
        assert all(p.grad is not None for p in ghn.decoder.parameters())
    torch.testing.assert_close(second.predict(model, IMAGES), expected["b"])
    assert not list(model.parameters()), "predict leaves it as it was"
    first(model, IMAGES)
    assert [n for n, _ in model.named_parameters()] == order
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in model.parameters())
    torch.testing.assert_close(dict(model.named_parameters()), expected["a"], rtol=1e-4, atol=1e-6)
    assert plain.keys() == expected["a"].keys()


def test_keep_grads_of_tied_weights(tiny) -> None:
    model = tiny()(Tied(), WORDS, keep_grads=True)
    assert model.out.weight is model.embed.weight and not list(model.parameters())
    model = tiny()(model, WORDS)
    assert model.out.weight is model.embed.weight and len(list(model.parameters())) == 3


def test_keep_grads_of_a_frozen_network_in_half(tiny, convnet) -> None:
    model = convnet().half().requires_grad_(False)
    model = tiny()(model, IMAGES.half(), keep_grads=True)
    assert model[0].weight.dtype == torch.float16 and model[0].weight.requires_grad
    model = tiny()(model, IMAGES.half())
    assert {p.dtype for p in model.parameters()} == {torch.float16}
    assert not any(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("keep_grads", [True, False])
def test_a_failure_leaves_plain_tensors_in_place(tiny, convnet, keep_grads: bool) -> None:
    model = tiny()(convnet(), IMAGES, keep_grads=True)
    before = {k: dict(m.__dict__) for k, m in model.named_modules()}
    with pytest.raises(ValueError, match="for 7 classes"):
        tiny(num_classes=7)(model, IMAGES, keep_grads=keep_grads)
    after = {k: dict(m.__dict__) for k, m in model.named_modules()}
    assert not list(model.parameters())
    assert all(after[k]["weight"] is before[k]["weight"] for k in ("0", "1", "5"))


# -- shapes and functions ------------------------------------------------------------------------

SHAPES = [(3, 5, 5), (2, 1, 1, 6), (2, 2, 3, 1), (1, 4, 4), (4, 7, 1, 2, 3), (5,), (), (1, 2, 3, 9)]
USES: dict[str, Any] = {
    "added": lambda x, w: x + w.sum() * 0 + w.flatten()[0],
    "multiplied": lambda x, w: x * w.mean(),
    "sliced and multiplied by": lambda x, w: x @ w.flatten().repeat(36)[:36].view(6, 6),
    "reshaped and linear": lambda x, w: nn.functional.linear(
        x, w.reshape(w.shape[0] if w.dim() else 1, -1).repeat(1, 6)[:, :6]
    ).mean(1, keepdim=True) + x,
    "a table": lambda x, w: nn.functional.embedding(
        torch.zeros(2, dtype=torch.int64), w.reshape(w.shape[0] if w.dim() else 1, -1)
    ).mean(1, keepdim=True) + x,
}  # fmt: skip


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("shape", SHAPES)
def test_parameters_of_any_shape_and_use(tiny, shape: tuple, use: str) -> None:
    """Written is what is returned."""
    for decoder, name in (("conv", "attention_bias"), ("lowrank", "w")):
        model = Stacks(shape, USES[use], width=6, name=name)
        ghn = tiny(decoder=decoder, rank=4)
        with torch.no_grad():
            predicted = ghn.predict(model, VECTORS)
        assert {n: p.shape for n, p in predicted.items()} == {
            n: p.shape for n, p in model.named_parameters()
        }
        ghn(model, VECTORS)
        torch.testing.assert_close(dict(model.named_parameters()), predicted, rtol=1e-4, atol=1e-6)


def test_experts_multiplied_in_groups(tiny) -> None:
    """`grouped_mm` of today's mixtures of experts: matrices one by one, whatever its name."""
    if not hasattr(torch, "_grouped_mm"):
        pytest.skip("this torch has no grouped products")

    def apply(x: Tensor, w: Tensor) -> Tensor:
        x = torch.cat([x, x, x[:, :4]], 1).bfloat16()
        return torch._grouped_mm(x, w.bfloat16(), torch.tensor([1, 2], dtype=torch.int32)).float()

    for shape in ((2, 16, 8), (2, 8, 16)):
        turned = shape[1] == 16
        use = apply if turned else lambda x, w: apply(x, w.transpose(1, 2))
        model = Stacks(shape, use, width=8)
        (found,) = (
            t for t in targets_of(trace(model, VECTORS, view="primitives")) if t.name == "experts"
        )
        assert (found.stack, found.turned, found.matrix) == (2, turned, (8, 16))
