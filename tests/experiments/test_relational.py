"""`experiments/relational.py`: its three commands one after the other, and wrong flags."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from graph2nn.relational import read_results, read_sweep

TRAIN = ["train", "--task", "mlp_digits", "--epochs", "2", "--seeds", "1", "2"]


@pytest.fixture(scope="module")
def sweep(script, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sweep") / "new" / "g.h5"
    grid = ["--degrees", "6", "--probabilities", "6", "--seeds", "2"]
    script.main(["graphs", "--nodes", "16", "--out", str(out), "--jobs", "1", *grid])
    return out


@pytest.fixture(scope="module")
def run(script, sweep, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("run") / "r"
    flags = ["--division", "all", "--graphs", str(sweep), "--group", "4"]
    script.main([*TRAIN, *flags, "--out", str(out)])
    return out


def test_graphs(sweep) -> None:
    found = read_sweep(sweep)
    assert len(found.sweep.C) == 72
    assert 1 <= len(found.graphs("coarse")) <= len(found.graphs("fine")) <= 72
    assert sweep.with_suffix(".png").stat().st_size > 1000


def test_train(run, sweep) -> None:
    table = read_results(run)
    graphs = len(read_sweep(sweep).graphs("coarse")) + 1
    assert len(table.final()["seed"]) == 2 * graphs
    assert set(table["task"]) == {"mlp_digits"} and set(table["seed"]) == {1, 2}
    assert table.final()["is_baseline"].sum() == 2
    assert (table.final()["top1_error"] < 80).all()  # chance is 90
    with (run / "results_by_epoch.csv").open() as file:
        assert {row["epoch"] for row in csv.DictReader(file)} == {"0", "1", "2"}


def test_the_same_command_goes_on(script, run, sweep, capsys) -> None:
    before = (run / "results.csv").read_text()
    flags = ["--division", "all", "--graphs", str(sweep), "--group", "4", "--out", str(run)]
    script.main([*TRAIN, *flags])
    assert (run / "results.csv").read_text() == before
    assert f"relational.py analyze {run}" in capsys.readouterr().out


def test_another_recipe_does_not_mix_into_a_run(script, run, sweep) -> None:
    flags = ["--division", "all", "--graphs", str(sweep), "--lr", "0.5", "--out", str(run)]
    with pytest.raises(ValueError, match="run with other settings"):
        script.main([*TRAIN, *flags])


@pytest.mark.filterwarnings("ignore:network .* not finite")
def test_diverged_runs_have_no_error_and_fail_the_command(script, tmp_path, capsys) -> None:
    """Not the error before training, which is finite."""
    flags = ["--division", "best", "--lr", "1e30", "--out", str(tmp_path)]
    with (
        pytest.warns(RuntimeWarning, match="diverged"),
        pytest.raises(ValueError, match="2 of 2 runs diverged.*lower --lr"),
    ):
        script.main(["train", "--task", "mlp_digits", "--epochs", "1", "--seeds", "1", *flags])
    assert "top-1 error" not in capsys.readouterr().out
    assert read_results(tmp_path).num_rows == 0


def test_analyze(script, run, capsys) -> None:
    script.main(["analyze", str(run)])
    folder = run / "analysis"
    assert "report.md" in capsys.readouterr().out
    assert "mlp_digits" in (folder / "report.md").read_text()
    assert list(folder.glob("*.png")) and list(folder.glob("*.csv"))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["train", "--task", "mlp"], "unknown task 'mlp'; choose one of mlp_cifar10"),
        (["train", "--division", "some"], "invalid choice: 'some'"),
        (["paint"], "invalid choice: 'paint'"),
        (["analyze"], "source"),
    ],
)
def test_bad_command_lines(script, argv, message, capsys) -> None:
    with pytest.raises(SystemExit):
        script.main(argv)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["graphs", "--nodes", "5"], "at least 7 nodes, got 5"),
        ([*TRAIN, "--small-recipe"], "mlp_digits has one recipe only"),
        (["train", "-t", "mlp_digits", "--epochs", "0"], "epochs: expected a number from 1"),
        (["train", "-t", "mlp_digits", "--group", "0"], "at least 1 network a job, got 0"),
        (["train", "-t", "mlp_digits", "--jobs", "0"], "jobs must not be 0"),
        (["analyze", "nowhere"], "nowhere"),
    ],
)
def test_bad_settings(script, argv, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError), match=message):
        script.main(argv)


def test_graphs_of_ones_own(script, tmp_path) -> None:
    flags = ["--division", "all", "--graphs", "star:n=64 hypercube:n=64", "--out", str(tmp_path)]
    script.main(["train", "--task", "mlp_digits", "--epochs", "1", "--seeds", "1", *flags])
    final = read_results(tmp_path).final()
    assert set(final["graph_id"]) == {"star_n64", "hypercube_n64", "complete"}
    assert np.isfinite(final["L"]).all() and (final["top1_error"] < 95).all()
    script.main(["analyze", str(tmp_path)])
