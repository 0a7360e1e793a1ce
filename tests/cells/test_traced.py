"""Graphs of GPTs, FBNets and residual chains: put together, they are those of tracing."""

from __future__ import annotations

import random
import time
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.cells.networks.fbnet import FBNet, fbnet_layers
from graph2nn.cells.networks.gpt import GPT, GPTSizes
from graph2nn.cells.networks.macro_resnet import MacroResNet
from graph2nn.cells.traced import (
    fbnet_multiply_adds,
    fbnet_network,
    gpt_network,
    tnb101_macro_network,
)
from graph2nn.training import multiply_adds


def random_gpt(draw: random.Random, **settings: bool) -> GPTSizes:
    layers = draw.choice((10, 11, 12))
    return GPTSizes(
        embed_dim=draw.choice((192, 384, 768)),
        heads=tuple(draw.choices((4, 8, 12), k=layers)),
        mlp_ratios=tuple(draw.choices((2, 3, 4), k=layers)),
        bias=draw.random() < 0.5,
        **settings,
    )


def traced(network: nn.Module, input: torch.Tensor) -> ArchGraph:
    return trace(network, input.to("meta"), view="primitives")


def check_equal(put_together: ArchGraph, whole: ArchGraph) -> None:
    """All but names and stages, which tracing does not know."""
    for name in ("op", "shape", "edges"):
        one, other = getattr(put_together, name), getattr(whole, name)
        assert one.dtype == other.dtype and np.array_equal(one, other), name
    for name in ("params", "ops", "num_classes", "outputs", "note"):
        assert getattr(put_together, name) == getattr(whole, name), name
    assert list(put_together.param_shapes.items()) == list(whole.param_shapes.items())
    assert np.array_equal(put_together.numbers("values"), whole.numbers("values"))


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_gpt_put_together_is_traced(gated: bool, tied: bool) -> None:
    draw = random.Random(2 * gated + tied)
    for _ in range(2):
        sizes = random_gpt(draw, gated=gated, tied=tied)
        with torch.device("meta"):
            network = GPT(sizes)
        graph = gpt_network(sizes)
        check_equal(graph, traced(network, torch.zeros(2, 1024, dtype=torch.long)))
        assert graph.num_params() == sum(p.numel() for p in network.parameters())


def test_fbnet_put_together_is_traced() -> None:
    draw = random.Random(0)
    for code in ([8] * 22, *(draw.choices(range(9), k=22) for _ in range(3))):
        with torch.device("meta"):
            network = FBNet(code)
        graph = fbnet_network(code)
        check_equal(graph, traced(network, torch.zeros(2, 3, 32, 32)))
        run = partial(network, torch.zeros(1, 3, 32, 32, device="meta"))
        assert fbnet_multiply_adds(code) == multiply_adds(run)
        assert graph.name == "_".join(map(str, code))
        assert set(graph.cell) == {layer.stage for layer in fbnet_layers()}


@pytest.mark.parametrize("code", [[1, 2, 3, 4], [3, 4, 1, 2, 4], [1, 3, 2, 3, 4, 1]])
def test_macro_networks_put_together_are_traced(code: list[int]) -> None:
    with torch.device("meta"):
        network = MacroResNet(code)
    graph = tnb101_macro_network(code)
    check_equal(graph, traced(network, torch.zeros(2, 3, 256, 256)))
    assert graph.name == f"64-{''.join(map(str, code))}-basic"
    assert graph.cell.max() == sum(kind in (3, 4) for kind in code)


def test_modules_that_differ_in_stride_alone_have_different_graphs() -> None:
    """Shapes of parameters do not tell a stride; the stage does."""
    one, other = tnb101_macro_network([1, 2, 3, 4]), tnb101_macro_network([1, 4, 3, 4])
    assert np.array_equal(one.shape, other.shape) and not np.array_equal(one.cell, other.cell)


def test_a_thousand_take_little_time() -> None:
    draw = random.Random(0)
    sizes = [random_gpt(draw) for _ in range(1000)]
    start = time.perf_counter()
    graphs = [gpt_network(size) for size in sizes]
    assert time.perf_counter() - start < 20  # one takes half a millisecond
    assert len({graph.shape.tobytes() for graph in graphs}) == 1000
