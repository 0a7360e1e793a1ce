"""Zen-score: how much a random network's features change when its input does."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from predictors.proxies.probe import ProxyProbe, is_weight
from predictors.proxies.registry import proxy

__all__ = ["zen"]

_STEP = 0.01
_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@proxy("zen", "Zen-NAS, arXiv:2102.01063, algorithm 1")
@torch.no_grad()
def zen(probe: ProxyProbe) -> float:
    """Compute the Zen score: how much features feel noise on the image, without normalisation.

    It is log E |f(x) - f(x + 0.01 e)|₁ + Σ log σ, f the features before global pooling of the
    network with Gaussian weights, x and e Gaussian images, σ² the mean variance of the channels
    that enter each batch normalisation: what the normalisation took away is put back. σ is of the
    batch, as in the paper; the official code reads the running average. One draw of weights, where
    the paper averages 32.

    Raises:
        ValueError: No feature map, or features that do not change.
    """
    rng = probe.generator()
    values = {n: _redrawn(n, p, rng) for n, p in probe.parameters().items()}
    x, step = (_gaussian(probe.images, rng) for _ in range(2))
    features, log_scale = _features(probe, values, x)
    moved, _ = _features(probe, values, x + _STEP * step)
    change = float((features - moved).double().abs().flatten(1).sum(1).mean())
    if not 0 < change < math.inf:
        raise ValueError(f"the features change by {change:g}: no path from the input")
    return math.log(change) + log_scale


def _gaussian(like: Tensor, rng: torch.Generator) -> Tensor:
    """Drawn on the CPU, so that the score does not depend on the device."""
    return torch.empty_like(like, device="cpu").normal_(generator=rng).to(like.device)


def _redrawn(name: str, parameter: Tensor, rng: torch.Generator) -> Tensor:
    """Standard normal weights, zero biases, normalisation without effect."""
    if is_weight(name, parameter):
        return _gaussian(parameter, rng)
    if parameter.dim() == 1:
        return torch.full_like(parameter, float(name.endswith("weight")))
    return parameter


def _features(probe: ProxyProbe, values: dict[str, Tensor], x: Tensor) -> tuple[Tensor, float]:
    """Features before global pooling, and the sum of the logarithms of σ."""
    last: dict[str, Tensor] = {}
    logs: list[float] = []

    def watch(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            dims = [d for d in range(args[0].dim()) if d != 1]
            variance = args[0].double().var(dims, correction=0).mean()
            logs.append(0.5 * math.log(float(variance)))
        if isinstance(module, _POOLS):
            last["pooled"] = args[0].clone()
        elif isinstance(output, Tensor) and output.dim() == 4:
            last["map"] = output.clone()
        elif isinstance(module, nn.Linear):
            last["input"] = args[0].clone()

    with probe.hooks(lambda name, _: name != "", watch):
        probe.forward(values, x)
    for kind in ("pooled", "map", "input"):
        if kind in last:
            return last[kind], sum(logs)
    raise ValueError("the network has no feature map")
