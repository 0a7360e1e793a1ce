"""What to evaluate next: random search, regularised evolution, search guided by a predictor."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np

from graph2nn.archgraph import ArchGraph
from predictors.base import ArchPredictor
from predictors.registry import make_predictor
from predictors.search.spaces import SearchSpace

__all__ = [
    "ACQUISITIONS",
    "Evaluated",
    "Fresh",
    "GuidedSearch",
    "Proposal",
    "RandomSearch",
    "RegularisedEvolution",
    "Strategy",
]

ACQUISITIONS = ("mean", "thompson")
"""Rules by which a guide chooses: expected values, or draws from what is predicted."""

_TRIES = 30


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A network that the search has looked at.

    Args:
        word: Word of the network.
        value: Value, larger is better; NaN where it diverged.
        predicted: Value that the guide expected; None without a guide.
        step: Number of the batch it was in.
        values: All values, where several things count; `value` is then the first.
    """

    word: str
    value: float
    predicted: float | None = None
    step: int = 0
    values: tuple[float, ...] = ()


Proposal = tuple[str, float | None]
"""A word, and what it is expected to be worth."""


class Strategy(ABC):
    """Rule that proposes networks from what is known so far; keeps no state of its own."""

    @abstractmethod
    def propose(
        self,
        space: SearchSpace,
        history: Sequence[Evaluated],
        count: int,
        rng: np.random.Generator,
    ) -> list[Proposal]:
        """Propose networks to evaluate, different from each other and from the history's."""

    def settings(self) -> dict[str, Any]:
        """Return JSON-able settings, for the run folder."""
        names = [f.name for f in fields(self) if f.repr]  # type: ignore[arg-type]
        return {"strategy": type(self).__name__, **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, kw_only=True)
class RandomSearch(Strategy):
    """Random networks: the baseline that every search has to beat."""

    def propose(
        self,
        space: SearchSpace,
        history: Sequence[Evaluated],
        count: int,
        rng: np.random.Generator,
    ) -> list[Proposal]:
        new = Fresh(space, history)
        return [(new.draw(lambda: space.random(rng), rng), None) for _ in range(count)]


@dataclass(frozen=True, kw_only=True)
class RegularisedEvolution(Strategy):
    """Evolution in which the oldest die (arXiv:1802.01548, algorithm 1).

    The population is the latest `population` networks. The best of `sample` random ones of them is
    mutated and its child evaluated. Unlike in the paper, a network that was evaluated before is
    mutated further.

    Args:
        population: Size P of the population, the first of which are random; the paper has 100 for
            thousands of networks.
        sample: Size S of the sample; the paper has 25.

    Raises:
        ValueError: A sample larger than the population, or sizes below 1.
    """

    population: int = 30
    sample: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.sample <= self.population:
            raise ValueError(
                "RegularisedEvolution: expected 1 <= sample <= population, got "
                f"{self.sample} and {self.population}"
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
        for k in range(count):
            if len(history) + k < self.population or not history:
                word = new.draw(lambda: space.random(rng), rng)
            else:
                living = history[-self.population :]
                drawn = rng.choice(len(living), min(self.sample, len(living)), replace=False)
                parent = max((living[i] for i in drawn), key=_worth)
                word = new.mutant(parent.word, rng)
            found.append((word, None))
        return found


@dataclass(frozen=True, kw_only=True)
class GuidedSearch(Strategy):
    """Search guided by a predictor, as in BANANAS (arXiv:1910.11858) and NPENAS (arXiv:2003.12857).

    Each time, a predictor learns from all networks evaluated so far and those known beforehand.
    Candidates are random networks and children of the best ones; for some generations the
    candidates expected to be best get children in turn, which costs predictions only. The best
    candidates are proposed; networks with an operation that the guide has not seen come last.

    Args:
        predictor: Name of `predictors.registry.MODELS`, or a function from a seed to a predictor.
        initial: Number of random networks before the first prediction, where fewer are known.
        candidates: Number of random networks to begin with, and children a generation.
        generations: Number of generations of children that are predicted, not evaluated.
        parents: Number of best networks that have children.
        crossover: Share of children with two parents; the others are mutants.
        acquisition: Rule that chooses: `mean` takes the best expected ones; `thompson` draws each
            from its predicted distribution, which explores, and needs a predictor with
            `predict_std`.
        known: Networks with labels from elsewhere, such as a table.

    Raises:
        ValueError: Sizes below 1, a share outside [0, 1], an unknown acquisition.
    """

    predictor: str | Callable[[int], ArchPredictor] = "rf-graph"
    initial: int = 20
    candidates: int = 100
    generations: int = 2
    parents: int = 10
    crossover: float = 0.0
    acquisition: str = "mean"
    known: tuple[Sequence[ArchGraph], Sequence[float]] = field(default=((), ()), repr=False)

    def __post_init__(self) -> None:
        for name, least in (("initial", 0), ("candidates", 1), ("generations", 0), ("parents", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"GuidedSearch.{name}: expected at least {least}, got {getattr(self, name)}"
                )
        if not 0 <= self.crossover <= 1:
            raise ValueError(
                f"GuidedSearch.crossover: expected a share of 0 to 1, got {self.crossover}"
            )
        if self.acquisition not in ACQUISITIONS:
            raise ValueError(
                f"GuidedSearch.acquisition: expected mean or thompson, got {self.acquisition!r}"
            )

    def settings(self) -> dict[str, Any]:
        name = self.predictor if isinstance(self.predictor, str) else repr(self.predictor)
        return {**super().settings(), "predictor": name, "known": len(self.known[0])}

    def propose(
        self,
        space: SearchSpace,
        history: Sequence[Evaluated],
        count: int,
        rng: np.random.Generator,
    ) -> list[Proposal]:
        model = self._fitted(space, history, int(rng.integers(2**31)))
        if model is None:
            return RandomSearch().propose(space, history, count, rng)
        graphs = [*self.known[0], *(space.graph(one.word) for one in history)]
        ops = {op for graph in graphs for op in graph.op_names()}
        new = Fresh(space, history)
        size = max(self.candidates, count)
        if 0 < len(rest := new.rest()) <= size * (self.generations + 2):
            scores = self._scores(model, space, rest, ops, rng)  # few enough to look at all
            return self._best(rest, scores, count)
        pool = [new.draw(lambda: space.random(rng), rng) for _ in range(size)]
        best = sorted(history, key=_worth, reverse=True)[: self.parents]
        pool += self._children([one.word for one in best], space, new, rng)
        scores = self._scores(model, space, pool, ops, rng)
        for _ in range(self.generations):
            parents = [pool[k] for k in np.argsort(-scores, kind="stable")[: self.parents]]
            children = self._children(parents, space, new, rng)
            pool += children
            scores = np.concatenate([scores, self._scores(model, space, children, ops, rng)])
        return self._best(pool, scores, count)

    def _best(self, words: Sequence[str], scores: np.ndarray, count: int) -> list[Proposal]:
        best_first = np.argsort(-scores, kind="stable")[:count].tolist()
        found = [(words[k], float(scores[k])) for k in best_first]
        return [(word, score if math.isfinite(score) else None) for word, score in found]

    def _fitted(
        self, space: SearchSpace, history: Sequence[Evaluated], seed: int
    ) -> ArchPredictor | None:
        """A predictor of everything known; None where that is too little."""
        values = np.array([*self.known[1], *(one.value for one in history)], dtype=np.float64)
        finite = values[np.isfinite(values)]
        if len(values) < max(self.initial, 2) or len(finite) == 0 or np.ptp(finite) == 0:
            return None
        # A network that diverged is as bad as the worst, so that the guide keeps away from it.
        values[~np.isfinite(values)] = finite.min()
        graphs = [*self.known[0], *(space.graph(one.word) for one in history)]
        made = self.predictor
        model = make_predictor(made, seed=seed) if isinstance(made, str) else made(seed)
        return model.fit(graphs, values)

    def _children(
        self, parents: Sequence[str], space: SearchSpace, new: Fresh, rng: np.random.Generator
    ) -> list[str]:
        words = []
        for _ in range(self.candidates if parents else 0):
            one, two = (parents[int(k)] for k in rng.integers(len(parents), size=2))
            if rng.random() < self.crossover:
                words.append(new.draw(partial(space.crossover, one, two, rng), rng))
            else:
                words.append(new.mutant(one, rng))
        return words

    def _scores(
        self,
        model: ArchPredictor,
        space: SearchSpace,
        words: Sequence[str],
        known: set[str],
        rng: np.random.Generator,
    ) -> np.ndarray:
        """What words are expected to be worth; least where the guide does not know an operation."""
        scores = np.full(len(words), -np.inf)
        graphs = [space.graph(word) for word in words]
        readable = [k for k, graph in enumerate(graphs) if set(graph.op_names()) <= known]
        if readable:
            chosen = [graphs[k] for k in readable]
            mean = model.predict(chosen)
            if self.acquisition == "thompson":
                mean = rng.normal(mean, model.predict_std(chosen))
            scores[readable] = mean
        return scores


class Fresh:
    """Source of words of networks that nobody has proposed yet.

    Args:
        space: The space.
        history: Networks that were proposed before.
    """

    def __init__(self, space: SearchSpace, history: Sequence[Evaluated]) -> None:
        self.space = space
        self.seen = {space.identity(one.word) for one in history}

    def draw(self, source: Callable[[], str], rng: np.random.Generator) -> str:
        """Return the first new word of a source, or a mutant where it has no new ones."""
        for _ in range(_TRIES):
            word = source()
            if self._add(word):
                return word
        return self.mutant(word, rng)

    def mutant(self, word: str, rng: np.random.Generator) -> str:
        """Return a new word some mutations away.

        Raises:
            ValueError: No network is left.
        """
        for attempt in range(20 * _TRIES):
            # All neighbours may be known already: go further, step by step.
            other = word
            for _ in range(1 + attempt // _TRIES):
                other = self.space.mutate(other, rng)
            if self._add(other):
                return other
        rest = self.rest()
        if rest and self._add(other := rest[int(rng.integers(len(rest)))]):
            return other
        raise ValueError(f"{self.space.name}: found no network that is new; search for fewer")

    def rest(self) -> list[str]:
        """List every word left, where the space can be listed."""
        return [word for word in self.space.words() if self.space.identity(word) not in self.seen]

    def _add(self, word: str) -> bool:
        key = self.space.identity(word)
        if key in self.seen:
            return False
        self.seen.add(key)
        return True


def _worth(one: Evaluated) -> float:
    return one.value if math.isfinite(one.value) else -math.inf
