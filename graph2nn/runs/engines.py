"""Loops over graphs, compiled by numba where it is installed, run by Python itself where not.

`pip install "netwright[fast]"` brings numba. A loop is a plain function of arrays that calls no
other of ours; it is compiled on its first call and the result kept on disk beside its source. The
same function is thus its own plain twin, some hundred times slower.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from types import ModuleType
from typing import Any

from graph2nn.names import choose

__all__ = ["ENGINES", "chosen_engine", "compiled", "has_igraph", "has_numba", "igraph_module"]

ENGINES = ("auto", "numba", "igraph", "plain")
"""`auto` takes numba where it is installed, else igraph, else plain Python."""


def has_numba() -> bool:
    """Return whether numba is installed; it is not imported to find out."""
    return importlib.util.find_spec("numba") is not None


def chosen_engine(engine: str = "auto") -> str:
    """Choose between `numba`, `igraph` and `plain`.

    Raises:
        ValueError: An unknown engine, or one that is not installed.
    """
    choose("engine", engine, ENGINES)
    installed = {"numba": has_numba(), "igraph": has_igraph(), "plain": True}
    if engine == "auto":
        return next(name for name in ENGINES[1:] if installed[name])
    if not installed[engine]:
        extra = "fast" if engine == "numba" else "graphs"
        raise ValueError(
            f'engine {engine!r} is not installed: pip install "netwright[{extra}]", or take '
            "engine 'auto'"
        )
    return engine


def compiled(loop: Callable[..., Any], engine: str) -> Callable[..., Any]:
    """Compile a loop where the engine is numba."""
    return _compiled(loop) if engine == "numba" else loop


@functools.cache
def _compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    return importlib.import_module("numba").njit(cache=True, nogil=True)(loop)


def has_igraph() -> bool:
    """Return whether igraph is installed; it is not imported to find out."""
    return importlib.util.find_spec("igraph") is not None


def igraph_module() -> ModuleType:
    """Import igraph, on first use only."""
    return importlib.import_module("igraph")
