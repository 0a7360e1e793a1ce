"""One model for several spaces: labels are made comparable, then learned from together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from graph2nn.archgraph import ArchGraph
from predictors.base import ArchPredictor
from predictors.checks import check_graphs, check_targets
from predictors.targets import TargetTransform

__all__ = ["MultiSpacePredictor"]

_ONLY = "all"


class MultiSpacePredictor(ArchPredictor):
    """Predictor that learns from several spaces at once, as FLAN (arXiv:2403.02484) for transfer.

    Labels of each space are replaced by their ranks within it before a single base model is fitted
    on all networks; a prediction is mapped back through the labels of its own space. So a few
    labels of one space can lean on many of another, as far as operations have the same names.

    Args:
        base: Any predictor that reads the graphs of all spaces, such as `TART()`; cloned, and told
            not to transform targets again where it has a setting `target`.
        weight: Number of times that networks of `focus` are repeated against those of the other
            spaces, a whole number; more than 1 makes the others an auxiliary task.
        focus: Name of that space; none repeats nothing.

    Examples:
        >>> X, y = load_table("nb101_500", target="val_accuracy")
        >>> U, v = load_table("nas_bench_macro")
        >>> model = MultiSpacePredictor(FeaturePredictor("rf"))
        >>> model = model.fit_spaces({"nb101": (X[:50], y[:50]), "macro": (U[:50], v[:50])})
        >>> model.predict_space("nb101", X[50:60]).shape
        (10,)
    """

    def __init__(self, base: ArchPredictor, *, weight: int = 1, focus: str | None = None) -> None:
        self.base, self.weight, self.focus = base, weight, focus

    def fit_spaces(
        self, spaces: Mapping[str, tuple[Sequence[ArchGraph], Any]]
    ) -> MultiSpacePredictor:
        """Learn from all spaces; each is a name with its networks and labels.

        Raises:
            ValueError: No spaces, bad labels (the message names the space), numbers of targets that
                differ, or a `focus` that is not among the names.
        """
        if not spaces:
            raise ValueError("fit_spaces: expected at least one space, got none")
        if self.focus is not None and self.focus not in spaces:
            raise ValueError(f"focus: no space {self.focus!r} among {', '.join(spaces)}")
        if self.weight < 1:
            raise ValueError(f"weight: expected a whole number from 1 up, got {self.weight}")
        graphs: list[ArchGraph] = []
        ranks: list[np.ndarray] = []
        self.transforms_: dict[str, TargetTransform] = {}
        for name, (X, y) in spaces.items():
            found, labels = self._checked(name, X, y)
            transform = self.transforms_[name] = TargetTransform("rank").fit(labels)
            times = self.weight if name == self.focus else 1
            graphs += found * times
            ranks += [transform.transform(labels)] * times
        widths = {labels.shape[1] for labels in ranks}
        if len(widths) > 1:
            raise ValueError(
                f"fit_spaces: spaces have {sorted(widths)} targets; give them equally many"
            )
        self.single_target_ = all(np.ndim(y) == 1 for _, y in spaces.values())
        self.n_targets_ = widths.pop()
        self.model_ = clone(self.base)
        if "target" in self.model_.get_params(deep=False):
            self.model_.set_params(target="none")
        self.model_.fit(graphs, np.concatenate(ranks))
        self.is_fitted_ = True
        return self

    def predict_space(self, name: str, X: Sequence[ArchGraph]) -> np.ndarray:
        """Predict networks of one space, in the units of its labels, (N[, T]).

        Raises:
            ValueError: Not fitted, or a space that was not learned.
        """
        self._check_fitted()
        if name not in self.transforms_:
            raise ValueError(
                f"no space {name!r} was learned; there are {', '.join(self.transforms_)}"
            )
        values = self.model_.predict(check_graphs(X)).reshape(len(X), -1)
        return self._shaped(self.transforms_[name].inverse(values))

    def _checked(self, name: str, X: Any, y: Any) -> tuple[list[ArchGraph], np.ndarray]:
        try:
            graphs = check_graphs(X)
            return graphs, check_targets(y, len(graphs))
        except ValueError as error:
            raise ValueError(f"space {name}: {error}") from None

    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        single = self.single_target_
        self.fit_spaces({_ONLY: (graphs, targets)})
        self.single_target_ = single

    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        """With one space, its values; with several, ranks in [-1, 1], comparable across spaces."""
        values = self.model_.predict(graphs).reshape(len(graphs), -1)
        if list(self.transforms_) == [_ONLY]:
            values = self.transforms_[_ONLY].inverse(values)
        return values, None
