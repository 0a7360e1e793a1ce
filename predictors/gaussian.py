"""`GroupedGP`: a Gaussian process whose kernel weighs groups of features against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError

__all__ = ["GroupedGP"]

_JITTER = 1e-6
_PRIOR_LENGTH, _PRIOR_NOISE = 3.0, 0.1
_SPREAD = {"weight": 2.0, "length": 1.0, "noise": 1.5}


class GroupedGP(RegressorMixin, BaseEstimator):
    """A Gaussian process with a length and a weight for each group of features.

    k(x, z) = sum over groups g of w_g Matern-5/2(|x_g - z_g| / l_g) + noise, features standardised
    and distances divided by the root of the group's size. It is an additive kernel
    (arXiv:1112.4394): with a hundred networks there is too little to learn a length for each of a
    hundred features, but enough to learn which block of features matters. Weights, lengths and
    noise maximise the posterior of at most `most` networks under wide log-normal priors; the
    process then rests on all of them. All targets share one kernel.

    Args:
        groups: Column numbers of each group; None is one group of all.
        most: Largest number of networks that kernel parameters are learned from.
        steps: Largest number of steps of L-BFGS.
        seed: Seed of the choice of those networks.

    Shapes:
        X (N, F), y (N,) or (N, T).

    Examples:
        >>> x = np.linspace(0, 1, 20)[:, None]
        >>> bool(abs(GroupedGP().fit(x, x[:, 0]).predict([[0.5]])[0] - 0.5) < 0.01)
        True
    """

    def __init__(
        self,
        groups: Sequence[Sequence[int]] | None = None,
        *,
        most: int = 400,
        steps: int = 60,
        seed: int = 0,
    ) -> None:
        self.groups = groups
        self.most = most
        self.steps = steps
        self.seed = seed

    def fit(self, X: Any, y: Any) -> GroupedGP:
        """Learn kernel parameters, then condition on all rows.

        Where all features are constant the prediction is the mean.
        """
        X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        self.single_ = y.ndim == 1
        targets = y.reshape(len(y), -1)
        self.mean_, self.scale_ = X.mean(0), X.std(0)
        varies = self.scale_ > 1e-9
        groups = [range(X.shape[1])] if self.groups is None else self.groups
        kept = [np.array([k for k in group if varies[k]], dtype=np.int64) for group in groups]
        self.groups_ = [group for group in kept if len(group)]
        if not self.groups_:  # nothing to tell rows apart by: one distance, which is zero
            self.groups_ = [np.zeros(1, dtype=np.int64)]
        self.scale_[~varies] = 1
        self.offset_, self.unit_ = targets.mean(0), targets.std(0)
        self.unit_[self.unit_ < 1e-12] = 1
        self.inputs_ = (X - self.mean_) / self.scale_
        outputs = (targets - self.offset_) / self.unit_
        rows = np.random.default_rng(self.seed).permutation(len(X))[: self.most]
        self._learn(self.inputs_[rows], outputs[rows])
        gram = self._kernel(self.inputs_, self.inputs_)
        gram[np.diag_indices(len(X))] += self.noise_ + _JITTER
        self.factor_ = cho_factor(gram, lower=True)
        self.dual_ = cho_solve(self.factor_, outputs)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict means, and with `return_std` deviations of the labels, noise included.

        Shapes:
            As y was, twice with `return_std`.
        """
        if not hasattr(self, "dual_"):
            raise NotFittedError("this GroupedGP is not fitted: call fit(X, y) before predict")
        inputs = (np.asarray(X, dtype=np.float64) - self.mean_) / self.scale_
        cross = self._kernel(inputs, self.inputs_)
        mean = self._shaped(cross @ self.dual_ * self.unit_ + self.offset_)
        if not return_std:
            return mean
        known = (cross * cho_solve(self.factor_, cross.T).T).sum(1)
        variance = np.maximum(self.weights_.sum() - known, 0) + self.noise_
        return mean, self._shaped(np.sqrt(variance)[:, None] * self.unit_)

    def _learn(self, inputs: np.ndarray, outputs: np.ndarray) -> None:
        count = len(self.groups_)
        distances = self._distances(inputs, inputs)
        start = np.log([1 / count] * count + [_PRIOR_LENGTH] * count + [_PRIOR_NOISE])
        spread = np.repeat(list(_SPREAD.values()), [count, count, 1])

        def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = _negative_evidence(theta, distances, outputs)
            away = (theta - start) / spread
            return value + 0.5 * float(away @ away), gradient + away / spread

        bounds = [(-9, 3)] * count + [(-2, 6)] * count + [(-9, 1)]
        options = {"maxiter": self.steps}
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        self.weights_, self.lengths_ = np.exp(found.x[:-1]).reshape(2, count)
        self.noise_ = float(np.exp(found.x[-1]))

    def _kernel(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        parts = zip(self.weights_, self._distances(left, right), self.lengths_)
        return sum(w * _matern(d, length)[0] for w, d, length in parts)  # type: ignore[return-value]

    def _distances(self, left: np.ndarray, right: np.ndarray) -> list[np.ndarray]:
        found = []
        for group in self.groups_:
            a, b = left[:, group], right[:, group]
            square = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
            found.append(np.sqrt(np.maximum(square, 0) / len(group)))
        return found

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return values[:, 0] if self.single_ else values


def _matern(distance: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Matern-5/2 and its derivative by the log of the length."""
    z = np.sqrt(5) / length * distance
    decay = np.exp(-z)
    return (1 + z + z * z / 3) * decay, z * z * (1 + z) / 3 * decay


def _negative_evidence(
    theta: np.ndarray, distances: list[np.ndarray], outputs: np.ndarray
) -> tuple[float, np.ndarray]:
    """Negative log marginal likelihood, less a constant, and its gradient.

    It is a function of the logarithms of weights, lengths and noise.
    """
    size, targets = outputs.shape
    weights, lengths = np.exp(theta[:-1]).reshape(2, -1)
    noise = float(np.exp(theta[-1]))
    gram = np.eye(size) * (noise + _JITTER)
    by_weight, by_length = [], []
    for weight, distance, length in zip(weights, distances, lengths):
        value, slope = _matern(distance, length)
        gram += weight * value
        by_weight.append(weight * value)
        by_length.append(weight * slope)
    factor = cho_factor(gram, lower=True)
    dual = cho_solve(factor, outputs)
    evidence = 0.5 * float((outputs * dual).sum())
    evidence += targets * float(np.log(np.diag(factor[0])).sum())
    slope = targets * cho_solve(factor, np.eye(size)) - dual @ dual.T
    parts = [0.5 * float((slope * part).sum()) for part in (*by_weight, *by_length)]
    return evidence, np.array([*parts, 0.5 * float(np.trace(slope)) * noise])
