"""The derivation engine that all spaces share: decisions, and who takes them.

A space derives a network by a fixed walk of decisions. At each it computes, from the decisions
before, a non-empty ordered list of admissible values, and asks a *picker* for one of them. To
decode is to let tokens pick, to encode is to let a network pick and write the tokens down, to
sample is to let chance pick. As the walk is the same, encoder and decoder cannot disagree: that
every string decodes, and that decode(encode(x)) = x, follow by induction over the decisions.

The principle (nothing is rejected; what does not apply is read as something that does) is that of
SELFIES (arXiv:1905.13741); the state here is the prefix of the network instead of free bonds.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np

__all__ = [
    "BASE",
    "Choices",
    "Decision",
    "Exhausted",
    "Follower",
    "Key",
    "NotInLanguage",
    "Picker",
    "Prober",
    "Reader",
    "Sampler",
    "Tracer",
    "Writer",
]

BASE = 16
"""Base of written numbers; the digits are tokens 0 to 15 of every vocabulary that has numbers."""

Key = tuple[Hashable, ...]
"""What a decision is about, such as ("op", "normal", 2, 0): the same in every network."""


class NotInLanguage(ValueError):
    """A network that the grammar has no string for."""


class Exhausted(Exception):
    """The tokens of a prefix are used up; carries the ids of the tokens that may follow."""


class Choices:
    """An ordered list of admissible values and the ids of their tokens."""

    __slots__ = ("ids", "place", "values")

    def __init__(self, pairs: Iterable[tuple[Any, int]]) -> None:
        table = tuple(pairs)
        self.values = tuple(value for value, _ in table)
        self.ids = tuple(token for _, token in table)
        self.place = {token: k for k, token in enumerate(self.ids)}


class Picker(Protocol):
    """Whoever takes the decisions of a derivation.

    A list of one value is no decision: no token.
    """

    def pick(self, choices: Choices, key: Key) -> Any:
        """Choose one of the values, each of which has a token."""
        ...

    def number(self, values: Sequence[int], key: Key) -> int:
        """Choose one of some numbers, whose *places* in the list are written in base-16 digits."""
        ...


class Reader:
    """A picker that lets tokens decide.

    An admissible token means itself, any other the entry at its vocabulary index modulo the length
    of the list; after the last token every decision takes the first entry.
    """

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids, self.at, self.size = ids, 0, len(ids)

    def pick(self, choices: Choices, key: Key) -> Any:
        """Take the value that the next token stands for."""
        values = choices.values
        if len(values) == 1 or self.at == self.size:
            return values[0]
        token = self.ids[self.at]
        self.at += 1
        place = choices.place.get(token)
        return values[token % len(values) if place is None else place]

    def number(self, values: Sequence[int], key: Key) -> int:
        """Take the number whose place in the list the next tokens spell."""
        count = len(values)
        if count <= BASE:
            if count == 1 or self.at == self.size:
                return values[0]
            token = self.ids[self.at]  # a digit's id is its value: one rule covers all tokens
            self.at += 1
            return values[token % count]
        place, tight = 0, True
        for top in _tops(count - 1):
            limit = top if tight else BASE - 1
            digit = self.digit(limit + 1)
            tight = tight and digit == limit
            place = BASE * place + digit
        return values[place]

    def digit(self, count: int) -> int:
        """Read one digit below `count`."""
        if count == 1 or self.at == self.size:
            return 0
        self.at += 1
        return self.ids[self.at - 1] % count


class Prober(Reader):
    """A reader that stops where the tokens end and says which tokens are admissible there."""

    def pick(self, choices: Choices, key: Key) -> Any:
        """Take the value of the next token, or stop with the tokens that may follow."""
        if len(choices.values) > 1 and self.at == self.size:
            raise Exhausted(choices.ids)
        return super().pick(choices, key)

    def number(self, values: Sequence[int], key: Key) -> int:
        """Take the number that the next tokens spell, or stop with the digits that may follow."""
        if 1 < len(values) <= BASE and self.at == self.size:
            raise Exhausted(tuple(range(len(values))))
        return super().number(values, key)

    def digit(self, count: int) -> int:
        """Read one digit below `count`, or stop with those that may follow."""
        if count > 1 and self.at == self.size:
            raise Exhausted(tuple(range(count)))
        return super().digit(count)


class Decision(NamedTuple):
    """A decision that was taken.

    Args:
        key: What it is about.
        values: The admissible values, at least two.
        value: The one taken.
    """

    key: Key
    values: Sequence[Any]
    value: Any


class Writer:
    """A picker that lets a network decide and writes the tokens down.

    Args:
        answers: The value of every decision, forced ones included, in the order of the derivation.

    Attributes:
        ids: The tokens.
    """

    def __init__(self, answers: Iterable[Any]) -> None:
        self.answers = iter(answers)
        self.ids: list[int] = []

    def pick(self, choices: Choices, key: Key) -> Any:
        """Take the network's value and write down its token, unless it was forced."""
        value = next(self.answers)
        place = self.place(choices.values, value, key)
        if len(choices.values) > 1:
            self.ids.append(choices.ids[place])
        return value

    def number(self, values: Sequence[int], key: Key) -> int:
        """Take the network's number and write down its place in the list."""
        value = next(self.answers)
        place, count = self.place(values, value, key), len(values)
        if 1 < count <= BASE:
            self.ids.append(place)
        elif count > 1:
            self.ids += _digits(place, count - 1)
        return value

    def place(self, values: Sequence[Any], value: Any, key: Key) -> int:
        """Find the place of a value among the admissible ones.

        Raises:
            NotInLanguage: The grammar does not admit the value.
        """
        try:
            return values.index(value)
        except ValueError:
            shown = ", ".join(map(repr, values[:20])) + (", ..." if len(values) > 20 else "")
            raise NotInLanguage(
                f"{' '.join(map(str, key))}: the grammar admits {shown} here, got {value!r}"
            ) from None


class Tracer(Writer):
    """A writer that keeps what was decided; a number of several digits is one decision."""

    def __init__(self, answers: Iterable[Any]) -> None:
        super().__init__(answers)
        self.decisions: list[Decision] = []

    def place(self, values: Sequence[Any], value: Any, key: Key) -> int:
        """Note the decision, where there is one, and find the place of its value."""
        if len(values) > 1:
            self.decisions.append(Decision(key, values, value))
        return super().place(values, value, key)


class Sampler:
    """A picker that lets chance decide, every admissible value being as likely."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def pick(self, choices: Choices, key: Key) -> Any:
        """Draw one of the values."""
        return self.number(choices.values, key)

    def number(self, values: Sequence[Any], key: Key) -> Any:
        """Draw one of the numbers."""
        if len(values) == 1:
            return values[0]
        return values[int(self.rng.random() * len(values))]


class Follower:
    """A picker that repeats remembered decisions where admissible, else lets chance decide.

    Args:
        memory: Decisions by key.
        rng: Decides what is new or no longer admissible.
    """

    def __init__(self, memory: Mapping[Key, Any], rng: np.random.Generator) -> None:
        self.memory, self.chance = memory, Sampler(rng)

    def pick(self, choices: Choices, key: Key) -> Any:
        """Repeat the remembered value where it is admissible, else draw one."""
        return self.number(choices.values, key)

    def number(self, values: Sequence[Any], key: Key) -> Any:
        """Repeat the remembered number where it is admissible, else draw one."""
        if key in self.memory and self.memory[key] in values:
            return self.memory[key]
        return self.chance.number(values, key)


@lru_cache(maxsize=4096)
def _tops(largest: int) -> tuple[int, ...]:
    """Digits of the largest place, most significant first."""
    digits: tuple[int, ...] = ()
    while largest:
        largest, digit = divmod(largest, BASE)
        digits = (digit, *digits)
    return digits


def _digits(place: int, largest: int) -> list[int]:
    """The digits that are written for a place: not those that can only be 0."""
    tops = _tops(largest)
    digits, tight = [], True
    for k, top in enumerate(tops):
        digit = place // BASE ** (len(tops) - 1 - k) % BASE
        limit = top if tight else BASE - 1
        if limit:
            digits.append(digit)
        tight = tight and digit == limit
    return digits
