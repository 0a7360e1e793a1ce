"""Quick predictors to save, what they learn from, and equality to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from predictors import (
    MODELS,
    TART,
    ArchPredictor,
    FeaturePredictor,
    LinearBaseline,
    StackedEnsemble,
    make_predictor,
)

rng = np.random.default_rng(0)
CODES = rng.integers(0, 5, (40, 6))
LABELS = (CODES == 2).sum(1) - (CODES == 1).sum(1) + 0.01 * CODES @ np.arange(6)
FEW = {"options": {"n_estimators": 4}}
QUICK: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        ("rf-graph", "et-graph", "xgb-graph", "lgbm-graph", "rf-graf", "xgb-graf"), FEW
    ),
    **dict.fromkeys(("tart", "tart-scratch", "gcn", "gcn-raw", "neurpred"), {"epochs": 1}),
    **dict.fromkeys(("gin", "gat", "pna", "bananas"), {"epochs": 1, "hidden": 8}),
    "bananas-published": {"epochs": 1},
    "tart-published": {"epochs": 1, "width": 16, "layers": 2},
    **dict.fromkeys(("ensemble", "ensemble-mean", "stack"), {"folds": 2}),
}


def small_members() -> list[tuple[str, ArchPredictor]]:
    """The kinds of the standard members with few trees, and a network."""
    forests: dict[str, Any] = {"options": {"n_estimators": 3}}
    return [
        ("gp rank", FeaturePredictor("gp")),
        ("rf standard", FeaturePredictor("rf", target="standard", bags=2, **forests)),
        ("line", LinearBaseline()),
        ("tokens", TART(encoder="none", epochs=1, width=8, layers=1)),
    ]


def small(name: str) -> ArchPredictor:
    if "boost" in MODELS[name].summary and name not in ("ensemble", "ensemble-mean", "stack"):
        pytest.importorskip("xgboost" if name.startswith("xgb") else "lightgbm")
    if name == "ensemble-tart":
        parts = [
            ("features", StackedEnsemble(small_members(), combine="mean")),
            ("tokens", TART(epochs=1)),
        ]
        return StackedEnsemble(parts, combine="mean", seed=3)
    if name in ("ensemble", "ensemble-mean", "stack"):
        return make_predictor(name, seed=3, members=small_members(), **QUICK[name])
    return make_predictor(name, seed=3, **QUICK.get(name, {}))


def same(found: Any, expected: Any) -> None:
    """Equal to the last bit, arrays in arrays too."""
    assert type(found) is type(expected)
    if isinstance(expected, (tuple, list)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            same(one, other)
    else:
        assert np.array_equal(found, expected)
