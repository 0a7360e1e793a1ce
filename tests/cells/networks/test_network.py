"""Networks of cells and of any labelled DAG: published sizes, and that they run and learn."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from published import published_rows
from torch import nn

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical, isomorphic_variants
from graph2nn.cells import (
    cell_graph,
    macro_network,
    nb101_cell,
    nb201_cell,
    tnb101_cell,
)
from graph2nn.cells.networks.network import DagNetwork
from graph2nn.cells.networks.skeletons import SKELETONS, CellNetwork, build_cell_network, space_of
from graph2nn.cells.sampling import SPACES, sample_cells

SMALL = {"nb201": 4, "tnb101_micro": 4, "nas_bench_macro": 4, "nb101": 8}


def params(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def full_size(graph: ArchGraph) -> nn.Module:
    """The benchmark's network without memory for its weights."""
    with torch.device("meta"):
        return build_cell_network(graph)


def rows(name: str, count: int, *columns: str, seed: int = 0) -> Iterator[dict[str, Any]]:
    table = [row for row in published_rows(name, *columns) if row[columns[-1]] == row[columns[-1]]]
    for k in np.random.default_rng(seed).choice(len(table), count, replace=False):
        yield table[k]


def learns(network: nn.Module, images: torch.Tensor) -> None:
    """Runs a network forward and backward; every parameter has to get a gradient."""
    logits = network(images)
    assert logits.shape == (len(images), 10) and logits.isfinite().all()
    nn.functional.cross_entropy(logits, torch.arange(len(images))).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def macs(network: nn.Module, size: int) -> int:
    """Multiply-adds of convolutions and linear layers, counted while running."""
    total = 0

    def count(module: nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal total
        positions = out[0, 0].numel() if out.dim() == 4 else 1
        total += module.weight.numel() * positions

    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    network.eval()(torch.zeros(1, 3, size, size, device="meta"))
    return total


def test_parameters_of_nas_bench_201() -> None:
    for row in rows("nb201", 50, "arch", "zc_params"):
        network = full_size(nb201_cell(ast.literal_eval(row["arch"])))
        assert params(network) == pytest.approx(1e6 * row["zc_params"], abs=0.5)


def test_parameters_of_nas_bench_101() -> None:
    for row in rows("nb101_500", 50, "arch", "params"):
        code = ast.literal_eval(row["arch"])
        cell = nb101_cell(np.reshape(code[:49], (7, 7)), code[49:])
        network = full_size(cell)
        assert params(network) == pytest.approx(1e6 * row["params"], abs=0.5)


def test_parameters_and_flops_of_nas_bench_macro() -> None:
    for k, row in enumerate(rows("nas_bench_macro", 50, "arch", "flops", "params")):
        network = full_size(macro_network(row["arch"]))
        assert params(network) == row["params"]
        assert k > 4 or macs(network, 32) == row["flops"]


def test_published_parameters_without_tables() -> None:
    assert params(full_size(nb201_cell([2] * 6))) == 1531546
    assert params(full_size(nb201_cell([1] * 6))) == 73306
    assert params(full_size(macro_network("00000000"))) == 387882


def test_transnas_reduces_where_edges_begin_at_the_input() -> None:
    full = full_size(tnb101_cell([3] * 6))
    # Digits 1 and 3 are edges from the input, 2 and 4 between inner nodes: identities are free
    # there and pairs of strided convolutions here.
    sizes = [
        params(full) - params(full_size(tnb101_cell(code)))
        for code in ([3, 1, 3, 3, 3, 3], [3, 3, 1, 3, 3, 3])
    ]
    inner = 4 * 128**2 + 4 * 256**2 + 2 * 512**2
    first = inner - 64 * 128 - 128 * 256 - 256 * 512
    norms = 2 * (4 * 128 + 4 * 256 + 2 * 512)
    assert sizes[1] == 9 * inner + norms
    reduced = 64 * 128 + 128 * 256 + 256 * 512 + 2 * (128 + 256 + 512)
    assert sizes[0] == 9 * first + norms - reduced


@pytest.mark.parametrize("space", SPACES)
def test_sampled_networks_learn(space: str) -> None:
    cells = None if space == "nas_bench_macro" else 1
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for graph in sample_cells(space, 8, 0):
        assert space_of(graph) == space
        network = build_cell_network(
            graph, channels=SMALL[space], num_cells=cells, in_channels=1, seed=1
        )
        learns(network, images)


@pytest.mark.parametrize("space", ["nb201", "tnb101_micro"])
def test_a_cell_without_path_runs(space: str) -> None:
    graph = nb201_cell([1] * 6) if space == "nb201" else tnb101_cell([0] * 6)
    network = CellNetwork(graph, skeleton=space, channels=4, num_cells=1)
    logits = network(torch.randn(2, 3, 16, 16))
    assert torch.equal(logits[0], logits[1])
    learns(network, torch.randn(3, 3, 16, 16))
    learns(DagNetwork(graph), torch.randn(3, 3, 8, 8))


def test_canonical_forms_compute_the_same() -> None:
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for graph in sample_cells("nb201", 8, 3):
        made = [
            CellNetwork(g, channels=4, num_cells=1).eval()
            for g in (graph, canonical(graph), canonical(isomorphic_variants(graph, 1, 0)[0]))
        ]
        assert params(made[0]) == params(made[1])
        for network in made:  # equal values for equal shapes, whatever the order of the nodes
            for parameter in network.parameters():
                nn.init.constant_(parameter, 0.1)
        outputs = [network(images) for network in made]
        assert torch.allclose(outputs[0], outputs[1], atol=1e-4)
        assert torch.allclose(outputs[1], outputs[2], atol=1e-4)


def test_weights_come_from_the_seed_alone() -> None:
    state = torch.random.get_rng_state()
    graph = nb201_cell([2, 3, 0, 2, 4, 2])
    for build in (CellNetwork, DagNetwork):
        a, b, c = (build(graph, channels=4, seed=seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(a[key], b[key]) for key in a)
        assert not torch.equal(a["stem.0.weight"], c["stem.0.weight"])
    assert torch.equal(torch.random.get_rng_state(), state)


def random_staged(rng: np.random.Generator) -> tuple[list[str], list[tuple[int, int]], list[int]]:
    n = int(rng.integers(2, 12))
    ops = ["skip", "none", "conv_1x1", "conv_3x3", "avg_pool_3x3", "max_pool_3x3"]
    ops += ["mbconv_k3_e3", "mbconv_k5_e6"]
    pairs = [(u, v) for u in range(n) for v in range(u + 1, n) if rng.random() < 0.4]
    stages = np.sort(rng.integers(0, 4, n)).tolist()
    return ["input", *rng.choice(ops, n - 2), "output"], pairs, stages


def test_any_labelled_dag_runs() -> None:
    rng = np.random.default_rng(0)
    adapted = 0
    for _ in range(40):
        ops, pairs, stages = random_staged(rng)
        network = DagNetwork(cell_graph(ops, pairs, stage=stages), channels=4)
        adapted += len(network.adapters)
        learns(network, torch.randn(3, 3, 8, 8))
    assert adapted > 20


def test_widths_and_strides_of_nodes() -> None:
    graph = cell_graph(
        ["input", "conv_3x3", "avg_pool_3x3", "conv_1x1", "output"],
        [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (3, 4)],
    )
    network = DagNetwork(graph, widths=[6, 8, 12, 10, 1], strides=[1, 4, 2, 1, 1])
    assert network.ops["1"].op[1].weight.shape[:2] == (8, 6)
    assert network.ops["3"].op[1].weight.shape[:2] == (10, 12)
    assert set(network.adapters) == {"1_3", "2_3", "2_4", "3_4"}
    learns(network, torch.randn(3, 3, 9, 9))


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        (nb201_cell([2] * 6), {"skeleton": "darts"}, "skeleton: expected one of nb201"),
        (nb201_cell([2] * 6), {"channels": 0}, "expected at least 1, got 0"),
        (nb201_cell([2] * 6), {"num_cells": 0}, "expected at least 1"),
        (nb201_cell([4] * 6), {"skeleton": "tnb101_micro"}, "not a network of tnb101_micro"),
        (nb201_cell([2] * 6), {"skeleton": "nas_bench_macro"}, "chain of layers"),
        (nb201_cell([4] * 6), {"skeleton": "nb101"}, "'avg_pool_3x3' is no operation"),
        (nb201_cell([1] * 6), {"skeleton": "nb101"}, "no path joins input and output"),
        (
            macro_network("00000000"),
            {"skeleton": "nas_bench_macro", "num_cells": 2},
            "lists all its layers",
        ),
        (
            replace(cell_graph(["input", "output", "skip"], [(0, 1)]), name="odd"),
            {},
            "odd: expected one input and, last, one output",
        ),
    ],
)
def test_bad_cells(graph: object, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CellNetwork(graph, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": [1, 2]}, "widths: expected a positive number for each of the 3 nodes"),
        ({"strides": [1, 3, 3]}, "powers of two"),
        ({"channels": 0}, "channels: expected at least 1"),
    ],
)
def test_bad_sizes(options: dict, message: str) -> None:
    graph = cell_graph(["input", "conv_3x3", "output"], [(0, 1), (1, 2)])
    with pytest.raises(ValueError, match=message):
        DagNetwork(graph, **options)


def test_graphs_without_module() -> None:
    with pytest.raises(ValueError, match="expected one node `input`, got 0"):
        DagNetwork(cell_graph(["skip", "output"], [(0, 1)]))
    graph = cell_graph(
        ["input", "attention", "output"],
        [(0, 1), (1, 2)],
        vocabulary=("input", "output", "attention"),
    )
    with pytest.raises(ValueError, match="no module for the operation 'attention'"):
        build_cell_network(graph)
    assert set(SKELETONS) == set(SPACES)
