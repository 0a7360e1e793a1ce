"""A table of one's own in the benchmark: by path or as it is, in processes, resumed, drawn."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from graph2nn.cells.sampling import sample_cells
from graph2nn.runs.campaign import engine
from predictors import Table, make_predictor, read_table
from predictors.benchmark import (
    Trial,
    draw_benchmark,
    prediction_file,
    run_benchmark,
    run_trial,
    split_rows,
    stored_records,
    suite_trials,
    table_name,
    table_suite,
    write_leaderboard,
)
from predictors.features.operations import UnknownOperationWarning
from predictors.tables import NoiseReference

QUIET: dict[str, Any] = {"progress": False}

pytestmark = pytest.mark.usefixtures("one_thread")


def cells(count: int = 40, name: str = "mine", shift: float = 0.0) -> Table:
    graphs = sample_cells("nb201", count, np.random.default_rng(0))
    label = np.array([graph.op_names().count("conv_3x3") for graph in graphs]) + shift
    label += np.random.default_rng(1).normal(size=count) / 10
    noise = {"acc": NoiseReference(tau=0.9, meaning="one morning against another")}
    return Table(name=name, graphs=graphs, targets={"acc": label}, default="acc", noise=noise)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return cells().save(tmp_path / "file.h5")


def test_by_path_and_as_it_is_are_the_same(tmp_path: Path, path: Path) -> None:
    by_path = run_trial(Trial(table=path, model="ridge", train=20))
    as_it_is = run_trial(Trial(table=cells(), model="ridge", train=20))
    assert by_path["table"] == as_it_is["table"] == "mine"
    assert by_path["tau"] == as_it_is["tau"] > 0.3
    assert (by_path["train"], by_path["test"]) == (20, 20)
    records = run_benchmark(tmp_path / "run", [Trial(table=path, model="ridge", train=20)], **QUIET)
    assert records[0]["tau"] == by_path["tau"] and records[0]["table"] == "mine"
    same = run_benchmark(tmp_path / "run", [Trial(table=cells(), model="ridge", train=20)], **QUIET)
    assert same == records
    assert len(stored_records(tmp_path / "run")) == 1


def test_a_run_goes_on_and_has_a_page(tmp_path: Path, path: Path) -> None:
    trials = suite_trials(table_suite(path, models=["ridge", "svr-graph"]), seeds=2)
    assert len(trials) == 4 and trials[0].train == 20
    run = tmp_path / "run"
    run_benchmark(run, trials[:3], **QUIET)
    before = {p.name: p.stat().st_mtime_ns for p in (run / "results").iterdir()}
    records = run_benchmark(run, trials, **QUIET)
    after = {p.name: p.stat().st_mtime_ns for p in (run / "results").iterdir()}
    assert len(records) == 4 and before.items() < after.items()
    path.unlink()  # the folder has all that the page needs
    summaries = write_leaderboard(run, stored_records(run))
    page = (run / "leaderboard.md").read_text()
    assert "mine, acc" in page and "one morning against another, tau 0.900" in page
    assert {s.setting.table for s in summaries} == {"mine"}
    assert all(file.stat().st_size > 5000 for file in draw_benchmark(summaries, run))


def test_processes_get_a_path_not_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = cells()
    trials = [Trial(table=table, model="ridge", train=20, seed=seed) for seed in range(3)]
    alone = run_benchmark(tmp_path / "alone", trials, **QUIET)
    sizes = []

    def sent(function: Any, items: Any, **how: Any) -> Any:
        for job in items:
            data = pickle.dumps((function, job))
            sizes.append(len(data))
            function, job = pickle.loads(data)
            yield pickle.loads(pickle.dumps(function(job)))

    monkeypatch.setattr(engine, "unordered_map", sent)
    together = run_benchmark(tmp_path / "together", trials, jobs=2, **QUIET)
    assert [r["tau"] for r in together] == [r["tau"] for r in alone]
    assert len(sizes) == 3 and max(sizes) < 2_000 < len(pickle.dumps(table))
    stored = np.load(tmp_path / "alone" / "predictions" / prediction_file(trials[0]))
    assert np.array_equal(stored["row"], split_rows(table, trials[0])[1])


def test_another_table_under_the_same_name_is_refused(tmp_path: Path, path: Path) -> None:
    run = tmp_path / "run"
    run_benchmark(run, [Trial(table=path, model="ridge", train=20)], **QUIET)
    cells(shift=1.0).save(path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(ValueError, match="results of a table mine with other contents"):
        run_benchmark(run, [Trial(table=path, model="ridge", train=20, seed=1)], **QUIET)
    assert len(stored_records(run)) == 1
    other = [Trial(table=cells(shift=1.0, name="other"), model="ridge", train=20)]
    assert {r["table"] for r in run_benchmark(run, other, **QUIET)} == {"other"}
    two = [Trial(table=cells(shift=s), model="ridge", train=20) for s in (1.0, 2.0)]
    with pytest.raises(ValueError, match="table mine with other contents"):
        run_benchmark(tmp_path / "new", two, **QUIET)


def test_names_of_shipped_tables_stay_theirs(tmp_path: Path) -> None:
    shipped = read_table("deepnets_cifar10")
    assert table_name(shipped) == table_name("deepnets_cifar10") == "deepnets_cifar10"
    trials = [Trial(table=t, model="ridge", train=20) for t in (shipped, "deepnets_cifar10")]
    assert len(run_benchmark(tmp_path / "run", trials, **QUIET)) == 1
    assert not (tmp_path / "run" / "tables").exists()
    half = shipped.select(slice(50))
    with pytest.raises(ValueError, match="deepnets_cifar10: a shipped table with other contents"):
        run_trial(Trial(table=half, model="ridge", train=20))
    mine = shipped.select(slice(50), name="half")
    assert run_trial(Trial(table=mine, model="ridge", train=20))["table"] == "half"


def test_names_that_are_no_file_names(tmp_path: Path) -> None:
    table = cells(name="a/b: 1.5 ü")
    records = run_benchmark(tmp_path, [Trial(table=table, model="ridge", train=20)], **QUIET)
    assert records[0]["table"] == "a/b: 1.5 ü"
    assert len(draw_benchmark(write_leaderboard(tmp_path, records), tmp_path)) == 1


@pytest.mark.parametrize(
    ("count", "trial", "message"),
    [
        (40, {"train": 39}, "40 labelled networks do not allow 39 for training .* at most 38"),
        (40, {}, "table mine has no split of its own: .* for instance 20"),
        (90, {}, "table mine has no split of its own: .* for instance 32$"),
        (40, {"train": 20, "target": "ms"}, "table mine has no target 'ms'; it has acc"),
    ],
)
def test_splits_of_small_tables(count: int, trial: dict, message: str) -> None:
    table = cells(count)
    with pytest.raises(ValueError, match=message):
        split_rows(table, Trial(table=table, model="ridge", **trial))


def test_what_is_left_is_tested_on() -> None:
    table = cells(40)
    for test in (None, 100):
        train, rest = split_rows(table, Trial(table=table, model="ridge", train=30, test=test))
        assert len(train) == 30 and len(rest) == 10


@pytest.mark.parametrize(
    ("change", "targets", "train"),
    [
        ({}, ("acc",), (20,)),
        ({"targets": {"acc": np.r_[np.ones(9), [np.nan] * 31]}}, ("acc",), (6,)),
    ],
)
def test_a_suite_of_any_table(change: dict, targets: tuple, train: tuple) -> None:
    suite = table_suite(replace(cells(), **change))
    assert (suite.targets, suite.train) == (targets, train)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none.h5 is not there; make one with"):
        run_benchmark(tmp_path / "run", [Trial(table="none.h5", model="ridge", train=4)], **QUIET)
    assert not (tmp_path / "run").exists()


def net(depth: int, kind: str) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, padding=1)]
    for _ in range(depth):
        layers += [nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)]
        layers.append({"relu": nn.ReLU, "tanh": nn.Tanh}[kind]())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


@pytest.fixture(scope="module")
def networks() -> Table:
    models = {f"{kind}{d}": net(d, kind) for d in range(1, 7) for kind in ("relu", "tanh")}
    label = np.arange(12.0)
    attributes = ("params", "flops")
    return Table.from_models(models, label, inputs=(2, 3, 8, 8), attributes=attributes, **QUIET)


SMALL: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("ridge", "gp-graph", "stack"), {}),
    **dict.fromkeys(("bananas", "gcn", "tart-scratch", "tart"), {"epochs": 2}),
}


@pytest.mark.parametrize("name", SMALL)
def test_predictors_read_traced_models(name: str, networks: Table) -> None:
    model = make_predictor(name, **SMALL[name])
    model.fit(networks.graphs[:8], networks.label()[:8])
    assert np.isfinite(model.predict(networks.graphs[8:])).all()


@pytest.mark.parametrize("name", ["ridge", "gp-graph"])
def test_an_operation_that_training_had_not_is_named_with_its_graph(
    name: str, networks: Table
) -> None:
    relu = networks.select([k for k, g in enumerate(networks.graphs) if g.name.startswith("relu")])
    model = make_predictor(name).fit(relu.graphs, relu.label())
    message = r"1 of 2 networks, first X\[1\] \(tanh2\), .*tanh → relu.*fit on networks that have"
    with pytest.warns(UnknownOperationWarning, match=message):
        model.predict([networks.graphs[0], networks.graphs[3]])
    assert networks.graphs[0].ops == networks.graphs[3].ops  # what neural predictors go by


def test_what_cannot_be_a_suite() -> None:
    networks = cells(8)
    with pytest.raises(ValueError, match="3 labelled networks of .*needs at least 4, two to learn"):
        table_suite(networks.select([0, 1, 2]))
    with pytest.raises(ValueError, match="unknown model 'rigde'.*did you mean 'ridge'"):
        table_suite(networks, models=["rigde"])
    with pytest.raises(ValueError, match="unknown model 'rigde'"):
        suite_trials(table_suite(networks), models=["rigde"])
