"""Spaces that can be searched: networks as words that can be drawn, changed and combined."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from archtokens.grammar import ArchGrammar
from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical_key
from graph2nn.cells.sampling import cell_code, cell_of, mutate_cell, sample_cells

__all__ = ["CellSpace", "GrammarSpace", "SearchSpace"]


class SearchSpace(ABC):
    """Networks as words, which a run folder can store.

    A subclass says how words are drawn, changed and combined, and what network a word is.
    """

    name: str

    def __init__(self) -> None:
        self._graphs: dict[str, ArchGraph] = {}

    def graph(self, word: str) -> ArchGraph:
        """Return the network of a word; kept in memory."""
        if word not in self._graphs:
            self._graphs[word] = self._graph(word)
        return self._graphs[word]

    def identity(self, word: str) -> str:
        """Return what two words share that count as one network."""
        return word

    @abstractmethod
    def random(self, rng: np.random.Generator) -> str:
        """Draw a random word."""

    @abstractmethod
    def mutate(self, word: str, rng: np.random.Generator) -> str:
        """Change one decision of a word."""

    @abstractmethod
    def crossover(self, a: str, b: str, rng: np.random.Generator) -> str:
        """Cross two words to one that takes after both."""

    @abstractmethod
    def _graph(self, word: str) -> ArchGraph: ...


class CellSpace(SearchSpace):
    """NAS-Bench-201, TransNAS-Bench-101 micro or NAS-Bench-Macro; words are the codes' digits.

    Args:
        space: Name, one of the first three of `graph2nn.cells.sampling.SPACES`.
        merge_isomorphic: Whether isomorphic cells (`canonical_key`) count as one network.

    Raises:
        ValueError: Another space.

    Examples:
        >>> CellSpace("nb201").graph("222222").num_nodes
        8
    """

    def __init__(self, space: str, *, merge_isomorphic: bool = False) -> None:
        super().__init__()
        self.name, self.merge_isomorphic = space, merge_isomorphic
        self._keys: dict[str, str] = {}
        self.random(np.random.default_rng(0))  # says which spaces there are

    def word(self, graph: ArchGraph) -> str:
        """Return the word of a network as stored in a table."""
        return "".join(map(str, cell_code(self.name, graph)))

    def identity(self, word: str) -> str:
        if not self.merge_isomorphic:
            return word
        if word not in self._keys:
            self._keys[word] = canonical_key(self.graph(word))
        return self._keys[word]

    def random(self, rng: np.random.Generator) -> str:
        return self.word(sample_cells(self.name, 1, rng)[0])

    def mutate(self, word: str, rng: np.random.Generator) -> str:
        return self.word(mutate_cell(self.name, self.graph(word), rng))

    def crossover(self, a: str, b: str, rng: np.random.Generator) -> str:
        return "".join(pair[int(rng.integers(2))] for pair in zip(a, b))

    def _graph(self, word: str) -> ArchGraph:
        return cell_of(self.name, [int(digit) for digit in word])


class GrammarSpace(SearchSpace):
    """The language of an `ArchGrammar`; words are its canonical strings.

    Args:
        grammar: Grammar of any space.
        accept: Function that says whether a network may be proposed (its size, say); None accepts
            all.
        name: Name for run folders; None for the grammar's.
    """

    def __init__(
        self,
        grammar: ArchGrammar,
        *,
        accept: Callable[[ArchGraph], bool] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__()
        self.grammar, self.accept = grammar, accept
        self.name = name or repr(grammar)

    def random(self, rng: np.random.Generator) -> str:
        word = self._accepted(lambda: self.grammar.to_string(self.grammar.sample(1, rng)[0]), 1000)
        if word is None:
            raise ValueError(
                f"{self.name}: none of 1000 networks was accepted; widen the limits of the search"
            )
        return word

    def mutate(self, word: str, rng: np.random.Generator) -> str:
        """Draw a mutant, or a random word where none is accepted."""
        found = self._accepted(lambda: "".join(self.grammar.mutate(word, rng)), 100)
        return found or self.random(rng)

    def crossover(self, a: str, b: str, rng: np.random.Generator) -> str:
        """Draw a child, or a mutant where none is accepted.

        Parents much alike have few children.
        """
        found = self._accepted(lambda: "".join(self.grammar.crossover(a, b, rng)), 30)
        return found or self.mutate(a, rng)

    def _graph(self, word: str) -> ArchGraph:
        return self.grammar.graph(self.grammar.decode(word))

    def _accepted(self, draw: Callable[[], str], tries: int) -> str | None:
        for _ in range(tries):
            word = draw()
            if self.accept is None or self.accept(self.graph(word)):
                return word
            del self._graphs[word]
        return None
