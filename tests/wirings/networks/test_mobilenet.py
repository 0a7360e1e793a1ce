"""MobileNetV1 in wired blocks, the dense one, and the sparse ResNet-50: counts and forms."""

from __future__ import annotations

import pytest
import torch

from graph2nn.archgraph import trace
from graph2nn.wirings.edges.kinds import KINDS, random_mask
from graph2nn.wirings.edges.layers import wired_layers
from graph2nn.wirings.networks.mobilenet import (
    BLOCKS,
    MobileNetV1,
    WiredBlock,
    WiredMobileNetV1,
    width_budget,
)
from graph2nn.wirings.networks.resnet import Bottleneck, SparseResNet50


def stored(model) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("width", "edges"),
    [
        (0.15, (47, 553, 2_212, 32_441, 35_390)),
        (0.225, (104, 1_245, 4_977, 72_991, 79_627)),
        (0.3, (185, 2_212, 8_848, 129_762, 141_558)),
        (0.49, (492, 5_901, 23_603, 346_175, 377_645)),
    ],
)
def test_published_budgets(width, edges):
    assert tuple(width_budget(i, o, n, width) for i, o, _, n in BLOCKS) == edges
    assert tuple(width_budget(i, o, n, 1 - (1 - width)) for i, o, _, n in BLOCKS) == edges


def test_published_counts():
    model = WiredMobileNetV1("dnw", width=0.225)
    layers = [block.wires for block in model.wired_blocks]
    assert sum(layer.keep for layer in layers) == 158_944
    assert [layer.weight.numel() for layer in layers] == [
        2_048,
        49_152,
        196_608,
        8_650_752,
        3_145_728,
    ]
    assert sum(layer.slots.total for layer in layers) == 12_044_288
    assert sum(layer.slots.count for layer in layers) == 6_981_632
    shares = [round(layer.slots.count / layer.slots.total, 3) for layer in layers]
    assert shares == [1.0, 0.667, 0.667, 0.545, 0.667]
    rates = [round(1 - layer.keep / layer.slots.total, 4) for layer in layers]
    assert rates == [0.9492, 0.9747, 0.9747, 0.9916, 0.9747]
    assert stored(model) == 12_112_010 and stored(model) - 12_044_288 == 67_722


def test_published_counts_of_imagenet():
    large = WiredMobileNetV1(num_classes=1000, image_size=224)
    small = WiredMobileNetV1(num_classes=1000, image_size=224, small_head=True)
    assert stored(large) == 13_126_760 and stored(small) == 13_125_760
    assert small.head.keep == 230_400 and large.stem.stride == (2, 2)
    assert stored(MobileNetV1(0.25)) == 215_642


@pytest.mark.parametrize("kind", KINDS)
def test_block_equals_reference(kind, generator):
    how = {"mask": None}
    if kind == "given":
        how["mask"] = random_mask(WiredBlock(6, 8, 2, 4, keep=1).wires.slots, 50, generator)
    twins = [WiredBlock(6, 8, 2, 4, keep=50, kind=kind, **how).double() for _ in range(2)]
    twins[1].load_state_dict(twins[0].state_dict())
    for block in twins:
        block.eval() if kind in ("td", "reg_td") else block.train()
    images = torch.randn(2, 6, 9, 9, generator=generator, dtype=torch.float64)
    found, plain = twins[0](images), twins[1].forward_reference(images)
    assert found.shape == (2, 8, 5, 5) and torch.allclose(found, plain, atol=1e-12)
    factor = torch.randn(found.shape, generator=generator, dtype=torch.float64)
    for out in (found, plain):
        (out * factor).sum().backward()
    for (name, first), second in zip(twins[0].named_parameters(), twins[1].named_parameters()):
        assert torch.allclose(first.grad, second[1].grad, atol=1e-10), name


@pytest.mark.parametrize(("size", "last"), [(8, 1), (32, 2), (64, 4), (65, 3)])
def test_sizes_of_images(size, last, generator):
    model = WiredMobileNetV1(image_size=size, width=0.1).eval()
    state = model.stem(torch.randn(1, 3, size, size, generator=generator))
    for block in model.blocks:
        state = block(state)
    assert state.shape == (1, 1024, last, last)


def test_small_head_on_one_image(generator):
    model = WiredMobileNetV1(small_head=True, width=0.15).eval()
    images = torch.randn(2, 3, 8, 8, generator=generator)
    assert model(images[:1]).shape == (1, 10)
    assert torch.allclose(model(images)[:1], model(images[:1]), atol=1e-6)
    assert model.head.keep == 10_240 - int(0.85 * 10_240)


def test_masks_of_ones_own(generator):
    layers = [layer for _, layer in wired_layers(WiredMobileNetV1(small_head=True))]
    masks = tuple(random_mask(layer.slots, 30, generator) for layer in layers)
    model = WiredMobileNetV1("given", small_head=True, masks=masks)
    assert [layer.keep for _, layer in wired_layers(model)] == [30] * 6
    with pytest.raises(ValueError, match="masks: expected 5, one for each wired layer, got 4"):
        WiredMobileNetV1("given", masks=masks[:4])


def test_traced_graph_has_every_parameter():
    model = WiredMobileNetV1(width=0.1, small_head=True, image_size=8)
    assert set(trace(model).param_shapes) == {name for name, _ in model.named_parameters()}


def test_published_counts_of_resnet():
    model = SparseResNet50("dnw", keep=0.1)
    layers = [layer for _, layer in wired_layers(model)]
    assert len(layers) == 54 and stored(model) == 25_556_032
    assert sum(layer.weight.numel() for layer in layers) == 25_502_912
    assert sum(layer.keep for layer in layers) == 2_550_318
    ignorefirst = SparseResNet50("dnw", keep=0.1, dense_stem=True)
    assert sum(layer.keep for _, layer in wired_layers(ignorefirst)) == 2_558_785
    assert all(p.isfinite().all() for p in model.parameters())
    model.eval()
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)


def test_inherited_edges_of_resnet_are_the_strongest():
    layer = SparseResNet50("fine_tune", keep=0.1, num_classes=10).blocks[3].conv
    edges, magnitude = layer.edges(), layer.weight.abs()
    assert magnitude[edges].min() >= magnitude[~edges].max()


def test_stride_lies_on_the_three_by_three():
    block = Bottleneck(64, 32, 2, keep=0.5)
    assert block.conv.stride == (2, 2) and block.reduce.stride == block.expand.stride == (1, 1)
    assert block(torch.zeros(1, 64, 9, 9)).shape == (1, 128, 5, 5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WiredMobileNetV1(width=0.0), "width: expected a multiplier"),
        (lambda: WiredMobileNetV1(width=1.2), "width"),
        (lambda: WiredMobileNetV1(image_size=0), "image_size"),
        (lambda: WiredMobileNetV1(num_classes=0), "num_classes"),
        (lambda: MobileNetV1(in_channels=0), "in_channels"),
        (lambda: SparseResNet50(image_size=31), "image_size: expected at least 32"),
        (lambda: SparseResNet50(keep=0.0), "keep"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", ["random", "rigl", "set"])
def test_drawn_edges_of_resnet_do_not_follow_magnitude(kind):
    layer = SparseResNet50(kind, keep=0.1, num_classes=10).blocks[3].conv
    edges, magnitude = layer.edges(), layer.weight.abs()
    assert 0.9 < magnitude[edges].mean() / magnitude.mean() < 1.1


def test_a_share_of_one_is_everything():
    assert WiredMobileNetV1("dnw", width=0.3, small_head=True).head.keep == 3072
    assert WiredMobileNetV1("complete", width=1, small_head=True).head.keep == 10_240
    layer = SparseResNet50("dnw", keep=1, num_classes=10).head
    assert layer.keep == layer.weight.numel()
