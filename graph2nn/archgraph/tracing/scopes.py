"""Which call of which module is at work? A module called twice is told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
        failed: Number of the innermost call that the last error has ended, -1 where none has.
    """

    def __init__(self, meter: CallObserver | None = None) -> None:
        self._meter = meter
        self.found: list[Scope] = []
        self.current = self.outermost = self.failed = -1

    def watch(self, modules: Iterable[tuple[str, nn.Module]]) -> None:
        """Note the calls of these modules, given with their qualified names, from now on.

        An attribute of each module stands before the call of its class; whoever put the network
        aside takes it away again.
        """
        self.outermost = 0
        for path, module in modules:
            state = module.__dict__
            state[_CALL] = self._noting(path, type(module).__name__, getattr(module, _CALL))
            state[_COMPILED] = None  # compiled code shows no calls

    def _noting(self, path: str, kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            outer, own = self.current, len(self.found)
            self.current, self.failed = own, -1
            self.found.append(Scope(outer, path, kind))
            try:
                out = call(*args, **kwargs)
            except BaseException:
                self.failed = own if self.failed < 0 else self.failed
                raise
            finally:
                self.current = outer
            if self._meter is not None:
                self._meter.returned(own, out)
            return out

        return noted
