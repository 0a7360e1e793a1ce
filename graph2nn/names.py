"""Is a name one of those that there are, and if not, which was meant?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, overload

__all__ = ["check_choice", "choose"]

Value = TypeVar("Value")


@overload
def choose(
    kind: str, name: Any, registry: Mapping[str, Value], *, where: str = "", more: str = ""
) -> Value: ...
@overload
def choose(
    kind: str, name: Any, registry: Iterable[str], *, where: str = "", more: str = ""
) -> str: ...


def choose(kind: str, name: Any, registry: Any, *, where: str = "", more: str = "") -> Any:
    """Return what a registry has under a name, or the name where it is a plain list of names.

    Args:
        kind: What the names name, such as "task".
        name: The name that a user gave.
        registry: Entries by name, or names.
        where: Setting or function that the name is for; the message begins with it.
        more: What else a user may give, for the end of the list, such as "or a file".

    Raises:
        ValueError: An unknown name; the message lists all, and the one that is spelt nearly so.

    Examples:
        >>> choose("schedule", "cosine", {"cosine": 1, "step": 2})
        1
        >>> choose("schedule", "cosin", ("cosine", "step"))
        Traceback (most recent call last):
        ValueError: unknown schedule 'cosin'; choose one of cosine, step (did you mean 'cosine'?)
    """
    names = list(registry)
    if name not in names:
        known = ", ".join(map(str, names)) + (f", {more}" if more else "")
        place = f"{where}: " if where else ""
        raise ValueError(
            f"{place}unknown {kind} {name!r}; choose one of {known}{_meant(name, names)}"
        )
    return registry[name] if isinstance(registry, Mapping) else name


def check_choice(where: str, value: Any, choices: Iterable[Any]) -> None:
    """Check that a setting has one of the values that it may have.

    Args:
        where: Name of the setting.
        value: Its value.
        choices: The values that it may have.

    Raises:
        ValueError: Another value; the message lists all, and the one that is spelt nearly so.

    Examples:
        >>> check_choice("Recipe.schedule", "cosine", ("cosine", "step"))
    """
    choices = list(choices)
    if value not in choices:
        known = ", ".join(map(str, choices))
        near = _meant(value, choices)
        raise ValueError(f"{where}: expected one of {known}, got {value!r}{near}")


def _meant(name: Any, names: Iterable[Any]) -> str:
    near = difflib.get_close_matches(str(name), [str(known) for known in names], n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
