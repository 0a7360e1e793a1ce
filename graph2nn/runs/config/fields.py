"""How is one setting of a dataclass described: its flags, help and stored name?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

__all__ = [
    "FLAT",
    "META",
    "default_of",
    "flat",
    "option",
]

META = "graph2nn.option"
"""Key of what `option` says, in the metadata of a field."""

FLAT = "graph2nn.flat"
"""Key of what `flat` says."""


def option(
    default: Any = dataclasses.MISSING,
    *flags: str,
    help: str = "",
    choices: Sequence[Any] | None = None,
    positional: bool = False,
    factory: Any = dataclasses.MISSING,
    name: str | None = None,
    stored: bool | Literal["changed"] | Sequence[str] = True,
) -> Any:
    """Describe a dataclass field: how it appears on the command line and in stored settings.

    The flag `--name` follows from the field's name; `flags` adds others (`"-m"`).

    Args:
        default: Value when the flag is absent; without one the flag is required.
        flags: Further flags.
        help: One line of help; the default is added to it.
        choices: Allowed values.
        positional: Whether it is an argument by position, without a flag.
        factory: Function that makes the default, where that is a dataclass or mutable.
        name: Published name of the flag and of the stored key, where the field has another.
        stored: Whether it is stored, False for what is neither stored nor compared (a place, not a
            setting), "changed" for what is stored only while it differs from the default (a setting
            that older files do not have); of a field that is a dataclass, its stored keys: others
            are there only while they differ from the dataclass's default.

    Examples:
        >>> from graph2nn.runs.config import parse_config
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Settings:
        ...     meta_batch_size: int = option(1, "-m", help="networks a step")
        >>> parse_config(Settings, ["-m", "8"])
        Settings(meta_batch_size=8)
    """
    meta = {
        "flags": flags,
        "help": help,
        "choices": choices,
        "positional": positional,
        "name": name,
        "stored": stored,
    }
    how: dict[str, Any] = {"metadata": {META: meta}, "compare": stored is not False}
    if factory is not dataclasses.MISSING:
        how["default_factory"] = factory
    elif default is not dataclasses.MISSING:
        how["default"] = default
    return dataclasses.field(**how)


def flat(factory: Callable[[], Any], *, without: Sequence[str] = (), **changes: Any) -> Any:
    """Describe a field that is a dataclass whose settings stand among the owner's own.

    Flags and stored keys of the inner settings have no prefix, as if the owner repeated them.

    Args:
        factory: Makes the inner dataclass. Its values are the defaults of the flags, whatever the
            inner class says.
        without: Inner settings that are no flags and, while they have the factory's value, not
            stored. A changed one is stored under `field.setting`.
        changes: Inner setting → `option(...)` with what differs here: name, flags, help, choices.

    Examples:
        >>> from graph2nn.runs.config import changed, parse_config, to_dict
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Recipe:
        ...     epochs: int = option(200, "-e", help="passes over the images")
        ...     amp: bool = option(False, help="mixed precision")
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Run:
        ...     seed: int = option(0)
        ...     recipe: Recipe = flat(lambda: Recipe(epochs=5), amp=option(name="half"))
        >>> run = parse_config(Run, ["--half"])
        >>> run
        Run(seed=0, recipe=Recipe(epochs=5, amp=True))
        >>> to_dict(run)
        {'seed': 0, 'epochs': 5, 'half': True}
        >>> changed(run, epochs=7).recipe.epochs
        7
    """
    meta = {"without": tuple(without), "changes": changes}
    return dataclasses.field(default_factory=factory, metadata={FLAT: meta})


def default_of(field: dataclasses.Field) -> Any:
    """Return the default of a field, made by its factory where it has one, or `MISSING`."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
