"""What is the graph of an exported program? Its nodes, read as the calls that trace would see.

`torch.export` writes smaller operations than a user calls: attention becomes thirty of them. It
notes, however, which call of which function each belongs to and which modules were at work, so the
calls are put together again, and the views of `trace` make the graph of them.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx
from torch.export import ExportedProgram

from graph2nn.archgraph.exchange.aten import aten_name
from graph2nn.archgraph.exchange.records import ImportedView, Recording, imported_graph
from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.tracing.recorder import function_name, makes_constants

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["from_export"]

# What contexts such as `torch.no_grad()` become: a program inside of a program.
_WRAPPERS = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}


def from_export(
    program: ExportedProgram, *, view: ImportedView = "full", name: str | None = None
) -> ArchGraph:
    """Make the graph of a program that `torch.export.export` has exported.

    It is the graph that `trace(model, input, view=view, training=...)` gives in the mode that the
    model was exported in, with the names of its parameters and modules.

    Args:
        program: The program, exported or loaded by `torch.export.load`.
        view: Kind of graph, "full" or "primitives", as in `trace`; the published ones ask for the
            modules themselves.
        name: Name of the graph; None for that of the model's class.

    Raises:
        ValueError: It is no exported program, or has control flow that depends on data.

    Examples:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        >>> program = torch.export.export(model, (torch.zeros(2, 4),))
        >>> from_export(program).op_names()
        ['input', 'linear', 'bias', 'relu']
    """
    if type(program).__name__ != "ExportedProgram" or not hasattr(program, "graph_signature"):
        raise ValueError(
            f"from_export: expected what torch.export.export returns, got a "
            f"{type(program).__name__}; of a module, trace(model) makes the graph"
        )
    reader = _Reader(program)
    reader.read()
    return imported_graph(reader.record, view, name if name is not None else reader.name)


class _Origins:
    """Where the values of a program's nodes come from, changes in place included.

    That is an op of the record, `~j` for parameter j, None for a constant, and a list of these for
    several values.
    """

    def __init__(self) -> None:
        self._found: dict[fx.Node, Any] = {}
        self._same: dict[fx.Node, fx.Node] = {}
        self._viewed: dict[fx.Node, fx.Node] = {}

    def of(self, value: Any) -> Any:
        """Find where a value comes from now."""
        return self._found.get(self._itself(value)) if isinstance(value, fx.Node) else None

    def set(self, node: fx.Node, origin: Any) -> None:
        """Note where a new value comes from."""
        self._found[node] = origin

    def view(self, node: fx.Node, source: fx.Node) -> None:
        """Note that a new value shares the memory of another."""
        self._viewed[node] = self._itself(source)

    def above(self, node: fx.Node) -> list[fx.Node]:
        """List the values of which this one is a view, the nearest first."""
        found, node = [], self._itself(node)
        while node in self._viewed:
            node = self._itself(self._viewed[node])
            found.append(node)
        return found

    def change(self, node: fx.Node, changed: list[fx.Node]) -> None:
        """Note that a node changes values in place, with all of which they are views.

        The node's result is the first of them.
        """
        for one in changed:
            for value in (self._itself(one), *self.above(one)):
                self._found[value] = self._found[node]
        if changed:
            self._same[node] = self._itself(changed[0])

    def _itself(self, node: fx.Node) -> fx.Node:
        return self._same.get(node, node)


class _Reader:
    """Walks the nodes of a program and writes the record."""

    def __init__(self, program: ExportedProgram) -> None:
        self.program = program
        self.record = Recording()
        self._first: dict[int, str] = {}
        for key, value in program.state_dict.items():
            self._first.setdefault(id(value), key)  # a tied parameter has its first name
        self.name = "ExportedProgram"
        self._last: tuple[Any, int] = (None, -1)
        self._scopes: dict[tuple[str, ...], int] = {}

    def read(self) -> None:
        """Fill the record."""
        signature = self.program.graph_signature
        kinds = {spec.arg.name: spec for spec in signature.input_specs if hasattr(spec.arg, "name")}
        placeholders = [n for n in self.program.graph.nodes if n.op == "placeholder"]
        origins = [self._given(node, kinds.get(node.name)) for node in placeholders]
        ends = self._run(self.program.graph_module, origins)
        wanted = [spec.kind.name == "USER_OUTPUT" for spec in signature.output_specs]
        self.record.end([end for end, user in zip(ends, wanted) if user])

    def _given(self, node: fx.Node, spec: Any) -> int | None:
        if spec is None:
            return None
        shape = _shape(node)
        if spec.kind.name == "PARAMETER":
            value = self.program.state_dict.get(spec.target)
            return self.record.parameter(self._first.get(id(value), spec.target), shape or ())
        if spec.kind.name == "USER_INPUT" and shape is not None:
            return self.record.input(shape)
        return None

    def _run(self, module: fx.GraphModule, given: list[Any]) -> list[Any]:
        """Read the nodes of a (sub-)program; returns where its outputs come from."""
        origin = _Origins()
        values = iter(given)
        for node in module.graph.nodes:
            if node.op == "placeholder":
                origin.set(node, next(values))
            elif node.op == "call_function":
                self._call(module, node, origin)
            elif node.op == "output":
                return [origin.of(value) for value in node.args[0]]
        return []

    def _call(self, module: fx.GraphModule, node: fx.Node, origin: _Origins) -> None:
        if node.target is operator.getitem:
            found = origin.of(node.args[0])
            many = isinstance(found, list)
            origin.set(node, found[node.args[1]] if many else found)  # type: ignore[index]
        elif not hasattr(node.target, "overloadpacket"):
            origin.set(node, self._wrapped(module, node, origin))
        elif _shape(node) is not None and not makes_constants(name := _name(node)):
            changed = [n for n in _changed(node) if isinstance(n, fx.Node)]
            read = [*node.all_input_nodes, *(n for one in changed for n in origin.above(one))]
            refs = [r for n in read for r in _flat(origin.of(n)) if r is not None]
            if refs:
                origin.set(node, self._add(node, name, refs))
                origin.change(node, changed)
            if (source := _viewed(node)) is not None:
                origin.view(node, source)

    def _add(self, node: fx.Node, name: str, refs: list[int]) -> int:
        """Add an op, or what a further part of a call reads to the op of the call."""
        shape, key = _shape(node) or (), node.meta.get("torch_fn")
        if key is not None and key == self._last[0]:
            index = self._last[1]
            self.record.extend(index, refs, shape)
            return index
        args, kwargs = (fx.map_arg(x, _example) for x in (node.args, node.kwargs))
        index = self.record.add(name, refs, shape, args, kwargs, scope=self._scope(node))
        self._last = (key, index)
        return index

    def _wrapped(self, module: fx.GraphModule, node: fx.Node, origin: _Origins) -> Any:
        kind = getattr(node.target, "__name__", str(node.target))
        if kind not in _WRAPPERS:
            if _shape(node) is None:
                return None  # sizes and checks
            raise ValueError(
                f"the exported program has {kind!r}, control flow that depends on data, which a "
                "graph does not show; export the branch that you mean"
            )
        place = _WRAPPERS[kind]
        inner = getattr(module, str(node.args[place].target))  # type: ignore[union-attr]
        return self._run(inner, [origin.of(value) for value in node.args[place + 1 :]])

    def _scope(self, node: fx.Node) -> int:
        """The innermost module call at work; calls are told apart by the keys of the stack."""
        found, keys = -1, []
        for key, (path, kind) in (node.meta.get("nn_module_stack") or {}).items():
            keys.append(str(key))
            place = tuple(keys)
            if place not in self._scopes:
                short = _class_name(kind)
                if path == "":
                    self.name = short
                self._scopes[place] = self.record.scope(found, path, short)
            found = self._scopes[place]
        return found


def _class_name(kind: Any) -> str:
    text = kind.__name__ if isinstance(kind, type) else str(kind)
    return text.rpartition(".")[2]


def _name(node: fx.Node) -> str:
    """The function that was called; where that is not noted, the one that the operation is."""
    called = (node.meta.get("torch_fn") or ("", ""))[1].rpartition(".")[2]
    if called in ("", "__get__"):
        packet = node.target.overloadpacket.__name__  # type: ignore[union-attr]
        return aten_name(packet, len(_shape(node) or ()))
    return function_name(called)


def _shape(node: fx.Node) -> tuple[int, ...] | None:
    """Shape of the (first) value; None where there is no tensor."""
    value = node.meta.get("val")
    if isinstance(value, (tuple, list)):
        value = next((v for v in value if isinstance(v, Tensor)), None)
    if not isinstance(value, Tensor):
        return None
    return tuple(d if type(d) is int else _hint(d) for d in value.shape)


def _hint(size: Any) -> int:
    """The size that a free axis had when the program was exported, 0 where it is not known."""
    hint = getattr(getattr(size, "node", None), "hint", None)
    return hint if type(hint) is int else 0


def _example(node: fx.Node) -> Any:
    return node.meta.get("val")


def _flat(origin: Any) -> Iterator[int | None]:
    if isinstance(origin, list):
        for one in origin:
            yield from _flat(one)
    else:
        yield origin


def _changed(node: fx.Node) -> list[Any]:
    """The arguments that the operation changes in place."""
    found = []
    for k, argument in enumerate(_schema(node).arguments):
        info = argument.alias_info
        if info is not None and info.is_write:
            given: Mapping[str, Any] = node.kwargs
            found.append(node.args[k] if k < len(node.args) else given.get(argument.name))
    return found


def _viewed(node: fx.Node) -> fx.Node | None:
    """The tensor of which the result is a view."""
    schema = _schema(node)
    info = schema.returns[0].alias_info if schema.returns else None
    first = node.args[0] if node.args else None
    if info is None or info.is_write or not isinstance(first, fx.Node):
        return None
    return first


def _schema(node: fx.Node) -> Any:
    return node.target._schema  # type: ignore[union-attr]
