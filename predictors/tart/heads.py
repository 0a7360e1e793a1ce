"""Gaussian processes and linear models on frozen embeddings."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import RidgeCV

from predictors.gaussian import GroupedGP

__all__ = ["EmbeddingHead"]

_KEPT = 4000  # networks that a Gaussian process remembers, at most


class EmbeddingHead:
    """From embeddings to targets.

    Args:
        kind: Kind of regression: "gp", a `GroupedGP` with one group; or "linear", ridge regression
            on standardised embeddings with a strength by leave-one-out.
        seed: Seed of the rows chosen where there are too many for a Gaussian process.
    """

    def __init__(self, kind: str, seed: int = 0) -> None:
        self.kind, self.seed = kind, seed

    def fit(self, embeddings: np.ndarray, targets: np.ndarray) -> EmbeddingHead:
        """Learn from embeddings (N, d) and targets (N, T)."""
        if self.kind == "gp":
            rows = np.random.default_rng(self.seed).permutation(len(embeddings))[:_KEPT]
            self.process_ = GroupedGP(seed=self.seed).fit(embeddings[rows], targets[rows])
            return self
        self.mean_, self.scale_ = embeddings.mean(0), embeddings.std(0) + 1e-6
        scaled = self._scaled(embeddings)
        alphas = np.logspace(-2, 4, 13)
        self.ridges_ = [RidgeCV(alphas=alphas).fit(scaled, column) for column in targets.T]
        return self

    def predict(self, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Predict means and, of a Gaussian process, deviations, (N, T) each."""
        if self.kind == "gp":
            return self.process_.predict(embeddings, return_std=True)
        scaled = self._scaled(embeddings)
        return np.stack([ridge.predict(scaled) for ridge in self.ridges_], axis=1), None

    def _scaled(self, embeddings: np.ndarray) -> np.ndarray:
        return (embeddings - self.mean_) / self.scale_
