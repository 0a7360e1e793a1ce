"""Which network is meant? A module, one of its methods, or a function with the modules it uses."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

__all__ = ["as_network", "modules_of", "set_mode"]


def as_network(target: Any) -> tuple[nn.Module, Callable]:
    """Return the module that holds the parameters of `target`, and the function that is called.

    Args:
        target: A module; a method of one; or a function, whose parameters are those of the modules
            and the parameters among its variables, under the names they have there.

    Raises:
        ValueError: Nothing that can be called.
    """
    if isinstance(target, nn.Module):
        return target, target.forward
    if isinstance(target, types.MethodType) and isinstance(target.__self__, nn.Module):
        return target.__self__, target
    if isinstance(target, type) or not callable(target):
        kind = target.__name__ if isinstance(target, type) else type(target).__name__
        hint = f"; call it first: {kind}(...)" if isinstance(target, type) else ""
        raise ValueError(f"expected a network (torch.nn.Module) or a function, got {kind}{hint}")
    holder = type(_name_of(target), (nn.Module,), {})()
    for name, value in _variables(target):
        if isinstance(value, nn.Module) and name not in holder._modules:
            holder._modules[name] = value
        elif isinstance(value, nn.Parameter) and name not in holder._parameters:
            holder._parameters[name] = value
    return holder, target


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)


def _variables(target: Any) -> Iterator[tuple[str, Any]]:
    """What a function reads besides its arguments, by the name of the variable."""
    if isinstance(target, functools.partial):
        yield from _variables(target.func)
        yield from ((f"argument{k}", value) for k, value in enumerate(target.args))
        yield from target.keywords.items()
    elif isinstance(target, types.MethodType):
        yield from getattr(target.__self__, "__dict__", {}).items()
        yield from _variables(target.__func__)
    elif isinstance(target, types.FunctionType):
        found = inspect.getclosurevars(target)
        yield from (*found.nonlocals.items(), *found.globals.items())
        for value in (*(target.__defaults__ or ()), *found.nonlocals.values()):
            if isinstance(value, (types.FunctionType, types.MethodType, functools.partial)):
                yield from _variables(value)
    else:
        yield from getattr(target, "__dict__", {}).items()


def modules_of(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """List every module of a network once, with its qualified name, parents first.

    No method of the network is called: some networks name attributes as these.
    """
    found: list[tuple[str, nn.Module]] = []
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [("", model)]
    while stack:
        path, module = stack.pop()
        if module is None or id(module) in seen:
            continue
        seen.add(id(module))
        found.append((path, module))
        if module._modules:
            prefix = path + "." if path else ""
            stack.extend([(prefix + k, m) for k, m in reversed(module._modules.items())])
    return found


def set_mode(modules: list[tuple[str, nn.Module]], training: bool) -> None:
    """Set train or eval mode as the network does it, or of every module where it cannot.

    Args:
        modules: Modules of the network with their names, itself first.
        training: Whether it is train mode.
    """
    own = any(kind.train is not nn.Module.train for kind in {type(m) for _, m in modules})
    if own and not any("train" in m.__dict__ or "children" in m.__dict__ for _, m in modules):
        modules[0][1].train(training)
    else:
        for _, module in modules:
            module.__dict__["training"] = training
