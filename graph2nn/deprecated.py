"""Names that have moved: the old place still gives them for one release, with a warning."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

__all__ = ["called_as_before", "moved", "renamed_attribute", "renamed_keywords"]

Made = TypeVar("Made", bound=Callable[..., Any])


def moved(
    package: str,
    names: Mapping[str, str] | str,
    adapted: Mapping[str, Callable[[Any], Any]] | None = None,
) -> Callable[[str], Any]:
    """Make the `__getattr__` of a package whose names have gone elsewhere.

    Args:
        package: Name of the package, `__name__` there.
        names: Old name → where it is now, `module:name`, or a module that holds the same name. The
            name may be that of a module, and a module of a higher floor: it is imported when the
            old name is asked for, so no file imports upwards. In a module that stands where a
            package was: the package of today, which gives whatever is asked for.
        adapted: Old name → what makes of the new object one that is used as the old one was, such
            as `called_as_before`.

    Returns:
        A function that finds a moved name, with a `DeprecationWarning` that says where it is.

    Examples:
        >>> find = moved("graph2nn.training", {"seeded": "graph2nn.runs"})
        >>> with warnings.catch_warnings(action="ignore"):
        ...     find("seeded").__name__
        'seeded'
    """

    def find(name: str) -> Any:
        place = names if isinstance(names, str) else names.get(name)
        if place is None or place is names and not _exports(place, name):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, new = place.partition(":")
        new = new or name
        text = f"{package}.{name} is now {module}.{new}; the old name goes with the next release"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        found = getattr(importlib.import_module(module), new, None)
        if found is None:  # a module or package that nothing has imported yet
            found = importlib.import_module(f"{module}.{new}")
        return (adapted or {}).get(name, _same)(found)

    return find


def called_as_before(
    renamed: Mapping[str, str], /, **defaults: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what lets a function or class be called with the keywords and defaults it once had.

    Args:
        renamed: Old keyword → the one of today.
        defaults: Defaults of once, by the keywords of today.

    Examples:
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


def renamed_keywords(**renamed: str) -> Callable[[Made], Made]:
    """Return a decorator by which a function or class still takes keywords under their old names.

    Args:
        renamed: Old keyword = the one of today.

    Raises:
        TypeError: When called with both.

    Examples:
        >>> @renamed_keywords(imsize="image_size")
        ... def pixels(image_size: int) -> int:
        ...     return image_size**2
        >>> pixels(image_size=8)
        64
    """

    def decorate(made: Made) -> Made:
        inner: Any = made.__init__ if isinstance(made, type) else made  # type: ignore[misc]

        @functools.wraps(inner)
        def call(*args: Any, **given: Any) -> Any:
            for old in renamed.keys() & given.keys():
                new = renamed[old]
                if new in given:
                    raise TypeError(f"{made.__name__}: {old} is now {new}; both are given")
                text = (
                    f"{made.__name__}: {old} is now {new}; the old name goes with the next release"
                )
                warnings.warn(text, DeprecationWarning, stacklevel=2)
                given[new] = given.pop(old)
            return inner(*args, **given)

        if isinstance(made, type):
            made.__init__ = call  # type: ignore[misc]
            return made
        return call  # type: ignore[return-value]

    return decorate


def renamed_attribute(new: str) -> Any:
    """Return what a class holds under the old name of its attribute `new`, to read it.

    Examples:
        >>> class Data:
        ...     image_size = 8
        ...     imsize = renamed_attribute("image_size")
    """
    return _RenamedAttribute(new)


class _RenamedAttribute:
    def __init__(self, new: str) -> None:
        self._new, self._old = new, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._old = f"{owner.__name__}.{name}"

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        text = f"{self._old} is now {self._new}; the old name goes with the next release"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return getattr(instance, self._new)


def _exports(package: str, name: str) -> bool:
    """Whether a package exports a name, or did: then it says itself where the name is now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return not name.startswith("__") and hasattr(importlib.import_module(package), name)


def _same(found: Any) -> Any:
    return found
