"""Operations and widths by place from either end, and the linear baseline that reads them."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.cells import cell_graph, nb201_cell
from predictors import GraphFeatures, make_predictor
from predictors.metrics import kendall_tau


def chain(widths: list[int]) -> ArchGraph:
    layers: list[nn.Module] = []
    for a, b in zip([4, *widths], widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return trace(nn.Sequential(*layers), nn.Parameter().new_zeros(2, 4), view="full")


def test_places_are_counted_from_both_ends() -> None:
    ops = [["input", "conv_1x1", "conv_3x3", "output"], ["input", "conv_3x3", "output"]]
    graphs = [cell_graph(names, [(k, k + 1) for k in range(len(names) - 1)]) for names in ops]
    features = GraphFeatures(blocks=("places",)).fit(graphs)
    names, table = features.get_feature_names_out().tolist(), features.transform(graphs)

    def row(name: str) -> list[float]:
        return table[:, names.index(f"places: {name}")].tolist()

    assert row("first 1 conv_1x1") == [1, 0] and row("first 1 conv_3x3") == [0, 1]
    assert row("last 1 conv_3x3") == [1, 1] and row("last 3 input") == [1, 0]
    longer = cell_graph(["input", *["conv_1x1"] * 6, "output"], [(k, k + 1) for k in range(7)])
    assert features.transform([longer])[0].sum() == 8  # four places from either end


def test_widths_are_logarithms() -> None:
    features = GraphFeatures(blocks=("places",))
    table = features.fit_transform([chain([16, 8]), chain([32])])
    names = features.get_feature_names_out().tolist()
    widths = {n.split(": ")[1]: table[:, k] for k, n in enumerate(names) if "width" in n}
    assert sorted({float(v) for column in widths.values() for v in column}) == [0, 3, 4, 5]


def test_order_of_writing_does_not_matter() -> None:
    ops = ["input", "conv_1x1", "conv_3x3", "output"]
    edges = [(0, 1), (0, 2), (1, 3), (2, 3)]
    swapped = ["input", "conv_3x3", "conv_1x1", "output"]
    tables = [
        GraphFeatures(blocks=("places",)).fit_transform([cell_graph(names, edges)])
        for names in (ops, swapped)
    ]
    np.testing.assert_array_equal(*tables)


def test_the_baseline_sees_widths_where_counts_say_nothing() -> None:
    rng = np.random.RandomState(0)
    nets = [2 ** rng.randint(2, 7, size=rng.randint(2, 5)) for _ in range(120)]
    y = np.array([np.log2(widths[0]) - 0.5 * np.log2(widths[-1]) for widths in nets])
    graphs = [chain(widths.tolist()) for widths in nets]
    model = make_predictor("ridge").fit(graphs[:80], y[:80])
    assert "places" in model.model_.blocks
    assert kendall_tau(y[80:], model.predict(graphs[80:])) > 0.9


def test_only_ridge_knows_the_error_of_networks_left_out() -> None:
    X = [nb201_cell([k % 5, 1, 2, 3, k // 5, 0]) for k in range(25)]
    y = np.arange(25.0)
    errors = []
    for name in ("ridge", "ridge-scaled"):
        model = make_predictor("gp-graph", model=name).fit(X, y)
        errors.append(model.regressors_[0].left_out_error())
    assert all(0 < error < 1 for error in errors)
    with pytest.raises(ValueError, match="only ridge regression knows it"):
        make_predictor("gp-graph", model="svr").fit(X, y).regressors_[0].left_out_error()
