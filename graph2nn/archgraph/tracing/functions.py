"""Which function was called, as a text, and which function does a text mean?"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload, OpOverloadPacket
from torch.nn import functional as F

__all__ = ["REVERSED", "function_at", "path_of"]

REVERSED = {
    "__radd__": "add", "__rsub__": "sub", "__rmul__": "mul", "__rdiv__": "truediv",
    "__rtruediv__": "truediv", "__rfloordiv__": "floordiv", "__rmod__": "mod", "__rpow__": "pow",
    "__rmatmul__": "matmul", "__rlshift__": "lshift", "__rrshift__": "rshift", "__rand__": "and_",
    "__ror__": "or_", "__rxor__": "xor", "rsub": "sub",
}  # fmt: skip
"""Functions whose first argument stands on the right → the operator with both in their places."""

_TORCH = getattr(torch, "_C")  # noqa: B009
_OPERATORS = frozenset(REVERSED.values())
_HOMES: dict[str, Any] = {
    "torch.Tensor": Tensor,
    "torch.nn.functional": F,
    "torch": torch,
    "torch.linalg": torch.linalg,
    "torch.fft": torch.fft,
    "torch.special": torch.special,
    "torch.autograd": torch.autograd,
    "torch.nn.init": torch.nn.init,
    "torch._C._nn": getattr(_TORCH, "_nn"),  # noqa: B009 - private names
}
# Of `torch` itself only what computes: it also has functions that read files, say.
_COMPUTES = frozenset(dir(getattr(_TORCH, "_VariableFunctions"))) - {"from_file"}  # noqa: B009
_ALSO = frozenset(torch.functional.__all__)


def path_of(function: Any) -> str:
    """Return the text by which `function_at` finds a function again; "" where it would not.

    Args:
        function: Function as a `TorchFunctionMode` sees it.
    """
    name = getattr(function, "__name__", "")
    if not name:
        return ""
    if name in ("__get__", "__set__"):
        return f"torch.Tensor.{getattr(function.__self__, '__name__', '')}.{name}"
    for home, owner in _HOMES.items():
        # `Tensor.__pow__` calls itself "pow", `linalg.norm` "linalg_norm".
        short = name.removeprefix(home.rpartition(".")[2] + "_")
        for known in dict.fromkeys([name, f"__{name}__", short]):
            if getattr(owner, known, None) == function:
                return f"{home}.{known}"
    if isinstance(function, (OpOverload, OpOverloadPacket)):
        return f"torch.ops.{function}"
    return ""


def function_at(path: str) -> Callable:
    """Return the function that a text means.

    Raises:
        ValueError: No function of torch that computes, or an empty text.
    """
    home, _, name = path.rpartition(".")
    found = None
    if home == "operator" and name in _OPERATORS:
        found = getattr(operator, name)
    elif name in ("__get__", "__set__") and home.startswith("torch.Tensor."):
        found = getattr(getattr(Tensor, home.removeprefix("torch.Tensor."), None), name, None)
    elif home == "torch":
        found = getattr(torch, name, None) if name in _COMPUTES | _ALSO else None
    elif home in _HOMES:
        found = getattr(_HOMES[home], name, None)
    elif path.startswith("torch.ops."):
        found = _operator_at(path.removeprefix("torch.ops.").split("."))
    if not callable(found):
        raise ValueError(f"expected the name of a function of torch that computes, got {path!r}")
    return found


def _operator_at(names: list[str]) -> Any:
    found: Any = torch.ops
    for name in names:
        found = getattr(found, name, None)
    kinds = (OpOverload, OpOverloadPacket)
    return found if isinstance(found, kinds) else None
