"""How does a graph keep what was computed of it? Shared by the graph types of the library."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

__all__ = ["Remembering"]

T = TypeVar("T")
Own = TypeVar("Own", bound="Remembering")


@dataclass(frozen=True, eq=False, kw_only=True)
class Remembering:
    """A frozen dataclass that remembers what was computed of it, and forgets it in its copies."""

    _cache: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def replace(self: Own, **changes: Any) -> Own:
        """Return a copy with some fields changed, which remembers nothing yet."""
        return replace(self, **changes)

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is kept under a key; made by `make()` and kept when it is asked for first.

        Args:
            key: Name of the result, with all settings that it depends on.
            make: Computes the result from the graph alone, which must not be changed afterwards.

        Examples:
            >>> from graph2nn.cells import nb201_cell
            >>> graph = nb201_cell([1, 2, 3, 4, 0, 1])
            >>> graph.remember("widest", lambda: max(graph.op_names(), key=len))
            'avg_pool_3x3'
        """
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def recall(self, key: Hashable) -> Any:
        """Return what is kept under a key; None where nothing is."""
        return self._cache.get(key)
