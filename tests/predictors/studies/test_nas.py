"""Rankings of candidates, and a small study of each kind of space."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from predictors.studies.nas import (
    RANKINGS,
    NasSettings,
    draw_candidates,
    nas_page,
    rank_networks,
    run_nas,
)

SMALL = NasSettings(
    space="relational",
    candidates=12,
    rankings=("under-prediction", "size"),
    top=2,
    random=2,
    seeds=1,
    epochs=1,
)


def test_rankings_order_what_they_say() -> None:
    candidates = draw_candidates(SMALL)
    chosen = rank_networks(candidates)
    sizes = [graph.num_params() for graph in candidates.graphs]
    assert chosen["size"] == np.argsort(-np.array(sizes), kind="stable")[:2].tolist()
    top1 = RANKINGS["under-prediction"](candidates)
    assert sorted(top1)[-2:] == sorted(top1[chosen["under-prediction"]])
    assert top1.max() > 80  # digits, never trained
    assert len(set(chosen["random"])) == 2


@pytest.mark.parametrize("space", ["search", "wirings"])
def test_predictors_rank_any_space(space: str) -> None:
    settings = NasSettings(space=space, candidates=6, top=1, random=1)
    candidates = draw_candidates(settings)
    for name in ("embeddings", "gp-graph"):
        scores = RANKINGS[name](candidates)
        assert scores.shape == (6,) and np.isfinite(scores).all(), name


def test_study_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = run_nas(SMALL, tmp_path / "run", progress=False)
    assert {row["ranking"] for row in rows} == {"under-prediction", "size", "random"}
    assert all(10 <= row["test"] <= 100 for row in rows)
    from predictors.studies import nas

    monkeypatch.setattr(nas, "train", None)  # nothing is trained again
    assert run_nas(SMALL, tmp_path / "run", progress=False) == rows
    with pytest.raises(ValueError, match="other settings: epochs was 1, is 2"):
        run_nas(dataclasses.replace(SMALL, epochs=2), tmp_path / "run", progress=False)


def test_page() -> None:
    rows = [
        {"ranking": name, "place": place, "seed": seed, "test": test}
        for name, place, seed, test in (
            ("size", 0, 0, 90.0),
            ("size", 0, 1, 92.0),
            ("size", 1, 0, 95.0),
            ("random", 0, 0, 80.0),
            ("random", 1, 0, None),
        )
    ]
    page = nas_page(rows)
    assert "| size | 2 | 93.00 ± 2.00 | +53.00 ± 40.05 | 91.00 | 95.00 |" in page
    assert "| random | 2 | 40.00 ± 40.00 |" in page


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"space": "serach"}, "unknown space 'serach'.*did you mean 'search'"),
        ({"rankings": ("sizes",)}, "unknown ranking 'sizes'.*did you mean 'size'"),
        ({"candidates": 5}, "candidates: expected at least 10"),
        ({"top": 0}, "top: expected at least 1, got 0"),
    ],
)
def test_bad_settings(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NasSettings(**wrong)
