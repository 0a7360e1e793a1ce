"""`StackedEnsemble`: predictors combined by how well they do on networks they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.optimize import nnls
from sklearn.base import clone
from sklearn.metrics import r2_score

from graph2nn.archgraph import ArchGraph
from graph2nn.names import check_choice, choose
from predictors.base import ArchPredictor
from predictors.checks import check_folds
from predictors.features.networks.nodes import all_valued
from predictors.intervals import out_of_fold
from predictors.metrics import kendall_tau
from predictors.models.baseline import LinearBaseline
from predictors.models.classical import FeaturePredictor
from predictors.models.roofline import RooflinePredictor
from predictors.neural.gcn import GCNPredictor
from predictors.targets import AIMS, TargetTransform
from predictors.tart import TART

__all__ = ["COMBINATIONS", "StackedEnsemble", "features_and_tokens", "standard_members"]

COMBINATIONS = ("weights", "mean", "best", "scores")
"""Non-negative weights by least squares, drawn towards the mean where networks are few; the mean of
all; the best single member; or such weights drawn towards shares that fall with the fourth power of
a member's squared error."""

LINE_BLOCKS = ("sizes", "maps", "levels", "blocks", "counts", "factors", "relational")
"""What a line is drawn through beside `LinearBaseline`: costs by kind and place."""

TOTAL_BLOCKS = ("totals",)
"""What a second line is drawn through, which holds far from the networks learned from."""

_SHARP = 4
_SPREAD = 3.0  # of the largest label over the least, from which on a label may be a cost
_EPOCHS, _FEW_EPOCHS = 60, 30
_FEW_NODES, _MOST_NODES = 6_000, 12_000  # of all graphs, up to which a graph network is trained


def standard_members(
    attributes: Sequence[str] = (),
    *,
    boost: bool | None = None,
    aim: str = "ranks",
    unlike: bool = False,
) -> list[tuple[str, ArchPredictor]]:
    """Make the default members: regressors that err differently, on the same features.

    Args:
        attributes: Patterns of graph attributes for all of them.
        boost: Whether to include XGBoost and LightGBM (the extra `boost`) instead of extremely
            random trees; None does so where both are installed. All measured figures are with them.
        aim: One of `AIMS`; for values no member learns ranks.
        unlike: Whether to include members of other kinds, which are best on some spaces and bad on
            others, for combinations that tell: three linear models, prices of costs, a graph
            network.
    """
    check_choice("aim", aim, AIMS)
    if boost is None:
        boost = all(find_spec(package) is not None for package in ("xgboost", "lightgbm"))
    settings = [("gp", "rank", 1), ("svr", "rank", 1), ("rf", "standard", 1)]
    if boost:
        settings += [("xgb", "standard", 3), ("lgbm", "rank", 3)]
    else:
        settings += [("et", "standard", 1)]
    values = aim == "values"
    members: list[tuple[str, ArchPredictor]] = [
        (
            kind if values else f"{kind} {target}",
            FeaturePredictor(
                kind, attributes=attributes, target="standard" if values else target, bags=bags
            ),
        )
        for kind, target, bags in settings
    ]
    return members + (_unlike(attributes, values) if unlike else [])


def _unlike(attributes: Sequence[str], values: bool) -> list[tuple[str, ArchPredictor]]:
    target = "standard" if values else "rank"
    costs, totals = (
        FeaturePredictor("ridge-scaled", blocks=blocks, attributes=attributes, target=target)
        for blocks in (LINE_BLOCKS, TOTAL_BLOCKS)
    )
    loss: dict[str, Any] = {"loss": "mse", "target": "standard"} if values else {}
    network = GCNPredictor(
        preset="canonical",
        attributes=attributes,
        hidden=96,
        epochs=_EPOCHS,
        lr=3e-3,
        **loss,
    )
    return [
        ("line", LinearBaseline(attributes=attributes)),
        ("costs", costs),
        (TOTALS, totals),
        (PRICES, RooflinePredictor(attributes=attributes)),
        (NETWORK, network),
    ]


TOTALS, PRICES, NETWORK = "totals", "roofline", "gcn"
"""Names of the standard members that are not for all labels and graphs."""


def features_and_tokens(*, attributes: Sequence[str] = (), seed: int = 0) -> StackedEnsemble:
    """Average the standard ensemble on graph features and the token transformer.

    They read graphs in different ways and err differently; together they are the best predictor
    here on most tables (docs/results/leaderboard.md).

    Args:
        attributes: Patterns of graph attributes for the ensemble.
        seed: Seed of both.

    Examples:
        >>> [name for name, _ in features_and_tokens(seed=1).members]
        ['features', 'tokens']
    """
    members: list[tuple[str, ArchPredictor]] = [
        ("features", StackedEnsemble(combine="mean", attributes=attributes)),
        ("tokens", TART()),
    ]
    return StackedEnsemble(members, combine="mean", seed=seed)


class StackedEnsemble(ArchPredictor):
    """Predictors combined by cross-validation on the training networks.

    Every member is fitted on all but one fold and predicts that fold; the combination is chosen on
    these out-of-fold predictions, and the members are then fitted again on everything. Kendall's
    tau needs no scale, so the members are combined as ranks of the training labels, unless values
    are the aim (ranks bend them where labels are sparse: on NAS-Bench-201 with 200 networks their
    root mean square error is twice that of values, while their tau is .025 higher). `weights` is
    Breiman's non-negative stacking (Machine Learning 24, 1996), drawn half towards the mean where
    networks are few: the weight of the mean is `prior` / (`prior` + networks). `scores` draws them
    towards shares instead: a member's is the fourth power of the least squared error over its own.
    For fewer networks than two a fold it is the mean.

    Args:
        members: Pairs (name, predictor); None takes `standard_members(attributes, aim=aim)`, for
            combinations that tell good from bad with the `unlike` ones. Of these the graph network
            is trained for 60 epochs, for 30 from 6 000 nodes in all graphs on, and not at all from
            12 000 on; totals and prices of costs are there for networks whose sizes are known, the
            latter where labels are positive and the largest is three times the least. Settings of
            members are parameters of the ensemble, `NAME__SETTING`.
        combine: One of `COMBINATIONS`.
        folds: Number of folds of the cross-validation.
        prior: Number of networks at which mean (or shares) and learned weights count alike.
        aim: One of `AIMS`: what members are combined as, and what the standard ones learn.
        attributes: Patterns of graph attributes for the standard members.
        seed: Seed of the folds and, added to it, of members that have one.

    Raises:
        ValueError: In `fit`, fewer networks than folds, an unknown combination or aim, or no
            members.

    Examples:
        >>> X, y = load_table("nb101_500", target="val_accuracy")
        >>> members = [("linear", LinearBaseline()), ("gp", FeaturePredictor("gp"))]
        >>> model = StackedEnsemble(members).fit(X[:60], y[:60])
        >>> sorted(model.member_scores_), model.weights_.shape
        (['gp', 'linear'], (2, 1))
    """

    def __init__(
        self,
        members: Sequence[tuple[str, ArchPredictor]] | None = None,
        *,
        combine: str = "weights",
        folds: int = 5,
        prior: float = 200.0,
        aim: str = "ranks",
        attributes: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self.members = members
        self.combine = combine
        self.folds = folds
        self.prior = prior
        self.aim = aim
        self.attributes = attributes
        self.seed = seed

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings and, if deep, the members by name with theirs as `NAME__SETTING`."""
        found = super().get_params(deep=False)
        for name, member in self._named() if deep else ():
            found |= {name: member}
            found |= {f"{name}__{key}": value for key, value in member.get_params().items()}
        return found

    def set_params(self, **params: Any) -> StackedEnsemble:
        """Change settings, members by name, or settings of members; standard members become own."""
        own = super().get_params(deep=False)
        super().set_params(**{key: value for key, value in params.items() if key in own})
        rest = {key: value for key, value in params.items() if key not in own}
        if rest:
            members = {name: clone(member) for name, member in self._named()}
            for key, value in rest.items():
                name, _, setting = key.partition("__")
                choose("member", name, members)
                if setting:
                    members[name].set_params(**{setting: value})
                else:
                    members[name] = value
            self.members = list(members.items())
        return self

    def _named(self) -> Sequence[tuple[str, ArchPredictor]]:
        if self.members is None:
            told = self.combine != "mean"
            return standard_members(self.attributes, aim=self.aim, unlike=told)
        return self.members

    def _suitable(
        self, graphs: list[ArchGraph], targets: np.ndarray
    ) -> Sequence[tuple[str, ArchPredictor]]:
        """The members, of the standard ones those that are for such graphs and labels."""
        members = self._named()
        if self.members is not None:
            return members
        nodes = sum(graph.num_nodes for graph in graphs)
        spread = (targets.min(0) > 0).all() and (targets.max(0) >= _SPREAD * targets.min(0)).all()
        left_out = {NETWORK} if nodes > _MOST_NODES else set()
        valued = all_valued(graphs)
        left_out |= set() if valued else {TOTALS}
        left_out |= set() if valued and spread else {PRICES}
        few = {"epochs": _FEW_EPOCHS} if nodes > _FEW_NODES else {}
        return [
            (name, member.set_params(**few) if name == NETWORK else member)
            for name, member in members
            if name not in left_out
        ]

    def _fit(self, graphs: list[ArchGraph], targets: np.ndarray) -> None:
        self._check(len(graphs))
        members = self._suitable(graphs, targets)
        self.transform_ = TargetTransform("rank" if self.aim == "ranks" else "standard").fit(
            targets
        )
        self.range_ = targets.min(0), targets.max(0)
        self.names_ = [name for name, _ in members]
        fresh = [_seeded(member, self.seed) for _, member in members]
        if self.combine == "mean" or self.combine == "scores" and not self._divisible(targets):
            share = np.full((len(fresh), targets.shape[1]), 1 / len(fresh))
        else:
            share = self._learned(fresh, graphs, targets)
        self.weights_ = share
        used = share.max(1) > 1e-6
        self.fitted_ = [
            clone(member).fit(graphs, targets) if use else None for member, use in zip(fresh, used)
        ]

    def _learned(
        self, members: list[ArchPredictor], graphs: list[ArchGraph], targets: np.ndarray
    ) -> np.ndarray:
        """Weights from out-of-fold predictions. Shapes: (M, T)."""
        outside = np.stack([self._out_of_fold(m, graphs, targets) for m in members])
        columns = range(targets.shape[1])
        score = kendall_tau if self.aim == "ranks" else r2_score
        scores = np.array([[score(targets[:, t], each[:, t]) for t in columns] for each in outside])
        self.member_scores_ = dict(zip(self.names_, scores.mean(1).tolist()))
        if self.combine == "best":
            return np.eye(len(members))[:, scores.argmax(0)]
        labels = self.transform_.transform(targets)
        learned = np.stack([nnls(outside[:, :, t].T, labels[:, t])[0] for t in columns], axis=1)
        learned /= np.maximum(learned.sum(0), 1e-12)
        trust = len(graphs) / (len(graphs) + self.prior)
        return trust * learned + (1 - trust) * self._shares(outside, labels)

    def _shares(self, outside: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """What learned weights are drawn towards. Shapes: (M, N, T), (N, T) -> (M, T) or (1, 1)."""
        if self.combine != "scores":
            return np.full((1, 1), 1 / len(outside))
        error = np.maximum(((outside - labels) ** 2).mean(1), 1e-9)
        found = (error.min(0) / error) ** _SHARP
        return found / found.sum(0)

    def _divisible(self, targets: np.ndarray) -> bool:
        """Whether each fold leaves two labels or more to learn from. Shapes: targets (N, T)."""
        count = len(targets)
        usual = [np.unique(column, return_counts=True)[1].max() for column in targets.T]
        return count >= 2 * self.folds and count - max(usual) > -(-count // self.folds)

    def _out_of_fold(
        self, member: ArchPredictor, graphs: list[ArchGraph], targets: np.ndarray
    ) -> np.ndarray:
        """Ranks predicted for each network by a member that has not seen it. Shapes: (N, T)."""
        found, _ = out_of_fold(member, graphs, targets, folds=self.folds, seed=self.seed)
        return self._ranks(found)

    def _ranks(self, values: np.ndarray) -> np.ndarray:
        """Predictions on the scale of ranks; beyond the training labels, on along the mean slope,
        so that no two different predictions become one. Shapes: (M, T) -> (M, T)."""
        inside = self.transform_.transform(values)
        if self.aim == "values":
            return inside
        low, high = self.range_
        beyond = np.minimum(values - low, 0) + np.maximum(values - high, 0)
        return inside + 2 / (high - low) * beyond

    def _predict(self, graphs: list[ArchGraph]) -> tuple[np.ndarray, np.ndarray | None]:
        weights = [w for w, member in zip(self.weights_, self.fitted_) if member is not None]
        moments = [member.predict_moments(graphs) for member in self.fitted_ if member is not None]
        if len(moments) == 1:
            return moments[0]
        share = np.stack(weights)[:, None] / np.sum(weights, axis=0)  # (M, 1, T)
        ranks = np.stack([self._ranks(mean) for mean, _ in moments])
        mean = (share * ranks).sum(0)
        return self.transform_.inverse(mean), self._spread(moments, share)

    def _spread(self, moments: list, share: np.ndarray) -> np.ndarray:
        """Deviation of the mixture of the members; those without a deviation add their mean."""
        means = np.stack([mean for mean, _ in moments])
        own = np.stack([np.zeros_like(mean) if std is None else std for mean, std in moments])
        centre = (share * means).sum(0)
        return np.sqrt((share * (own**2 + (means - centre) ** 2)).sum(0))

    def _check(self, count: int) -> None:
        check_choice("combine", self.combine, COMBINATIONS)
        check_choice("aim", self.aim, AIMS)
        if self.members is not None and not len(self.members):
            raise ValueError("members: expected at least one pair (name, predictor), got none")
        if self.combine != "mean":
            if self.folds < 2:
                raise ValueError(f"folds: expected at least 2, got {self.folds}")
            if self.combine != "scores":
                check_folds(count, self.folds, "StackedEnsemble")


def _seeded(member: ArchPredictor, seed: int) -> ArchPredictor:
    fresh = clone(member)
    if "seed" in fresh.get_params(deep=False):
        fresh.set_params(seed=fresh.get_params(deep=False)["seed"] + seed)
    return fresh
