"""Predictors of the final accuracy from the first epochs of training: learning curves."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import KFold, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import NuSVR

from graph2nn.names import check_choice
from predictors.checks import check_folds, check_targets
from predictors.saving import Saveable

__all__ = ["CURVE_KINDS", "CurvePredictor", "extrapolate"]

CURVE_KINDS: Final = ("last", "sotl", "sotl_e", "lcsvr", "parametric")
"""Kinds of `CurvePredictor`."""

_FOLDS = 3


class CurvePredictor(Saveable, RegressorMixin, BaseEstimator):
    """Final accuracy from learning curves cut off early. X is an array, one curve a row.

    * `last`: the last value seen (early stopping).
    * `sotl`, `sotl_e`: minus the sum of the training losses so far, or of the last `window` of them
      (arXiv:2006.04492, section 3); X are losses. Values order networks but have no units.
    * `lcsvr`: ν-SVR on the curve, its first and second differences and the static columns, with
      ν, C and γ by random search and 3-fold cross-validation (arXiv:1705.10823, section 3).
    * `parametric`: mean of two least-squares extrapolations to epoch `horizon` (`extrapolate`); a
      closed form of the idea of Domhan et al. (IJCAI 2015), which samples from eleven families.

    Only `lcsvr` learns; the others may predict without `fit`.

    Args:
        kind: One of `CURVE_KINDS`.
        epochs: Epoch of each column, 1, 2, 3, ... by default; read by `parametric`.
        horizon: Epoch that is predicted; the last of `epochs` by default.
        window: Number of losses of `sotl_e`.
        static: Number of last columns of X that are no curve but plain numbers of the network
            (parameters, accuracy under predicted weights); read by `lcsvr` alone.
        draws: Number of settings that the random search tries (the paper: 1000).
        seed: Seed of the search and of its folds.

    Shapes:
        X (N, E + static), y (N,).

    Raises:
        ValueError: An unknown kind, curves that are no finite table, columns that do not fit
            `epochs`, fewer curves than folds.

    Examples:
        >>> CurvePredictor("last").predict([[40.0, 60.0], [50.0, 55.0]]).tolist()
        [60.0, 55.0]
    """

    def __init__(
        self,
        kind: str = "last",
        *,
        epochs: tuple[float, ...] | None = None,
        horizon: float | None = None,
        window: int = 1,
        static: int = 0,
        draws: int = 100,
        seed: int = 0,
    ) -> None:
        self.kind = kind
        self.epochs = epochs
        self.horizon = horizon
        self.window = window
        self.static = static
        self.draws = draws
        self.seed = seed

    def fit(self, X: Any, y: Any) -> CurvePredictor:
        """Learn from complete trainings: curves cut off as later ones will be, and ends.

        Shapes: X (N, E + static), y (N,).
        """
        curves, static = self._read(X)
        targets = check_targets(y, len(curves))
        if targets.shape[1] != 1:
            raise ValueError(f"y: expected one number a curve, got {targets.shape[1]}")
        self.n_features_in_ = curves.shape[1] + static.shape[1]
        if self.kind == "lcsvr":
            check_folds(len(curves), _FOLDS, "CurvePredictor(kind='lcsvr')")
            self.model_ = self._search().fit(_differences(curves, static), targets[:, 0])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict final values: (N, E + static) -> (N,)."""
        curves, static = self._read(X)
        if self.kind == "lcsvr":
            if not hasattr(self, "model_"):
                raise NotFittedError("CurvePredictor(kind='lcsvr') learns: call fit before predict")
            return self.model_.predict(_differences(curves, static))
        if self.kind == "last":
            return curves[:, -1].copy()
        if self.kind == "parametric":
            epochs = self._epochs(curves.shape[1])
            horizon = epochs[-1] if self.horizon is None else float(self.horizon)
            return extrapolate(curves, epochs, horizon)
        return -curves[:, -self.window if self.kind == "sotl_e" else 0 :].sum(1)

    def _read(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        check_choice("kind", self.kind, CURVE_KINDS)
        if self.window < 1 or self.static < 0:
            raise ValueError(
                f"expected window >= 1 and static >= 0, got {self.window} and {self.static}"
            )
        table = np.asarray(X, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] <= self.static or not len(table):
            raise ValueError(
                f"X: expected one curve a row and {self.static} static columns after it, got shape "
                f"{table.shape}"
            )
        if not np.isfinite(table).all():
            row = int((~np.isfinite(table)).any(1).argmax())
            raise ValueError(f"X: row {row} holds NaN or infinity; leave diverged networks out")
        known = getattr(self, "n_features_in_", table.shape[1])
        if table.shape[1] != known:
            raise ValueError(f"X: expected {known} columns as in fit, got {table.shape[1]}")
        split = table.shape[1] - self.static
        return table[:, :split], table[:, split:]

    def _epochs(self, count: int) -> np.ndarray:
        epochs = np.arange(1.0, count + 1) if self.epochs is None else np.array(self.epochs, float)
        if len(epochs) != count or (np.diff(epochs) <= 0).any() or epochs[0] <= 0:
            raise ValueError(
                f"epochs: expected {count} increasing numbers above 0, one a column, got "
                f"{epochs.tolist()}"
            )
        return epochs

    def _search(self) -> RandomizedSearchCV:
        ranges = {
            "regressor__svr__C": loguniform(1e-5, 10),
            "regressor__svr__nu": uniform(0.01, 0.98),
            "regressor__svr__gamma": loguniform(1e-5, 10),
        }
        pipeline = Pipeline([("scale", StandardScaler()), ("svr", NuSVR())])
        return RandomizedSearchCV(
            TransformedTargetRegressor(pipeline, transformer=StandardScaler()),
            ranges,
            n_iter=self.draws,
            cv=KFold(_FOLDS, shuffle=True, random_state=self.seed),
            random_state=self.seed,
        )


def _differences(curves: np.ndarray, static: np.ndarray) -> np.ndarray:
    first = np.diff(curves, axis=1)
    return np.concatenate([curves, first, np.diff(first, axis=1), static], axis=1)


def extrapolate(curves: np.ndarray, epochs: np.ndarray, horizon: float) -> np.ndarray:
    """Extrapolate curves to `horizon` by a + b φ(t; c), fitted to each row by least squares.

    There are two families, t^-c and exp(-c t), on a grid of rates c; for each rate a and b have a
    closed form, so all rows are fitted at once. The rate of least error is taken in each family;
    the two values are averaged with weights 1 / error². A curve that falls, or that has fewer than
    four points, keeps its last value: there is nothing to extrapolate.

    Shapes:
        curves (N, E), epochs (E,) -> (N,).
    """
    last = curves[:, -1]
    if curves.shape[1] < 4 or horizon <= epochs[-1]:
        return last.copy()
    families = (
        (np.linspace(0.1, 3, 117), lambda t, c: t**-c),
        (np.geomspace(0.01, 2, 117), lambda t, c: np.exp(-c * t)),
    )
    values, weights = [], []
    for rates, shape in families:
        fits = [_line(curves, shape(epochs, c), float(shape(horizon, c))) for c in rates]
        error, value, slope = (np.stack(part) for part in zip(*fits))
        best = error.argmin(0), np.arange(len(curves))
        values.append(np.where(slope[best] < 0, value[best], last))
        weights.append(np.maximum(error[best], 1e-9) ** -2)
    return np.average(values, axis=0, weights=weights)


def _line(
    curves: np.ndarray, basis: np.ndarray, ahead: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least squares of a + b φ: squared error, value where φ = `ahead`, slope b of each row."""
    centred = basis - basis.mean()
    mean = curves.mean(1)
    slope = (curves @ centred) / (centred @ centred)
    error = ((curves - mean[:, None] - slope[:, None] * centred) ** 2).sum(1)
    return error, mean + slope * (ahead - basis.mean()), slope
