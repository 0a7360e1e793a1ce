"""Decoded strings are networks: they are built and run forward and backward.

Valid means: the module is built, maps a batch of images to finite logits, and after a backward pass
every parameter and the images have a gradient; so nothing is built that the output does not use.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from archtokens.grammar import ArchGrammar
from graph2nn.deepnets import build_graph

Case = tuple[str, dict[str, Any], tuple[int, int], dict[str, Any], tuple[int, int]]
# space, rules, lengths of the strings, options of the module, image: channels and side
CASES: list[Case] = [
    ("deepnets", {"cells": (4, 8), "widths": (8,), "fc_dims": (32,)}, (80, 80), {}, (3, 32)),
    (
        "deepnets",
        {"cells": (4, 8), "widths": (8,), "fc_dims": (32,), "image_size": 8, "in_channels": 1},
        (0, 150),
        {},
        (1, 8),
    ),
    (
        "deepnets",
        {"widths": (8,), "fc_dims": (32,), "image_size": 16, "norms": ("bnorm",)},
        (0, 250),
        {},
        (3, 16),
    ),
    ("dag", {}, (0, 60), {"channels": 8}, (3, 8)),
    ("dag", {"stages": 3}, (0, 60), {"channels": 8}, (3, 16)),
    ("relational", {}, (0, 300), {"image_size": 8, "dim": 128, "dim_first": 128}, (3, 8)),
]
IDS = ["deepnets", "deepnets-small", "deepnets-full", "dag", "dag-stages", "relational"]


def _run(
    grammar: ArchGrammar, nets: Iterable[Any], options: dict[str, Any], image: tuple[int, int]
) -> None:
    for k, x in enumerate(nets):
        with torch.random.fork_rng():
            torch.manual_seed(k)
            net = grammar.network(x, **options).train()
            images = torch.randn(4, image[0], image[1], image[1], requires_grad=True)
            logits = net(images)
        assert logits.shape == (4, 10) and logits.isfinite().all(), x
        F.cross_entropy(logits, torch.arange(4)).backward()
        unused = [name for name, p in net.named_parameters() if p.grad is None]
        assert not unused, (x, unused)
        assert images.grad is not None, x


def _decoded(case: Case, count: int, seed: int) -> None:
    space, rules, length, options, image = case
    grammar = ArchGrammar(space, **rules)
    strings = grammar.random_strings(count, seed, length=length)
    _run(grammar, map(grammar.decode, strings), options, image)


@pytest.mark.parametrize("case, count", list(zip(CASES, (12, 12, 5, 150, 40, 50))), ids=IDS)
def test_decoded_networks_run(case: Case, count: int) -> None:
    _decoded(case, count, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_500_decoded_networks_run(case: Case) -> None:
    _decoded(case, 500, seed=2)


def test_graphs_of_decoded_networks_carry_the_module_parameters() -> None:
    rules = {"cells": (4, 6), "widths": (8,), "fc_dims": (32,)}
    grammar = ArchGrammar("deepnets", **rules)
    for x in grammar.sample(20, seed=0):
        graph = grammar.graph(x)
        net = grammar.network(x, device="meta")
        assert graph.num_params() == sum(p.numel() for p in net.parameters())
        assert graph.num_nodes == build_graph(x).num_nodes


def test_input_reaches_the_output_of_cells() -> None:
    """Mixed with `none`, the image still matters."""
    grammar = ArchGrammar("dag", ops=("none", "skip"), max_nodes=6)
    for x in grammar.sample(20, seed=0):
        net = grammar.network(x, channels=4).eval()
        images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        assert not torch.equal(net(images), net(2 * images)), x.edges
