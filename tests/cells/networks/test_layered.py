"""GPTs, FBNets and macro residual networks as modules: they run, learn and refuse bad sizes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graph2nn.cells.networks.fbnet import FBNET_OPS, FBNet, FBNetBlock, fbnet_layers
from graph2nn.cells.networks.gpt import GPT, GPTSizes
from graph2nn.cells.networks.macro_resnet import MacroResNet, macro_resnet_modules

SMALL = {"embed_dim": 8, "heads": (1, 3), "mlp_ratios": (2, 4), "head_size": 4, "vocab_size": 11}


def learns(network: nn.Module, logits: torch.Tensor) -> None:
    assert logits.isfinite().all()
    logits.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("options", [{}, {"gated": True, "tied": False}, {"bias": False}])
def test_gpt_learns(options: dict) -> None:
    network = GPT(GPTSizes(**SMALL, **options))
    logits = network(torch.arange(10).view(2, 5))
    assert logits.shape == (2, 5, 11)
    learns(network, logits)


def test_gpt_sees_the_past_alone_and_in_order() -> None:
    network = GPT(GPTSizes(**SMALL, rotary=1.0))
    tokens = torch.tensor([[1, 2, 3, 4, 5]])
    logits = network(tokens)
    changed = network(torch.tensor([[1, 2, 3, 4, 9]]))
    torch.testing.assert_close(logits[:, :4], changed[:, :4])
    swapped = network(torch.tensor([[2, 1, 3, 4, 5]]))
    assert not torch.allclose(logits[:, 4], swapped[:, 4], atol=1e-6)
    plain = GPT(GPTSizes(**{**SMALL, "heads": (2,), "mlp_ratios": (2,), "rotary": 0}))
    one, other = plain(tokens), plain(torch.tensor([[2, 1, 3, 4, 5]]))
    torch.testing.assert_close(one[:, 4], other[:, 4])  # a set, without positions


def test_rotation_depends_on_distance_alone() -> None:
    attention = GPT(GPTSizes(**SMALL, rotary=1.0)).blocks[0].attention
    x = torch.randn(1, 1, 1, 4, generator=torch.Generator().manual_seed(0)).expand(1, 1, 6, 4)
    rotated = attention._rotate(x)[0, 0]
    products = rotated @ rotated.T
    for distance in range(5):
        torch.testing.assert_close(products.diagonal(distance).std(), torch.tensor(0.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": (1,)}, "heads, mlp_ratios: expected a number for each block, got 1 and 2"),
        ({"heads": (), "mlp_ratios": ()}, "expected a number for each block, got 0 and 0"),
        ({"embed_dim": 0}, "expected sizes of at least 1"),
        ({"rotary": 1.5}, "rotary: expected a share from 0 to 1"),
        ({"rotary": 0.25}, "rotates an even number of the 4 channels of a head, got 0.25"),
    ],
)
def test_gpt_refuses_bad_sizes(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GPTSizes(**{**SMALL, **changes})


def test_every_block_of_fbnet_learns() -> None:
    narrow, wide = fbnet_layers()[2], fbnet_layers()[5]
    assert (narrow.stride, wide.stride, wide.c_in, wide.c) == (1, 2, 24, 32)
    for op in FBNET_OPS:
        for layer in (narrow, wide):
            block = FBNetBlock(op, layer)
            images = torch.randn(2, layer.c_in, 8, 8, generator=torch.Generator().manual_seed(0))
            out = block(images.requires_grad_())
            assert out.shape == (2, layer.c, 8 // layer.stride, 8 // layer.stride)
            learns(block, out)


def test_a_network_of_fbnet() -> None:
    code = [*range(9), *range(9), 0, 1, 2, 8]
    network = FBNet(code, num_classes=10)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    for bad in ([0] * 21, [9] * 22, [-1] * 22):
        with pytest.raises(ValueError, match="expected 22 codes from 0 to 8, got"):
            FBNet(bad)
    with pytest.raises(ValueError, match="no block 'k7_e1'; those of FBNet are k3_e1"):
        FBNetBlock("k7_e1", fbnet_layers()[0])


def test_macro_residual_networks() -> None:
    assert macro_resnet_modules([1, 2, 3, 4]) == [
        (64, 64, 1),
        (64, 128, 1),
        (128, 128, 2),
        (128, 256, 2),
    ]
    network = MacroResNet([1, 2, 3, 4], num_classes=5)
    logits = network(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, 5)
    learns(network, logits)
    for bad in ([1, 2, 3], [1] * 7, [0, 1, 2, 3], [1, 2, 3, 5]):
        with pytest.raises(ValueError, match="expected 4 to 6 codes from 1 to 4, got"):
            MacroResNet(bad)
