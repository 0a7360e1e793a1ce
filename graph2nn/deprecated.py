"""Names that have moved: the old place still gives them for one release, with a warning."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["moved"]


def moved(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Makes the `__getattr__` of a package whose names have gone elsewhere.

    Args:
        package: Name of the package, `__name__` there.
        names: Old name → where it is now, `module:name`, or a module that holds the same name.

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
        return getattr(importlib.import_module(module), new)

    return find
