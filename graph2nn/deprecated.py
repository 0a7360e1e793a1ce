"""Names that have moved: the old place still gives them for one release, with a warning."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["called_as_before", "moved"]


def moved(
    package: str,
    names: Mapping[str, str],
    adapted: Mapping[str, Callable[[Any], Any]] | None = None,
) -> Callable[[str], Any]:
    """Makes the `__getattr__` of a package whose names have gone elsewhere.

    Args:
        package: Name of the package, `__name__` there.
        names: Old name → where it is now, `module:name`, or a module that holds the same name.
        adapted: Old name → what makes of the new object one that is used as the old one was, such
            as `called_as_before`.

    Returns:
        A function that finds a moved name, with a `DeprecationWarning` that says where it is.

    Example:
        >>> __getattr__ = moved(__name__, {"seeded": "graph2nn.runs"})
        >>> __getattr__("seeded").__name__  # doctest: +SKIP
        'seeded'
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, new = names[name].partition(":")
        new = new or name
        text = f"{package}.{name} is now {module}.{new}; the old name goes with the next release"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        found = getattr(importlib.import_module(module), new)
        return (adapted or {}).get(name, _same)(found)

    return find


def called_as_before(
    renamed: Mapping[str, str], /, **defaults: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what lets a function or class be called with the keywords and defaults it once had.

    Args:
        renamed: Old keyword → the one of today.
        defaults: Defaults of once, by the keywords of today.

    Example:
        >>> called_as_before({"size": "side"}, colour="red")(dict)(size=8)
        {'colour': 'red', 'side': 8}
    """

    def adapt(make: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(make, updated=())
        def call(*args: Any, **given: Any) -> Any:
            new = {renamed.get(name, name): value for name, value in given.items()}
            return make(*args, **{**defaults, **new})

        return call

    return adapt


def _same(found: Any) -> Any:
    return found
