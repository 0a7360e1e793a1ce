"""Which call of which module is at work? A module called twice is told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from graph2nn.archgraph.calls import Scope
from graph2nn.archgraph.tracing.observing import CallObserver

__all__ = ["Scopes"]

_CALL, _COMPILED = "_call_impl", "_compiled_call_impl"  # what `nn.Module.__call__` runs


class Scopes:
    """The calls of modules in one forward pass, callers before those they call.

    Args:
        meter: Observer that is told what each call returned, if any.

    Attributes:
        found: Calls so far.
        current: Number of the innermost call at work, -1 outside the network.
        outermost: Number of the call of the network itself, -1 where calls are not watched.
    """

    def __init__(self, meter: CallObserver | None = None) -> None:
        self._meter = meter
        self.found: list[Scope] = []
        self.current = self.outermost = -1

    def watch(self, paths: Mapping[nn.Module, str]) -> None:
        """Note the calls of these modules, given their qualified names, from now on.

        An attribute of each module stands before the call of its class; whoever put the network
        aside takes it away again.
        """
        self.outermost = 0
        for module, path in paths.items():
            state = module.__dict__
            state[_CALL] = self._noting(path, type(module).__name__, getattr(module, _CALL))
            state[_COMPILED] = None  # compiled code shows no calls

    def _noting(self, path: str, kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            outer, number = self.current, len(self.found)
            self.current = number
            self.found.append(Scope(outer, path, kind))
            try:
                out = call(*args, **kwargs)
            finally:
                self.current = outer
            if self._meter is not None:
                self._meter.returned(number, out)
            return out

        return noted
