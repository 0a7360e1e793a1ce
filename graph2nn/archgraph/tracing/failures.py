"""Why can a network not be traced, and what helps? Messages with the operation and the module."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.tracing.caller.finding import tensors_in
from graph2nn.archgraph.tracing.caller.inputs import default_input_size
from graph2nn.archgraph.tracing.recorder import ParamInfo, Recorder, Trace

__all__ = [
    "TraceError",
    "describe_failure",
    "failing_module",
    "partial_trace",
    "refuse_nested",
    "trace_error",
]

_ADVICE = "pass `input=` with tensors the model accepts, or set `model.expected_input_sz`"
_NO_VALUES = "the model is on the meta device and has no values, which this step reads; "
_FROM_WEIGHTS = _NO_VALUES + "trace it on a real device"
_FROM_INPUTS = _NO_VALUES + "an input on a real device may be enough (masks, lengths)"
# Part of a file's path on the error's stack → what is not supported, and what to do instead.
_UNSUPPORTED = {
    "attention/flex_attention": (
        "flex_attention, which runs inside torch's compiler only",
        "use scaled_dot_product_attention (Hugging Face: attn_implementation='sdpa') to trace it",
    ),
    "_higher_order_ops": (
        "torch.cond and other control flow of torch's compiler (while_loop, scan, map)",
        "write the branch or loop in Python to trace it",
    ),
    "torch/nested": (
        "nested tensors (torch.nested)",
        "pad them to one length (`nested.to_padded_tensor`) to trace it",
    ),
    "torch._dynamo": (
        "code that only torch's compiler runs",
        "trace the original, not compiled function",
    ),
}


class TraceError(ValueError):
    """The model cannot run on its input.

    Args:
        failure: What failed, without what to do about it.
        module: Qualified name of the innermost module at work; "" for the network itself.
        operation: Name of the operation that failed; "" where that was none.
        advice: What to do.

    Attributes:
        trace: Record until then, whose last op is the operation that failed.
        graph: The full view of that; None where it is not known.
    """

    trace: Trace | None = None
    graph: ArchGraph | None = None

    def __init__(self, failure: str, *, module: str, operation: str = "", advice: str = "") -> None:
        super().__init__(f"{failure}; {advice}" if advice else failure)
        self.failure, self.module, self.operation = failure, module, operation


def trace_error(
    model: nn.Module, paths: dict[int, str], input: Any, error: BaseException
) -> TraceError:
    """Make the error that says what failed, where, and what to do.

    Args:
        model: The network.
        paths: Qualified name of every module, by id.
        input: Example input, of any kind; None for the default.
        error: Error of the last attempt.
    """
    operation = _failing_operation(error)
    call = f" in operation '{operation}'" if operation else ""
    given = "the given input"
    if input is None:
        given = f"an input of shape (1, {', '.join(map(str, default_input_size(model)))})"
    where = failing_module(paths, error)
    what, advice = _kind_of_failure(model, input, error)
    reason = f"it uses {what}, not supported here" if what else describe_failure(paths, error)
    return TraceError(
        f"cannot trace {type(model).__name__} on {given}{call}: {reason}",
        module=where,
        operation=operation,
        advice=advice,
    )


def refuse_nested(model: nn.Module, input: Any) -> None:
    """Raise the error for an input that holds nested tensors without strides.

    Raises:
        TraceError: It does.
    """
    if any(t.is_nested and t.layout == torch.strided for t in tensors_in(input)):
        what, advice = _UNSUPPORTED["torch/nested"]
        raise TraceError(
            f"cannot trace {type(model).__name__}: its input holds {what}, not supported here",
            module="",
            advice=advice,
        )


def _kind_of_failure(model: nn.Module, input: Any, error: BaseException) -> tuple[str, str]:
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    files.append(type(error).__module__)
    found = [kind for part, kind in _UNSUPPORTED.items() if any(part in f for f in files)]
    if "nestedtensor" in str(error).lower() or "nested tensor" in str(error).lower():
        return _UNSUPPORTED["torch/nested"]
    if found:
        return found[0]
    if "meta" in str(error).lower() and any(p.is_meta for p in model.parameters()):
        given = tensors_in(input)
        return "", _FROM_INPUTS if given and all(t.is_meta for t in given) else _FROM_WEIGHTS
    return "", _ADVICE


def failing_module(paths: dict[int, str], error: BaseException) -> str:
    """Find the innermost module on the error's stack; "" for the network itself."""
    where = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        where = paths.get(id(frame.f_locals.get("self"))) or where
    return where


def _failing_operation(error: BaseException) -> str:
    """Find the function that was being called when the error came; "" where that was none."""
    found = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is Recorder.call.__code__:
            found = str(frame.f_locals.get("name"))
    return found


def partial_trace(recorder: Recorder, infos: list[ParamInfo], error: BaseException) -> Trace:
    """Make the record of what ran before an error, with the failure as its last op.

    That is the operation that failed; else the kind of the error, behind the last operation.
    """
    name, args, kwargs = type(error).__name__, (), {}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is Recorder.call.__code__ and frame.f_locals.get("self") is recorder:
            values = frame.f_locals
            name, args, kwargs = values["name"], values["args"], values["kwargs"]
    recorder.note_failure(name, args, kwargs)
    return recorder.finished(infos, {len(recorder.ops) - 1: ()})


def describe_failure(paths: dict[int, str], error: BaseException) -> str:
    """Say in which module an error came, and its first line."""
    where = failing_module(paths, error)
    what = next(_lines(str(error)), "")
    module = f"module '{where}'" if where else "the top module"
    return f"{module} failed: {type(error).__name__}: {what}"


def _lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.strip())
