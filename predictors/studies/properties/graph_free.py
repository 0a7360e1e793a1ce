"""What published DeepNets-1M labels give away without any graph: the row beside every result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from predictors.metrics import kendall_tau
from predictors.models.curves import CurvePredictor

__all__ = ["CURVE_EPOCHS", "GRAPH_FREE", "TARGETS", "curve_scores", "graph_free_scores"]

TARGETS: Final = ("val_acc", "val_acc_noise", "time", "converge_time")
"""The four properties of ppuda (arXiv:2110.13100, section 4.3)."""

CURVE_EPOCHS: Final = (1, 5, 10, 20, 30, 40, 50)
"""Epochs after which the records hold accuracies."""

_ZERO_SHOT = tuple(
    f"{m}_{a}" for m in ("ghn2", "ghn1", "mlp") for a in ("val_acc", "val_acc_noise")
)

GRAPH_FREE: Final[dict[str, tuple[str, ...]]] = {
    "params": ("params",),
    "params, time": ("params", "time"),
    "zero-shot": _ZERO_SHOT,
    "all": ("params", "time", *_ZERO_SHOT),
}
"""Sets of scalars: size, speed, and accuracies under parameters that hypernetworks predicted."""

Records = Sequence[Mapping[str, Any]]


def graph_free_scores(
    train: Records,
    test: Records,
    *,
    features: Sequence[str],
    targets: Sequence[str] = TARGETS,
    seeds: Sequence[int] = (0, 1, 2),
) -> dict[str, float]:
    """Score a random forest on scalars of the records by Kendall tau, for each target.

    It has 300 trees, leaves of at least three networks, mean over seeds. A target is never among
    its own features; a list counts by its last entry.

    Args:
        train, test: Records as `predictors.tables.deepnets.published_records` reads them.
        features: Keys of the records, such as a value of `GRAPH_FREE`.
        targets: Keys to predict.
        seeds: Seeds of the forests.

    Raises:
        ValueError: A key that the records do not hold.
    """
    out = {}
    for target in targets:
        columns = [name for name in features if name != target]
        fitted, tested = (_table(records, columns) for records in (train, test))
        wanted, truth = (_table(records, [target])[:, 0] for records in (train, test))
        taus = []
        for seed in seeds:
            forest = RandomForestRegressor(300, min_samples_leaf=3, random_state=seed)
            taus.append(kendall_tau(truth, forest.fit(fitted, wanted).predict(tested)))
        out[target] = float(np.mean(taus))
    return out


def curve_scores(
    train: Records,
    test: Records,
    *,
    curve: str = "val_acc",
    kinds: Sequence[str] = ("last",),
    seed: int = 0,
) -> dict[str, dict[int, float]]:
    """Score values predicted from the curve up to an epoch by Kendall tau with the final ones.

    Args:
        train: Records that `lcsvr` learns from; the other kinds learn nothing.
        test: Records that are scored.
        curve: Key of the accuracies, after `CURVE_EPOCHS`; the kinds `sotl` and `sotl_e` read
            `training_loss` instead, one value an epoch.
        kinds: Kinds of `CurvePredictor`.
        seed: Seed of `lcsvr`.

    Returns:
        Kind → epoch → tau; `lcsvr` from three values on.
    """
    final = [np.array([row[curve][-1] for row in records]) for records in (train, test)]
    out: dict[str, dict[int, float]] = {}
    for kind in kinds:
        out[kind] = {}
        for k, epoch in enumerate(CURVE_EPOCHS[:-1], start=1):
            key, length = ("training_loss", epoch) if kind.startswith("sotl") else (curve, k)
            if kind == "lcsvr" and length < 3:
                continue
            seen = [np.array([row[key][:length] for row in part]) for part in (train, test)]
            model = CurvePredictor(
                kind,
                epochs=CURVE_EPOCHS[:k] if key == curve else None,
                horizon=CURVE_EPOCHS[-1],
                seed=seed,
            )
            predicted = model.fit(seen[0], final[0]).predict(seen[1])
            out[kind][epoch] = kendall_tau(final[1], predicted)
    return out


def _table(records: Records, names: Sequence[str]) -> np.ndarray:
    """Shapes: (N, len(names))."""
    for name in names:
        if name not in records[0]:
            raise ValueError(f"the records hold no {name!r}; they hold {', '.join(records[0])}")
    rows = [[row[name] for name in names] for row in records]
    return np.array([[v[-1] if isinstance(v, list) else v for v in row] for row in rows], float)
