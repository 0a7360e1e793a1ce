"""Gaussian processes and linear models on frozen embeddings."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import RidgeCV

__all__ = ["EmbeddingHead"]

_FITTED = 1000  # rows that a kernel's settings are found on
_KEPT = 4000  # rows that a Gaussian process remembers


class EmbeddingHead:
    """From embeddings to targets, one model a target.

    Args:
        kind: "gp", a Gaussian process with a Matérn 5/2 kernel of one length and noise, all found
            by marginal likelihood; or "linear", ridge regression with a strength by leave-one-out.
        seed: of the rows chosen where there are too many for a Gaussian process.
    """

    def __init__(self, kind: str, seed: int = 0) -> None:
        self.kind, self.seed = kind, seed

    def fit(self, embeddings: np.ndarray, targets: np.ndarray) -> EmbeddingHead:
        """Shapes: embeddings (N, d), targets (N, T)."""
        self.mean_ = embeddings.mean(0)
        self.scale_ = embeddings.std(0) + 1e-6
        scaled = self._scaled(embeddings)
        fit = self._fit_process if self.kind == "gp" else _fit_ridge
        self.models_ = [fit(scaled, column) for column in targets.T]
        return self

    def predict(self, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Means and, of Gaussian processes, deviations without noise. Shapes: (N, T) each."""
        scaled = self._scaled(embeddings)
        if self.kind != "gp":
            return np.stack([model.predict(scaled) for model in self.models_], axis=1), None
        pairs = [model.predict(scaled, return_std=True) for model in self.models_]
        mean, std = (np.stack(part, axis=1) for part in zip(*pairs))
        noise = [model.kernel_.k2.noise_level * model._y_train_std**2 for model in self.models_]
        return mean, np.sqrt(np.maximum(std**2 - noise, 1e-12))

    def _scaled(self, embeddings: np.ndarray) -> np.ndarray:
        return ((embeddings - self.mean_) / self.scale_).astype(np.float64)

    def _fit_process(self, x: np.ndarray, y: np.ndarray) -> GaussianProcessRegressor:
        rows = np.random.default_rng(self.seed).permutation(len(x))[:_KEPT]
        x, y = x[rows], y[rows]
        start = np.sqrt(x.shape[1])
        kernel = ConstantKernel(1.0, (1e-3, 1e4)) * Matern(
            start, (0.1 * start, 100 * start), nu=2.5
        ) + WhiteKernel(0.05, (1e-5, 10.0))
        with warnings.catch_warnings():  # a bound that is reached is as good an answer
            warnings.simplefilter("ignore", ConvergenceWarning)
            first = GaussianProcessRegressor(kernel, normalize_y=True, random_state=self.seed)
            first.fit(x[:_FITTED], y[:_FITTED])
            if len(x) <= _FITTED:
                return first
            return GaussianProcessRegressor(first.kernel_, optimizer=None, normalize_y=True).fit(
                x, y
            )


def _fit_ridge(x: np.ndarray, y: np.ndarray) -> RidgeCV:
    return RidgeCV(alphas=np.logspace(-2, 4, 13)).fit(x, y)
