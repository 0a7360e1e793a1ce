"""What properties are predicted from: embeddings, and the plain numbers they have to beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from graph2nn.archgraph import ArchGraph
from predictors.models.embeddings import svr_search
from predictors.studies.properties.tasks import PropertyTask

__all__ = ["Method", "op_counts", "scalar_methods", "svr_method", "with_numbers"]

_SIZES = ("params", "flops", "nodes", "edges")


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to predict.

    Args:
        name: Name in tables and figures.
        features: Function from a seed to the features of all networks, (N, d).
        model: Function from a seed to the regression.
        target: Transformation of the targets, see `TargetTransform`.
    """

    name: str
    features: Callable[[int], np.ndarray]
    model: Callable[[int], Any]
    target: str = "none"


def svr_method(
    name: str, features: Callable[[int], np.ndarray], *, folds: int = 5, scaled: bool = False
) -> Method:
    """Make a support vector regression on an embedding, settings by cross-validation.

    Args:
        name, features: Fields of `Method`; features (N, d) of a seed.
        folds: Number of folds of the cross-validation, assigned under the seed.
        scaled: Whether features are scaled, see `svr_search`, with rank targets; the published way
            (False) takes features and labels as they are.
    """

    def model(seed: int) -> GridSearchCV:
        return svr_search(folds=folds, scaled=scaled, seed=seed)

    return Method(name=name, features=features, model=model, target="rank" if scaled else "none")


def with_numbers(task: PropertyTask, features: np.ndarray) -> np.ndarray:
    """Put an embedding (N, d) beside counts of the operations and logarithms of the sizes."""
    sizes = [np.log(task.scalars[n]) for n in _SIZES if n in task.scalars]
    return np.concatenate([features, op_counts(task.graphs), np.stack(sizes, axis=1)], axis=1)


def scalar_methods(task: PropertyTask) -> list[Method]:
    """List the graph-free rows that belong beside every result.

    They are each number alone (its direction learned from the training half), a ridge on the counts
    of the operations, forests on all numbers, and on the table's zero-cost proxies with them.
    """
    alone = [n for n in ("params", "flops", *_zero_shot(task)) if n in task.scalars]
    found = [_one_number(n, task.scalars[n]) for n in alone]
    counts = op_counts(task.graphs)
    found.append(
        Method(
            name="operation counts, ridge",
            features=lambda seed: counts,
            model=lambda seed: make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))),
            target="rank",
        )
    )
    names = [n for n in (*_SIZES, *_zero_shot(task)) if n in task.scalars]
    found.append(_forest("all numbers, forest", task, names))
    proxies = [n for n in task.scalars if n.startswith("zc_")]
    if proxies:
        found.append(_forest("all numbers and proxies, forest", task, [*names, *proxies]))
    return found


def _forest(name: str, task: PropertyTask, columns: Sequence[str]) -> Method:
    x = np.stack([np.nan_to_num(task.scalars[n]) for n in columns], axis=1)
    return Method(
        name=name,
        features=lambda seed: x,
        model=lambda seed: RandomForestRegressor(300, min_samples_leaf=3, random_state=seed),
    )


def op_counts(graphs: Sequence[ArchGraph]) -> np.ndarray:
    """Count how often each operation occurs in each graph, (N, operations)."""
    ops = graphs[0].ops
    return np.stack([np.bincount(g.op, minlength=len(ops)) for g in graphs]).astype(np.float64)


def _zero_shot(task: PropertyTask) -> list[str]:
    """Accuracies and losses under predicted parameters."""
    return [n for n in task.scalars if n.startswith(("ghn", "mlp"))]


def _one_number(name: str, values: np.ndarray) -> Method:
    column = np.nan_to_num(values, nan=float(np.nanmedian(values)))[:, None]
    if name in _SIZES:
        column = np.log(column)  # keeps the order; sizes spread over decades
    return Method(
        name=f"{name} alone",
        features=lambda seed: column,
        model=lambda seed: make_pipeline(StandardScaler(), Ridge(1e-3)),
        target="rank",
    )
