"""What does each module of a network hold? Parameters, each counted once, and buffers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

__all__ = ["Holding", "bytes_of", "holdings"]


@dataclass(kw_only=True)
class Holding:
    """What a module holds, without the modules inside of it.

    Attributes:
        path: Qualified name; a module that is registered twice has two holdings.
        kind: Name of the class.
        depth: Number of modules around it.
        same_as: Qualified name under which this very module comes before, and is counted.
        parameters, trainable, parameter_bytes: Numbers of scalars, and bytes, of the parameters
            that no module before holds; weights that a quantised layer has packed are among them.
        quantised: Number of scalars of packed weights.
        buffer_bytes: Bytes of the buffers.
        tied: Own name of each parameter that another module holds before, with its name there.
    """

    path: str
    kind: str
    depth: int
    same_as: str | None = None
    parameters: int = 0
    trainable: int = 0
    quantised: int = 0
    parameter_bytes: int = 0
    buffer_bytes: int = 0
    tied: dict[str, str] = field(default_factory=dict)


def holdings(model: nn.Module) -> list[Holding]:
    """List what each module of a network holds, in the order of registration.

    Examples:
        >>> [(found.path, found.parameters) for found in holdings(nn.Sequential(nn.Linear(3, 5)))]
        [('', 0), ('0', 20)]
    """
    modules: dict[int, str] = {}
    tensors: dict[int, str] = {}
    return list(_walk(model, "", 0, modules, tensors))


def _walk(
    module: nn.Module, path: str, depth: int, modules: dict[int, str], tensors: dict[int, str]
) -> Iterator[Holding]:
    found = Holding(path=path, kind=type(module).__name__, depth=depth)
    if id(module) in modules:
        found.same_as = modules[id(module)]
        yield found
        return
    modules[id(module)] = path
    prefix = f"{path}." if path else ""
    for name, parameter in module._parameters.items():
        if parameter is None:
            continue
        first = tensors.setdefault(id(parameter), prefix + name)
        if first != prefix + name:
            found.tied[name] = first
            continue
        found.parameters += _scalars(parameter)
        found.trainable += _scalars(parameter) * parameter.requires_grad
        found.parameter_bytes += bytes_of(parameter)
    for packed in _packed(module):
        found.parameters += packed.numel()
        found.quantised += packed.numel()
        found.parameter_bytes += bytes_of(packed)
    for name, buffer in module._buffers.items():
        if buffer is not None and tensors.setdefault(id(buffer), prefix + name) == prefix + name:
            found.buffer_bytes += bytes_of(buffer)
    yield found
    for name, child in vars(module)["_modules"].items():
        if child is not None:
            yield from _walk(child, prefix + name, depth + 1, modules, tensors)


def _scalars(parameter: Tensor) -> int:
    """Number of values of a parameter, none of one that has no shape yet."""
    return 0 if isinstance(parameter, nn.UninitializedParameter) else math.prod(parameter.shape)


def bytes_of(tensor: Tensor) -> int:
    """Return the bytes of a tensor of any shape; of one made of others, theirs."""
    if isinstance(tensor, nn.UninitializedParameter):
        return 0
    if hasattr(tensor, "__tensor_flatten__"):
        inner: tuple[list[str], Any] = tensor.__tensor_flatten__()
        return sum(bytes_of(getattr(tensor, name)) for name in inner[0])
    return tensor.numel() * tensor.element_size()


def _packed(module: nn.Module) -> Iterator[Tensor]:
    """The weights and biases of a quantised layer of torch, which are no parameters of it."""
    if ".quantized." not in type(module).__module__:
        return
    for names in (("weight", "bias"), ("get_weight", "get_bias")):
        for name in names:
            give = getattr(module, name, None)
            if callable(give) and not isinstance(give, Tensor):
                given = give()
                values = given.values() if isinstance(given, dict) else (given,)
                yield from (value for value in values if isinstance(value, Tensor))
