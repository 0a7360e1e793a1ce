"""Spaces that can be searched: networks as words that can be drawn, changed and combined."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from archtokens.grammar import ArchGrammar
from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical_key
from graph2nn.cells.sampling import cell_code, cell_of, mutate_cell, sample_cells
from predictors.features.attributes import AttributeScaler, attribute_names
from predictors.tables import Table

__all__ = ["CellSpace", "GrammarSpace", "SearchSpace", "TableSpace"]


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

    def words(self) -> Sequence[str]:
        """List all words; none where the space is too large for a list."""
        return ()

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


class TableSpace(SearchSpace):
    """The labelled networks of any table; words are the numbers of rows.

    There is nothing to be changed in a network that somebody else made, so a mutant is a network
    much like it, and a child one much like the mean of both: by the numbers of operations of each
    kind, of nodes, edges and parameters.

    Args:
        table: The table.
        target: Target that networks have a label of; None for the table's own.
        also: Further targets that networks have labels of.
        attributes: Patterns of attributes of the graphs that count for what is alike, too.
        near: Number of networks that count as much like one.
        far: Share of mutants that are drawn from the whole table, so that all can be reached.
    """

    def __init__(
        self,
        table: Table,
        target: str | None = None,
        *,
        also: Sequence[str] = (),
        attributes: Sequence[str] = (),
        near: int = 8,
        far: float = 0.1,
    ) -> None:
        super().__init__()
        self.table, self.near, self.far = table, near, far
        self.attributes = attribute_names(table.graphs, attributes)
        self.rows = table.rows(target)
        for other in also:
            self.rows = np.intersect1d(self.rows, table.rows(other))
        labels = ", ".join([target or table.default, *also])
        self.name = f"{table.name}, {labels}, {table.checksum[:16]}"

    def words(self) -> Sequence[str]:
        return [str(row) for row in self.rows]

    def random(self, rng: np.random.Generator) -> str:
        return str(rng.choice(self.rows))

    def mutate(self, word: str, rng: np.random.Generator) -> str:
        if rng.random() < self.far:
            return self.random(rng)
        return self._like(self._features[int(word)], (word,), rng)

    def crossover(self, a: str, b: str, rng: np.random.Generator) -> str:
        """Draw a network like the mean of two."""
        mean = (self._features[int(a)] + self._features[int(b)]) / 2
        return self._like(mean, (a, b), rng)

    def _like(self, features: np.ndarray, others: Sequence[str], rng: np.random.Generator) -> str:
        far = np.square(self._features[self.rows] - features).sum(1)
        far[np.isin(self.rows, [int(word) for word in others])] = np.inf
        return str(self.rows[rng.choice(np.argsort(far, kind="stable")[: self.near])])

    @cached_property
    def _features(self) -> np.ndarray:
        """Numbers of a network on comparable scales, (rows, F)."""
        counts = [Counter(graph.op_names()) for graph in self.table.graphs]
        ops = sorted(set().union(*counts))
        sizes = [(g.num_nodes, g.num_edges, g.num_params()) for g in self.table.graphs]
        numbers = [[*(c[op] for op in ops), *size] for c, size in zip(counts, sizes)]
        columns = np.log1p(np.array(numbers, dtype=np.float64))
        if self.attributes:
            more = AttributeScaler(self.attributes).fit(self.table.graphs)
            columns = np.concatenate([columns, more.transform(self.table.graphs)], axis=1)
        return columns / np.maximum(columns.std(0), 1e-9)

    def _graph(self, word: str) -> ArchGraph:
        return self.table.graphs[int(word)]


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
