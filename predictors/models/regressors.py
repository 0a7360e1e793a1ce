"""The regressors of scikit-learn, XGBoost and LightGBM behind one call, with settings by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from graph2nn.names import check_choice
from predictors.gaussian import GroupedGP

__all__ = ["REGRESSORS", "Regressor", "make_regressor"]

Builder = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """How a regressor is made.

    Args:
        build: from seed and options.
        options: defaults.
        std: how deviations are found: `trees` (spread of a forest), `process`, or none.
        several: whether it takes several targets at once.
    """

    build: Builder
    options: Mapping[str, Any] = field(default_factory=dict)
    std: str = ""
    several: bool = False


class Regressor:
    """One regressor, or one for each target where it takes a single one.

    Shapes:
        `fit` (N, F), (N, T); `predict` (M, F) -> means and deviations (M, T) each, None where the
        regressor has no deviations.
    """

    def __init__(self, kind: _Kind, settings: dict[str, Any]) -> None:
        self._kind, self._settings = kind, settings

    def saved_state(self) -> dict[str, Any]:
        """Return what a file keeps: the name of the kind, which stands for its functions."""
        name = next(name for name, kind in REGRESSORS.items() if kind is self._kind)
        return {"name": name, "settings": self._settings, "models": self.models_}

    @classmethod
    def from_saved_state(cls, state: Mapping[str, Any]) -> Regressor:
        """Make the regressor whose `saved_state` this is."""
        check_choice("model", state["name"], REGRESSORS)
        made = cls(REGRESSORS[state["name"]], state["settings"])
        made.models_ = state["models"]
        return made

    def fit(self, table: np.ndarray, targets: np.ndarray) -> Regressor:
        """Learn from a table of features and targets.

        Shapes:
            table (N, F), targets (N, T).
        """
        columns = [targets] if self._kind.several else [t[:, None] for t in targets.T]
        self.models_ = []
        for column in columns:
            model = self._kind.build(**self._settings)
            with warnings.catch_warnings():
                # a kernel's amplitude at its bound is no worse a fit, and nothing to act on
                warnings.simplefilter("ignore", ConvergenceWarning)
                model = model.fit(table, column[:, 0] if column.shape[1] == 1 else column)
            self.models_.append(model)
        return self

    def predict(self, table: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Predict means and deviations; the latter are None where the regressor has none.

        Shapes:
            table (M, F) -> (M, T) each.
        """
        found = [self._moments(model, table) for model in self.models_]
        mean = np.concatenate([_columns(mean) for mean, _ in found], axis=1)
        if found[0][1] is None:
            return mean, None
        return mean, np.concatenate([_columns(std) for _, std in found], axis=1)

    def left_out_error(self) -> float:
        """Return the mean squared error of networks left out in turn, known of ridge regression.

        Raises:
            ValueError: A regressor that does not know it.
        """
        last = [model[-1] if isinstance(model, Pipeline) else model for model in self.models_]
        if not all(isinstance(model, RidgeCV) for model in last):
            raise ValueError("left_out_error: only ridge regression knows it without fitting again")
        return -float(np.mean([model.best_score_ for model in last]))

    def _moments(self, model: Any, table: np.ndarray) -> tuple[np.ndarray, Any]:
        if self._kind.std == "process":
            return model.predict(table, return_std=True)
        if self._kind.std == "trees":
            return model.predict(table), np.std([t.predict(table) for t in model], axis=0)
        return model.predict(table), None


def make_regressor(
    name: str,
    *,
    seed: int = 0,
    groups: Sequence[Sequence[int]] = (),
    options: Mapping[str, Any] | None = None,
) -> Regressor:
    """Make a regressor by name.

    Args:
        name: Key of `REGRESSORS`.
        seed: Seed of whatever is random in it.
        groups: Columns of each block of features, for kernels that weigh them.
        options: Settings other than the defaults, by the names of the package it comes from.

    Raises:
        ValueError: An unknown name.
        ImportError: XGBoost or LightGBM is not installed.
    """
    check_choice("model", name, REGRESSORS)
    kind = REGRESSORS[name]
    settings = {**kind.options, **(options or {}), "seed": seed}
    if name == "gp":
        settings["groups"] = [list(group) for group in groups if len(group)] or None
    return Regressor(kind, settings)


def _columns(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float64).reshape(len(values), -1)


def _forest(seed: int, **options: Any) -> Any:
    return RandomForestRegressor(random_state=seed, **options)


def _extra_trees(seed: int, **options: Any) -> Any:
    return ExtraTreesRegressor(random_state=seed, **options)


def _boost(package: str, name: str) -> Any:
    try:
        return getattr(import_module(package), name)
    except ImportError:
        raise ImportError(
            f'{package} is not installed; run: pip install "netwright[boost]", or use model rf'
        ) from None


def _xgboost(seed: int, **options: Any) -> Any:
    return _boost("xgboost", "XGBRegressor")(random_state=seed, n_jobs=1, **options)


def _lightgbm(seed: int, **options: Any) -> Any:
    model = _boost("lightgbm", "LGBMRegressor")
    return _Unnamed(model(random_state=seed, n_jobs=1, verbose=-1, **options))


class _Unnamed:
    """LightGBM without names of columns, whose absence scikit-learn would warn about."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, table: np.ndarray, target: np.ndarray) -> _Unnamed:
        self.model.fit(table, target)
        return self

    def predict(self, table: np.ndarray) -> np.ndarray:
        return self.model.booster_.predict(table)


def _svr(seed: int, **options: Any) -> Any:
    del seed  # nothing is random
    return make_pipeline(StandardScaler(), SVR(**options))


class _WideSVR:
    """SVR on standardised features, gamma being `width` over their number."""

    def __init__(self, seed: int, *, width: float, **options: Any) -> None:
        del seed  # nothing is random
        self.width, self.options = width, options

    def fit(self, table: np.ndarray, target: np.ndarray) -> _WideSVR:
        self.scaler = StandardScaler().fit(table)
        model = SVR(gamma=self.width / table.shape[1], **self.options)
        self.model = model.fit(self.scaler.transform(table), target)
        return self

    def predict(self, table: np.ndarray) -> np.ndarray:
        return self.model.predict(self.scaler.transform(table))


def _matern(seed: int, **options: Any) -> Any:
    del seed  # the published anchors fix it to 0
    kernel = ConstantKernel(1.0) * Matern(length_scale=10.0, nu=2.5) + WhiteKernel(0.05)
    process = GaussianProcessRegressor(
        kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0, **options
    )
    return make_pipeline(StandardScaler(), process)


def _ridge(seed: int, **options: Any) -> Any:
    del seed  # nothing is random
    return RidgeCV(alphas=np.logspace(-3, 3, 13), **options)


def _scaled_ridge(seed: int, **options: Any) -> Any:
    del seed  # nothing is random
    return make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-3, 5, 17), **options))


_XGB = {"n_estimators": 300, "max_depth": 6, "learning_rate": 0.08, "subsample": 0.8}
_LIGHT = {"n_estimators": 300, "num_leaves": 8, "learning_rate": 0.03, "subsample_freq": 1}

REGRESSORS: dict[str, _Kind] = {
    "rf": _Kind(build=_forest, options={"n_estimators": 150}, std="trees", several=True),
    "et": _Kind(
        build=_extra_trees,
        options={"n_estimators": 200, "max_features": 0.5},
        std="trees",
        several=True,
    ),
    "xgb": _Kind(
        build=_xgboost,
        options={
            "n_estimators": 600,
            "max_depth": 3,
            "learning_rate": 0.04,
            "subsample": 0.8,
            "colsample_bytree": 0.3,
        },
    ),
    "xgb-deep": _Kind(build=_xgboost, options={**_XGB, "colsample_bytree": 0.6}),
    "lgbm": _Kind(
        build=_lightgbm,
        options={**_LIGHT, "subsample": 0.6, "colsample_bytree": 0.3, "min_child_samples": 8},
    ),
    "svr": _Kind(build=_WideSVR, options={"C": 10.0, "epsilon": 0.05, "width": 0.3}),
    "svr-scale": _Kind(build=_svr, options={"C": 10.0, "epsilon": 0.05}),
    "gp": _Kind(build=GroupedGP, std="process", several=True),
    "gp-matern": _Kind(build=_matern, std="process"),
    "ridge": _Kind(build=_ridge),
    "ridge-scaled": _Kind(build=_scaled_ridge),
}
"""Regressors by name. `xgb-deep`, `svr-scale` and `gp-matern` have the settings of the published
anchors; `xgb`, `lgbm`, `svr` and `gp` are tuned for a hundred features and few networks."""
