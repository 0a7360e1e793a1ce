"""Running a network once for the recorder, and leaving it exactly as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from graph2nn.archgraph.tracing.call_log import CallLog
from graph2nn.archgraph.tracing.caller.finding import tensors_in
from graph2nn.archgraph.tracing.caller.inputs import (
    call_arguments,
    copied,
    default_input_size,
    hollow,
    to_meta,
    weightless,
)
from graph2nn.archgraph.tracing.caller.keeping import Keeper, kept
from graph2nn.archgraph.tracing.caller.targets import as_network, modules_of, set_mode
from graph2nn.archgraph.tracing.failures import (
    describe_failure,
    partial_trace,
    refuse_nested,
    trace_error,
)
from graph2nn.archgraph.tracing.observing import CallObserver
from graph2nn.archgraph.tracing.recorder import ParamInfo, Recorder, Trace
from graph2nn.archgraph.tracing.scopes import Scopes
from graph2nn.runs.seeds import everything_seeded

__all__ = ["record"]


def record(
    model: nn.Module | Callable,
    input: Any = None,
    *,
    fast: bool = True,
    training: bool = True,
    calls: bool = False,
    meter: Callable[[], CallObserver] | None = None,
    batch: int = 2,
) -> Trace:
    """Record one forward pass of `model` on meta tensors (nothing is computed).

    A model that needs values, not only shapes, is run again: on the values of the input (masks)
    beside weights without values, then (detectors, `.item()` in the forward pass) on real tensors
    throughout, batch 1 in eval mode; `Trace.note` then says so. Whatever is drawn at random on the
    way is drawn from one seed, and the caller's generators stand afterwards where they stood.

    Args:
        model: A network, or a function; see `trace`.
        input: Example input: a tensor, a tuple of positional arguments, or a dict of keyword
            arguments; random images by default.
        fast: Whether shapes come from rules, see `Recorder`.
        training: Whether the model runs in train mode (with auxiliary heads, say) or in eval mode.
        calls: Whether it is also recorded how each operation was called.
        meter: Function that makes an observer of the run, which takes down further facts.
        batch: Number of the images that are the default input; on real values it is one.

    Raises:
        ValueError: A model that cannot be recorded.
        TraceError: The model cannot run; names the operation and the module.
    """
    network, function = as_network(model)
    modules = modules_of(network)
    _check(network, modules)
    places = {p.device for _, m in modules for p in m._parameters.values() if p is not None}
    places -= {torch.device("meta"), torch.device("cpu")}
    refuse_nested(network, input)
    with kept(network, model, input) as keeper, everything_seeded(0, places):
        run = _Run(network, function, modules, keeper, input, fast, training, calls, meter, batch)
        return run.record()


def _check(network: nn.Module, modules: list[tuple[str, nn.Module]]) -> None:
    if any(issubclass(kind, torch.jit.ScriptModule) for kind in {type(m) for _, m in modules}):
        raise ValueError(
            f"cannot trace {type(network).__name__}: it contains TorchScript modules, whose "
            "operations cannot be seen from Python; pass the original nn.Module instead"
        )
    if nn.UninitializedParameter in {type(p) for _, m in modules for p in m._parameters.values()}:
        raise ValueError(
            f"cannot trace {type(network).__name__}: a lazy module has no shapes yet; "
            "run the model on one batch first"
        )


class _Place(NamedTuple):
    """Where a parameter or a buffer is held: path and module, and the table with its key there."""

    path: str
    module: nn.Module
    key: str
    tensor: Tensor
    table: dict

    @property
    def name(self) -> str:
        return f"{self.path}.{self.key}" if self.path else self.key


def _held(modules: list[tuple[str, nn.Module]], kind: str = "_parameters") -> list[_Place]:
    """Every place of a parameter or a buffer."""
    tables = [(path, module, getattr(module, kind)) for path, module in modules]
    return [
        _Place(path, module, key, tensor, table)
        for path, module, table in tables
        for key, tensor in table.items()
        if tensor is not None
    ]


@dataclass
class _Run:
    """One network and one input, run on less and less hollow tensors until it works."""

    network: nn.Module
    function: Callable
    modules: list[tuple[str, nn.Module]]
    keeper: Keeper
    input: Any
    fast: bool
    training: bool
    calls: bool
    meter: Callable[[], CallObserver] | None
    batch: int

    def record(self) -> Trace:
        """Record the first attempt that works."""
        paths = {id(module): path for path, module in self.modules}
        reason = ""
        for attempt in self._attempts():
            try:
                return attempt(reason)
            except Exception as error:
                last = error
                reason = reason or describe_failure(paths, error)
            self.keeper.restore()
        failure = trace_error(self.network, paths, self.input, last)
        failure.trace = partial_trace(*self._prepared, last)
        raise failure from last

    def _attempts(self) -> Iterator[Callable[[str], Trace]]:
        yield self._on_nothing
        given = tensors_in(self.input)
        if not given or not all(t.is_meta for t in given):
            yield self._on_inputs
        if not any(place.tensor.is_meta for place in _held(self.modules)):
            yield self._on_values

    def _on_nothing(self, _: str) -> Trace:
        """Neither weights nor inputs have values."""
        recorder, infos = self._prepare(empty=True, training=self.training)
        buffers = _held(self.modules, "_buffers")
        empty: list[Tensor] = []
        for place in buffers:
            # Norms count their batches only where there is a counter.
            if place.key == "num_batches_tracked" and _counts_only(type(place.module)):
                place.table[place.key] = None
                empty.append(place.tensor)
            else:
                place.table[place.key] = hollow(place.tensor)
                empty.append(place.table[place.key])
        tensors = [place.tensor for place in buffers] + empty
        recorder.watch_buffers(tensors, [place.name for place in buffers] * 2)
        input = self.input
        if input is None:
            size = (self.batch, *default_input_size(self.network))
            input = torch.empty(size, dtype=self._precision(), device="meta")
        return recorder.finished(infos, self._call(recorder, to_meta(input)))

    def _on_inputs(self, reason: str) -> Trace:
        """Weights have no values, all else has."""
        given = (t.device for t in tensors_in(self.input) if not t.is_meta)
        home = next(given, torch.device("cpu"))
        recorder, infos = self._prepare(empty=True, training=self.training, values=home)
        self._watch_buffers(recorder)
        input = self._images(self.batch) if self.input is None else copied(self.input, _clone)
        outputs = self._call(recorder, input)
        note = "run on real values of the input beside weights without values"
        return recorder.finished(infos, outputs, f"{note}, because on meta tensors: {reason}")

    def _on_values(self, reason: str) -> Trace:
        """All is real, in eval mode."""
        recorder, infos = self._prepare(empty=False, training=False)
        places = [p.tensor.device for p in _held(self.modules)]
        home = next(iter(places), None)
        places += [p.tensor.device for p in _held(self.modules, "_buffers")]
        self._watch_buffers(recorder)

        def beside(t: Tensor) -> Tensor:
            """A copy, on the network's device where nothing of it is on the tensor's."""
            return _clone(t) if home is None or t.device in places else _filled(t).to(home)

        input = self._images(1) if self.input is None else self.input
        self.keeper.watch_tensors()
        with self.keeper.guard:
            outputs = self._call(recorder, copied(input, beside))
        note = f"run on real values in eval mode, because on meta tensors: {reason}"
        return recorder.finished(infos, outputs, note)

    def _prepare(
        self, *, empty: bool, training: bool, values: torch.device | None = None
    ) -> tuple[Recorder, list[ParamInfo]]:
        """A recorder that knows the parameters, which are made hollow or not."""
        if self.function != self.network.forward:
            self.network.__dict__["forward"] = self.function
        set_mode(self.modules, training)
        observer = self.meter() if self.meter else None
        scopes = Scopes(observer)
        scopes.watch(self.modules)
        recorder = Recorder(
            fast=self.fast and empty,
            log=CallLog(self.modules) if self.calls else None,
            scopes=scopes,
            meter=observer,
            values=values,
            guard=self.keeper.guard if empty else None,  # else it is on already
        )
        known: dict[int, tuple[ParamInfo, Tensor, Tensor]] = {}
        for place in _held(self.modules):
            p = place.tensor
            if id(p) not in known:
                shown = weightless(p) if empty else p
                info = ParamInfo(place.name, tuple(p.shape), place.module)
                known[id(p)] = info, p, shown
            place.table[place.key] = known[id(p)][2]
        infos = [info for info, _, _ in known.values()]
        self._prepared = recorder, infos
        recorder.watch_params([(p, q) for _, p, q in known.values()], [i.name for i in infos])
        return recorder, infos

    def _watch_buffers(self, recorder: Recorder) -> None:
        buffers = _held(self.modules, "_buffers")
        recorder.watch_buffers([p.tensor for p in buffers], [p.name for p in buffers])

    def _call(self, recorder: Recorder, input: Any) -> dict[int, tuple[int, ...]]:
        args, kwargs = call_arguments(input, self.function)
        for t in tensors_in((args, kwargs)):
            recorder.watch_input(t)
        with torch.no_grad(), recorder.observing(), recorder:
            out = self.network(*args, **kwargs)
            if isinstance(out, Iterator):
                out = tuple(out)
        return recorder.producers(out)

    def _images(self, count: int) -> Tensor:
        size = (count, *default_input_size(self.network))
        images = torch.rand(size, generator=torch.Generator().manual_seed(0))
        return images.to(self._precision())

    def _precision(self) -> torch.dtype:
        """Of the images that a half-precision model, say, accepts."""
        tables = (module._parameters.values() for _, module in self.modules)
        kinds = (p.dtype for table in tables for p in table if p is not None)
        return next((kind for kind in kinds if kind.is_floating_point), torch.float32)


def _counts_only(kind: type[nn.Module]) -> bool:
    """Whether a norm's forward pass is torch's own, which may go without the counter."""
    return getattr(kind, "forward", None) in _NORMS


_NORMS = (nn.BatchNorm1d.forward, nn.InstanceNorm1d.forward)


def _clone(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def _filled(tensor: Tensor) -> Tensor:
    """Values for an input that has none."""
    if not tensor.is_meta:
        return tensor
    values = torch.zeros(tensor.shape, dtype=tensor.dtype)
    return values.uniform_() if values.is_floating_point() else values
