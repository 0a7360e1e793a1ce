"""How does the record of a network that another program wrote become a graph? As a traced one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import nn

from graph2nn.archgraph.calls import Scope
from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.tracing.attributes import ATTRIBUTES
from graph2nn.archgraph.tracing.recorder import Op, ParamInfo, Trace
from graph2nn.archgraph.views.full import full_view
from graph2nn.archgraph.views.primitives import primitives_view
from graph2nn.names import choose

__all__ = ["ImportedView", "Recording", "imported_graph"]

ImportedView = Literal["full", "primitives"]


class Recording:
    """A record under construction: ops in order of execution, parameters, outputs, module calls."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.params: list[ParamInfo] = []
        self.scopes: list[Scope] = []
        self.outputs: list[int] = []
        self._number: dict[str, int] = {}

    def parameter(self, name: str, shape: tuple[int, ...]) -> int:
        """Note a parameter, once, and return what stands for it among references."""
        if name not in self._number:
            self._number[name] = len(self.params)
            self.params.append(ParamInfo(name, shape, None))  # type: ignore[arg-type]
        return ~self._number[name]

    def input(self, shape: tuple[int, ...]) -> int:
        """Note an input of the network and return the number of its op."""
        return self.add("input", (), shape)

    def scope(self, parent: int, path: str, kind: str) -> int:
        """Note the call of a module and return its number."""
        self.scopes.append(Scope(parent, path, kind))
        return len(self.scopes) - 1

    def add(
        self,
        name: str,
        refs: Sequence[int],
        shape: tuple[int, ...],
        args: Any = (),
        kwargs: Any = None,
        *,
        attrs: dict[str, Any] | None = None,
        scope: int = -1,
    ) -> int:
        """Note a call and return the number of its op.

        Args:
            name: Name of the function.
            refs: Ops that it reads, and `~j` for parameter j.
            shape: Shape of the (first) output.
            args, kwargs: Arguments, from which the facts are read that views need.
            attrs: These facts, where they are known otherwise.
            scope: Number of the call of the innermost module at work.
        """
        if attrs is None:
            rule = ATTRIBUTES.get(name)
            attrs = {} if rule is None else rule(args, kwargs or {})
        self.ops.append(Op(name, tuple(refs), shape, attrs, scope))
        return len(self.ops) - 1

    def extend(
        self,
        index: int,
        refs: Sequence[int],
        shape: tuple[int, ...],
        attrs: dict[str, Any] | None = None,
    ) -> None:
        """Add a further part to a call: what it reads beside the call's own, its output, facts."""
        op = self.ops[index]
        more = [ref for ref in refs if ref != index and ref not in op.refs]
        told = {**(attrs or {}), **op.attrs}
        self.ops[index] = op._replace(refs=(*op.refs, *more), shape=shape, attrs=told)

    def changed(self, ops: list[Op], outputs: list[int]) -> Recording:
        """Return a record with other ops, of the same parameters and modules."""
        found = Recording()
        found.ops, found.outputs = ops, outputs
        found.params, found.scopes = self.params, self.scopes
        return found

    def end(self, origins: Sequence[Any]) -> None:
        """Say which ops the outputs of the network come from."""
        found = (ref for ref in origins if isinstance(ref, int) and ref >= 0)
        self.outputs = list(dict.fromkeys(found))

    def trace(self, note: str = "") -> Trace:
        """Return the record; inputs belong to the call of the network itself."""
        if self.scopes:
            self.ops = [op._replace(scope=0) if op.name == "input" else op for op in self.ops]
        return Trace(self.ops, self.params, self.outputs, note, scopes=tuple(self.scopes))


def imported_graph(record: Recording, view: ImportedView, name: str, note: str = "") -> ArchGraph:
    """Make the graph of a record, as `trace` makes it of its own.

    Raises:
        ValueError: An unknown view, or one that asks for the modules themselves.
    """
    more = "and the published views with trace(model), which has the modules they ask for"
    choose("view", view, ("full", "primitives"), more=more)
    make = full_view if view == "full" else primitives_view
    return make(nn.Module(), record.trace(note)).replace(name=name)
