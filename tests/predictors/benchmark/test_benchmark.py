"""The benchmark: runs that go on, leaderboard, figures; on the shipped table."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from campaigns import send_through_pickle

from graph2nn.runs import RunFolder
from predictors import MODELS, read_table
from predictors.benchmark import (
    SUITES,
    Trial,
    draw_benchmark,
    prediction_file,
    run_benchmark,
    run_trial,
    split_rows,
    stored_records,
    suite_trials,
    summarise,
    write_leaderboard,
)
from predictors.benchmark import run as run_module
from predictors.metrics import kendall_tau

TRIALS = [
    Trial(table="deepnets_digits", model=model, target=target, train=train, seed=seed)
    for model in ("ridge", "svr-graph")
    for target in ("val_acc", "inference_time")
    for train in (32, 78)
    for seed in (0, 1)
]

pytestmark = pytest.mark.usefixtures("one_thread")  # a worker gives the same numbers


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    folder = tmp_path_factory.mktemp("run")
    return folder, run_benchmark(folder, TRIALS, progress=False)


def test_a_trial_is_fit_and_tau(run: tuple[Path, list[dict]]) -> None:
    folder, records = run
    record = records[2]
    trial = TRIALS[2]
    table = read_table("deepnets_digits")
    train, test = split_rows(table, trial)
    assert (record["train"], record["test"]) == (78, len(table) - 78)
    stored = np.load(folder / "predictions" / prediction_file(trial))
    assert np.array_equal(stored["row"], test)
    assert record["tau"] == pytest.approx(kendall_tau(stored["truth"], stored["predicted"]))
    assert record["tau"] > 0.2
    again = run_trial(trial)
    assert {k: v for k, v in again.items() if k[-2:] != "_s"} == {
        k: v for k, v in record.items() if k[-2:] != "_s"
    }


def test_less_is_better_for_times(run: tuple[Path, list[dict]]) -> None:
    _, records = run
    slow = next(r for r in records if r["target"] == "inference_time" and r["train"] == 78)
    assert slow["tau"] > 0.2 and slow["regret"] >= 0


def test_goes_on_and_does_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[Trial] = []
    original = run_module.run_trial

    def counted(trial: Trial, **options):
        if len(fits) == 3:
            raise KeyboardInterrupt
        fits.append(trial)
        return original(trial, **options)

    monkeypatch.setattr(run_module, "run_trial", counted)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(tmp_path, TRIALS[:4], progress=False)
    done = list(fits)
    assert len(done) == 3
    monkeypatch.setattr(run_module, "run_trial", lambda t, **o: fits.append(t) or original(t, **o))
    records = run_benchmark(tmp_path, [*TRIALS[:5], TRIALS[0]], progress=False)
    assert len(records) == 5 and len(fits) == 5
    assert not set(done) & set(fits[3:])
    assert len(stored_records(tmp_path)) == 5
    assert stored_records(tmp_path)[0] in records


def test_trials_can_be_sent_to_other_processes(
    tmp_path: Path, run: tuple[Path, list[dict]], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = send_through_pickle(monkeypatch)
    records = run_benchmark(tmp_path, TRIALS[:2], progress=False)
    assert [r["tau"] for r in records] == [r["tau"] for r in run[1][:2]]
    assert len(done) == 2 and done[0].startswith("deepnets_digits_ridge_")


def test_a_failing_trial_does_not_stop_the_others(tmp_path: Path) -> None:
    broken = dataclasses.replace(TRIALS[0], model="oracle")
    with pytest.raises(RuntimeError, match="1 of 2 trials failed.*ValueError.*unknown model"):
        run_benchmark(tmp_path, [broken, TRIALS[1]], progress=False)
    (record,) = stored_records(tmp_path)
    assert record["model"] == "ridge"


def test_runs_without_result_files_go_on(
    tmp_path: Path, run: tuple[Path, list[dict]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier runs have their records in `metrics.jsonl` alone."""
    (tmp_path / "config.json").write_text('{"kind": "predictor benchmark"}')
    lines = []
    for step, (trial, record) in enumerate(zip(TRIALS[:3], run[1])):
        key = {**dataclasses.asdict(trial), "attributes": ""}
        row = {"step": step, "trial": json.dumps(key, sort_keys=True), **record}
        lines.append(json.dumps(row) + "\n")
    (tmp_path / "metrics.jsonl").write_text("".join(lines))
    assert stored_records(tmp_path) == run[1][:3]
    done = send_through_pickle(monkeypatch)
    records = run_benchmark(tmp_path, TRIALS[:4], progress=False)
    assert len(done) == 1 and records[:3] == run[1][:3]
    assert stored_records(tmp_path) == records


def test_reading_needs_nobodys_leave(run: tuple[Path, list[dict]]) -> None:
    held = RunFolder(run[0], {"kind": "predictor benchmark"}, resume=True)
    before = sorted(path.name for path in run[0].iterdir())
    assert stored_records(run[0]) and sorted(path.name for path in run[0].iterdir()) == before
    held.close()


def test_another_run_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"kind": "training"}')
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match="holds a run with other settings"):
        run_benchmark(tmp_path, TRIALS[:1], progress=False)


def test_leaderboard(tmp_path: Path, run: tuple[Path, list[dict]]) -> None:
    summaries = write_leaderboard(tmp_path, run[1])
    first = next(s for s in summaries if s.model == "ridge" and s.train == 32)
    taus = [
        r["tau"]
        for r in run[1]
        if (r["model"], r["train"], r["target"]) == ("ridge", 32, first.setting.target)
    ]
    assert first.mean["tau"] == pytest.approx(np.mean(taus))
    assert first.error["tau"] == pytest.approx(np.std(taus, ddof=1) / 2**0.5)
    page = (tmp_path / "leaderboard.md").read_text()
    assert "## deepnets_digits, val_acc" in page
    assert "| model | 32 networks | 78 networks |" in page
    assert page.count("**") == 2 * 4  # the best of two columns of two settings
    assert "Label noise: one training seed against another, tau 0.790" in page
    rows = list(csv.DictReader((tmp_path / "leaderboard.csv").read_text().splitlines()))
    assert len(rows) == 8 and float(rows[0]["tau_se"]) >= 0
    one = summarise(run[1][:1])[0]
    assert np.isnan(one.error["tau"])


def test_figures(tmp_path: Path, run: tuple[Path, list[dict]]) -> None:
    files = draw_benchmark(summarise(run[1]), tmp_path)
    assert sorted(f.name for f in files) == [
        "deepnets_digits_inference_time.png",
        "deepnets_digits_val_acc.png",
    ]
    assert all(f.stat().st_size > 10_000 for f in files)


@pytest.mark.parametrize("name", SUITES)
def test_suites_name_what_exists(name: str) -> None:
    suite = SUITES[name]
    table = read_table(suite.table)
    assert set(suite.targets) <= set(table.targets)
    trials = suite_trials(suite, seeds=2)
    assert {t.model for t in trials} <= set(MODELS) and "ridge" in {t.model for t in trials}
    for trial in trials[:: max(len(trials) // 10, 1)]:
        split_rows(table, trial)
    asked = suite_trials(suite, seeds=1, models=("ridge",), train=(50,))
    assert len(asked) == len(suite.targets)
    assert all(dataclasses.asdict(t)["train"] == 50 for t in asked)
