"""Factors of operations as columns: what is shared, what is unseen, what networks have instead."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from graph2nn.archgraph import ArchGraph
from graph2nn.cells import cell_graph, nb201_cell
from graph2nn.cells.traced import tnb101_macro_network
from predictors import make_predictor
from predictors.features import GraphFeatures
from predictors.features.operations import UnknownOperationWarning
from predictors.metrics import kendall_tau


def dag(names: list[str], edges: list[tuple[int, int]]) -> ArchGraph:
    return cell_graph(names, edges, vocabulary=tuple(dict.fromkeys(names)))


def chain(*ops: str) -> ArchGraph:
    names = ["input", *ops, "output"]
    return dag(names, [(k, k + 1) for k in range(len(names) - 1)])


def table_of(fit: list[ArchGraph], others: list[ArchGraph]) -> dict[str, np.ndarray]:
    features = GraphFeatures(("factors",)).fit(fit)
    names = [name.removeprefix("factors: ") for name in features.get_feature_names_out()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownOperationWarning)
        return dict(zip(names, features.transform(others).T))


def test_factors_of_a_chain() -> None:
    graphs = [chain("sep_conv_5x5", "skip", "avg_pool_3x3"), chain("dil_conv_3x3", "mbconv_k3_e6")]
    found = table_of(graphs, graphs)
    assert found["live convolution"].tolist() == [1, 2]
    assert found["live pool"].tolist() == [1, 0] == found["live average"].tolist()
    assert found["live identity"].tolist() == [1, 0]
    assert found["live log kernel"] == pytest.approx(np.log2([5, 9]))
    assert found["live field"].tolist() == [4 + 2, 4 + 2]
    assert found["live log expansion"] == pytest.approx([0, np.log2(6)])
    assert found["live grouped"].tolist() == [1, 2] and found["live dilated"].tolist() == [0, 1]
    for part in ("least", "most", "mean"):  # one path
        assert np.array_equal(found[f"{part} field"], found["live field"])


def test_paths_are_counted_over_living_nodes() -> None:
    """Two paths of a cell, one of which a zero cuts; a cell without any path."""
    two = dag(
        ["input", "conv_3x3", "conv_1x1", "none", "output"],
        [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)],
    )
    dead = chain("none")
    found = table_of([two, dead], [two, dead])
    assert [found[f"{part} field"][0] for part in ("least", "most", "mean")] == [0, 2, 1]
    assert [found[f"{part} field"][1] for part in ("least", "most", "mean")] == [-1, -1, -1]
    assert found["live convolution"].tolist() == [2, 0]


def test_an_operation_never_seen_has_its_own_factors() -> None:
    known = [chain("sep_conv_3x3"), chain("sep_conv_5x5"), chain("avg_pool_3x3")]
    found = table_of(known, [chain("sep_conv_7x7"), chain("sep_conv_5x5")])
    assert found["live log kernel"] == pytest.approx(np.log2([7, 5]))
    both = GraphFeatures(("counts", "factors")).fit(known)
    with pytest.warns(UnknownOperationWarning, match="sep_conv_7x7 → sep_conv_5x5"):
        row, other = both.transform([chain("sep_conv_7x7"), chain("sep_conv_5x5")])
    counts = len(known) + 2
    assert np.array_equal(row[:counts], other[:counts]) and not np.array_equal(row, other)


def test_unseen_kernels_are_ordered_by_what_kernels_do() -> None:
    rng = np.random.RandomState(0)

    def draw(kernels: tuple[int, ...], count: int) -> tuple[list[ArchGraph], np.ndarray]:
        rows = rng.choice(kernels, (count, 4))
        y = np.log2(rows).sum(1)
        return [chain(*(f"sep_conv_{k}x{k}" for k in row)) for row in rows], y

    X, y = draw((1, 3, 11), 60)
    U, v = draw((3, 5, 7, 11), 60)
    with pytest.warns(UnknownOperationWarning):
        without = make_predictor("gp-graph", blocks=("counts", "paths")).fit(X, y).predict(U)
    with pytest.warns(UnknownOperationWarning):
        factored = make_predictor("gp-graph", blocks=("factors",)).fit(X, y).predict(U)
    assert kendall_tau(v, factored) > 0.9 > 0.85 > kendall_tau(v, without)


def test_results_are_remembered_by_graph_as_given() -> None:
    known = [chain("sep_conv_3x3"), chain("sep_conv_5x5")]
    features = GraphFeatures(("factors",)).fit(known)
    graph = chain("sep_conv_9x9")
    for _ in range(2):
        with pytest.warns(UnknownOperationWarning):
            again = features.transform([graph])
    assert again[0, 6] == pytest.approx(np.log2(9))


def test_networks_with_parameters_have_sizes_instead() -> None:
    graphs = [tnb101_macro_network(code) for code in ([1, 2, 3, 4], [2, 2, 1, 1])]
    with pytest.raises(ValueError, match="the blocks factors have no columns"):
        GraphFeatures(("factors",)).fit(graphs)
    names = GraphFeatures().fit([nb201_cell([k, 1, 2, 3, 4, 0]) for k in range(5)])
    assert any(name.startswith("factors: ") for name in names.get_feature_names_out())
