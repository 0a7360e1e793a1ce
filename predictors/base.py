"""`ArchPredictor`: what every predictor shares, a scikit-learn estimator on lists of graphs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError

from graph2nn.archgraph import ArchGraph
from graph2nn.runs.seeds import everything_seeded
from predictors.checks import check_graphs, check_targets
from predictors.intervals import conformal_scores, half_widths, out_of_fold
from predictors.saving import Saveable

__all__ = ["ArchPredictor"]


class ArchPredictor(Saveable, RegressorMixin, BaseEstimator, ABC):
    """Predictor of one or several numbers of a network from its `ArchGraph`.

    X is a list of graphs everywhere, y an array of one target (N,) or several (N, T). Settings are
    constructor arguments, what was learned ends in an underscore, so `clone`, `GridSearchCV`,
    `Pipeline` and `cross_val_score` work, and `save` and `load` keep both. A subclass implements
    `_fit` and `_predict`, which see checked graphs and targets of two axes.
    """

    not_saved = ("seen_",)
    """Attributes that no file keeps."""

    def fit(self, X: Sequence[ArchGraph], y: Any) -> ArchPredictor:
        """Learn from labelled networks; the same settings and networks give the same predictor.

        Global random generators are left as they were.

        Shapes:
            X N graphs, y (N,) or (N, T).

        Raises:
            ValueError: Unlabelled or constant targets, NaN, lengths that differ, no graphs.
        """
        graphs = check_graphs(X)
        targets = check_targets(y, len(graphs))
        self.single_target_ = np.ndim(y) == 1
        self.n_targets_ = targets.shape[1]
        with everything_seeded(int(getattr(self, "seed", 0) or 0)):  # libsvm draws from numpy's
            self._fit(graphs, targets)
        self.is_fitted_ = True
        self.seen_ = graphs, targets  # for `calibrate`
        self.calibration_: dict[str, np.ndarray] | None = None
        return self

    def predict(self, X: Sequence[ArchGraph]) -> np.ndarray:
        """Predict expected values, in the units of y: (N,) or (N, T), as y was.

        Raises:
            NotFittedError: Before `fit` (a ValueError).
            ValueError: A graph that the model cannot read, such as one with an unknown operation.
        """
        return self._shaped(self.predict_moments(X)[0])

    def predict_std(self, X: Sequence[ArchGraph]) -> np.ndarray:
        """Predict the standard deviation of each prediction, in the units of y.

        Shapes: (N,) or (N, T), as `predict`.

        Raises:
            ValueError: Before `fit`, or the model knows no uncertainty with its settings.
        """
        std = self.predict_moments(X)[1]
        if std is None:
            raise ValueError(
                f"{type(self).__name__} with these settings has no standard deviation; ensembles "
                "and Gaussian processes have one"
            )
        return self._shaped(std)

    def calibrate(
        self,
        X: Sequence[ArchGraph] | None = None,
        y: Any = None,
        *,
        folds: int = 10,
        groups: Any = None,
    ) -> ArchPredictor:
        """Learn from errors on unseen networks how wide `predict_interval` has to be.

        Args:
            X: Labelled networks that `fit` has not seen. None takes those that it has seen: as many
                copies as folds are fitted, each on all but one fold, and predict that fold.
            y: Labels of X, of as many targets as those of `fit`.
            folds: Number of folds; more are slower and a little less careful.
            groups: Group of each network that `fit` has seen, (N,); groups are not divided.

        Shapes:
            y (N,) or (N, T).

        Raises:
            ValueError: Before `fit`; after `load` without X; labels that do not fit; fewer
                networks, or groups, than folds.
        """
        self._check_fitted()
        if X is not None:
            graphs = check_graphs(X)
            targets = check_targets(y, len(graphs))
            if targets.shape[1] != self.n_targets_:
                raise ValueError(f"y: expected {self.n_targets_} targets, got {targets.shape[1]}")
            moments = self._predict(graphs)
        else:
            if not hasattr(self, "seen_"):
                raise ValueError(
                    f"this {type(self).__name__} holds no networks to calibrate on, as it comes "
                    "from a file or learned from several spaces: call calibrate(X, y) with "
                    "labelled networks, or calibrate() before save"
                )
            graphs, targets = self.seen_
            moments = out_of_fold(self, graphs, targets, folds=folds, groups=groups)
        self.calibration_ = conformal_scores(targets, *moments)
        return self

    def predict_interval(
        self, X: Sequence[ArchGraph], coverage: float = 0.9
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predict intervals that hold so large a share of the labels, in the units of y.

        They are conformal: the errors of networks that were not seen say how wide they are, not the
        model's own deviations, which only say where they are wider. The share is one of all
        networks like those of `fit`, not of each kind of them. The first call calibrates as
        `calibrate()` does, which takes ten fits.

        Args:
            coverage: Share of labels that the intervals should hold.

        Returns:
            Lower and upper ends.

        Shapes:
            (N,) or (N, T) each, as y was.

        Raises:
            ValueError: As `predict` and `calibrate`; a coverage outside (0, 1), or one that needs
                more networks to calibrate on (0.99 needs 99).
        """
        self._check_fitted()
        if getattr(self, "calibration_", None) is None:
            self.calibrate()
        mean, std = self._predict(check_graphs(X))
        assert self.calibration_ is not None
        half = half_widths(self.calibration_, std, len(mean), coverage)
        return self._shaped(mean - half), self._shaped(mean + half)

    @abstractmethod
    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        """Learns. Shapes: targets (N, T)."""

    @abstractmethod
    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        """Means and, where known, standard deviations. Shapes: (N, T) each."""

    def predict_moments(self, X: Sequence[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        """Return means and, where known, standard deviations of all targets.

        Shapes:
            (N, T) each, also where y was (N,).

        Raises:
            NotFittedError: Before `fit` (a ValueError).
        """
        self._check_fitted()
        return self._predict(check_graphs(X))

    def _check_fitted(self) -> None:
        if not getattr(self, "is_fitted_", False):
            raise NotFittedError(
                f"this {type(self).__name__} is not fitted: call fit(X, y) with labelled networks "
                "before predict"
            )

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return values[:, 0] if self.single_target_ else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.target_tags.multi_output = True
        return tags
