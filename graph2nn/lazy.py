"""Names of a package that are imported when they are first asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["on_first_use"]


def on_first_use(
    package: str,
    names: Mapping[str, str],
    *,
    modules: Iterable[str] = (),
    otherwise: Callable[[str], Any] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package (PEP 562) that imports no file by itself.

    Type checkers read the imports that the package has under `TYPE_CHECKING`; a test compares them
    with `names`.

    Args:
        package: Name of the package, `__name__` there.
        names: Exported name → module that holds it.
        modules: Modules and packages inside that `import package` alone gives as attributes.
        otherwise: Function that finds names that are none of these, such as that of `moved`.

    Returns:
        Both functions. A name that was found stays in the package.

    Examples:
        >>> __getattr__, __dir__ = on_first_use(__name__, {"sqrt": "math"})
        >>> __getattr__("sqrt")(9.0)
        3.0
    """
    places = {**dict(names), **{module: f"{package}.{module}" for module in modules}}

    def find(name: str) -> Any:
        if name not in places:
            if otherwise is not None:
                return otherwise(name)
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(places[name])
        found = getattr(module, name) if name in names else module
        setattr(sys.modules[package], name, found)
        return found

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *places})

    return find, listed
