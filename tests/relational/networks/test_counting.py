"""Counting networks that do not exist: constants of the original, and equality with built ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from graph2nn.relational.graphs.generators import cycle, erdos_renyi, ws_flex
from graph2nn.relational.graphs.graph import as_graph
from graph2nn.relational.networks import MODELS, build_model
from graph2nn.relational.networks.architecture import FAMILIES, architecture, layers
from graph2nn.relational.networks.counting import (
    EntryTable,
    count,
    count_flops,
    count_layers,
    count_module,
    count_params,
)
from graph2nn.relational.networks.partition import relational_mask

CIFAR, IMAGENET = {"num_classes": 10, "image_size": 32}, {"num_classes": 1000, "image_size": 224}
REFERENCES = {  # multiply-adds that the original states for the dense networks
    "mlp": (CIFAR, 2_364_416),
    "cnn6": (IMAGENET, 166_438_912),
    "resnet34": (IMAGENET, 3_663_761_408),
    "resnet34_sep": (IMAGENET, 553_614_592),
    "resnet50": (IMAGENET, 4_089_184_256),
    "efficientnet_b0": (IMAGENET, 385_824_092),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_dense_networks_cost_what_the_original_states(name: str) -> None:
    sizes, expected = REFERENCES[name]
    assert count_flops(name, None, **sizes) == expected


@pytest.mark.parametrize(
    ("name", "dims", "dim_first", "depths", "expected"),
    [
        ("mlp", (256,), 256, (3,), 985_600),
        ("mlp", (1024,), 1024, (3,), 6_301_696),
        ("cnn6", (512, 512, 512), 512, (1, 1, 1), 806_884_352),
        ("cnn6", (16, 16, 16), 16, (1, 1, 1), 1_216_672),
        ("cnn6", (64, 128, 256), 64, (2, 2, 2), 48_957_952),
        ("cnn6", (16, 32, 64), 16, (2, 2, 2), 3_392_128),
    ],
)
def test_other_constants_for_cifar(name, dims, dim_first, depths, expected) -> None:
    assert count_flops(name, None, dims, dim_first=dim_first, depths=depths, **CIFAR) == expected


def test_resnet20_but_for_its_stem() -> None:
    # The constant dates from a 3x3 stem; the original's code has had a 7x7 one since.
    ours = count_flops(
        "resnet34",
        None,
        (16, 32, 64),
        dim_first=16,
        depths=(3, 3, 3),
        num_classes=10,
        image_size=32,
    )
    assert ours - 3 * 16 * (7 * 7 - 3 * 3) * 32**2 == 40_813_184


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("relational", [False, True])
@pytest.mark.parametrize("image_size", [9, 32, 65])
def test_counted_equals_built(name: str, relational: bool, image_size: int) -> None:
    graph = ws_flex(FAMILIES[name].num_nodes, 6.3, 0.2, 3) if relational else None
    sizes = {"num_classes": 7, "image_size": image_size, "in_channels": 2}
    dims = [dim // 2 + 33 for dim in FAMILIES[name].dims]
    if name == "resnet50":  # its inner width is a quarter
        dims = [dim + 7 for dim in FAMILIES[name].dims]
    model = build_model(name, graph, dims=dims, **sizes)
    assert count(name, graph, dims, **sizes) == model.counts() == count_module(model, image_size)
    trainable = sum(
        int(module.mask.sum()) * module.weight[0, 0].numel()
        if hasattr(module, "mask")
        else sum(p.numel() for p in module.parameters(recurse=False))
        for module in model.modules()
    )
    # Truncation of a sum of floats may lose one.
    assert trainable - 1 <= count_params(name, graph, dims, **sizes) <= trainable


@pytest.mark.parametrize("name", MODELS)
def test_dense_networks_agree_with_the_counter_of_torch(name: str) -> None:
    with torch.device("meta"):
        images = torch.empty(1, 3, 96, 96)
    model = build_model(name, None, num_classes=5, image_size=96).to("meta").eval()
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(images)
    biases = sum(
        m.out_channels for n, m in model.named_modules() if ".se." in n and hasattr(m, "stride")
    )
    assert counter.get_total_flops() == 2 * (model.counts().flops - biases)


@pytest.mark.parametrize("graph", [ws_flex(16, 5.3, 0.3, 1), cycle(7), as_graph([[0]])])
def test_entries_are_those_of_the_mask(graph) -> None:
    table = EntryTable(graph)
    n = graph.num_nodes
    for fan_in in range(n, 3 * n + 1):
        for fan_out in (n, n + 1, 2 * n - 1, 5 * n + 3):
            expected = np.count_nonzero(relational_mask(graph, fan_in, fan_out))
            assert table.count(fan_in, fan_out) == expected


def test_entries_of_a_directed_graph() -> None:
    graph = as_graph(np.triu(np.ones((6, 6)), 1))
    expected = np.count_nonzero(relational_mask(graph, 20, 9))
    assert EntryTable(graph).count(20, 9) == expected
    assert expected != EntryTable(graph).count(9, 20)


def test_narrow_layers_take_a_smaller_graph() -> None:
    graph = ws_flex(16, 5, 0.1, 2)
    table = EntryTable(graph, shrinks=True)
    expected = np.count_nonzero(relational_mask(graph.resized(11), 40, 11))
    assert table.count(40, 11) == expected
    assert list(table.smaller) == [11]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count("vgg", None, **CIFAR), "unknown model 'vgg'; choose one of mlp, cnn6"),
        (lambda: count("mlp", cycle(64), (63,), **CIFAR), "64 nodes cannot share 63 channels"),
        (lambda: count("mlp", None, (8, 8), **CIFAR), "up to 1 stages, as many of each"),
        (lambda: count("cnn6", None, (8, 0, 8), **CIFAR), "expected positive dims"),
        (
            lambda: count("mlp", None, num_classes=0, image_size=8),
            "num_classes of at least 1, got 0",
        ),
        (
            lambda: count("mlp", None, num_classes=2, image_size=-1),
            "image_size of at least 1, got -1",
        ),
        (
            lambda: count("efficientnet_b0", None, depths=(1,) * 7, **CIFAR),
            "depths are fixed at",
        ),
        (lambda: count("efficientnet_b0", None, (3,) * 7, **CIFAR), "widths of at least 4"),
        (
            lambda: count("efficientnet_b0", erdos_renyi(40, 4, 1).undirected(), **CIFAR),
            "has 40 nodes and cannot be made with 16",
        ),
    ],
)
def test_bad_sizes(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_layers_are_in_the_order_of_the_modules() -> None:
    sizes = architecture("resnet34", relational=True, **CIFAR)
    model = build_model("resnet34", ws_flex(64, 9, 0.1, 1), dims=sizes.dims, **CIFAR)
    widths = [
        (m.weight.shape[1], m.weight.shape[0])
        for m in model.modules()
        if hasattr(m, "weight") and m.weight.dim() > 1
    ]
    assert [(x.fan_in, x.fan_out) for x in layers(sizes) if x.kind != "norm"] == widths


def test_truncation_layer_by_layer() -> None:
    # 5 of 6 blocks of one channel, 49 places: 6 * (5 / 6) may fall below 5 in floats
    graph = as_graph([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    sizes = architecture("cnn6", dims=(3, 3, 3), dim_first=3, relational=True, **CIFAR)
    found = count_layers(layers(sizes), EntryTable(graph)).flops
    per_layer = 7 * 9 * sum(2 * size * size for size in (16, 8, 4))
    stem_and_head = 3 * 3 * 9 * 32**2 + 3 * 10
    assert 0 <= per_layer + stem_and_head - found <= 6
