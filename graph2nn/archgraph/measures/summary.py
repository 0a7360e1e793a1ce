"""What is in a network, module by module? Shapes, parameters, work and memory, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from torch import nn

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.measures.measuring import measured_with
from graph2nn.archgraph.measures.memory import peak_memory
from graph2nn.archgraph.measures.stored import Holding, holdings
from graph2nn.archgraph.tracing.caller.targets import as_network
from graph2nn.runs.summaries import format_rows

__all__ = ["ModuleSummary", "Summary", "summary"]


@dataclass(frozen=True, kw_only=True)
class ModuleSummary:
    """A module of a network, with the modules inside of it.

    Args:
        path: Qualified name, "" of the network itself.
        kind: Name of the class.
        depth: Number of modules around it.
        calls: Number of times that the forward pass calls it; none of a container, and of a layer
            whose weights another one reads.
        output_shape: Shape of the first tensor that its last call returned, () where none did.
        parameters, trainable: Number of scalars of the parameters, all and those that are not
            frozen; a parameter that several modules hold is counted at the first.
        quantised: Number of those that quantised layers have packed, which are no tensors of their
            own any more.
        parameter_bytes, buffer_bytes: Bytes of these parameters, and of buffers.
        multiply_adds, flops: Work of all calls, see `graph2nn.archgraph.measured`.
        allocated_bytes: Bytes of all values that the calls make; views and what is done in place
            make none.
        same_as: Name under which this very module stands before, and is counted; None elsewhere.
        tied: Parameters that another module holds before: own name to qualified name there.
    """

    path: str
    kind: str
    depth: int
    calls: int
    output_shape: tuple[int, ...]
    parameters: int
    trainable: int
    quantised: int
    parameter_bytes: int
    buffer_bytes: int
    multiply_adds: int
    flops: int
    allocated_bytes: int
    same_as: str | None = None
    tied: Mapping[str, str] = field(default_factory=dict)

    @property
    def frozen(self) -> int:
        """Number of scalars of the parameters that are not trained, packed ones left out."""
        return self.parameters - self.trainable - self.quantised


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Modules of a network, and what the whole of it costs; its text is a table.

    Args:
        modules: All modules, in the order of registration, the network itself first.
        depth: Depth to which the table goes.
        input_bytes: Bytes of the input.
        peak_bytes: Most bytes of values that are held at once in a forward pass, see `peak_memory`.
        graph: Graph of the network, with numbers at its nodes.
    """

    modules: tuple[ModuleSummary, ...]
    depth: int | None
    input_bytes: int
    peak_bytes: int
    graph: ArchGraph

    @property
    def total(self) -> ModuleSummary:
        """The network itself."""
        return self.modules[0]

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the graph as values that JSON holds, modules of every depth."""
        rows = [asdict(module) for module in self.modules]
        for row in rows:
            row["output_shape"] = list(row["output_shape"])
        return {
            "name": self.graph.name,
            "note": self.graph.note,
            **{name: rows[0][name] for name in _TOTALS},
            "input_bytes": self.input_bytes,
            "peak_bytes": self.peak_bytes,
            "modules": rows,
        }

    def __str__(self) -> str:
        shown = [m for m in self.modules if self.depth is None or m.depth <= self.depth]
        table = format_rows([_line(module) for module in shown], right=_NUMBERS)
        rule = "─" * max(len(line) for line in table.splitlines())
        head, _, body = table.partition("\n")
        return "\n".join([head, rule, body, rule, *self._foot()])

    __repr__ = __str__

    def _foot(self) -> list[str]:
        total = self.total
        packed = f", {total.quantised:,} quantised" if total.quantised else ""
        lines = [
            f"parameters     {total.parameters:,} ({_size(total.parameter_bytes)}), "
            f"{total.trainable:,} trained, {total.frozen:,} frozen{packed}; buffers "
            f"{_size(total.buffer_bytes)}",
            f"multiply-adds  {total.multiply_adds:,}; floating-point operations {total.flops:,}",
            f"activations    {_size(total.allocated_bytes)} in all, at most "
            f"{_size(self.peak_bytes)} at once; input {_size(self.input_bytes)}",
        ]
        return [*lines, f"note           {self.graph.note}"] if self.graph.note else lines


_TOTALS = (
    *("parameters", "trainable", "quantised", "parameter_bytes", "buffer_bytes"),
    *("multiply_adds", "flops", "allocated_bytes"),
)
_NUMBERS = ("parameters", "multiply-adds", "activations")


def summary(
    model: nn.Module | Callable,
    input: Any = None,
    *,
    depth: int | None = 3,
    training: bool = False,
) -> Summary:
    """Summarise a network by module: `print(summary(model))`.

    The network is traced, so that nothing is computed and it is left as it was. Parameters are
    counted once, also where they are tied or shared; the work of a module is that of all its calls.

    Args:
        model: Any module, or a function, see `trace`.
        input: Example input as `trace` takes it; by default one image.
        depth: Depth to which the table goes, None for all modules.
        training: Whether the model runs in train mode.

    Raises:
        ValueError: The model cannot run on the input, or a negative depth.

    Examples:
        >>> print(summary(nn.Sequential(nn.Linear(3, 5), nn.ReLU()), torch.zeros(1, 3)))
        module      kind        output  parameters  multiply-adds  activations
        ──────────────────────────────────────────────────────────────────────
        Sequential  Sequential  1 x 5           20             15         40 B
          0         Linear      1 x 5           20             15         20 B
          1         ReLU        1 x 5                                     20 B
        ──────────────────────────────────────────────────────────────────────
        parameters     20 (80 B), 20 trained, 0 frozen; buffers 0 B
        multiply-adds  15; floating-point operations 40
        activations    40 B in all, at most 52 B at once; input 12 B
    """
    if depth is not None and depth < 0:
        raise ValueError(f"depth: expected None or a number from 0 on, got {depth}")
    graph, meter = measured_with(model, input, training=training)
    held = holdings(as_network(model)[0])
    work = _work_by_module(graph)
    shapes = {graph.scopes[k].path: shape for k, shape in meter.module_shapes.items()}
    calls: dict[str, int] = {}
    for scope in graph.scopes:
        calls[scope.path] = calls.get(scope.path, 0) + 1
    rows: list[ModuleSummary] = []
    for place in reversed(range(len(held))):  # what is inside of a module stands behind it
        inner = _inside(held, place)
        rows.insert(0, _module(held[place], rows[:inner], work, calls, shapes))
    entered = [name == "input" for name in graph.op_names()]
    return Summary(
        modules=tuple(rows),
        depth=depth,
        input_bytes=int(graph.numbers("activation_bytes")[entered].sum()),
        peak_bytes=peak_memory(graph).bytes,
        graph=graph,
    )


def _inside(held: list[Holding], place: int) -> int:
    """Number of the modules inside of one."""
    behind = held[place + 1 :]
    ends = (k for k, found in enumerate(behind) if found.depth <= held[place].depth)
    return next(ends, len(behind))


def _work_by_module(graph: ArchGraph) -> dict[str, np.ndarray]:
    """Work of all calls of each module by name, that of calls inside of them with it.

    Shapes: (3,), in the order of `_WORK`.
    """
    table = np.zeros((len(graph.scopes), len(_WORK)), dtype=np.int64)
    computed = np.array([name != "input" for name in graph.op_names()])
    for k, name in enumerate(_WORK):
        np.add.at(table[:, k], graph.scope, graph.numbers(name) * computed)
    found: dict[str, np.ndarray] = {}
    for number in reversed(range(len(graph.scopes))):
        scope = graph.scopes[number]
        if scope.parent >= 0:
            table[scope.parent] += table[number]
        if not _within_itself(graph, number):
            found[scope.path] = found.get(scope.path, 0) + table[number]
    return found


def _within_itself(graph: ArchGraph, number: int) -> bool:
    """Whether a module calls itself: the outer call has the work of the inner one already."""
    path, outer = graph.scopes[number].path, graph.scopes[number].parent
    while outer >= 0:
        if graph.scopes[outer].path == path:
            return True
        outer = graph.scopes[outer].parent
    return False


_WORK = ("multiply_adds", "flops", "allocated_bytes")
_HELD = ("parameters", "trainable", "quantised", "parameter_bytes", "buffer_bytes")


def _module(
    found: Holding,
    inside: list[ModuleSummary],
    work: Mapping[str, np.ndarray],
    calls: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> ModuleSummary:
    counted = found.same_as is None
    children = [module for module in inside if module.depth == found.depth + 1]
    sums = [sum(getattr(module, name) for module in children) for name in _WORK]
    own = work.get(found.path, sums) if counted else [0] * len(_WORK)
    held = {n: getattr(found, n) + sum(getattr(m, n) for m in children) for n in _HELD}
    return ModuleSummary(
        path=found.path,
        kind=found.kind,
        depth=found.depth,
        calls=calls.get(found.path, 0),
        output_shape=shapes.get(found.same_as or found.path, ()),
        **held,
        **{name: int(value) for name, value in zip(_WORK, own)},
        same_as=found.same_as,
        tied=found.tied,
    )


def _line(module: ModuleSummary) -> dict[str, str]:
    """A line of the table; what is zero is left out."""
    name = module.path.rpartition(".")[2] or module.kind
    notes = [] if module.same_as is None else [f"the same as {module.same_as or 'the network'}"]
    if module.calls > 1:
        notes.append(f"called {module.calls} times")
    notes += [f"{own} is {other}" for own, other in module.tied.items()]
    for count, what in ((module.frozen, "frozen"), (module.quantised, "quantised")):
        if count:
            notes.append(what if count == module.parameters else f"{count:,} {what}")
    return {
        "module": "  " * module.depth + name,
        "kind": module.kind,
        "output": " x ".join(map(str, module.output_shape)),
        "parameters": f"{module.parameters:,}" if module.parameters else "",
        "multiply-adds": f"{module.multiply_adds:,}" if module.multiply_adds else "",
        "activations": _size(module.allocated_bytes) if module.allocated_bytes else "",
        "": "; ".join(notes),
    }


def _size(count: float) -> str:
    """A number of bytes, as people read it; a kB is a thousand."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while count >= 1000 and len(units) > 1:
        count /= 1000
        del units[0]
    return f"{count:.4g} {units[0]}"
