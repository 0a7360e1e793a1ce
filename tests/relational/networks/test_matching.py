"""Width matching: equal to the published widths, for every graph."""

from __future__ import annotations

from typing import Any

import pytest
from published import published_rows

from graph2nn.relational.graphs.connectomes import load_connectome
from graph2nn.relational.graphs.generators import complete, cycle, ws_flex
from graph2nn.relational.graphs.graph import RelationalGraph, as_graph
from graph2nn.relational.networks import build_model, matching
from graph2nn.relational.networks.architecture import FAMILIES
from graph2nn.relational.networks.counting import count, count_flops
from graph2nn.relational.networks.matching import match_width, search_dims

CIFAR, IMAGENET = {"num_classes": 10, "image_size": 32}, {"num_classes": 1000, "image_size": 224}
TASKS = {
    "mlp_cifar10": ("mlp", CIFAR, 3942),
    "cnn6_imagenet": ("cnn6", IMAGENET, 52),
    "resnet34_imagenet": ("resnet34", IMAGENET, 52),
    "resnet34_sep_imagenet": ("resnet34_sep", IMAGENET, 52),
    "resnet50_imagenet": ("resnet50", IMAGENET, 52),
    "efficient_imagenet": ("efficientnet_b0", IMAGENET, 48),
}


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, dict[str, Any]]]:
    """One row of the results for every task and graph."""
    found: dict[str, dict[str, dict[str, Any]]] = {task: {} for task in TASKS}
    for row in published_rows("relational"):
        if not row["is_baseline"]:
            found[row["task"]][row["graph_id"]] = row
    return found


@pytest.mark.parametrize("task", TASKS)
def test_every_published_graph(task: str, published) -> None:
    name, sizes, graphs = TASKS[task]
    assert len(published[task]) == graphs
    wrong = {}
    for graph_id, row in published[task].items():
        n = row["n_nodes"]
        k, p = n * round(row["sparsity"], 6), round(row["p"], 6)
        match = match_width(name, ws_flex(n, k, p, row["graph_seed"]), **sizes)
        found = (match.dims[0], round(match.params / 1e6, 3), round(match.flops / 1e9, 3))
        if found != (row["dim0"], row["params_M"], row["gflops"]):
            wrong[graph_id] = found
        assert match.flops >= match.reference
    assert not wrong


BEST = {  # sparsity, p, seed of the published best graphs; then all widths, and the multiply-adds
    # and parameters that the original's code counts on networks of these widths
    "mlp": (0.128001, 0.128063, 4, [1522], 2365124, 2375290),
    "cnn6": (0.170251, 0.120983, 13, [158, 315, 631], 166503007, 1948006),
    "resnet34": (0.138784, 0.245008, 3, [165, 328, 659, 1318], 3664349848, 23047072),
    "resnet34_sep": (0.168515, 0.342558, 23, [145, 288, 576, 1152], 553719512, 3687493),
    "resnet50": (0.316271, 0.073388, 8, [412, 822, 1644, 3288], 4090273322, 28200341),
    "efficientnet_b0": (
        *(0.350341, 0.025772, 2),
        *([30, 42, 74, 145, 203, 348, 580], 386319325, 6152145),
    ),
}


@pytest.mark.parametrize("name", BEST)
def test_all_widths_of_the_best_graphs(name: str) -> None:
    sparsity, p, seed, dims, flops, params = BEST[name]
    n = FAMILIES[name].num_nodes
    sizes = CIFAR if name == "mlp" else IMAGENET
    graph = ws_flex(n, n * sparsity, p, seed)
    match = match_width(name, graph, **sizes)
    assert (list(match.dims), match.flops, match.params) == (dims, flops, params)
    costs = count(name, graph, dims, **sizes)
    assert (costs.flops, costs.params) == (flops, params)


@pytest.mark.parametrize(("name", "dim"), [("mcwhole", 1426), ("mcvisual", 901), ("cat", 979)])
def test_connectomes(name: str, dim: int) -> None:
    assert match_width("mlp", load_connectome(name), **CIFAR).dims == (dim,)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_complete_graph_keeps_the_dense_widths(name: str) -> None:
    family = FAMILIES[name]
    match = match_width(name, complete(family.num_nodes), **IMAGENET)
    if name == "efficientnet_b0":  # its relational network expands otherwise than the dense one
        assert match.flops >= match.reference
    else:
        assert match.dims == family.dims
        assert match.flops == match.reference


@pytest.mark.parametrize("name", FAMILIES)
def test_the_search_is_the_same_on_built_networks(name: str) -> None:
    """Counting instead of building changes nothing (small networks: building takes its time)."""
    family = FAMILIES[name]
    graph = ws_flex(family.num_nodes, family.num_nodes / 2, 0.3, 5)
    sizes: dict[str, Any] = {"num_classes": 10, "image_size": 8}
    start = family.dims
    if name.startswith("resnet"):
        sizes["depths"], start = (1, 1, 1, 1), (start[0], *[start[0] + 3] * 3)
    goal = count_flops(name, None, start, **sizes)

    def built(dims: tuple[int, ...]) -> int:
        return build_model(name, graph, dims=dims, **sizes).counts().flops

    def counted(dims: tuple[int, ...]) -> int:
        return count_flops(name, graph, dims, **sizes)

    found = search_dims(counted, start, goal, rounds=3, upper=True)
    assert found == search_dims(built, start, goal, rounds=3, upper=True)
    assert found != start


def test_below_instead_of_above() -> None:
    graph = ws_flex(64, 10, 0.1, 1)
    above = match_width("mlp", graph, **CIFAR)
    below = match_width("mlp", graph, upper=False, **CIFAR)
    assert below.flops < below.reference < above.flops
    assert above.dims[0] - below.dims[0] == 1


def test_other_data_and_sizes() -> None:
    graph = ws_flex(64, 10, 0.1, 1)
    digits = {"num_classes": 10, "image_size": 8, "in_channels": 1}
    match = match_width("mlp", graph, base_dims=(128,), dim_first=128, **digits)
    assert match.reference == count_flops("mlp", None, (128,), dim_first=128, **digits)
    assert match.flops >= match.reference
    lower = count_flops("mlp", graph, (match.dims[0] - 1,), dim_first=128, **digits)
    assert lower < match.reference
    twice = match_width("mlp", graph, reference=2 * 2_364_416, **CIFAR)
    assert 2 * 2_364_416 <= twice.flops < 2.01 * 2_364_416


def test_results_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_CACHE", {})
    calls = []
    original = matching.search_dims
    monkeypatch.setattr(
        matching, "search_dims", lambda *a, **k: calls.append(1) or original(*a, **k)
    )
    first = match_width("mlp", ws_flex(64, 10, 0.1, 1), **CIFAR)
    assert match_width("mlp", ws_flex(64, 10, 0.1, 1), **CIFAR) is first
    assert len(calls) == 1
    match_width("mlp", ws_flex(64, 10, 0.1, 1), num_classes=11, image_size=32)
    assert len(calls) == 2


def test_results_that_depend_on_the_family_of_the_graph_are_not_mixed_up() -> None:
    """EfficientNet makes the graph again on fewer nodes: equal adjacencies may differ there."""
    ours = ws_flex(16, 13, 0.2, 1)
    other = RelationalGraph(adjacency=ours.adjacency, regrow=cycle)
    found = match_width("efficientnet_b0", ours, **IMAGENET)
    assert found.dims[0] < 16
    assert found != match_width("efficientnet_b0", other, **IMAGENET)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda graph: match_width("mlp", graph, reference=100_000, **CIFAR),
            "no widths give 100000 multiply-adds on .*stem of 512 channels",
        ),
        (
            lambda graph: match_width("mlp", graph, reference=1_580_000, **CIFAR),
            "64 nodes cannot share .* another reference",
        ),
        (lambda graph: match_width("mlp", graph, reference=0, **CIFAR), "expected a positive"),
        (lambda graph: match_width("lenet", graph, **CIFAR), "unknown model 'lenet'"),
        (
            lambda graph: match_width("mlp", as_graph(graph.adjacency), dim_first=40, **CIFAR),
            "64 nodes cannot share 40 channels",
        ),
        (
            lambda graph: match_width("mlp", cycle(600), **CIFAR),
            "600 nodes .*wider base_dims or a graph of fewer nodes",
        ),
    ],
)
def test_bad_requests(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(ws_flex(64, 10, 0.1, 1))


def test_search_that_starts_on_the_reference_stops_there() -> None:
    assert search_dims(lambda dims: dims[0] ** 2, (10, 20), 100, rounds=3, upper=True) == (10, 20)


def test_search_by_hand() -> None:
    """Cost a² + b²: one scaling by 2.24 (√(2500/500)), steps of a to 23, then b down by up to 2."""
    found = search_dims(lambda d: d[0] ** 2 + d[1] ** 2, (10, 20), 2500, rounds=1, upper=True)
    assert found == (23, 45)
