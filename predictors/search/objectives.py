"""What to evaluate next where two things count: evolution by fronts, and guidance by gains."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graph2nn.names import check_choice
from predictors.base import ArchPredictor
from predictors.features.operations import UnknownOperationWarning
from predictors.registry import make_predictor
from predictors.search.pareto import front_ranks, hypervolume_gains, pareto_front, spacing
from predictors.search.spaces import SearchSpace
from predictors.search.strategies import (
    ACQUISITIONS,
    Evaluated,
    Fresh,
    Proposal,
    RandomSearch,
    Strategy,
)

__all__ = ["ParetoEvolution", "ParetoGuided", "values_of"]


def values_of(history: Sequence[Evaluated]) -> np.ndarray:
    """Return both values of each network, (N, 2).

    Raises:
        ValueError: A network with another number of values.
    """
    other = next((one for one in history if len(one.values) != 2), None)
    if other is not None:
        raise ValueError(
            f"expected two values of each network, got {len(other.values)} of {other.word[:40]}: "
            "let `evaluate` return pairs"
        )
    return np.array([one.values for one in history], dtype=np.float64).reshape(-1, 2)


@dataclass(frozen=True, kw_only=True)
class ParetoEvolution(Strategy):
    """Evolution of a front, as NSGA-II (Deb et al., 2002), one child at a time.

    The population are the best of all evaluated networks: those of the first fronts, of the last
    one those with the most room around them. Of two random members the better one is mutated.

    Args:
        population: Size of the population, the first of which are random.

    Raises:
        ValueError: A population below 2.
    """

    population: int = 30

    def __post_init__(self) -> None:
        if self.population < 2:
            raise ValueError(
                f"ParetoEvolution.population: expected at least 2, got {self.population}"
            )

    def propose(
        self,
        space: SearchSpace,
        history: Sequence[Evaluated],
        count: int,
        rng: np.random.Generator,
    ) -> list[Proposal]:
        new = Fresh(space, history)
        found: list[Proposal] = []
        order = _best_first(values_of(history))[: self.population]
        for k in range(count):
            if len(history) + k < self.population or not len(order):
                word = new.draw(lambda: space.random(rng), rng)
            else:
                place = int(rng.integers(len(order), size=2).min())
                word = new.mutant(history[order[place]].word, rng)
            found.append((word, None))
        return found


def _best_first(values: np.ndarray) -> np.ndarray:
    ranks = front_ranks(values)
    return np.lexsort((-spacing(values, ranks), ranks))


@dataclass(frozen=True, kw_only=True)
class ParetoGuided(Strategy):
    """Search guided by two predictors, one for each value.

    Each time, they learn from all networks evaluated so far. Candidates are random networks and
    mutants of the front; for some generations those that are expected to add most get mutants in
    turn. Proposed is what is expected to add most to the hypervolume of the front, one after the
    other, each as if the one before had turned out as expected.

    Args:
        predictor: Name of `predictors.registry.MODELS`, or a function from a seed to a predictor.
        initial: Number of random networks before the first prediction.
        candidates: Number of random networks to begin with, and mutants a generation.
        generations: Number of generations of mutants that are predicted, not evaluated.
        acquisition: Rule of `ACQUISITIONS`: `mean` takes expected values, `thompson` draws each
            from its predicted distribution.
        attributes: Patterns of attributes of graphs that the predictors read.

    Raises:
        ValueError: Sizes out of range, an unknown acquisition.
    """

    predictor: str | Callable[[int], ArchPredictor] = "gp-graph"
    initial: int = 20
    candidates: int = 100
    generations: int = 2
    acquisition: str = "mean"
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("initial", 2), ("candidates", 1), ("generations", 0)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"ParetoGuided.{name}: expected at least {least}, got {getattr(self, name)}"
                )
        check_choice("acquisition", self.acquisition, ACQUISITIONS)

    def settings(self) -> dict[str, Any]:
        name = self.predictor if isinstance(self.predictor, str) else repr(self.predictor)
        return {**super().settings(), "predictor": name, "attributes": list(self.attributes)}

    def propose(
        self,
        space: SearchSpace,
        history: Sequence[Evaluated],
        count: int,
        rng: np.random.Generator,
    ) -> list[Proposal]:
        values = values_of(history)
        known = values[np.isfinite(values).all(1)]
        if len(known) < self.initial or not np.ptp(known, axis=0).all():
            return RandomSearch().propose(space, history, count, rng)
        low, high = known.min(0), known.max(0)
        scaled = (values - low) / (high - low)
        models = self._fitted(space, history, np.nan_to_num(scaled, nan=0.0), rng)
        front = scaled[pareto_front(scaled)]
        new = Fresh(space, history)
        size = max(self.candidates, count)
        rest = new.rest()
        if 0 < len(rest) <= size * (self.generations + 2):
            pool = rest  # few enough to look at all
            expected = self._expected(models, space, pool, rng)
        else:
            pool = [new.draw(lambda: space.random(rng), rng) for _ in range(size)]
            parents = [history[k].word for k in pareto_front(values)]
            pool += _mutants(parents, space, new, size, rng)
            expected = self._expected(models, space, pool, rng)
            for _ in range(self.generations):
                best = np.argsort(-hypervolume_gains(front, expected, _CORNER), kind="stable")
                children = _mutants([pool[k] for k in best[:10]], space, new, size, rng)
                pool += children
                more = self._expected(models, space, children, rng)
                expected = np.concatenate([expected, more])
        return _chosen(pool, expected, front, count)

    def _fitted(
        self,
        space: SearchSpace,
        history: Sequence[Evaluated],
        scaled: np.ndarray,
        rng: np.random.Generator,
    ) -> list[ArchPredictor]:
        graphs = [space.graph(one.word) for one in history]
        made = []
        for column in scaled.T:
            seed = int(rng.integers(2**31))
            if isinstance(self.predictor, str):
                model = make_predictor(
                    self.predictor, seed=seed, aim="values", attributes=self.attributes
                )
            else:
                model = self.predictor(seed)
            made.append(model.fit(graphs, column))
        return made

    def _expected(
        self,
        models: Sequence[ArchPredictor],
        space: SearchSpace,
        words: Sequence[str],
        rng: np.random.Generator,
    ) -> np.ndarray:
        """What words are expected to be worth, or draws of it. Shapes: (N, 2)."""
        graphs = [space.graph(word) for word in words]
        with warnings.catch_warnings():  # operations that nothing is known of yet are no news
            warnings.simplefilter("ignore", UnknownOperationWarning)
            columns = [model.predict(graphs) for model in models]
            if self.acquisition == "thompson":
                deviations = [model.predict_std(graphs) for model in models]
                columns = [rng.normal(*pair) for pair in zip(columns, deviations)]
        return np.stack(columns, axis=1)


_CORNER = np.array([-0.1, -0.1])  # of values that are scaled to what is known


def _mutants(
    parents: Sequence[str], space: SearchSpace, new: Fresh, count: int, rng: np.random.Generator
) -> list[str]:
    return [new.mutant(parents[int(rng.integers(len(parents)))], rng) for _ in range(count)]


def _chosen(
    pool: Sequence[str], expected: np.ndarray, front: np.ndarray, count: int
) -> list[Proposal]:
    """Words that add most to the front, one after the other; then those nearest to it."""
    found: list[Proposal] = []
    left = np.ones(len(pool), dtype=bool)
    for _ in range(min(count, len(pool))):
        gains = np.where(left, hypervolume_gains(front, expected, _CORNER), -np.inf)
        if gains.max() <= 0:
            short = (front[None] - expected[:, None]).max(2).min(1)  # of what would reach it
            gains = np.where(left, -short, -np.inf)
        best = int(gains.argmax())
        left[best] = False
        front = np.concatenate([front, expected[best][None]])
        found.append((pool[best], float(expected[best, 0])))
    return found
