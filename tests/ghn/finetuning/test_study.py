"""The fine-tuning study: its arithmetic on rows written by hand, and a small one of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ghn.finetuning.study import (
    StudySettings,
    chosen_rates,
    compare_starts,
    epochs_to_reach,
    mean_curves,
    plot_study,
    run_study,
    study_page,
)

SMALL = StudySettings(
    networks=("relational-3", "wirings-6"),
    starts=("torch", "predicted", "predicted-orth"),
    shots=(3,),
    rates=(0.025, 0.1),
    seeds=2,
    epochs=2,
)


def rows(start: str, network: str, curve: list[float | None], seed: int = 0, rate: float = 0.1):
    own = {"start": start, "network": network, "shots": 10, "rate": rate, "seed": seed}
    return [own | {"epoch": k, "top1": top1, "train_loss": 1.0} for k, top1 in enumerate(curve)]


CURVES = [
    *rows("torch", "a", [10, 50, 60]),
    *rows("torch", "a", [10, 50, 64], seed=1),
    *rows("torch", "b", [10, 20, 40]),
    *rows("predicted", "a", [70, 71, 72]),
    *rows("predicted", "b", [30, 35, 38]),
]


def test_the_rate_is_the_best_over_networks() -> None:
    tuned = [
        *rows("torch", "a", [1, 90], rate=0.1),
        *rows("torch", "b", [1, None], rate=0.1),  # diverged: nothing right
        *rows("torch", "a", [99, 60], rate=0.01),  # the last epoch counts
        *rows("torch", "b", [99, 40], rate=0.01),
        *rows("predicted", "a", [1, 50], rate=0.1),
        *rows("predicted", "a", [1, 50], rate=0.01),  # equal: the smaller
    ]
    assert chosen_rates(tuned) == {("torch", 10): 0.01, ("predicted", 10): 0.01}


def test_means_are_over_networks() -> None:
    mean, error = mean_curves(CURVES)["torch", 10]
    assert mean.tolist() == [10, 35, 51]
    assert error[2] == pytest.approx(np.std([62, 40], ddof=1) / 2**0.5)


def test_comparison_is_paired() -> None:
    (found,) = compare_starts(CURVES)
    assert (found["difference"], found["ahead"], found["networks"]) == (4, 1, 2)
    assert found["error"] == pytest.approx(np.std([10, -2], ddof=1) / 2**0.5)
    assert compare_starts(CURVES, epoch=0)[0]["difference"] == 40
    many = [
        row
        for k in range(8)
        for row in (*rows("torch", str(k), [k]), *rows("predicted", str(k), [k + 1 + k / 10]))
    ]
    assert compare_starts(many)[0]["p"] == pytest.approx(2 / 2**8)
    with pytest.raises(ValueError, match="no runs start from 'orth'"):
        compare_starts(CURVES, "orth")


def test_epochs_until_the_baseline_is_reached() -> None:
    found = epochs_to_reach(CURVES)
    assert found["predicted", 10] == [0, None]
    assert found["torch", 10] == [2, 2]


def test_page_and_figure(tmp_path: Path) -> None:
    page = study_page(CURVES)
    assert "| predicted | 0.1 | 50.0 ± 20.0 |" in page
    assert "+4.0 ± 6.0 | 1 of 2 |" in page
    path = plot_study(CURVES, tmp_path / "study.png")
    assert path.stat().st_size > 5000
    with pytest.raises(ValueError, match="expected rows, got none"):
        plot_study([], tmp_path / "study.png")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list]:
    folder = tmp_path_factory.mktemp("study") / "run"
    return folder, run_study(SMALL, folder, progress=False)


def test_study(study) -> None:
    folder, found = study
    keys = {(r["network"], r["start"], r["seed"], r["epoch"]) for r in found}
    assert len(found) == len(keys) == 2 * 3 * 2 * 3
    assert {row["seed"] for row in found} == {0, 1}, "tuning seeds are not reported"
    at_first = {(r["network"], r["start"], r["seed"]): r["top1"] for r in found if not r["epoch"]}
    assert at_first["relational-3", "predicted", 0] > 60  # before any training
    assert at_first["relational-3", "torch", 0] < 40
    rates = {(r["start"]): r["rate"] for r in found}
    assert set(rates.values()) <= set(SMALL.rates)


def test_goes_on_and_grows(study, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, found = study
    trained = []
    from ghn.finetuning.study import runs

    train = runs.train
    monkeypatch.setattr(runs, "train", lambda *a, **how: trained.append(a) or train(*a, **how))
    assert run_study(SMALL, folder, progress=False) == found
    assert not trained
    more = run_study(dataclasses.replace(SMALL, seeds=3), folder, progress=False)
    assert len(trained) == 6 and more[: len(found)] == found
    with pytest.raises(ValueError, match="other settings: epochs was 2, is 3"):
        run_study(dataclasses.replace(SMALL, epochs=3), folder, progress=False)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"starts": ("torhc",)}, "unknown start 'torhc'.*did you mean 'torch'"),
        ({"networks": ()}, "StudySettings.networks: expected at least one, got none"),
        ({"seeds": 0}, "at least one epoch, one test image"),
        ({"dataset": "digit"}, "unknown data set 'digit'"),
    ],
)
def test_bad_settings(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StudySettings(**wrong)


def test_images_and_weights_follow_the_seed(tmp_path: Path) -> None:
    again = run_study(SMALL, tmp_path / "again", progress=False)
    first = run_study(SMALL, tmp_path / "first", progress=False)
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in again]
    assert strip == [{k: v for k, v in row.items() if k != "seconds"} for row in first]
