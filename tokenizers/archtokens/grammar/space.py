"""`Space`: what a language of networks has to define for `ArchGrammar`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from torch import nn

from archtokens.grammar.derivation import Choices, Picker
from archtokens.grammar.vocabulary import Vocabulary
from graph2nn.archgraph import ArchGraph

__all__ = ["Space", "symbols"]


class Space(ABC):
    """A set of networks, each given by a walk of decisions.

    Attributes:
        name: Name of the space, in messages and files.
        vocabulary: Its tokens.
    """

    name: str
    vocabulary: Vocabulary

    @abstractmethod
    def derive(self, picker: Picker) -> Any:
        """Walk the decisions and return a recipe for `build`.

        The list of values at a decision may depend on the decisions before it only, and must not
        be empty.
        """

    @abstractmethod
    def build(self, recipe: Any) -> Any:
        """Build the network, a plain value, from a recipe of `derive`."""

    @abstractmethod
    def answers(self, x: Any) -> Iterable[Any]:
        """List the value of every decision of `derive` that leads to x, forced ones included.

        Raises:
            NotInLanguage: x is no network of the space; what the walk checks need not be checked
                here.
        """

    @abstractmethod
    def canonical(self, x: Any) -> Any:
        """Find the representative of the networks that are isomorphic to x."""

    @abstractmethod
    def equal(self, x: Any, y: Any) -> bool:
        """Tell whether two networks agree in everything that a string says."""

    @abstractmethod
    def graph(self, x: Any) -> ArchGraph:
        """Build the graph of the network, as the predictors read it."""

    @abstractmethod
    def network(self, x: Any, **options: Any) -> nn.Module:
        """Build the network as a module."""


def symbols(vocabulary: Vocabulary, kind: str, values: Iterable[Any]) -> Choices:
    """Pair values with typed tokens: `[KIND:value]`, truth values written as 0 and 1.

    Raises:
        ValueError: A value without a token.
    """
    pairs = []
    for value in values:
        text = int(value) if isinstance(value, bool) else value
        pairs.append((value, vocabulary.id(f"[{kind}:{text}]")))
    return Choices(pairs)
