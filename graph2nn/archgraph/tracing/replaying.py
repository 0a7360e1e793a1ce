"""What does a recorded graph compute? Its calls, made again on real tensors."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from graph2nn.archgraph.calls import Call, Constant, Operand, Values, Weight
from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.tracing.caller.finding import tensors_in
from graph2nn.archgraph.tracing.caller.guarding import TensorGuard, memory_of
from graph2nn.archgraph.tracing.caller.inputs import call_arguments, copied
from graph2nn.archgraph.tracing.functions import function_at

__all__ = ["replay"]

_STAYS = {"cpu", "cuda", "pin_memory"}  # a network moved as a whole moves nothing on its way


def replay(graph: ArchGraph, model: nn.Module | Mapping[str, Tensor], input: Any = None) -> Any:
    """Compute the output of a network from its recorded graph, without its code.

    The calls are made in the recorded order, on the devices of the given tensors, and give bit for
    bit what the network gives: on inputs of the recorded shapes, in the recorded mode, along the
    branches that were recorded (with `torch.backends.mha.set_fastpath_enabled(False)`, as
    recording sees no fused attention). Nothing given is changed.

    Args:
        graph: Graph recorded by `trace(..., calls=True)`.
        model: Network with the parameters and buffers, or these by name (`state_dict()`).
        input: Input as it was given to `trace`.

    Returns:
        What the network returns; objects as dicts of their attributes.

    Raises:
        ValueError: No calls were recorded; an input, a parameter or a buffer is missing; or a call
            cannot be made: names the node.

    Examples:
        >>> model, x = nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.rand(2, 4)
        >>> graph = trace(model, x, calls=True)
        >>> bool((replay(graph, model, x) == model(x)).all())
        True
    """
    if graph.returned is None or not graph.calls:
        raise ValueError(
            "the graph has no recorded calls to replay; trace the network with calls=True"
        )
    held = dict(model) if isinstance(model, Mapping) else _held(model)
    args, kwargs = call_arguments(copied(input, lambda t: t.detach().clone()))
    inputs = tensors_in((args, kwargs))
    guard = TensorGuard()
    guard.watch(held.values())
    try:
        with torch.no_grad(), guard:
            return _Replay(graph, held, inputs).run()
    finally:
        guard.restore()


def _held(model: nn.Module) -> dict[str, Tensor]:
    parameters = nn.Module.named_parameters(model, remove_duplicate=False)
    return {**dict(parameters), **dict(nn.Module.named_buffers(model, remove_duplicate=False))}


class _Replay:
    """One pass over the calls, with the tensors that are there so far."""

    def __init__(self, graph: ArchGraph, held: Mapping[str, Tensor], inputs: list[Tensor]):
        self._graph = graph
        self._held = held
        self._inputs = iter(inputs)
        self._nodes: dict[int, list[Tensor]] = {}
        self._steps: list[list[Tensor]] = []
        self._values: dict[int, Tensor] = {}
        places = (t.device for t in (*held.values(), *inputs))
        self._home = next(places, torch.device("cpu"))

    def run(self) -> Any:
        """Make every call, and return what the last one does."""
        for node, call in enumerate(self._graph.calls):
            if call is None:  # a parameter's own node
                continue
            self._prepare(call, node)
            if call.name == "input":
                self._nodes[node] = [self._input(call)]
            elif call.name == "output" and not call.function:
                self._nodes[node] = [self._filled(call.args[0])]
            else:
                self._nodes[node] = self._outputs(call, f"node {node}")
        assert self._graph.returned is not None
        self._prepare(self._graph.returned, self._graph.num_nodes)
        return self._filled(self._graph.returned.args[0])

    def _prepare(self, call: Call, node: int) -> None:
        for step in call.before:
            self._steps.append(self._outputs(step, f"a constant before node {node}"))

    def _input(self, call: Call) -> Tensor:
        found = next(self._inputs, None)
        if found is None or tuple(found.shape) != call.shape:
            given = "none" if found is None else tuple(found.shape)
            raise ValueError(
                f"replay: expected an input of shape {call.shape}, as was recorded, got {given}"
            )
        return found

    def _outputs(self, call: Call, where: str) -> list[Tensor]:
        where = f"{where} ({call.name!r} in module {call.module!r})"
        if not call.function:
            raise ValueError(
                f"{where} cannot be replayed: it ran inside torch.vmap or torch.func, drew from a "
                "generator of its own, or is no function of torch"
            )
        try:
            function = function_at(call.function)
            args, kwargs = self._filled(call.args), self._filled(dict(call.kwargs))
            out = args[0] if call.name in _STAYS else function(*args, **kwargs)
            outputs = tensors_in(out) or tensors_in(args[:1]) or tensors_in(kwargs.get("out"))
        except (RuntimeError, TypeError, ValueError, IndexError, KeyError) as error:
            raise ValueError(f"{where} cannot be replayed: {error}") from error
        if tuple(outputs[0].shape) != call.shape:
            raise ValueError(
                f"{where}: expected the recorded shape {call.shape}, got {tuple(outputs[0].shape)}"
            )
        return outputs

    def _filled(self, value: Any) -> Any:
        """Arguments with tensors in the places of what stands for them."""
        if isinstance(value, Operand):
            return self._operand(value)
        if isinstance(value, Weight):
            return self._named(value.name, "parameter")
        if isinstance(value, Constant):
            return self._constant(value)
        if isinstance(value, str):
            return self._special(value)
        if isinstance(value, slice):
            return slice(*(self._filled(v) for v in (value.start, value.stop, value.step)))
        if isinstance(value, (tuple, list)):
            return type(value)(self._filled(v) for v in value)
        if isinstance(value, Mapping):
            filled = {k: self._filled(v) for k, v in value.items()}
            return {**filled, "device": self._home} if filled.get("device") else filled
        return value

    def _operand(self, operand: Operand) -> Tensor:
        outputs = self._nodes[operand.node]
        return outputs[operand.output] if operand.output >= 0 else self._behind(operand.node)

    def _behind(self, node: int) -> Tensor:
        """The tensor whose memory the first argument of a node's call shares."""
        changed = self._nodes[node][0]
        if changed._base is not None:
            return changed._base
        found = changed
        for argument in self._firsts(node):
            if memory_of(argument) == memory_of(changed):
                found = argument
        return found

    def _firsts(self, node: int) -> Iterator[Tensor]:
        call = self._graph.calls[node]
        while call is not None and call.args:
            first = call.args[0]
            if isinstance(first, (Operand, Weight, Constant)):
                yield self._filled(first)
            call = self._graph.calls[first.node] if isinstance(first, Operand) else None

    def _named(self, name: str, kind: str) -> Tensor:
        if name not in self._held:
            raise ValueError(f"replay: the model has no {kind} {name!r}")
        return self._held[name]

    def _constant(self, constant: Constant) -> Tensor:
        source = constant.source
        if isinstance(source, str):
            return self._named(source, "buffer")
        if isinstance(source, Values):
            if source.tensor < 0 or source.tensor not in self._values:
                self._values[source.tensor] = _tensor(source, constant.shape).to(self._home)
            return self._values[source.tensor]
        if source is None:
            raise ValueError(
                f"replay: the values of a constant of shape {constant.shape} were not recorded, as "
                "it was on the meta device"
            )
        step, output = source
        return self._steps[step][output]

    def _special(self, text: str) -> Any:
        """A type, a layout or a device, where a text stands for one."""
        if text.startswith("torch."):
            found = getattr(torch, text.removeprefix("torch."), None)
            return found if isinstance(found, _KINDS) else text
        return self._home if text.partition(":")[0] in ("meta", "cuda", "cpu", "mps") else text


_KINDS = (torch.dtype, torch.layout, torch.memory_format)


def _tensor(values: Values, shape: tuple[int, ...]) -> Tensor:
    data = bytearray(base64.b64decode(values.data))
    if not data:
        return torch.empty(shape, dtype=getattr(torch, values.dtype))
    return torch.frombuffer(data, dtype=getattr(torch, values.dtype)).reshape(shape)
