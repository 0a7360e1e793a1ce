"""`ArchGrammar`: networks as strings, of which every one is a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from torch import nn

from archtokens.grammar.dag import DagRules, DagSpace
from archtokens.grammar.deepnets import DeepNetsRules, DeepNetsSpace
from archtokens.grammar.derivation import (
    Decision,
    Exhausted,
    Follower,
    Key,
    Prober,
    Reader,
    Sampler,
    Tracer,
    Writer,
)
from archtokens.grammar.relational import RelationalRules, RelationalSpace
from archtokens.grammar.space import Space
from archtokens.grammar.vocabulary import join_tokens, split_tokens
from graph2nn.archgraph import ArchGraph
from graph2nn.names import choose

__all__ = ["SPACES", "ArchGrammar"]

SPACES: dict[str, tuple[type[Any], type[Any]]] = {
    "deepnets": (DeepNetsSpace, DeepNetsRules),
    "dag": (DagSpace, DagRules),
    "relational": (RelationalSpace, RelationalRules),
}
"""The spaces by name, and the class of their rules."""

_TRIES = 200  # networks looked at for one that differs
_CUTS = 20

_W = TypeVar("_W", bound=Writer)


class ArchGrammar:
    """A language of networks in which every token sequence is a valid network.

    The grammar of `derivation` over one of three spaces: "deepnets" (a network is a `NetConfig`),
    "dag" (an `ArchGraph` of operations and edges), "relational" (a `RelationalGraph`). With
    x = y where two networks agree in all that a string says:

      * decode(s) is a network for every sequence s of tokens of the vocabulary;
      * decode(encode(x)) = x for every network x of the language (with `canonical`: the
        representative of the networks isomorphic to x);
      * t = encode(decode(s)) is a canonical form: decode(t) = decode(s), encode(decode(t)) = t.

    Args:
        space: Name of a space, or a `Space`.
        canonical: Encode the representative of isomorphic networks, so that all have one string.
        rules: Fields of the space's rules: `DeepNetsRules`, `DagRules`, `RelationalRules`. They
            narrow the lists of admissible values; token numbers stay, except for operations of
            DAGs that the vocabulary file does not have.

    Raises:
        ValueError: An unknown space or rule.

    Examples:
        >>> grammar = ArchGrammar("dag", ops=("conv_3x3", "skip"))
        >>> x = grammar.decode("[OP:conv_3x3][END]")
        >>> x.op_names()
        ['input', 'conv_3x3', 'output']
        >>> grammar.to_string(x)    # the output reads none of the nodes that others read
        '[OP:conv_3x3][END][0]'
    """

    def __init__(self, space: str | Space, *, canonical: bool = False, **rules: Any) -> None:
        if isinstance(space, str):
            kind, settings = choose("space", space, SPACES)
            for name in rules:
                choose("rule", name, [*settings.__dataclass_fields__], where=space)
            space = kind(settings(**rules))
        elif rules:
            raise ValueError("rules go with the name of a space; a Space has its own")
        assert isinstance(space, Space)
        self.space, self.canonical = space, canonical

    def __repr__(self) -> str:
        return f"ArchGrammar({self.space.name!r}, canonical={self.canonical})"

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All tokens in the order of their ids."""
        return self.space.vocabulary.tokens

    def encode(self, x: Any) -> list[str]:
        """Encode a network as its tokens.

        Raises:
            ValueError: The network is not in the language; says what is not.
        """
        return self.space.vocabulary.named(self._written(x).ids)

    def decode(self, tokens: Sequence[str] | str) -> Any:
        """Decode any tokens, given as a list or as one string, to their network.

        Raises:
            ValueError: A token that is not in the vocabulary.
        """
        return self._read(self._numbers(tokens))

    def ids(self, x: Any) -> list[int]:
        """Encode a network as token ids, for models.

        Raises:
            ValueError: As `encode`.
        """
        return self._written(x).ids

    def from_ids(self, ids: Iterable[int]) -> Any:
        """Decode any token ids to their network.

        Raises:
            ValueError: An id that no token has.
        """
        numbers = [int(k) for k in ids]
        self.space.vocabulary.named(numbers)
        return self._read(numbers)

    def to_string(self, x: Any) -> str:
        """Encode a network as one string of tokens.

        Raises:
            ValueError: As `encode`.
        """
        return join_tokens(self.encode(x))

    def from_string(self, text: str) -> Any:
        """Decode a string to its network.

        Raises:
            ValueError: As `decode`.
        """
        return self.decode(text)

    def canonicalise(self, tokens: Sequence[str] | str) -> list[str]:
        """Rewrite tokens to the canonical tokens of their network."""
        return self.encode(self.decode(tokens))

    def admissible(self, tokens: Sequence[str] | str) -> tuple[str, ...]:
        """List the tokens that may follow some tokens, each of them meaning itself.

        Empty where the network is complete. A model that generates strings can mask its output
        with it, though any token decodes.
        """
        try:
            self.space.derive(Prober(self._numbers(tokens)))
        except Exhausted as end:
            return tuple(self.vocabulary[k] for k in end.args[0])
        return ()

    def decisions(self, x: Any) -> list[Decision]:
        """List what is decided in a network: key, admissible values and the value, in order."""
        return self._traced(x).decisions

    def sample(
        self,
        count: int,
        seed: int | np.random.Generator = 0,
        *,
        length: int | tuple[int, int] | None = None,
    ) -> list[Any]:
        """Draw random networks.

        Args:
            count: Number of networks.
            seed: Seed, or a generator, which advances.
            length: None lets chance take every decision, each admissible value being as likely. A
                number of tokens, or the smallest and largest, decodes random strings instead: what
                a string is too short for takes the first admissible value.
        """
        rng = np.random.default_rng(seed)
        if length is not None:
            strings = self.random_strings(count, rng, length=length)
            found = [self.decode(tokens) for tokens in strings]
        else:
            found = [self._derived(Sampler(rng)) for _ in range(count)]
        return [self.space.canonical(x) for x in found] if self.canonical else found

    def random_strings(
        self, count: int, seed: int | np.random.Generator = 0, *, length: int | tuple[int, int]
    ) -> list[list[str]]:
        """Draw sequences of tokens evenly from the vocabulary.

        Args:
            count: Number of sequences.
            seed: Seed, or a generator, which advances.
            length: Number of tokens of each, or the smallest and the largest.
        """
        rng = np.random.default_rng(seed)
        low, high = (length, length) if isinstance(length, int) else length
        if not 0 <= low <= high:
            raise ValueError(f"length: expected 0 <= smallest <= largest, got {length}")
        tokens = self.vocabulary
        return [
            [tokens[k] for k in rng.integers(len(tokens), size=size).tolist()]
            for size in rng.integers(low, high + 1, size=count).tolist()
        ]

    def mutate(
        self, tokens: Sequence[str] | str, rng: np.random.Generator, n: int = 1
    ) -> list[str]:
        """Change n decisions of a network, and what follows from them, and return its tokens.

        A mutation takes one decision anew. The others stay where they are still admissible; what
        they open up is decided by chance. In contrast to a random change of a token, the tokens
        behind it keep their meaning, and the network always is another one.

        Args:
            tokens: Any tokens; their network is what mutates.
            rng: Source of chance.
            n: Number of decisions to change.

        Raises:
            ValueError: n below 1, or the language has but one network.
        """
        if n < 1:
            raise ValueError(f"mutate: expected n of at least 1, got {n}")
        start = self._traced(self.decode(tokens))
        for _ in range(_TRIES):
            now = start
            for _ in range(n):
                if not now.decisions:
                    break
                chosen = now.decisions[int(rng.integers(len(now.decisions)))]
                memory = _values(now.decisions)
                others = [value for value in chosen.values if value != chosen.value]
                memory[chosen.key] = others[int(rng.integers(len(others)))]
                now = self._traced(self._derived(Follower(memory, rng)))
            if now.ids != start.ids:
                return self.space.vocabulary.named(now.ids)
        raise ValueError(f"{self!r}: found no other network in {_TRIES} tries; widen its rules")

    def crossover(
        self, a: Sequence[str] | str, b: Sequence[str] | str, rng: np.random.Generator
    ) -> list[str]:
        """Cross two networks: the first decisions of a, the others of b, as tokens of the child.

        The cut is a random place among the decisions of a. What a decides about is looked up in b
        by what it is about (the operation of step 3, say), not by its place in the string; what b
        does not decide stays as in a, and what neither does is left to chance. Other cuts are
        tried, a few times, while the child is one of its parents.
        """
        first, second = self._traced(self.decode(a)), self._traced(self.decode(b))
        mine, theirs = _values(first.decisions), _values(second.decisions)
        child = first
        for _ in range(_CUTS):
            cut = int(rng.integers(1, max(len(first.decisions), 2)))
            memory = mine | theirs | _values(first.decisions[:cut])
            child = self._traced(self._derived(Follower(memory, rng)))
            if child.ids not in (first.ids, second.ids):
                break
        return self.space.vocabulary.named(child.ids)

    def equal(self, x: Any, y: Any) -> bool:
        """Tell whether two networks agree in everything that a string says."""
        return self.space.equal(x, y)

    def graph(self, x: Any) -> ArchGraph:
        """Build the graph of a network, as the predictors read it."""
        return self.space.graph(x)

    def network(self, x: Any, **options: Any) -> nn.Module:
        """Build a network as a module.

        Args:
            options: Options of `Network` (deepnets), `DagNetwork` (dag) or `relational_mlp`
                (relational).
        """
        return self.space.network(x, **options)

    def _numbers(self, tokens: Sequence[str] | str) -> list[int]:
        return self.space.vocabulary.ids(
            split_tokens(tokens) if isinstance(tokens, str) else tokens
        )

    def _read(self, ids: Sequence[int]) -> Any:
        return self._derived(Reader(ids))

    def _derived(self, picker: Any) -> Any:
        return self.space.build(self.space.derive(picker))

    def _written(self, x: Any) -> Writer:
        return self._led(Writer, x)

    def _traced(self, x: Any) -> Tracer:
        return self._led(Tracer, x)

    def _led(self, kind: type[_W], x: Any) -> _W:
        """The derivation that a network leads through."""
        writer = kind(self.space.answers(self.space.canonical(x) if self.canonical else x))
        self.space.derive(writer)
        return writer


def _values(decisions: Iterable[Decision]) -> dict[Key, Any]:
    return {decision.key: decision.value for decision in decisions}
