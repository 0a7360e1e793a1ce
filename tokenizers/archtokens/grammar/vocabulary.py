"""Tokens, their numbers and their text; the numbers are kept in a versioned file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from graph2nn.runs import write_atomic
from graph2nn.runs.shipped import package_file

__all__ = [
    "DIGITS",
    "VERSION",
    "Vocabulary",
    "join_tokens",
    "split_tokens",
    "vocabulary_file",
]

VERSION = 1
"""Number of the vocabulary file; a change of any token's number needs a new one."""

DIGITS: tuple[str, ...] = tuple(f"[{digit:X}]" for digit in range(16))
"""Digits of base 16, tokens 0 to 15 of every vocabulary with numbers."""

_TOKEN = re.compile(r"\[[^\[\]]+\]")
_LISTED = 12


class Vocabulary:
    """An ordered set of tokens; a token's id is its place.

    The order is part of the language: a token that is not admissible is read modulo the length of
    the admissible list.

    Args:
        tokens: Tokens in the order of their ids.

    Raises:
        ValueError: Text that is no token, or a token twice.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = tuple(tokens)
        self._ids = {token: k for k, token in enumerate(self.tokens)}
        for token in self.tokens:
            if not _TOKEN.fullmatch(token):
                raise ValueError(f"vocabulary: {token!r} is no token; expected text as [OP:skip]")
        if len(self._ids) != len(self.tokens):
            raise ValueError("vocabulary: a token occurs twice")

    def __len__(self) -> int:
        return len(self.tokens)

    def id(self, token: str) -> int:
        """Look up the number of a token.

        Raises:
            ValueError: Not in the vocabulary.
        """
        try:
            return self._ids[token]
        except KeyError:
            raise ValueError(self._unknown(token)) from None

    def ids(self, tokens: Sequence[str]) -> list[int]:
        """Look up the numbers of some tokens.

        Raises:
            ValueError: A token that is not in the vocabulary.
        """
        try:
            return [self._ids[token] for token in tokens]
        except KeyError:
            place = next(k for k, token in enumerate(tokens) if token not in self._ids)
            raise ValueError(f"token {place}: {self._unknown(tokens[place])}") from None

    def named(self, ids: Iterable[int]) -> list[str]:
        """Look up the tokens of some numbers.

        Raises:
            ValueError: A number that no token has.
        """
        found = [int(k) for k in ids]
        for k in found:
            if not 0 <= k < len(self.tokens):
                raise ValueError(
                    f"token id {k} does not exist: this vocabulary has ids 0 to {len(self) - 1}"
                )
        return [self.tokens[k] for k in found]

    def _unknown(self, token: object) -> str:
        kind = str(token).partition(":")[0]
        near = [known for known in self.tokens if known.partition(":")[0] == kind] or self.tokens
        shown = " ".join(near[:_LISTED]) + (" ..." if len(near) > _LISTED else "")
        return f"{token!r} is not in the vocabulary of this grammar; expected one of {shown}"

    def save(self, path: str | Path, space: str) -> None:
        """Write the vocabulary to a JSON file, beside the spaces that the file holds already."""
        path = Path(path)
        spaces = _read(path)["spaces"] if path.exists() else {}
        content = {"version": VERSION, "spaces": {**spaces, space: list(self.tokens)}}
        text = json.dumps(content, indent=1) + "\n"
        write_atomic(path, lambda file: file.write(text.encode()))

    @classmethod
    def load(cls, path: str | Path, space: str) -> Vocabulary:
        """Read what `save` wrote.

        Raises:
            ValueError: No such file or space, or another version.
        """
        spaces = _read(Path(path))["spaces"]
        if space not in spaces:
            raise ValueError(f"{path}: no vocabulary for {space!r}, only for {', '.join(spaces)}")
        return cls(spaces[space])


def vocabulary_file() -> Path:
    """Find the file with the vocabularies of the three spaces, installed with the package."""
    return package_file("archtokens.grammar", "vocabulary.json")


def join_tokens(tokens: Iterable[str]) -> str:
    """Join tokens to one string, `[CELLS:8][STEPS:2]...`."""
    return "".join(tokens)


def split_tokens(text: str) -> list[str]:
    """Split a string into its tokens; white space between them is ignored.

    Raises:
        ValueError: Text outside brackets.

    Examples:
        >>> split_tokens("[OP:skip] [3]")
        ['[OP:skip]', '[3]']
    """
    left = _TOKEN.sub("", text).strip()
    if left:
        raise ValueError(
            f"expected tokens in brackets such as [OP:skip][3], got {left[:40]!r} outside of them"
        )
    return _TOKEN.findall(text)


def _read(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the vocabulary {path}: {error}") from None
    version = content.get("version") if isinstance(content, dict) else None
    if version != VERSION:
        raise ValueError(
            f"{path}: expected a vocabulary of version {VERSION}, got {version}; "
            "write it again with this release"
        )
    return content
