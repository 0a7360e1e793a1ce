"""Prices of costs: found again where labels are made of them, beyond the labels too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import ArchGraph, trace
from graph2nn.cells import nb201_cell
from predictors import RooflinePredictor, make_predictor
from predictors.features.networks.sizes import costs_of
from predictors.metrics import kendall_tau
from predictors.models.stacking import StackedEnsemble


def chains(count: int, widths: tuple[int, ...], seed: int = 0) -> list[ArchGraph]:
    """Convolutional chains of random depths and widths."""
    rng = np.random.RandomState(seed)
    found = []
    for _ in range(count):
        inner = rng.choice(widths, rng.randint(2, 6)).tolist()
        layers: list[nn.Module] = []
        for a, b in zip([3, *inner], inner):
            layers += [nn.Conv2d(a, b, int(rng.choice((1, 3))), padding="same"), nn.ReLU()]
        found.append(trace(nn.Sequential(*layers), torch.zeros(2, 3, 16, 16)))
    return found


def device(graphs: list[ArchGraph]) -> np.ndarray:
    """Times of a made-up device: work and traffic at fixed prices."""
    costs = costs_of(graphs)
    return 3e-9 * costs[:, 1] + 2e-8 * costs[:, 3]


def test_networks_ten_times_as_large_take_ten_times_as_long() -> None:
    small, large = chains(40, (8, 16, 32)), chains(30, (128, 256), seed=1)
    y, wanted = device(small), device(large)
    assert wanted.min() > 2 * y.max()
    found = RooflinePredictor().fit(small, y).predict(large)
    assert np.median(np.abs(found / wanted - 1)) < 0.15
    other = make_predictor("gp-graph").fit(small, y).predict(large)
    assert np.median(np.abs(other / wanted - 1)) > 0.5


def test_prices_are_not_negative_and_of_each_target() -> None:
    graphs = chains(40, (8, 16, 32))
    y = np.stack([device(graphs), 1 + costs_of(graphs)[:, 0]], axis=1)
    model = RooflinePredictor(refine=False).fit(graphs, y)
    assert (model.prices_ >= 0).all() and model.prices_.shape[1] == 2
    assert kendall_tau(y[:, 1], model.predict(graphs)[:, 1]) > 0.95
    with pytest.raises(ValueError, match="no standard deviation"):
        model.predict_std(graphs)


def test_what_prices_leave_is_learned() -> None:
    """Networks with pointwise kernels are slower than their costs say."""
    graphs = chains(90, (8, 16, 32, 64))
    points = np.array([sum(graph.shape[:, 2] == 1) for graph in graphs])
    y = device(graphs) * (1 + points)
    errors = {}
    for refine in (False, True):
        model = RooflinePredictor(refine=refine).fit(graphs[:60], y[:60])
        errors[refine] = np.mean(np.abs(np.log(model.predict(graphs[60:]) / y[60:])))
    assert errors[True] < errors[False]
    assert (model.predict_std(graphs[60:]) > 0).all()


def test_labels_and_graphs_that_are_no_costs() -> None:
    graphs = chains(12, (8, 16))
    y = device(graphs)
    with pytest.raises(ValueError, match="labels are costs, which are positive; got -"):
        RooflinePredictor().fit(graphs, y - y.mean())
    cells = [nb201_cell([k % 5, 1, 2, 3, 4, 0]) for k in range(12)]
    with pytest.raises(ValueError, match="trace the networks"):
        RooflinePredictor().fit(cells, y)


def test_the_ensemble_takes_it_for_costs_of_networks_only() -> None:
    graphs = chains(12, (8, 16))
    y = device(graphs)[:, None]
    cells = [nb201_cell([k % 5, 1, 2, 3, 4, 0]) for k in range(12)]
    model = StackedEnsemble(combine="scores")

    def names(some: list[ArchGraph], labels: np.ndarray) -> set[str]:
        return {name for name, _ in model._suitable(some, labels)}

    assert "roofline" in names(graphs, y * np.linspace(1, 9, 12)[:, None])
    assert "roofline" not in names(cells, y * np.linspace(1, 9, 12)[:, None])
    assert "roofline" not in names(graphs, y - y.mean())
    assert "roofline" not in names(graphs, 90 + 0.1 * y / y.max())  # accuracies


def test_a_file_predicts_the_same(tmp_path: Path) -> None:
    graphs = chains(20, (8, 16, 32))
    model = RooflinePredictor().fit(graphs, device(graphs))
    again = RooflinePredictor.load(model.save(tmp_path / "roofline"))
    np.testing.assert_array_equal(again.predict(graphs), model.predict(graphs))
