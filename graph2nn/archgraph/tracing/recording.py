"""Running a module once for the recorder, and leaving it exactly as it was."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from graph2nn.archgraph.tracing.call_log import CallLog
from graph2nn.archgraph.tracing.observing import CallObserver
from graph2nn.archgraph.tracing.recorder import ParamInfo, Recorder, Trace, tensors_in
from graph2nn.archgraph.tracing.scopes import Scopes

__all__ = ["TraceError", "call_arguments", "default_input_size", "record", "to_meta"]

_ADVICE = "pass `input=` with tensors the model accepts, or set `model.expected_input_sz`"
_OWN_TABLES = {"_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"}


class TraceError(ValueError):
    """The model cannot run on its input.

    Args:
        failure: What failed, without what to do about it.
        module: Qualified name of the innermost module at work; "" for the network itself.
        advice: What to do.
    """

    def __init__(self, failure: str, *, module: str, advice: str = "") -> None:
        super().__init__(f"{failure}; {advice}" if advice else failure)
        self.failure, self.module = failure, module


def default_input_size(model: nn.Module) -> tuple[int, ...]:
    """Find the shape of one input without the batch axis.

    It is (3, s, s), or what `model.expected_input_sz` says. s = 224; 299 for torchvision's
    Inception3. `expected_input_sz` is an integer (images of that side) or a full shape.
    """
    size = getattr(model, "expected_input_sz", None)
    if size is None:
        size = 299 if type(model).__name__ == "Inception3" else 224
    return (3, size, size) if isinstance(size, int) else tuple(size)


def record(
    model: nn.Module,
    input: Any = None,
    *,
    fast: bool = True,
    training: bool = True,
    calls: bool = False,
    meter: Callable[[], CallObserver] | None = None,
    batch: int = 2,
) -> Trace:
    """Record one forward pass of `model` on meta tensors (nothing is computed).

    A model that needs values, not only shapes (detectors, `.item()` in the forward pass), is run on
    real tensors instead, batch 1 in eval mode; `Trace.note` then says so.

    Args:
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
    if any(isinstance(m, torch.jit.ScriptModule) for m in model.modules()):
        raise ValueError(
            f"cannot trace {type(model).__name__}: it contains TorchScript modules, whose "
            "operations cannot be seen from Python; pass the original nn.Module instead"
        )
    if any(isinstance(p, nn.UninitializedParameter) for p in model.parameters()):
        raise ValueError(
            f"cannot trace {type(model).__name__}: a lazy module has no shapes yet; "
            "run the model on one batch first"
        )
    with _unchanged(model) as names:
        paths = {module: entry[0] for module, entry in names.items()}

        def recorder(fast: bool) -> Recorder:
            log, observer = CallLog(paths) if calls else None, meter() if meter else None
            scopes = Scopes(observer)
            scopes.watch(paths)
            return Recorder(fast=fast, log=log, scopes=scopes, meter=observer)

        try:
            return _record_meta(model.train(training), names, input, recorder(fast), batch)
        except Exception as error:
            reason = _describe_failure(model, error)
        _restore_attributes(names)
        try:
            return _record_real(model.eval(), names, input, recorder(False), reason)
        except Exception as error:
            where = _failing_module(model, error)
            raise TraceError(_failure(model, input, error), module=where, advice=_ADVICE) from error


def _record_meta(
    model: nn.Module, names: dict, input: Any, recorder: Recorder, batch: int
) -> Trace:
    params: list[ParamInfo] = []
    copies: dict[int, Tensor] = {}
    buffers: list[Tensor] = []
    for module, (path, _, own, others) in names.items():
        prefix = path + "." if path else ""
        for key, p in own.items():
            if p is None:
                continue
            if id(p) not in copies:
                copies[id(p)] = torch.empty(p.shape, dtype=p.dtype, device="meta")
                params.append(ParamInfo(prefix + key, tuple(p.shape), module))
            module._parameters[key] = copies[id(p)]  # type: ignore[assignment]
        for key, b in others.items():
            if b is not None:
                module._buffers[key] = torch.empty(b.shape, dtype=b.dtype, device="meta")
                buffers.append(module._buffers[key])  # type: ignore[arg-type]
    recorder.watch_params(list(copies.values()), [p.name for p in params])
    recorder.watch_buffers(buffers)
    if input is None:
        size = (batch, *default_input_size(model))
        input = torch.empty(size, dtype=_precision(model), device="meta")
    args, kwargs = call_arguments(to_meta(input))
    outputs = _run(model, recorder, args, kwargs)
    return recorder.finished(params, outputs)


def _record_real(
    model: nn.Module, names: dict, input: Any, recorder: Recorder, reason: str
) -> Trace:
    params: dict[int, tuple[ParamInfo, Tensor]] = {}
    for module, (path, _, own, others) in names.items():
        prefix = path + "." if path else ""
        for key, p in own.items():
            if p is not None and id(p) not in params:
                params[id(p)] = (ParamInfo(prefix + key, tuple(p.shape), module), p)
        for key, b in others.items():
            if b is not None:  # a copy, so that no update survives
                module._buffers[key] = b.clone()
    recorder.watch_params([p for _, p in params.values()], [p.name for p, _ in params.values()])
    if input is None:
        device = next((p.device for _, p in params.values()), torch.device("cpu"))
        generator = torch.Generator().manual_seed(0)
        input = torch.rand((1, *default_input_size(model)), generator=generator)
        input = input.to(device, _precision(model))
    args, kwargs = call_arguments(_beside(model, input))
    outputs = _run(model, recorder, args, kwargs)
    note = f"run on real values in eval mode, because on meta tensors: {reason}"
    infos = [info for info, _ in params.values()]
    return recorder.finished(infos, outputs, note)


def _run(
    model: nn.Module, recorder: Recorder, args: tuple, kwargs: dict
) -> dict[int, tuple[int, ...]]:
    for t in tensors_in((args, kwargs)):
        recorder.watch_input(t)
    with torch.no_grad(), recorder.observing(), recorder:
        out = model(*args, **kwargs)
    return recorder.producers(out)


def _precision(model: nn.Module) -> torch.dtype:
    """Of the images that a half-precision model, say, accepts."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def call_arguments(input: Any) -> tuple[tuple, dict]:
    """Split an example input into positional and keyword arguments."""
    if isinstance(input, dict):
        return (), input
    return (input if isinstance(input, tuple) else (input,)), {}


def to_meta(value: Any) -> Any:
    """Return a value, nested in lists and dictionaries or not, with tensors that hold nothing."""
    return _mapped(
        lambda t: torch.empty_strided(t.size(), t.stride(), dtype=t.dtype, device="meta"), value
    )


def _beside(model: nn.Module, value: Any) -> Any:
    """An example input, its tensors moved to the model where nothing of it is on their device."""
    places = dict.fromkeys(t.device for t in (*model.parameters(), *model.buffers()))
    home = next(iter(places), None)
    return _mapped(lambda t: t if home is None or t.device in places else t.to(home), value)


def _mapped(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """A value, nested in lists and dictionaries or not, with its tensors changed."""
    if isinstance(value, Tensor):
        return change(value)
    if type(value) in (tuple, list):
        return type(value)(_mapped(change, v) for v in value)
    if isinstance(value, dict):
        return {k: _mapped(change, v) for k, v in value.items()}
    return value


def _copy_container(value: Any) -> Any:
    return value.copy() if type(value) in (list, dict, set) else None


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[dict]:
    """Snapshots the attributes of every module and puts them back: flags, caches, parameters,
    buffers.

    Yields module → (qualified path, attributes, parameters, buffers).
    """
    names: dict[nn.Module, tuple] = {}
    for path, module in model.named_modules():
        attributes = [(k, v, _copy_container(v)) for k, v in module.__dict__.items()]
        tables = dict(module._parameters), dict(module._buffers)
        names[module] = (path, attributes, *tables)
    try:
        yield names
    finally:
        _restore_attributes(names)


def _restore_attributes(names: dict) -> None:
    for module, (_, attributes, own, buffers) in names.items():
        state = module.__dict__
        state.clear()
        for key, value, content in attributes:
            state[key] = value
            if content is not None and key not in _OWN_TABLES:
                _refill(value, content)
        module._parameters.clear()
        module._parameters.update(own)
        module._buffers.clear()
        module._buffers.update(buffers)


def _refill(container: Any, content: Any) -> None:
    if isinstance(container, list):
        container[:] = content
    else:
        container.clear()
        container.update(content)


def _failing_module(model: nn.Module, error: BaseException) -> str:
    """The innermost module on the error's stack; "" for the network itself."""
    paths = {id(m): name for name, m in model.named_modules()}
    where = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        where = paths.get(id(frame.f_locals.get("self"))) or where
    return where


def _describe_failure(model: nn.Module, error: BaseException) -> str:
    """The innermost module on the error's stack, and the message."""
    where = _failing_module(model, error)
    what = next((line for line in str(error).splitlines() if line.strip()), "")
    module = f"module '{where}'" if where else "the top module"
    return f"{module} failed: {type(error).__name__}: {what}"


def _failure(model: nn.Module, input: Any, error: BaseException) -> str:
    call = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is Recorder.call.__code__:
            call = f" in operation '{frame.f_locals.get('name')}'"
    given = "the given input"
    if input is None:
        given = f"an input of shape (1, {', '.join(map(str, default_input_size(model)))})"
    return (
        f"cannot trace {type(model).__name__} on {given}{call}: {_describe_failure(model, error)}"
    )
