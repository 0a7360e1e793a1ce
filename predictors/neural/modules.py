"""How does a module get the tensors of a file? Its layout is made without memory, then filled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

__all__ = ["filled_module"]

Module = TypeVar("Module", bound=nn.Module)


def filled_module(
    build: Callable[[], Module], tensors: Mapping[str, Tensor], owner: str, *, layers: int = 0
) -> Module:
    """Build a module whose parameters and buffers are the given tensors, in evaluation mode.

    Sizes in a file cost nothing before they are known to be right, and no random numbers are drawn.

    Args:
        build: Function that makes the module.
        tensors: Tensors of any shape, by name.
        owner: What the module is of, for messages.
        layers: Number of its layers.

    Raises:
        ValueError: Tensors that are missing, left over, or of another shape or type.
    """
    if layers > len(tensors):
        raise ValueError(f"{owner} has {layers} layers, but {len(tensors)} tensors")
    with torch.device("meta"):
        module = build()
    wanted = module.state_dict()
    for name in {**wanted, **tensors}:
        expected, found = wanted.get(name), tensors.get(name)
        if _kind(expected) != _kind(found):
            raise ValueError(
                f"the tensor {name[:80]} of {owner} is {_kind(found)}, its settings need "
                f"{_kind(expected)}"
            )
    module.load_state_dict(dict(tensors), assign=True)
    return module.eval()


def _kind(tensor: Tensor | None) -> str:
    return "not there" if tensor is None else f"{tuple(tensor.shape)} of {tensor.dtype}"
