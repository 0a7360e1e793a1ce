"""What is the state of an object whose class says nothing of its own? All of its attributes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["plain_object", "plain_state"]

Kind = TypeVar("Kind")


def plain_state(found: Any) -> dict[str, Any]:
    """Return the attributes of an object by name; of a dataclass, its fields."""
    if dataclasses.is_dataclass(found):
        return {f.name: getattr(found, f.name) for f in dataclasses.fields(found) if f.init}
    return dict(vars(found))


def plain_object(kind: type[Kind], state: Mapping[str, Any]) -> Kind:
    """Make an object of its attributes, without a call of its constructor.

    A dataclass is constructed, so that it checks its fields.

    Raises:
        ValueError: A name that is no attribute, or that would hide a method.
    """
    if dataclasses.is_dataclass(kind):
        return kind(**state)
    for name in state:
        if not name.isidentifier() or name.startswith("__"):
            raise ValueError(f"{kind.__name__} has no attribute {name[:80]!r}")
        if callable(getattr(kind, name, None)):
            raise ValueError(f"{name} is a method of {kind.__name__}, no attribute")
    made = kind.__new__(kind)
    vars(made).update(state)
    return made
