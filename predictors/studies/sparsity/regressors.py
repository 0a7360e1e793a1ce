"""Regressors of a sparse network's accuracy drop, by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import ElasticNet, HuberRegressor, Lasso, LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from graph2nn.names import check_choice
from predictors.models.regressors import make_regressor

__all__ = ["DROP_REGRESSORS", "RANDOM_REGRESSORS", "DropRegressor", "available_regressors"]

DROP_REGRESSORS: dict[str, Callable[[int], Any]] = {
    "ols": lambda seed: LinearRegression(),
    "ridge": lambda seed: Ridge(alpha=1.0),
    "strong ridge": lambda seed: Ridge(alpha=30.0),
    "lasso": lambda seed: Lasso(alpha=0.003, max_iter=20_000),
    "elastic net": lambda seed: ElasticNet(alpha=0.003, max_iter=20_000),
    "huber": lambda seed: HuberRegressor(max_iter=2_000),
    "svr": lambda seed: SVR(C=10.0, epsilon=0.1),
    "knn": lambda seed: KNeighborsRegressor(n_neighbors=5),
    "random forest": lambda seed: RandomForestRegressor(random_state=seed),
    "extra trees": lambda seed: ExtraTreesRegressor(random_state=seed),
    "xgboost": lambda seed: _Boosting(seed),
    "gaussian process": lambda seed: _process(),
}
"""Regressors by name, each made from a seed."""

RANDOM_REGRESSORS = ("random forest", "extra trees", "xgboost")
"""Those whose seed matters."""


class DropRegressor:
    """A regressor on standardised features and a standardised target.

    Penalties, tolerances and distances then mean the same in every table. Trees do not care.

    Args:
        name: Key of `DROP_REGRESSORS`.
        seed: Seed of whatever is random in it.

    Shapes:
        `fit` (N, F), (N,); `predict` (M, F) -> (M,).

    Raises:
        ValueError: An unknown name.
        ImportError: XGBoost is not installed.
    """

    def __init__(self, name: str = "extra trees", *, seed: int = 0) -> None:
        check_choice("regressor", name, DROP_REGRESSORS)
        self.name, self.seed = name, seed

    def fit(self, table: np.ndarray, drop: np.ndarray) -> DropRegressor:
        self.model_ = DROP_REGRESSORS[self.name](self.seed)
        self.scaler_ = StandardScaler().fit(table)
        self.mean_, self.scale_ = float(drop.mean()), float(drop.std()) or 1.0
        with warnings.catch_warnings():
            # collinear metrics make some solvers stop early; the fit is used as it is
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model_.fit(self.scaler_.transform(table), (drop - self.mean_) / self.scale_)
        return self

    def predict(self, table: np.ndarray) -> np.ndarray:
        return self.model_.predict(self.scaler_.transform(table)) * self.scale_ + self.mean_


def available_regressors() -> tuple[str, ...]:
    """List the names that run here: all, or all but XGBoost."""
    missing = () if find_spec("xgboost") else ("xgboost",)
    return tuple(name for name in DROP_REGRESSORS if name not in missing)


def _process() -> GaussianProcessRegressor:
    kernel = ConstantKernel() * Matern(length_scale=3.0, nu=2.5) + WhiteKernel(0.05)
    return GaussianProcessRegressor(kernel, random_state=0)


class _Boosting:
    """XGBoost as `predictors.models.regressors` sets it, for a single target."""

    def __init__(self, seed: int) -> None:
        self.model = make_regressor("xgb-deep", seed=seed)

    def fit(self, table: np.ndarray, target: np.ndarray) -> _Boosting:
        self.model.fit(table, target[:, None])
        return self

    def predict(self, table: np.ndarray) -> np.ndarray:
        return self.model.predict(table)[0][:, 0]
