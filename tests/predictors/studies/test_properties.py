"""Property prediction: halves, scores, baselines, the published files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graph2nn.deepnets import build_graph, eval_nets
from predictors.studies.properties import (
    PROPERTIES,
    Method,
    PropertyScore,
    PropertyTask,
    best_networks,
    plot_scores,
    published_task,
    scalar_methods,
    score_methods,
    score_table,
    svr_method,
    with_numbers,
)


@pytest.fixture(scope="module")
def task() -> PropertyTask:
    """40 networks whose accuracies follow from their size, and whose times do not."""
    configs = tuple(eval_nets("val", 40, seed=3, image_size=8))
    graphs = [build_graph(config) for config in configs]
    params = np.array([float(g.num_params()) for g in graphs])
    rng = np.random.default_rng(0)
    targets = {
        "clean accuracy": np.log(params),
        "corrupted accuracy": -np.sqrt(params),
        "inference time": rng.normal(size=40),
        "convergence time": rng.normal(size=40),
    }
    targets["corrupted accuracy"][[3, 30]] = np.nan
    return PropertyTask(
        name="sizes",
        graphs=graphs,
        train=np.arange(40) < 24,
        targets=targets,
        scalars={"params": params, "nodes": np.array([float(g.num_nodes) for g in graphs])},
        noise={"clean accuracy": 0.9},
        configs=configs,
    )


def test_scores_of_baselines(task: PropertyTask) -> None:
    scores = score_methods(task, scalar_methods(task), seeds=(0, 1, 2), progress=False)
    by_place = {(s.method, s.prop): s for s in scores}
    names = ["params alone", "operation counts, ridge", "all numbers, forest"]
    assert list(dict.fromkeys(s.method for s in scores)) == names
    # one number orders perfectly what follows from it, whichever way it runs
    for prop in ("clean accuracy", "corrupted accuracy"):
        assert by_place["params alone", prop].mean == pytest.approx(1)
        assert by_place["params alone", prop].stderr == 0
        assert by_place["all numbers, forest", prop].mean > 0.7
    assert abs(by_place["params alone", "inference time"].mean) < 0.6
    assert by_place["all numbers, forest", "inference time"].stderr > 0
    # unlabelled networks are left out of both halves
    sizes = {s.prop: (s.n_train, s.n_test) for s in scores}
    assert sizes["clean accuracy"] == (24, 16) and sizes["corrupted accuracy"] == (23, 15)


@pytest.mark.parametrize("scaled", [False, True])
def test_regression_on_features(task: PropertyTask, scaled: bool) -> None:
    x = np.log(task.scalars["params"])[:, None] / 3
    method = svr_method("size", lambda seed: x, folds=3, scaled=scaled)
    scores = score_methods(task, [method], seeds=(0,), progress=False)
    assert scores[0].prop == "clean accuracy" and scores[0].mean > 0.85


def test_an_embedding_beside_numbers(task: PropertyTask) -> None:
    both = with_numbers(task, np.zeros((40, 2)))
    assert both.shape == (40, 2 + 15 + 2)
    np.testing.assert_allclose(both[:, 2:17].sum(1), task.scalars["nodes"])  # every node counts
    np.testing.assert_allclose(np.exp(both[:, 17]), task.scalars["params"])


def test_rounding_makes_ties(task: PropertyTask) -> None:
    (method,) = (m for m in scalar_methods(task) if m.name == "params alone")
    small = {p: 0.1 * np.tanh(np.nan_to_num(v)) for p, v in task.targets.items()}
    rounded = replace(task, targets=small)
    scores = score_methods(rounded, [method], seeds=(0,), round_predictions=True, progress=False)
    by_prop = {s.prop: s.mean for s in scores}
    assert by_prop["clean accuracy"] == 0  # all predictions round to 0
    assert by_prop["convergence time"] != 0  # never rounded


def test_best_networks_are_accurate_or_fast(task: PropertyTask) -> None:
    x = np.arange(40.0)[:, None]
    task = replace(task, targets=dict.fromkeys(PROPERTIES, x[:, 0]))
    method = next(m for m in scalar_methods(task) if m.name == "params alone")
    method = Method(name="place", features=lambda seed: x, model=method.model, target="rank")
    best = best_networks(task, method, x[::-1], count=3)
    assert [row for row, _ in best["clean accuracy"]] == [0, 1, 2]
    assert [row for row, _ in best["inference time"]] == [39, 38, 37]


def test_table_and_figure(task: PropertyTask, tmp_path: Path) -> None:
    scores = [
        PropertyScore(prop=prop, method="one", taus=(0.5, 0.7), n_train=3, n_test=2)
        for prop in PROPERTIES
    ]
    table = score_table(scores, task.noise)
    assert table.count("0.600 ± 0.100") == 4
    assert "| 0.900 | - | - | - |" in table
    assert plot_scores(scores, task.noise, tmp_path / "p.png", "title").stat().st_size > 1000


def test_a_half_without_labels(task: PropertyTask) -> None:
    empty = {**task.targets, "clean accuracy": np.where(task.train, np.nan, 1.0)}
    with pytest.raises(ValueError, match="train half has 0 labelled networks"):
        score_methods(replace(task, targets=empty), [], progress=False)


def test_other_networks_than_the_published_ones_are_refused(reference: Path) -> None:
    with pytest.raises(ValueError, match="does not hold the networks that the published results"):
        published_task(reference / "data" / "deepnets")


def test_published_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="deepnets_published is not there"):
        published_task(tmp_path)
