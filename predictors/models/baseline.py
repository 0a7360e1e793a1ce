"""`LinearBaseline`: what a line through counts and positions gives, beside every result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.base import ArchPredictor
from predictors.features.undirected import is_relational
from predictors.models.classical import FeaturePredictor

__all__ = ["LinearBaseline"]

_ONE_SIZE = ("positions", "adjacency")
_ANY_SIZE = ("counts",)
_CHOICES = (  # for graphs of different sizes
    ("ridge", _ANY_SIZE),
    ("ridge", ("places", "counts")),
    ("ridge-scaled", ("places", "counts")),
)


class LinearBaseline(ArchPredictor):
    """Ridge regression on the plainest description of a network.

    Graphs of one size: the operation of every node and the edges, one-hot (which predicts latency
    and energy better than anything else on NAS-Bench-201, these being close to sums over edges).
    Graphs of different sizes: numbers of operations, nodes and edges, and operations and widths by
    place, counted from the input and from the output, standardised or not; whichever errs least
    when networks are left out in turn. Relational graphs: density, clustering, path length and the
    other measures of `GraphFeatures`. The strength of the penalty is chosen by generalised
    cross-validation.

    Args:
        attributes: Patterns of graph attributes to use beside, such as `zc_*`.
        target: Kind of target, see `TargetTransform`.
        seed: Seed, unused: nothing is random; every predictor has one.

    Examples:
        >>> X, y = load_table("nb101_500", target="val_accuracy")
        >>> LinearBaseline().fit(X[:100], y[:100]).predict(X[100:]).shape
        (400,)
    """

    size_: int | None = None  # what files of before do not hold
    others_: FeaturePredictor | None = None

    def __init__(
        self, *, attributes: Sequence[str] = (), target: str = "standard", seed: int = 0
    ) -> None:
        self.attributes = attributes
        self.target = target
        self.seed = seed

    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        self.size_ = self.others_ = None
        if all(is_relational(graph) for graph in graphs):
            self.model_ = self._line("ridge", ("relational",)).fit(graphs, targets)
        elif len({graph.num_nodes for graph in graphs}) == 1:
            self.model_ = self._line("ridge", _ONE_SIZE).fit(graphs, targets)
            self.size_ = graphs[0].num_nodes
            self.others_ = self._line("ridge", _ANY_SIZE).fit(graphs, targets)
        else:
            lines = [self._line(*choice).fit(graphs, targets) for choice in _CHOICES]
            self.model_ = min(lines, key=lambda line: line.regressors_[0].left_out_error())

    def _line(self, model: str, blocks: tuple[str, ...]) -> FeaturePredictor:
        return FeaturePredictor(
            model, blocks=blocks, attributes=self.attributes, target=self.target
        )

    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        other = self.size_ is not None and any(g.num_nodes != self.size_ for g in graphs)
        model = self.others_ if other and self.others_ is not None else self.model_
        return model.predict(graphs).reshape(len(graphs), -1), None
