"""Tables of runs: settings and epochs as stored, comparisons at equal epochs only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from graph2nn.runs import to_dict
from graph2nn.runs.tables import write_rows
from graph2nn.wirings import find_config
from graph2nn.wirings.campaign.results import (
    OWN_RUNS,
    collect_runs,
    compare_runs,
    plot_comparison,
    read_collected,
)


def write_run(folder: Path, errors: list[float | None], **settings) -> Path:
    config = find_config("small/static_dnw", **settings)
    watched = {config.name: {"wiring": to_dict(config)}}
    folder.mkdir()
    text = json.dumps({"networks": [config.name], "observers": watched})
    (folder / "config.json").write_text(text)
    lines = [
        {"step": k, "top1_error": error, "train_error": None if k == 0 else 50.0, "C": 0.1}
        for k, error in enumerate(errors)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        write_run(tmp_path / "a", [90.0, 40.0, 30.0], seed=0),
        write_run(tmp_path / "b", [90.0, 44.0], seed=1),
        write_run(tmp_path / "c", [90.0, 50.0, 20.0], seed=0, kind="random"),
        write_run(tmp_path / "d", [90.0, None, None], seed=1, kind="random"),
    ]


def test_rows_hold_settings_and_what_was_found(runs: list[Path]) -> None:
    rows = collect_runs(runs)
    assert len(rows) == 3 + 2 + 3 + 3
    first, last = rows[0], rows[2]
    assert (first["train_accuracy"], last["train_accuracy"]) == (None, 50.0)
    assert (last["epoch"], last["epochs"], last["test_accuracy"]) == (2, 160, 70.0)
    assert (last["milestones"], last["lr"], last["C"], last["seed"]) == ("80 120", 0.1, 0.1, 0)
    assert rows[-1]["test_accuracy"] is None


def test_runs_are_compared_at_the_last_epoch_that_all_have(runs: list[Path]) -> None:
    dnw, random = compare_runs(collect_runs(runs))
    assert (dnw["kind"], dnw["epoch"], dnw["planned"], dnw["runs"]) == ("dnw", 1, 160, 2)
    assert dnw["accuracy"] == pytest.approx(58.0)
    assert dnw["error"] == pytest.approx(2.0)
    assert (dnw["gap"], dnw["gap_error"]) == (10.0, None)  # seed 1 has no finite partner
    assert (random["accuracy"], random["runs"], random["failed"]) == (50.0, 1, 1)
    assert (random["error"], random["gap"]) == (None, 0.0)
    assert (dnw["C"], dnw["C_error"]) == (pytest.approx(0.1), pytest.approx(0.0))
    with pytest.raises(ValueError, match="a run has reached epoch 1, not 2"):
        compare_runs(collect_runs(runs), epoch=2)
    later = compare_runs(collect_runs([runs[0], runs[2]]))
    assert [row["kind"] for row in later] == ["random", "dnw"]


def test_gaps_are_those_of_pairs(tmp_path: Path) -> None:
    errors = {"dnw": (40.0, 30.0, 45.0), "random": (50.0, 44.0, 60.0)}
    folders = [
        write_run(tmp_path / f"{kind}{seed}", [90.0, error], seed=seed, kind=kind)
        for kind, found in errors.items()
        for seed, error in enumerate(found)
    ]
    rows = collect_runs(folders)
    best, baseline = compare_runs(rows)
    assert (best["kind"], baseline["kind"]) == ("dnw", "random")
    assert best["gap"] == pytest.approx((10 + 14 + 15) / 3)
    assert best["gap_error"] == pytest.approx(7**0.5 / 3**0.5)
    assert (baseline["gap"], baseline["gap_error"]) == (0.0, 0.0)
    assert compare_runs(collect_runs(folders[:3]))[0]["gap"] is None


def test_comparisons_are_drawn(runs: list[Path], tmp_path: Path) -> None:
    for chosen, panels in ((runs, 3), (runs[:2], 2)):
        path = plot_comparison(collect_runs(chosen), tmp_path / "made" / "figure.png")
        with Image.open(path) as picture:
            assert 450 * panels < picture.width < 750 * panels


def test_runs_that_cannot_be_compared_are_refused(runs: list[Path], tmp_path: Path) -> None:
    other = write_run(tmp_path / "e", [90.0], epochs=5)
    with pytest.raises(ValueError, match="one epochs, got 5, 160"):
        compare_runs(collect_runs([*runs, other]))
    with pytest.raises(ValueError, match="got none"):
        compare_runs([])
    with pytest.raises(ValueError, match="no run of a wiring"):
        collect_runs([tmp_path])


def test_runs_of_other_settings_need_another_name(runs: list[Path], tmp_path: Path) -> None:
    other = write_run(tmp_path / "f", [90.0, 35.0], seed=0, legacy_budget=True)
    with pytest.raises(ValueError, match=r"2 runs of small/static_dnw, kind dnw, seed 0.*--name"):
        compare_runs(collect_runs([*runs, other]))


def test_rows_are_read_as_they_were_collected(runs: list[Path], tmp_path: Path) -> None:
    rows = collect_runs(runs)
    found = read_collected(write_rows(tmp_path / "runs.csv", rows, checksum=True))
    assert [{k: v for k, v in row.items() if v is not None} for row in found] == [
        {k: v for k, v in row.items() if v is not None} for row in rows
    ]
    assert compare_runs(found) == compare_runs(rows)
    with pytest.warns(RuntimeWarning, match=r"nothing vouches for .*own\.csv"):
        read_collected(write_rows(tmp_path / "own.csv", rows))


@pytest.mark.parametrize("name", OWN_RUNS)
def test_our_own_runs_are_read_by_name(name: str) -> None:
    rows = read_collected(name)
    assert {row["dataset"] for row in rows} == {name.split("_")[0]}
    assert compare_runs(rows)[0]["accuracy"] > 30


def test_runs_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist.*: digits_tiny, cifar10_"):
        read_collected("digits")
