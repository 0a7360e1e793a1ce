"""Which parameters does the output of a network depend on? Autograd's answer, tracing's judge."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["call", "outputs", "used"]


def call(model: nn.Module, input: Any) -> Any:
    """Run a network on a copy of an example input, which some overwrite."""
    input = deepcopy(input)
    if isinstance(input, dict):
        return model(**input)
    return model(*input) if isinstance(input, tuple) else model(input)


def outputs(value: Any) -> list[Tensor]:
    """Every tensor in what a network returns."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    elif hasattr(value, "__dict__") and not isinstance(value, (list, tuple, type)):
        value = list(vars(value).values())
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in outputs(item)]
    return []


def used(model: nn.Module, input: Any) -> set[str]:
    """Names of the parameters that a gradient reaches, in the mode that the network is in.

    The network is spoilt: flags, caches and buffers are those of after a training step.
    """
    wanted: dict[str, nn.Parameter] = {}
    for name, p in model.named_parameters():
        if p.is_floating_point() or p.is_complex():
            wanted[name] = p.requires_grad_(True)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        found = [t for t in outputs(call(model, input)) if t.requires_grad]
        ways = [t.abs().sum() if t.is_complex() else t.float().sum() for t in found]
        if not ways:
            return set()
        total = torch.stack(ways).sum()
        grads = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
    return {name for name, grad in zip(wanted, grads) if grad is not None}
